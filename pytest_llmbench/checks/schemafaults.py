"""What keeps a JSON Schema from being used: found when the suite is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from pytest_llmbench.checks.regexes import regex_fault
from pytest_llmbench.checks.schemas import violation_text, worst_error
from pytest_llmbench.checks.shown import SHORT_LIMIT, one_line, shown_value

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PROBES: Final[tuple[object, ...]] = (None, True, 0, "", [], {})
_REFERENCES: Final = frozenset({"$ref", "$dynamicRef"})
_ENDLESS: Final = "a $ref leads back to itself without end, or the schema is too deep"
_UNSUPPORTED_PAIR: Final = frozenset({"unevaluatedProperties", "patternProperties"})


def schema_faults(schema: object) -> list[str]:
    """Return what keeps a JSON Schema from being used.

    >>> schema_faults({"type": "object"})
    []
    >>> schema_faults({"$ref": "https://example.com/s"})
    ['$ref "https://example.com/s" leads to no place inside the schema']
    """
    try:
        faults = list(dict.fromkeys(_faults(schema)))
        if not faults:
            for probe in _PROBES:
                worst_error(schema, probe)
    except RecursionError:
        return [_ENDLESS]
    except ValueError as error:
        return [f"a $id or $ref is no URI: {one_line(str(error), SHORT_LIMIT)}"]
    return faults


def _faults(schema: Any) -> Iterator[str]:  # noqa: ANN401 - what the author wrote
    if not isinstance(schema, bool | dict):
        yield "a JSON Schema is a mapping"
    elif shape := _shape_fault(schema):
        yield shape
    else:
        yield from _dialect_faults(schema)
        yield from _Walk().faults(schema)


class _Part(Struct, frozen=True, kw_only=True):
    """A well-shaped schema inside the schema, and the resolver of its references."""

    contents: Any
    resolver: Any


class _Walk(Struct, frozen=True, kw_only=True):
    """A walk over every part that keywords or references lead to, each once."""

    waiting: list[_Part] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    keywords: set[str] = field(default_factory=set)

    def faults(self, schema: bool | dict[str, Any]) -> Iterator[str]:  # noqa: FBT001 - a schema may be a truth value
        self._add(schema, _root_resolver(schema))
        while self.waiting:
            part = self.waiting.pop()
            if isinstance(part.contents, dict):
                self.keywords.update(part.contents)
                yield from _word_faults(part.contents, is_root=part.contents is schema)
                yield from self._reference_faults(part)
                self._add_parts_under(part)
        if self.keywords >= _UNSUPPORTED_PAIR:
            words = " and ".join(sorted(_UNSUPPORTED_PAIR))
            yield f"{words} do not work together here"

    def _add(self, contents: object, resolver: object) -> None:
        if id(contents) not in self.seen:
            self.seen.add(id(contents))
            self.waiting.append(_Part(contents=contents, resolver=resolver))

    def _reference_faults(self, part: _Part) -> Iterator[str]:
        """Follow the references of a part, and yield those that lead nowhere."""
        from referencing.exceptions import Unresolvable

        for keyword in sorted(part.contents.keys() & _REFERENCES):
            target = part.contents[keyword]
            try:
                found = part.resolver.lookup(target)
            except (Unresolvable, AttributeError, LookupError, TypeError, ValueError):
                shown = shown_value(target, SHORT_LIMIT)
                yield f"{keyword} {shown} leads to no place inside the schema"
                continue
            is_new = id(found.contents) not in self.seen
            if is_new and (shape := _shape_fault(found.contents)):
                yield shape
            else:
                self._add(found.contents, found.resolver)

    def _add_parts_under(self, part: _Part) -> None:
        from referencing.jsonschema import DRAFT202012

        for contents in DRAFT202012.subresources_of(part.contents):
            resource = DRAFT202012.create_resource(contents)
            self._add(contents, part.resolver.in_subresource(resource))


def _dialect_faults(schema: bool | dict[str, object]) -> Iterator[str]:  # noqa: FBT001 - a schema may be a truth value
    dialect = schema.get("$schema") if isinstance(schema, dict) else None
    if dialect is not None and str(dialect).rstrip("#") != _DIALECT:
        yield f"$schema is {shown_value(dialect)}; only {_DIALECT} is judged"


def _root_resolver(schema: bool | dict[str, Any]) -> object:  # noqa: FBT001 - a schema may be a truth value
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    # An empty registry fetches nothing.
    registry: Any = Registry()
    return registry.resolver_with_root(DRAFT202012.create_resource(schema))


def _shape_fault(contents: Any) -> str:  # noqa: ANN401 - what the author wrote
    """Hold a schema against the meta-schema; the first error is enough."""
    from jsonschema import Draft202012Validator, FormatChecker, SchemaError

    try:
        # No formats: `format: regex` would ask Python's engine, which is not ours.
        Draft202012Validator.check_schema(contents, FormatChecker(formats=()))
    except SchemaError as error:
        return f"no valid JSON Schema: {violation_text(error)}"
    return ""


def _word_faults(contents: dict[str, Any], *, is_root: bool) -> Iterator[str]:
    if not is_root and "$schema" in contents:
        yield "$schema may stand at the top of a schema only"
    patterns = [*contents.get("patternProperties", ())]
    if "pattern" in contents:
        patterns.append(contents["pattern"])
    for pattern in patterns:
        if fault := regex_fault(pattern):
            yield f"pattern {shown_value(pattern, SHORT_LIMIT)}: {fault}"
