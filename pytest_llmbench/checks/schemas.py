"""JSON Schema 2020-12 that never fetches, never hangs and never crashes."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.checks.sameness import Same
from pytest_llmbench.checks.shown import (
    SHORT_LIMIT,
    one_line,
    shown_path,
    shown_value,
)

if TYPE_CHECKING:
    from jsonschema import SchemaError, ValidationError

_ERRORS_WEIGHED: Final = 50

_SENTENCES: Final = {
    "type": "{at} is {value}, not of type {limit}",
    "enum": "{at} is {value}, not one of {limit}",
    "const": "{at} is {value}, not {limit}",
    "pattern": "{at} is {value}, which does not match {limit}",
    "minimum": "{at} is {value}, less than {limit}",
    "maximum": "{at} is {value}, more than {limit}",
    "exclusiveMinimum": "{at} is {value}, not more than {limit}",
    "exclusiveMaximum": "{at} is {value}, not less than {limit}",
    "multipleOf": "{at} is {value}, not a multiple of {limit}",
    "minLength": "{at} is {value}, shorter than {limit} characters",
    "maxLength": "{at} is {value}, longer than {limit} characters",
    "minItems": "{at} has fewer than {limit} items",
    "maxItems": "{at} has more than {limit} items",
    "uniqueItems": "{at} has the same item twice",
    "additionalProperties": "{at} has the unexpected key {message}",
    "required": "{at} lacks the key {missing}",
    "anyOf": "{at} is {value}, which fits none of the choices",
    "oneOf": "{at} is {value}, which fits none of the choices or more than one",
    "not": "{at} is {value}, which is ruled out",
    "None": "{at} is {value}, but nothing is allowed there",
}


def schema_violation(schema: object, value: object) -> str:
    """Say how a value breaks a schema, or '' if it is valid.

    >>> schema_violation({"properties": {"days": {"type": "integer"}}}, {"days": "5"})
    'days is "5", not of type "integer"'
    >>> schema_violation({"required": ["city"]}, {})
    'the value lacks the key "city"'
    """
    from pytest_llmbench.checks.schemakeywords import TooMuchWorkError

    try:
        error = worst_error(schema, value)
        return violation_text(error) if error else ""
    except TooMuchWorkError as stopped:
        return str(stopped)
    except RecursionError:
        return "the value or the schema is nested too deeply to check"
    except (ArithmeticError, ValueError) as failed:
        return f"the value cannot be checked: {one_line(str(failed), SHORT_LIMIT)}"


def worst_error(schema: object, value: object) -> ValidationError | None:
    """Return the most telling of the first errors, or None if the value is valid.

    Raises:
        TooMuchWorkError: checking takes more steps than any sane schema needs.
        RecursionError: the value is too deep, or a reference goes in circles.
    """
    from jsonschema.exceptions import best_match

    from pytest_llmbench.checks.schemakeywords import limited_errors, limited_validator

    validator = limited_validator(Same((schema,)))
    errors = list(islice(limited_errors(validator, value), _ERRORS_WEIGHED))
    error: ValidationError | None = best_match(errors) if errors else None
    return error


def violation_text(error: ValidationError | SchemaError) -> str:
    """Say what an error means in one sentence."""
    sentence = _SENTENCES.get(str(error.validator), "{at}: {message}")
    return sentence.format(
        at=shown_path(tuple(error.absolute_path)),
        value=shown_value(error.instance, SHORT_LIMIT),
        limit=shown_value(error.validator_value, SHORT_LIMIT),
        missing=_missing(error.validator_value, error.instance),
        message=one_line(error.message),
    )


def _missing(required: Any, instance: Any) -> str:  # noqa: ANN401 - any JSON
    if not isinstance(required, list) or not isinstance(instance, dict):
        return ""
    names = (name for name in required if isinstance(name, str))
    return shown_value(next((n for n in names if n not in instance), ""), SHORT_LIMIT)
