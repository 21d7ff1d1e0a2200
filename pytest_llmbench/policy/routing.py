"""Where to send a piece of work: a model that the evidence allows, or the fallback."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct, field
from msgspec.structs import asdict

from pytest_llmbench.policy.feedback import hot_failures, recommend
from pytest_llmbench.prompts.wording import closest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmbench.policy.feedback import HotFailure, Recommendation
    from pytest_llmbench.policy.routing_rules import RoutingRules
    from pytest_llmbench.policy.window import PhaseWindow

Verdict = Literal["allow", "deny", "observe", "no_evidence"]
"""Whether a model may do the work.

`observe`: it was tried, but no rule grants or bars the work. Only `allow` sends it.
"""

_ORDER: Final[tuple[Verdict, ...]] = ("allow", "observe", "deny", "no_evidence")
_INFINITE: Final = float("inf")


class ModelEvidence(Struct, frozen=True, kw_only=True):
    """What the last runs show of one model in the phase that is asked for.

    Attributes:
        passed: passed trials of the `trials` judged in `runs`.
        low: lower end of the accuracy's Wilson 95 % interval; `high`: the upper.
        latency_p50_ms: median over the runs of their median E2E.
        usd_per_pass: what a passed trial cost; None where not known.
        newest_run: the run id of the newest.
        newest_at: when that began, ISO 8601 in UTC; empty if not known.
        age_s: seconds since then; None if not known.
        digests: runs by the build that made them, the newest build first.
    """

    model: str
    verdict: Verdict
    reason: str
    runs: int = 0
    passed: int = 0
    trials: int = 0
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    latency_p50_ms: float | None = None
    usd_per_pass: float | None = None
    newest_run: str = ""
    newest_at: str = ""
    age_s: float | None = None
    digests: Mapping[str, int] = field(default_factory=dict)
    requirements: tuple[str, ...] = ()
    hot_failures: tuple[HotFailure, ...] = ()

    @property
    def rank(self) -> tuple[float | str, ...]:
        """Sorts the best first: allowed, surely right, fast, cheap; then by name."""
        return (
            _ORDER.index(self.verdict),
            -(self.low or 0.0),
            _INFINITE if self.latency_p50_ms is None else self.latency_p50_ms,
            _INFINITE if self.usd_per_pass is None else self.usd_per_pass,
            self.model,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the evidence as plain JSON."""
        return {
            **asdict(self),
            "digests": dict(self.digests),
            "requirements": list(self.requirements),
            "hot_failures": [hot.to_json() for hot in self.hot_failures],
        }


class RoutingAnswer(Struct, frozen=True, kw_only=True):
    """Where work of a phase goes, and on what that rests.

    Attributes:
        asked: the model that was asked for; None for "which is best?".
        verdict: on `model`.
        model: the one asked for, or the best that is not barred; None if there is
            none.
        send_to: who gets the work: `model` if it is allowed, else the fallback;
            None where the fallback is the very model that is not allowed.
        evidence: of every model considered, the best first.
    """

    phase: str
    asked: str | None
    verdict: Verdict
    model: str | None
    send_to: str | None
    fallback: str
    reason: str
    requirements: tuple[str, ...]
    evidence: tuple[ModelEvidence, ...]

    def to_json(self) -> dict[str, Any]:
        """Return question, answer and evidence as plain JSON."""
        return {
            "question": {"phase": self.phase, "model": self.asked},
            "answer": {
                "verdict": self.verdict,
                "model": self.model,
                "send_to": self.send_to,
                "fallback": self.fallback,
                "reason": self.reason,
                "requirements": list(self.requirements),
            },
            "evidence": [one.to_json() for one in self.evidence],
        }


def known_phases(windows: Sequence[PhaseWindow], rules: RoutingRules) -> list[str]:
    """Return the phases that a rule or a stored run names."""
    return sorted({*rules.phases, *(window.phase for window in windows)})


def may_do(
    windows: Sequence[PhaseWindow],
    phase: str,
    model: str,
    rules: RoutingRules,
    now: datetime,
) -> RoutingAnswer:
    """Say whether a model may do work of a phase, and who does it if not."""
    own = [one for one in windows if one.model == model and one.phase == phase]
    found = _evidence(own[0], rules, now) if own else _unseen(windows, phase, model)
    return _answer(phase, model, found, rules, (found,))


def best_for(
    windows: Sequence[PhaseWindow], phase: str, rules: RoutingRules, now: datetime
) -> RoutingAnswer:
    """Name the best model for a phase; the fallback where none is allowed.

    Ranked are: allowed before observed; the lower end of the accuracy's Wilson 95 %
    interval; median latency; cost of a passed trial. What is not known comes last.
    """
    own = [_evidence(one, rules, now) for one in windows if one.phase == phase]
    ranked = tuple(sorted(own, key=lambda one: one.rank))
    if ranked:
        return _answer(phase, None, ranked[0], rules, ranked)
    none = ModelEvidence(
        model="",
        verdict="no_evidence",
        reason=f"no stored run of the phase {phase!r}",
    )
    return _answer(phase, None, none, rules, ())


def _answer(
    phase: str,
    asked: str | None,
    found: ModelEvidence,
    rules: RoutingRules,
    evidence: tuple[ModelEvidence, ...],
) -> RoutingAnswer:
    fallback = rules.fallback_of(phase)
    is_allowed = found.verdict == "allow"
    is_named = asked is not None or found.verdict in {"allow", "observe"}
    other = None if fallback == asked else fallback
    return RoutingAnswer(
        phase=phase,
        asked=asked,
        verdict=found.verdict,
        model=found.model if is_named else None,
        send_to=found.model if is_allowed else other,
        fallback=fallback,
        reason=found.reason,
        requirements=found.requirements,
        evidence=evidence,
    )


def _evidence(window: PhaseWindow, rules: RoutingRules, now: datetime) -> ModelEvidence:
    advice = recommend(window, rules)
    if not window.runs:
        return ModelEvidence(
            model=window.model, verdict="no_evidence", reason=advice.reason
        )
    newest, share = window.runs[-1], window.share
    return ModelEvidence(
        model=window.model,
        verdict=_verdict(advice),
        reason=advice.reason,
        runs=len(window.runs),
        passed=share.hits,
        trials=share.n,
        accuracy=share.value,
        low=share.low,
        high=share.high,
        latency_p50_ms=window.latency_p50_ms,
        usd_per_pass=window.usd_per_pass,
        newest_run=newest.run_id,
        newest_at=newest.at,
        age_s=_age_s(newest.at, now),
        digests=window.digests,
        requirements=advice.requirements,
        hot_failures=hot_failures(window),
    )


def _verdict(advice: Recommendation) -> Verdict:
    if advice.allow is None:
        return "observe" if advice.action == "observe" else "no_evidence"
    return "allow" if advice.allow else "deny"


def _unseen(windows: Sequence[PhaseWindow], phase: str, model: str) -> ModelEvidence:
    """Say that nothing is known of a model here, and what is near it."""
    reason = f"no stored run of {model!r} in the phase {phase!r}"
    elsewhere = [one.phase for one in windows if one.model == model]
    near = closest(model, {one.model for one in windows})
    if elsewhere:
        reason += f"; it has runs in: {', '.join(elsewhere)}"
    elif near:
        reason += f"; did you mean {near!r}?"
    return ModelEvidence(model=model, verdict="no_evidence", reason=reason)


def _age_s(at: str, now: datetime) -> float | None:
    """Return the seconds since a time; None if it is no time.

    >>> from datetime import UTC
    >>> _age_s("2026-11-21T09:57:24Z", datetime(2026, 11, 21, 9, 58, 24, tzinfo=UTC))
    60.0
    """
    try:
        begun = datetime.fromisoformat(at)
        return round(max(0.0, (now - begun).total_seconds()), 3)
    except (ValueError, TypeError):
        return None
