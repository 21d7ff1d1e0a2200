"""Specs as the axis of a session: each phase's baseline, and its candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from pytest_llmbench.errors import SettingsError, SpecError
from pytest_llmbench.prompts.spec import parse_spec
from pytest_llmbench.prompts.wording import did_you_mean
from pytest_llmbench.runs.stored import read_canonical

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from pytest_llmbench.prompts.spec import Spec

Role = Literal["baseline", "candidate"]
"""What a spec is in a session whose axis are specs."""

_IN_SPEC: Final = {
    "model": "--model",
    "variant": "--variant",
    "call_timeout": "--call-timeout",
    "call_retries": "--call-retries",
    "isolate_call": "--isolate-call",
    "warmup": "--enable-warmup / --disable-warmup",
}
"""Options whose values a candidate's own text gives."""


class Axis(Struct, frozen=True, kw_only=True):
    """The specs that one session runs side by side; false where models are the axis.

    Attributes:
        baselines: what candidates are held against, one for each phase at most.
        candidates: in the order in which they were named.
    """

    baselines: tuple[Spec, ...] = ()
    candidates: tuple[Spec, ...] = ()

    def __bool__(self) -> bool:
        """Whether specs are the axis."""
        return bool(self.candidates)

    @property
    def phases(self) -> tuple[str, ...]:
        """The phases of the candidates, each once."""
        return tuple(dict.fromkeys(spec.phase for spec in self.candidates))

    def specs(self, phase: str) -> list[Spec]:
        """Return a phase's specs, the baseline first; those of all for an empty one."""
        phases = (phase,) if phase else self.phases
        whole = (*self.baselines, *self.candidates)
        return [spec for name in phases for spec in whole if spec.phase == name]

    def baseline(self, phase: str) -> Spec | None:
        """Return a phase's baseline; None if it has none."""
        found = (spec for spec in self.baselines if spec.phase == phase)
        return next(found, None)

    def fault(self, phases: Collection[str]) -> str:
        """Say which candidate has no suite; empty if all have one.

        Args:
            phases: those of the suites that were collected.
        """
        for spec in self.candidates:
            if spec.phase not in phases:
                near = did_you_mean(spec.phase, sorted(phases))
                return (
                    f"--candidate: '{spec}' is of phase {spec.phase!r}, which no"
                    f" collected suite has{near}; there: {', '.join(sorted(phases))}"
                )
        return ""

    def role(self, spec_text: str) -> Role | None:
        """Return what a spec, as canonical text, is here; None in the model axis."""
        if not self:
            return None
        is_baseline = spec_text in map(str, self.baselines)
        return "baseline" if is_baseline else "candidate"


class Known(Struct, frozen=True):
    """What a spec's text may name: aliases, and variants other plugins' included."""

    aliases: Collection[str] = ()
    variants: Collection[str] = ()

    def read(self, text: str, where: str) -> Spec:
        """Read a spec.

        Args:
            where: what gives it, as messages name it.

        Raises:
            SettingsError: it is no spec, or names an unknown variant.
        """
        try:
            spec = parse_spec(text, self.aliases)
        except SpecError as error:
            msg = f"{where}: {error}"
            raise SettingsError(msg) from None
        if spec.variant not in self.variants:
            near = did_you_mean(spec.variant, self.variants)
            msg = f"{where}: unknown variant {spec.variant!r} in '{text}'{near}"
            raise SettingsError(msg)
        return spec


def read_axis(
    texts: Iterable[str], baseline: Spec | None, known: Known, reports: Path
) -> Axis:
    """Find the baselines of some candidates: `--baseline`, else the canonical specs.

    Raises:
        SettingsError: a spec is wrong, a candidate is a baseline, or `--baseline` is
            of another phase than every candidate.
    """
    read = [known.read(text, "--candidate") for text in texts]
    candidates = tuple({str(spec): spec for spec in read}.values())
    phases = dict.fromkeys(spec.phase for spec in candidates)
    if candidates and baseline is not None:
        known.read(str(baseline), "--baseline")
        if baseline.phase not in phases:
            msg = (
                f"--baseline: '{baseline}' is of phase {baseline.phase}, but every"
                f" candidate is of {', '.join(phases)}"
            )
            raise SettingsError(msg)
    canonical = read_canonical(reports) if candidates else {}
    found = (_of_phase(phase, baseline, canonical, known) for phase in phases)
    axis = Axis(
        baselines=tuple(spec for spec in found if spec is not None),
        candidates=candidates,
    )
    _check_apart(axis, baseline)
    return axis


def stored_axis(texts: Iterable[str], baselines: Iterable[str], known: Known) -> Axis:
    """Return the axis that another process, or an earlier session, has found.

    Raises:
        SettingsError: a spec can't be read any more.
    """
    return Axis(
        baselines=tuple(known.read(text, "the run's baseline") for text in baselines),
        candidates=tuple(known.read(text, "--candidate") for text in texts),
    )


def command_line_fault(given: Collection[str]) -> str:
    """Say which option contradicts `--candidate`; empty if none does.

    Args:
        given: keys of the options on the command line.
    """
    for key, flag in _IN_SPEC.items():
        if key in given:
            return (
                f"--candidate and {flag} exclude each other: a spec says it itself,"
                " as in 'MODEL / PHASE / VARIANT / t60 r0 i0 w1'"
            )
    return ""


def _of_phase(
    phase: str, baseline: Spec | None, canonical: dict[str, Any], known: Known
) -> Spec | None:
    if baseline is not None and baseline.phase == phase:
        return baseline
    stored = canonical.get(phase)
    if not isinstance(stored, dict) or not stored.get("spec"):
        return None
    where = f"canonical.json: phase {phase} (--baseline names another)"
    return known.read(str(stored["spec"]), where)


def _check_apart(axis: Axis, baseline: Spec | None) -> None:
    """Refuse a candidate that would be held against itself."""
    for spec in axis.candidates:
        if spec in axis.baselines:
            whose = "--baseline" if spec == baseline else "the canonical spec"
            msg = (
                f"--candidate: '{spec}' is {whose} of phase {spec.phase} already, so"
                " there is nothing to compare; leave it out, or name another --baseline"
            )
            raise SettingsError(msg)
