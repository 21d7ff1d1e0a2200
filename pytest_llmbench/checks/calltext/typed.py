"""Values written as plain text, read as the tool's schema asks."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_llmbench.prompts.suite import Json

_INTEGER: Final = re.compile(r"[-+]?\d{1,400}")
_NUMBER: Final = re.compile(r"[-+]?\d{1,400}(?:\.\d{1,400})?(?:[eE][-+]?\d{1,3})?")
_BOOLEANS: Final = {"true": True, "false": False}
_CHOICES: Final = ("anyOf", "oneOf", "allOf")
_MAX_CHOICES: Final = 20


def typed_value(text: str, schema: Json) -> Json:
    """Read a text as the first type of its schema that fits; else it stays text.

    >>> typed_value("5", {"type": "integer"}), typed_value("5", {"type": "string"})
    (5, '5')
    >>> typed_value("null", {"type": ["integer", "null"]}) is None
    True
    """
    types = set(_types(schema))
    bare = text.strip()
    for name, read in _READERS.items():
        if name in types:
            value = read(bare)
            if value is not _UNFIT:
                return value
    return text


def _types(schema: Json) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    named = schema.get("type")
    for name in named if isinstance(named, list) else [named]:
        if isinstance(name, str):
            yield name
    yield from map(_type_of, _allowed(schema))
    for word in _CHOICES:
        choices = schema.get(word)
        for choice in choices[:_MAX_CHOICES] if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                plain = {key: choice[key] for key in choice.keys() - set(_CHOICES)}
                yield from _types(plain)


def _allowed(schema: dict[str, Json]) -> list[Json]:
    """Return the values that a schema without a type allows."""
    if "type" in schema:
        return []
    values = schema.get("enum")
    given = values[:_MAX_CHOICES] if isinstance(values, list) else []
    return [*given, schema["const"]] if "const" in schema else given


def _type_of(value: Json) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


_UNFIT: Final[Json] = "\0unfit"
"""Stands for no value; it is compared by identity."""


def _null(text: str) -> Json:
    return None if text.lower() in {"null", "none"} else _UNFIT


def _boolean(text: str) -> Json:
    return _BOOLEANS.get(text.lower(), _UNFIT)


def _integer(text: str) -> Json:
    return int(text) if _INTEGER.fullmatch(text) else _UNFIT


def _number(text: str) -> Json:
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else _UNFIT


def _nested(text: str) -> Json:
    if not text.startswith(("{", "[")):
        return _UNFIT
    try:
        value: Json = json.loads(text)
    except (ValueError, RecursionError):
        return _UNFIT
    return value


_READERS: Final[dict[str, Callable[[str], Json]]] = {
    "null": _null,
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "object": _nested,
    "array": _nested,
}
"""Tried in this order; a text that fits none stays as it is."""
