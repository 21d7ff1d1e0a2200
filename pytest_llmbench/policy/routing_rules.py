"""From which accuracy on work is sent to a model, and where it goes instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

from msgspec import Struct, field, to_builtins
from msgspec.structs import replace

from pytest_llmbench.errors import SettingsError
from pytest_llmbench.prompts.wording import did_you_mean

DEFAULT_FALLBACK: Final = "anthropic/claude-haiku-5-5"
_SHARES: Final = ("allow_from", "bar_below")


class PhaseRule(Struct, frozen=True, kw_only=True):
    """When one phase's work is granted to a model, and when it is barred.

    Attributes:
        allow_from: the least accuracy that is granted work; None: none is.
        bar_below: an accuracy below it is barred; None: none is.
        fallback: the model that takes the work instead; None: the general one.
    """

    allow_from: float | None = None
    bar_below: float | None = None
    fallback: str | None = None


_DEFAULTS: Final[Mapping[str, PhaseRule]] = {
    "atomic": PhaseRule(allow_from=0.80),
    "extended": PhaseRule(bar_below=0.50),
}


class RoutingRules(Struct, frozen=True, kw_only=True):
    """The rules of every phase, as `[tool.llmbench.routing]` sets them.

    Attributes:
        fallback: for phases without one of their own.
        phases: the phases that have a rule.
    """

    fallback: str = DEFAULT_FALLBACK
    phases: Mapping[str, PhaseRule] = field(default_factory=lambda: dict(_DEFAULTS))

    @classmethod
    def from_mapping(cls, table: Mapping[str, object], where: str) -> Self:
        """Read the settings table; what is left out keeps its default.

        Args:
            table: `fallback`, and a table of `allow_from`, `bar_below` and
                `fallback` by phase.
            where: the table's name for messages, as `[tool.llmbench.routing]`.

        Raises:
            SettingsError: unknown keys or values that cannot be, all at once.

        >>> rules = RoutingRules.from_mapping({"chat": {"allow_from": 0.9}}, "routing")
        >>> rules.of("chat").allow_from, rules.of("atomic").allow_from
        (0.9, 0.8)
        """
        own = {
            name: value for name, value in table.items() if isinstance(value, Mapping)
        }
        plain = {name: value for name, value in table.items() if name not in own}
        faults = [*_faults(plain, ("fallback",), where, "a phase's table")]
        for phase, values in own.items():
            inner = f"{where} phase {phase!r}"
            faults += _faults(values, PhaseRule.__struct_fields__, inner)
        if faults:
            raise SettingsError("\n".join(faults))
        fallback = plain.get("fallback", DEFAULT_FALLBACK)
        rules = {
            phase: replace(_DEFAULTS.get(phase, PhaseRule()), **own.get(phase, {}))
            for phase in {**_DEFAULTS, **own}
        }
        _insist_on_order(rules, where)
        return cls(fallback=str(fallback), phases=rules)

    def of(self, phase: str) -> PhaseRule:
        """Return a phase's rule; one without limits where it has none."""
        return self.phases.get(phase, PhaseRule())

    def fallback_of(self, phase: str) -> str:
        """Return the model that does a phase's work where no other may."""
        return self.of(phase).fallback or self.fallback

    def to_json(self) -> dict[str, Any]:
        """Return every rule as plain JSON."""
        plain: dict[str, Any] = to_builtins(self)
        return plain


def _faults(
    values: Any,  # noqa: ANN401 - a table of a TOML file
    known: tuple[str, ...],
    where: str,
    beside: str = "",
) -> list[str]:
    faults = []
    for key, value in values.items():
        if key not in known:
            hint = did_you_mean(key, known)
            hint += f", or {beside}" if beside else ""
            faults.append(f"{where}: unknown key {key!r}{hint}")
        elif key in _SHARES:
            if type(value) not in {int, float} or not 0 <= value <= 1:
                fault = f"{key} must be a number from 0 to 1, not {value!r}"
                faults.append(f"{where}: {fault}")
        elif fault := _model_fault(value):
            faults.append(f"{where}: {key} {fault}")
    return faults


def _model_fault(value: object) -> str:
    if isinstance(value, str) and value.strip():
        return ""
    return f"must name a model, not {value!r}"


def _insist_on_order(rules: Mapping[str, PhaseRule], where: str) -> None:
    """Refuse a phase in which one accuracy is both granted and barred.

    Raises:
        SettingsError: names the phase and both limits.
    """
    for phase, rule in rules.items():
        if rule.allow_from is None or rule.bar_below is None:
            continue
        if rule.bar_below > rule.allow_from:
            msg = (
                f"{where} phase {phase!r}: bar_below ({rule.bar_below:g}) must not lie"
                f" above allow_from ({rule.allow_from:g})"
            )
            raise SettingsError(msg)
