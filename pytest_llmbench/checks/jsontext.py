"""JSON in a model's text: alone, as asked, or buried among other words."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Final, NoReturn

from msgspec import Struct

from pytest_llmbench.checks.shown import SHORT_LIMIT, shown_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_llmbench.prompts.suite import Json

MAX_DEPTH: Final = 100
"""Levels of nesting that are judged; a deeper answer fails with its reason."""

_TOO_DEEP: Final = f"the JSON is nested more than {MAX_DEPTH} levels deep"
_FENCE: Final = "```"
_FIRST_WINDOW: Final = 4096
_LONGEST_TOKEN: Final = len(r"\ud83d\ude00")
_OPENER: Final = re.compile(r"[\[{]")


class Parsed(Struct, frozen=True, kw_only=True):
    """A text read as JSON.

    Attributes:
        why: what keeps the text from being one JSON value; empty if it is.
    """

    value: Json = None
    why: str = ""


class _RefusedError(ValueError):
    """JSON that decodes, but that we do not accept."""


def parse_only_json(text: str) -> Parsed:
    """Read a text that must be JSON and nothing else, white space aside.

    Stricter than Python's reader: no NaN or Infinity, no key twice.

    >>> parse_only_json('{"a": 1}').value
    {'a': 1}
    >>> parse_only_json('Here you are: {"a": 1}').why
    'valid JSON is inside, but text stands around it'
    >>> parse_only_json('[NaN]').why
    'NaN is no JSON value'
    """
    try:
        value: Json = _STRICT.decode(text)
    except _RefusedError as error:
        return Parsed(why=str(error))
    except json.JSONDecodeError as error:
        return Parsed(why=_why_not_json(text, error))
    except RecursionError:
        return Parsed(why=_TOO_DEEP)
    except ValueError:
        return Parsed(why="a number has too many digits to be read")
    if _is_deep(value):
        return Parsed(why=_TOO_DEEP)
    return Parsed(value=value)


def _why_not_json(text: str, error: json.JSONDecodeError) -> str:
    if not text.strip():
        return "there is no text"
    for _ in embedded_values(text):
        around = "a code fence stands" if _is_fenced(text) else "text stands"
        return f"valid JSON is inside, but {around} around it"
    return f"no valid JSON: {error.msg.lower()} at character {error.pos + 1}"


def _is_fenced(text: str) -> bool:
    stripped = text.strip()
    return stripped.startswith(_FENCE) and stripped.endswith(_FENCE)


def _refuse_constant(word: str) -> NoReturn:
    msg = f"{word} is no JSON value"
    raise _RefusedError(msg)


def _refuse_twice(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value: dict[str, Json] = {}
    for key, inner in pairs:
        if key in value:
            msg = f"key {shown_value(key, SHORT_LIMIT)} stands twice"
            raise _RefusedError(msg)
        value[key] = inner
    return value


_STRICT: Final = json.JSONDecoder(
    parse_constant=_refuse_constant, object_pairs_hook=_refuse_twice
)
_LENIENT: Final = json.JSONDecoder()


def _is_deep(value: Json) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _contents(outer)]
        if not any(isinstance(inner, list | dict) for inner in level):
            return False
    return True


def is_storable(value: Json) -> bool:
    """Tell whether a value can be written as JSON and judged.

    >>> is_storable({"a": [1.5]}), is_storable(float("inf"))
    (True, False)
    """
    level = [value]
    for _ in range(MAX_DEPTH):
        if not all(math.isfinite(v) for v in level if isinstance(v, float)):
            return False
        level = [inner for outer in level for inner in _contents(outer)]
        if not level:
            return True
    return False


def _contents(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def embedded_values(text: str) -> Iterator[Json]:
    """Yield the JSON objects and arrays inside a text, outermost, in order.

    Linear in the text: each failed try is charged for what it read, and the
    search ends once failed tries have read the text sixteen times over. Only
    text made to be slow comes near that.

    >>> list(embedded_values('use {x} or {"a": [1]} or [2]'))
    [{'a': [1]}, [2]]
    """
    allowance = 16 * len(text) + 4096
    opener = _OPENER.search(text)
    while opener and allowance > 0:
        tried = decode_at(text, opener.start())
        if tried.is_json:
            yield tried.value
        else:
            allowance -= tried.read
        opener = _OPENER.search(text, tried.end)


def starts_with_json(text: str) -> bool:
    """Tell whether the first bracket of a text opens valid JSON."""
    opener = _OPENER.search(text)
    return opener is not None and decode_at(text, opener.start()).is_json


class Try(Struct, frozen=True, kw_only=True):
    """One try to decode.

    Attributes:
        end: where to go on; past the value, or past the bracket that failed.
        read: bounds the characters that a failed try cost.
    """

    is_json: bool
    end: int
    value: Json = None
    read: int = 0


def decode_at(text: str, start: int) -> Try:
    """Try to decode the JSON value that starts at a place, in windows that grow.

    The reader counts the lines before each error, so that errors far into a long
    text would take the square of its length.
    """
    read, size = 0, _FIRST_WINDOW
    while True:
        window = text[start : start + size]
        try:
            value, length = _LENIENT.raw_decode(window)
        except json.JSONDecodeError as error:
            # An unclosed string is reported where it starts, but was read to the end.
            is_open = error.msg.startswith("Unterminated")
            is_near_end = is_open or error.pos >= len(window) - _LONGEST_TOKEN
            read += len(window) if is_near_end else error.pos + 1
            if not is_near_end or start + size >= len(text):
                return Try(is_json=False, end=start + 1, read=read)
        except (RecursionError, ValueError):
            return Try(is_json=False, end=start + 1, read=read + len(window))
        else:
            return Try(is_json=True, end=start + length, value=value)
        size *= 4
