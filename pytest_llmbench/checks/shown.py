"""Values as short, safe, one-line text for a person.

What a model wrote is never printed raw: it may hold line ends, terminal escapes
or text-direction marks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from pytest_llmbench.masking import masked_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_llmbench.checks.reply import ToolCall

LIMIT: Final = 200
"""Characters shown of an expected or a received value."""

SHORT_LIMIT: Final = 80
"""Characters shown of a value inside a sentence."""

FAULT_LIMIT: Final = 500
"""Characters shown of a fault in a suite."""

NO_CALL: Final = "no call"


def one_line(text: str, limit: int = LIMIT) -> str:
    r"""Escape what does not print, and cut what is long.

    >>> one_line("a\n\x1b[31mred")
    'a\\n\\x1b[31mred'
    >>> one_line("abcdef", limit=3)
    'abc… (6 chars)'
    """
    if len(text) > limit:  # what is cut off within a secret shows half of it
        text = masked_text(text)
    if text[:limit].isprintable():
        return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} chars)"
    shown = ""
    for character in text:
        piece = _escaped(character)
        if len(shown) + len(piece) > limit:
            return f"{shown}… ({len(text)} chars)"
        shown += piece
    return shown


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


def shown_value(value: object, limit: int = LIMIT) -> str:
    """Show a value as JSON.

    >>> shown_value({"city": "Oslo", "days": [1, 2.5, True, None]})
    '{"city": "Oslo", "days": [1, 2.5, true, null]}'
    """
    return one_line(_json_text(value), limit)


def _json_text(value: object) -> str:
    if isinstance(value, Mapping):
        value = dict(value)
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, TypeError, ValueError):
        return "a value too deep or too large to show"


def shown_call(name: str, arguments: Mapping[str, object] | None) -> str:
    """Show a call as a person would write it.

    >>> shown_call("get_weather", {"city": "Oslo", "days": 3})
    'get_weather(city="Oslo", days=3)'
    >>> shown_call("get_weather", None)
    'get_weather(<not a JSON object>)'
    """
    return one_line(_call_text(name, arguments))


def _call_text(name: str, arguments: Mapping[str, object] | None) -> str:
    if arguments is None:
        return f"{name}(<not a JSON object>)"
    inside = (f"{key}={_json_text(value)}" for key, value in arguments.items())
    return f"{name}({', '.join(inside)})"


def shown_calls(calls: Iterable[ToolCall]) -> str:
    """Show calls in the order they came, or `no call`."""
    texts = (_call_text(call.name, call.arguments) for call in calls)
    return one_line(", ".join(texts) or NO_CALL)


def shown_names(names: Iterable[str], between: str = ", ") -> str:
    """Show tool names, or `no call`.

    >>> shown_names(["a", "b"], between=" → "), shown_names([])
    ('a → b', 'no call')
    """
    return one_line(between.join(names) or NO_CALL)


def shown_path(path: Sequence[str | int]) -> str:
    """Name a place inside a value.

    >>> shown_path(["items", 2, "name"]), shown_path(["odd key"]), shown_path([])
    ('items[2].name', '["odd key"]', 'the value')
    """
    text = ""
    for part in path:
        if isinstance(part, str) and part.isidentifier():
            text += f".{part}" if text else part
        else:
            text += f"[{_json_text(part)}]"
    return one_line(text, SHORT_LIMIT) or "the value"
