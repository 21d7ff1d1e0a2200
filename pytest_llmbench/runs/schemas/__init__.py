"""The published JSON Schemas (draft 2020-12) of suites and of all written files."""

from __future__ import annotations

import json
from copy import deepcopy
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.prompts.schema import suite_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SCHEMAS: Final = (
    "suite",
    "record",
    "summary",
    "config",
    "inventory",
    "harness_feedback",
    "canonical",
    "aggregate_summary",
    "warm_up_effectiveness_report",
    "routing_decisions",
    "meta_loop_history",
    "loop_state",
)
"""The names that `load_schema` knows."""

_URN: Final = "urn:pytest-llmbench:"


def load_schema(name: str) -> dict[str, Any]:
    """Return a schema that stands alone.

    A shape that two files share is written in one schema only. The schemas
    that this one refers to are put under its `$defs` by their `$id`, where a
    validator finds them without fetching anything.

    Args:
        name: one of `SCHEMAS`.

    Raises:
        KeyError: there is no schema of that name.
    """
    schema = _read(name)
    others = {other["$id"]: other for other in _others(schema)}
    return {**schema, "$defs": {**schema["$defs"], **others}}


def _read(name: str) -> dict[str, Any]:
    if name not in SCHEMAS:
        raise KeyError(name)
    if name == "suite":
        return deepcopy(suite_schema())
    text = files(__package__).joinpath(f"{name}.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _others(schema: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """Read every other schema that this one needs, at any remove."""
    found: dict[str, dict[str, Any]] = {}
    names = list(_referred(schema))
    while names:
        name = names.pop()
        if name not in found:
            found[name] = _read(name)
            names.extend(_referred(found[name]))
    return found.values()


def _referred(value: object) -> Iterator[str]:
    """Yield the names in `$ref` to other schemas of ours.

    >>> list(_referred({"a": [{"$ref": "urn:pytest-llmbench:summary:1#/x"}]}))
    ['summary']
    """
    if isinstance(value, dict):
        reference = str(value.get("$ref", ""))
        if reference.startswith(_URN):
            yield reference.removeprefix(_URN).partition(":")[0]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _referred(item)
