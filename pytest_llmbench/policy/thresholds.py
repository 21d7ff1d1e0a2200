"""The limits of the gates and how they are read from settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeGuard, get_args

from msgspec import Struct

from pytest_llmbench.errors import SettingsError
from pytest_llmbench.prompts.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence


Method = Literal["default", "statistical"]
"""How a candidate is held against the baseline: by medians or by an interval."""

METHODS: Final[tuple[Method, ...]] = get_args(Method)

# Accuracies lie in 0..1, so their population variance is at most 1/4.
_BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "max_error_rate": (0.0, 1.0),
    "max_variance": (0.0, 0.25),
    "min_restraint": (0.0, 1.0),
    "regression_margin": (0.0, 1.0),
    "non_inferiority_margin": (0.0, 0.5),
    "confidence": (0.5, 0.999),
}


class PolicyThresholds(Struct, frozen=True, kw_only=True):
    """The limits of the gates; a value on its limit passes.

    Attributes:
        max_error_rate: errors of all recorded trials.
        min_runs: complete runs.
        max_variance: population variance of the runs' accuracies.
        min_restraint: restraint score, where the phase has such prompts.
        regression_margin: how far the median accuracy may lie below the
            baseline's; `default` only.
        method: what the gate against regression goes by.
        non_inferiority_margin: how far the mean accuracy may lie below the
            baseline's; `statistical` and `--runs auto`. 0.05 is below one prompt
            of twelve: a spec that loses one for good is beyond it.
        confidence: of the interval, both sides together; of `--runs auto`, 1 less
            the probability of a wrong verdict.
    """

    max_error_rate: float = 0.05
    min_runs: int = 3
    max_variance: float = 0.0025
    min_restraint: float = 0.80
    regression_margin: float = 0.0
    method: Method = "default"
    non_inferiority_margin: float = 0.05
    confidence: float = 0.95

    @property
    def alpha(self) -> float:
        """The probability of a wrong verdict that `--runs auto` allows."""
        return 1 - self.confidence

    @classmethod
    def from_mapping(cls, settings: Mapping[str, object], where: str) -> Self:
        """Read thresholds from one settings table; keys left out keep defaults.

        Args:
            settings: threshold name to value.
            where: the table's name for messages, as `[tool.llmbench.policy]`.

        Raises:
            SettingsError: unknown keys or values out of bounds, all at once.

        >>> PolicyThresholds.from_mapping({"min_runs": 5}, "policy").min_runs
        5
        """
        known = cls.__struct_fields__
        faults = [_fault(key, value, known) for key, value in settings.items()]
        lines = [f"{where}: {fault}" for fault in faults if fault]
        if lines:
            raise SettingsError("\n".join(lines))
        # Every key and type was held against the class just above.
        return cls(**settings)  # type: ignore[arg-type]

    @classmethod
    def for_phase(cls, settings: Mapping[str, object], phase: str, where: str) -> Self:
        """Read the policy table, the phase's own sub-table winning key by key.

        A value that is itself a table belongs to the phase of its name; all of
        them are checked, whichever phase is asked for.

        Raises:
            SettingsError: unknown keys or values out of bounds.
        """
        known = cls.__struct_fields__
        phases = {
            name: table
            for name, table in settings.items()
            if isinstance(table, Mapping) and name not in known
        }
        general = {
            name: value for name, value in settings.items() if name not in phases
        }
        cls.from_mapping(general, where)
        for name, table in phases.items():
            cls.from_mapping(table, f"{where} phase {name!r}")
        return cls.from_mapping({**general, **phases.get(phase, {})}, where)


def policy_table(value: object, where: str) -> dict[str, Any]:
    """Return the policy's settings; a plain word is the method.

    Args:
        where: the setting's name for messages, as `llmbench.toml: policy`.

    Raises:
        SettingsError: it is neither a table nor a method's name.

    >>> policy_table("statistical", "policy")
    {'method': 'statistical'}
    """
    if isinstance(value, dict):
        return value
    if not isinstance(value, str):
        names = " or ".join(map(repr, METHODS))
        msg = f"{where} must be a table, {names}, not {value!r}"
        raise SettingsError(msg)
    fault = _method_fault(value)
    if fault:
        msg = f"{where}: {fault}"
        raise SettingsError(msg)
    return {"method": value}


def _fault(key: str, value: object, known: Sequence[str]) -> str:
    if key not in known:
        return f"unknown key {key!r}{did_you_mean(key, known)}"
    if key == "method":
        return _method_fault(value)
    if key == "min_runs":
        is_right = type(value) is int and value >= 1
        bounds = "a whole number from 1"
    else:
        low, high = _BOUNDS[key]
        is_right = _is_number(value) and low <= value <= high
        bounds = f"a number from {low:g} to {high:g}"
    return "" if is_right else f"{key} must be {bounds}, not {value!r}"


def _method_fault(value: object) -> str:
    if value in METHODS:
        return ""
    if isinstance(value, str):
        return f"unknown method {value!r}{did_you_mean(value, METHODS)}"
    return f"method must be {' or '.join(map(repr, METHODS))}, not {value!r}"


def _is_number(value: object) -> TypeGuard[float]:
    """Whether it is a number; `true` is none, though Python counts with it."""
    return type(value) in {int, float}
