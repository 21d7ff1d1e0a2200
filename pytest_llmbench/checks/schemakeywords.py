"""The JSON Schema keywords that we judge in our own, safe way."""

from __future__ import annotations

from contextvars import ContextVar
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.checks.compare import identity
from pytest_llmbench.checks.regexes import any_matches_within, matches_within
from pytest_llmbench.checks.sameness import CACHE_SIZE, Same
from pytest_llmbench.checks.shown import SHORT_LIMIT, shown_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jsonschema import ValidationError

    Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError]]
    """Takes (validator, the keyword's value, the instance, the schema)."""

MAX_STEPS: Final = 100_000
"""Keywords judged for one value. A recursive schema with choices can need more
steps than there are atoms; a large honest answer needs some ten thousand."""


class TooMuchWorkError(Exception):
    """Checking a value against a schema takes too many steps."""


_LEFT: Final[ContextVar[int]] = ContextVar("_LEFT", default=MAX_STEPS)
"""Steps left for the value being checked, in this thread or task."""


def limited_errors(validator: Any, value: object) -> Iterator[ValidationError]:  # noqa: ANN401 - made by the library at run time
    """Yield the errors of one value.

    Raises:
        TooMuchWorkError: more than MAX_STEPS keywords were judged.
    """
    _LEFT.set(MAX_STEPS)
    yield from validator.iter_errors(value)


@lru_cache(maxsize=CACHE_SIZE)
def limited_validator(schema: Same[tuple[object]]) -> Any:  # noqa: ANN401 - made by the library at run time
    """Return the validator of one schema: safe keywords, counted steps.

    Making one takes longer than using it a hundred times.
    """
    from referencing import Registry

    (contents,) = schema.objects
    if isinstance(contents, dict):
        # Its value is checked when the suite is read. Left in, the word would make
        # the library fall back to its own validator and regular expressions.
        contents = {key: value for key, value in contents.items() if key != "$schema"}
    # An empty registry fetches nothing.
    return _validator_class()(contents, registry=Registry())


@cache
def _validator_class() -> Any:  # noqa: ANN401 - made by the library at run time
    from jsonschema import Draft202012Validator
    from jsonschema.validators import create

    keywords = {**Draft202012Validator.VALIDATORS, **_SAFE}
    return create(
        meta_schema=Draft202012Validator.META_SCHEMA,
        validators={name: _counted(keyword) for name, keyword in keywords.items()},
        type_checker=Draft202012Validator.TYPE_CHECKER,
    )


def _counted(keyword: Keyword) -> Keyword:
    """Return the keyword, taking one step off at each use."""

    def count(
        validator: object, limit: object, instance: object, schema: object
    ) -> Iterator[ValidationError]:
        left = _LEFT.get()
        if not left:
            msg = f"checking the schema takes more than {MAX_STEPS:,} steps"
            raise TooMuchWorkError(msg)
        _LEFT.set(left - 1)
        return keyword(validator, limit, instance, schema)

    return count


def _pattern(
    _validator: object, pattern: str, instance: object, _schema: object
) -> Iterator[ValidationError]:
    from jsonschema import ValidationError

    if isinstance(instance, str) and not matches_within(pattern, instance):
        yield ValidationError("the pattern does not match")


def _pattern_properties(
    validator: Any,  # noqa: ANN401 - made by the library at run time
    patterns: dict[str, Any],
    instance: object,
    _schema: object,
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for pattern, schema in patterns.items():
        for key, value in instance.items():
            if matches_within(pattern, key):
                yield from validator.descend(
                    value, schema, path=key, schema_path=pattern
                )


def _additional_properties(
    validator: Any,  # noqa: ANN401 - made by the library at run time
    allowed: Any,  # noqa: ANN401 - a schema
    instance: object,
    schema: dict[str, Any],
) -> Iterator[ValidationError]:
    from jsonschema import ValidationError

    if not isinstance(instance, dict):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for key, value in instance.items():
        if key in known or any_matches_within(patterns, key):
            continue
        if allowed is False:
            yield ValidationError(shown_value(key, SHORT_LIMIT))
        else:
            yield from validator.descend(value, allowed, path=key)


def _unique_items(
    _validator: object,
    is_wanted: bool,  # noqa: FBT001 - the library calls with positions
    instance: object,
    _schema: object,
) -> Iterator[ValidationError]:
    from jsonschema import ValidationError

    if not is_wanted or not isinstance(instance, list):
        return
    if len({identity(item) for item in instance}) < len(instance):
        yield ValidationError("an item stands twice")


_SAFE: Final[dict[str, Keyword]] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
}
