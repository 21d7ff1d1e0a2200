"""The limits of the gates and how they are read from settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Self, TypeGuard

from msgspec import Struct

from pytest_llmbench.errors import SettingsError
from pytest_llmbench.prompts.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence


# Accuracies lie in 0..1, so their population variance is at most 1/4.
_UPPER: Final[Mapping[str, float]] = {
    "max_error_rate": 1.0,
    "max_variance": 0.25,
    "min_restraint": 1.0,
    "regression_margin": 1.0,
}


class PolicyThresholds(Struct, frozen=True, kw_only=True):
    """The limits of the gates; a value on its limit passes.

    Attributes:
        max_error_rate: errors of all recorded trials.
        min_runs: complete runs.
        max_variance: population variance of the runs' accuracies.
        min_restraint: restraint score, where the phase has such prompts.
        regression_margin: how far the median accuracy may lie below the
            baseline's.
    """

    max_error_rate: float = 0.05
    min_runs: int = 3
    max_variance: float = 0.0025
    min_restraint: float = 0.80
    regression_margin: float = 0.0

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


def _fault(key: str, value: object, known: Sequence[str]) -> str:
    if key not in known:
        return f"unknown key {key!r}{did_you_mean(key, known)}"
    if key == "min_runs":
        is_right = type(value) is int and value >= 1
        bounds = "a whole number from 1"
    else:
        is_right = _is_number(value) and 0 <= value <= _UPPER[key]
        bounds = f"a number from 0 to {_UPPER[key]:g}"
    return "" if is_right else f"{key} must be {bounds}, not {value!r}"


def _is_number(value: object) -> TypeGuard[float]:
    """Whether it is a number; `true` is none, though Python counts with it."""
    return type(value) in {int, float}
