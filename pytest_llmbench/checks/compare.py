"""Equality that looks at types before values."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

from pytest_llmbench.checks.shown import SHORT_LIMIT, shown_path, shown_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    Path = tuple[str | int, ...]


def first_difference(expected: object, got: object, path: Path = ()) -> str:
    """Say where a value first differs from the expected one, or '' if nowhere.

    A truth value is no number and a text is no number; 5 and 5.0 are one number.

    >>> first_difference({"days": 5}, {"days": 5.0})
    ''
    >>> first_difference({"days": 5}, {"days": "5"})
    'days is "5", not 5'
    >>> first_difference(1, True)
    'the value is true, not 1'
    """
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        return next(_mapping_differences(expected, got, path), "")
    if isinstance(expected, list) and isinstance(got, list):
        return next(_list_differences(expected, got, path), "")
    if kind(expected) == kind(got) and expected == got:
        return ""
    shown = shown_value(got, SHORT_LIMIT)
    return f"{shown_path(path)} is {shown}, not {shown_value(expected, SHORT_LIMIT)}"


def _mapping_differences(
    expected: Mapping[str, object], got: Mapping[str, object], path: Path
) -> Iterator[str]:
    for key, value in expected.items():
        if key not in got:
            yield f"{shown_path((*path, key))} is missing"
        elif why := first_difference(value, got[key], (*path, key)):
            yield why
    for key in got:
        if key not in expected:
            yield f"{shown_path((*path, key))} is not expected"


def _list_differences(
    expected: list[object], got: list[object], path: Path
) -> Iterator[str]:
    for index, (value, received) in enumerate(zip(expected, got, strict=False)):
        if why := first_difference(value, received, (*path, index)):
            yield why
    if len(expected) != len(got):
        yield f"{shown_path(path)} has {len(got)} items, not {len(expected)}"


def kind(value: object) -> str:
    """Name the JSON type of a value.

    >>> [kind(v) for v in (True, 1, 1.5, "1", None, [], {})]
    ['boolean', 'number', 'number', 'string', 'null', 'array', 'object']
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "array"
    return "object" if isinstance(value, Mapping) else type(value).__name__


def identity(value: object) -> Hashable:
    """Return a key that two values share exactly if they do not differ.

    >>> identity([1, {"a": 2}]) == identity([1.0, {"a": 2.0}])
    True
    >>> identity(1) == identity(True)
    False
    """
    if isinstance(value, Mapping):
        pairs = frozenset((key, identity(inner)) for key, inner in value.items())
        return ("object", pairs)
    if isinstance(value, list):
        return ("array", tuple(identity(inner) for inner in value))
    return (kind(value), value)


def plain_faults(value: object) -> Iterator[str]:
    """Yield what keeps an expected value from ever equalling JSON.

    >>> list(plain_faults({"a": [1, float("nan")]}))
    ['NaN is no JSON value']
    """
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Mapping):
            yield from (f"key {k!r} is no text" for k in current if kind(k) != "string")
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)
        elif fault := _scalar_fault(current):
            yield fault


def _scalar_fault(value: object) -> str:
    if isinstance(value, float) and value - value != 0:
        return f"{shown_value(value)} is no JSON value"
    if kind(value) not in {"null", "boolean", "number", "string"}:
        return f"{shown_value(value, SHORT_LIMIT)} is no JSON value"
    return ""
