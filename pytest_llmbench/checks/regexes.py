"""Regular expressions in linear time: no pattern can make a check hang."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.checks.sameness import CACHE_SIZE
from pytest_llmbench.checks.shown import SHORT_LIMIT, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

_NO_LOOKAROUND: Final = (
    "RE2 (linear time) has no lookahead, lookbehind, atomic group or named "
    "backreference"
)
_NO_ESCAPE: Final = "RE2 (linear time) has no backreference and no such escape"
_HINTS: Final = {
    "invalid perl operator": _NO_LOOKAROUND,
    "invalid escape sequence": _NO_ESCAPE,
    "invalid repetition size": "RE2 (linear time) repeats at most 1000 times",
}


def regex_fault(pattern: str) -> str:
    r"""Say why a pattern cannot be used, or '' if it can.

    >>> regex_fault(r"\d+ degrees")
    ''
    >>> regex_fault("(unclosed")
    'no valid pattern: missing ): (unclosed'
    """
    import re2

    try:
        _compiled(pattern)
    except re2.error as error:
        return _reason(error.args[0])
    except UnicodeEncodeError:
        return "no valid pattern: it holds half of a surrogate pair"
    return ""


def _reason(raw: bytes | str) -> str:
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    hints = (f"; {hint}" for words, hint in _HINTS.items() if text.startswith(words))
    return f"no valid pattern: {one_line(text, SHORT_LIMIT)}{next(hints, '')}"


def matches_fully(pattern: str, text: str) -> bool:
    """Tell whether the whole text matches."""
    return _compiled(pattern).fullmatch(_encodable(text)) is not None


def matches_within(pattern: str, text: str) -> bool:
    """Tell whether some part of the text matches."""
    return _compiled(pattern).search(_encodable(text)) is not None


def any_matches_within(patterns: Iterable[str], text: str) -> bool:
    """Tell whether some part of the text matches one of the patterns."""
    return any(matches_within(pattern, text) for pattern in patterns)


@lru_cache(maxsize=CACHE_SIZE)
def _compiled(pattern: str) -> Any:  # noqa: ANN401 - re2 has no type stubs
    import re2

    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def _encodable(text: str) -> str:
    r"""Replace halves of surrogate pairs, which are no characters, by U+FFFD.

    >>> _encodable("a\ud800b")
    'a\ufffdb'
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    return text
