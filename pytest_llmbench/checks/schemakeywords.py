"""The JSON Schema keywords that we judge in our own, safe way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.checks.compare import identity
from pytest_llmbench.checks.regexes import any_matches_within, matches_within
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


def limited_validator() -> Any:  # noqa: ANN401 - made by the library at run time
    """Return a validator class for one value: safe keywords, counted steps."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import create

    keywords = {**Draft202012Validator.VALIDATORS, **_SAFE}
    steps = _Steps(MAX_STEPS)
    counted = {name: steps.counted(keyword) for name, keyword in keywords.items()}
    return create(
        meta_schema=Draft202012Validator.META_SCHEMA,
        validators=counted,
        type_checker=Draft202012Validator.TYPE_CHECKER,
    )


class _Steps:
    """Counts down the steps that are left for one value."""

    def __init__(self, left: int) -> None:
        self._left = left

    def counted(self, keyword: Keyword) -> Keyword:
        """Return the keyword, counting each use of it."""

        def count(
            validator: object, limit: object, instance: object, schema: object
        ) -> Iterator[ValidationError]:
            self._left -= 1
            if self._left < 0:
                msg = f"checking the schema takes more than {MAX_STEPS:,} steps"
                raise TooMuchWorkError(msg)
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
