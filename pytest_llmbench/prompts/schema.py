"""The suite format's JSON Schema, and its errors in a reader's words."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.prompts.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema import Draft202012Validator, ValidationError

    from pytest_llmbench.prompts.suite import Json
    from pytest_llmbench.prompts.yamlmarks import Path

_TYPE_WORDS = {
    "string": "a text",
    "integer": "an integer",
    "number": "a number",
    "object": "a mapping",
    "array": "a list",
    "boolean": "true or false",
}


@cache
def schema_text() -> str:
    """Return the published JSON Schema of a suite file, as it stands in its file."""
    return files(__package__).joinpath("suite.schema.json").read_text("utf-8")


@cache
def suite_schema() -> dict[str, Any]:
    """Return the published JSON Schema of a suite file."""
    schema: dict[str, Any] = json.loads(schema_text())
    return schema


@cache
def _validator(definition: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    schema = suite_schema()
    if definition:
        schema = {"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]}
    strict: type[Draft202012Validator] = extend(  # type: ignore[no-untyped-call] # untyped in the stubs
        Draft202012Validator, {"pattern": _pattern_faults}
    )
    return strict(schema)


def _pattern_faults(
    _validator: object, pattern: str, instance: object, _schema: object
) -> Iterator[ValidationError]:
    """Read `$` as JSON Schema means it; Python's lets a line end follow."""
    from jsonschema import ValidationError

    ends = re.sub(r"\$$", r"\\Z", pattern)
    if isinstance(instance, str) and not re.search(ends, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def schema_faults(value: Json, definition: str = "") -> list[tuple[Path, str]]:
    """Return every fault of a value as (path, message), in document order.

    Args:
        value: the document, or a part of it.
        definition: the name of a part under `$defs`; the whole by default.
    """
    errors = _validator(definition).iter_errors(value)
    return [fault for error in errors for fault in _faults(error)]


def _faults(error: ValidationError) -> Iterator[tuple[Path, str]]:
    path: Path = tuple(error.absolute_path)
    if error.validator == "anyOf":
        yield from _branch_faults(error, path)
    elif error.validator == "additionalProperties" and error.validator_value is False:
        schema: Any = error.schema
        instance: Any = error.instance
        known = list(schema.get("properties", ()))
        for key in instance:
            if key not in known:
                message = f"unknown key {key!r}{did_you_mean(key, known)}"
                yield (*path, key), message
    else:
        yield path, _message(error, path)


def _branch_faults(error: ValidationError, path: Path) -> Iterator[tuple[Path, str]]:
    """Report the branch that the author meant: the one whose type fits."""
    fitting = [
        inner
        for inner in error.context or ()
        if inner.validator not in {"type", "const"} or len(inner.relative_path) > 0
    ]
    if fitting:
        for inner in fitting:
            yield from _faults(inner)
    else:
        words = (_branch_word(inner) for inner in error.context or ())
        allowed = " or ".join(dict.fromkeys(words))
        yield path, f"{_where(path)} must be {allowed}, not {_short(error.instance)}"


def _branch_word(error: ValidationError) -> str:
    if error.validator == "const":
        return f"the word {error.validator_value!r}"
    schema: Any = error.schema
    if "const" in schema:
        return f"the word {schema['const']!r}"
    return _TYPE_WORDS.get(str(error.validator_value), str(error.validator_value))


_MESSAGES: Final = {
    "pattern": "{where} is {value}, which does not match {limit}",
    "enum": "{where} must be one of {limit}, not {value}",
    "minItems": "{where} must not be empty",
    "minProperties": "{where} must not be empty",
    "minLength": "{where} must not be empty",
    "minimum": "{where} must be at least {limit}, not {value}",
    "maximum": "{where} must be at most {limit}, not {value}",
}


def _message(error: ValidationError, path: Path) -> str:
    where, value, limit = _where(path), _short(error.instance), error.validator_value
    if error.validator == "required":
        missing = error.message.split("'")[1]
        return f"{where} lacks the key {missing!r}"
    if error.validator == "type":
        limit = _TYPE_WORDS.get(str(limit), str(limit))
        return f"{where} must be {limit}, not {value}"
    template = _MESSAGES.get(str(error.validator), "{where}: {message}")
    return template.format(where=where, value=value, limit=limit, message=error.message)


def _where(path: Path) -> str:
    """Name a place as its author sees it.

    >>> _where(("prompts", 2, "expect", "tools"))
    'prompts[2].expect.tools'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or "the file"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - one line
