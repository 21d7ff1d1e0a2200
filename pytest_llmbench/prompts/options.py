"""Sampling options: which words exist and what values they take."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from pytest_llmbench.errors import SpecError
from pytest_llmbench.prompts.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.prompts.suite import Json

OptionValue = int | float | str | bool
"""The value of one sampling option in a spec."""

_NUMBER: Final = "a number"
_INTEGER: Final = "an integer"
_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "max")
_INT_TEXT = re.compile(r"[-+]?[0-9]{1,300}")
_FLOAT_TEXT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")

OPTION_KINDS: Final[Mapping[str, str]] = {
    "temperature": _NUMBER,
    "top_p": _NUMBER,
    "top_k": _INTEGER,
    "min_p": _NUMBER,
    "repeat_penalty": _NUMBER,
    "presence_penalty": _NUMBER,
    "frequency_penalty": _NUMBER,
    "num_ctx": _INTEGER,
    "num_predict": _INTEGER,
    "effort": "one of " + ", ".join(_EFFORTS),
}
"""Each option's word (Ollama's names) and what it accepts."""

SAMPLING: Final = frozenset({
    "temperature", "top_p", "top_k", "min_p",
    "repeat_penalty", "presence_penalty", "frequency_penalty",
})  # fmt: skip
"""The options that say how the next token is drawn."""


def option_fault(name: str, value: Json) -> str | None:
    """Say what is wrong with one option, or None.

    >>> option_fault("temperature", 0.2) is None
    True
    >>> option_fault("temperature", "hot")
    "temperature must be a number, not 'hot'"
    >>> option_fault("temprature", 1)
    "unknown option 'temprature'; did you mean 'temperature'?"
    """
    kind = OPTION_KINDS.get(name)
    if kind is None:
        return f"unknown option {name!r}{did_you_mean(name, OPTION_KINDS)}"
    if type(value) is int:
        fits = kind in {_INTEGER, _NUMBER}
    elif isinstance(value, float):
        fits = kind == _NUMBER and math.isfinite(value)
    else:
        fits = name == "effort" and value in _EFFORTS
    return None if fits else f"{name} must be {kind}, not {value!r}"


def parse_option(text: str) -> tuple[str, OptionValue]:
    """Read `key=value` from a spec or a model name.

    Raises:
        SpecError: an unknown key or a value of the wrong kind.

    >>> parse_option("num_ctx=8192")
    ('num_ctx', 8192)
    >>> parse_option("effort=high")
    ('effort', 'high')
    """
    name, _, raw = text.partition("=")
    value = _read_scalar(raw)
    fault = option_fault(name, value)
    if fault:
        raise SpecError(fault)
    return name, value


def _read_scalar(raw: str) -> OptionValue:
    """Read what JSON would call a number; all else stays a text."""
    if _INT_TEXT.fullmatch(raw):
        return int(raw)
    return float(raw) if _FLOAT_TEXT.fullmatch(raw) else raw
