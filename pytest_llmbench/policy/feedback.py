"""What the last runs say of each model and phase, and where to send work."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct, field
from msgspec.structs import asdict

from pytest_llmbench.analysis.trials import FAILED, JUDGED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmbench.analysis.patterns import PatternKind
    from pytest_llmbench.runs.record import Outcome

WINDOW: Final = 8
"""How many runs of one model and phase are looked at."""

HOT_ABOVE: Final = 2
"""A prompt that failed in more of them is a hot failure."""

EXTENDED_FLOOR: Final = 0.50
ATOMIC_FLOOR: Final = 0.80
DEFAULT_FALLBACK: Final = "anthropic/claude-haiku-5-5"
WARM_UP: Final = "warm-up"

Action = Literal[
    "disable_for_stateful", "allow_for_bounded_tasks", "observe", "no_evidence"
]
"""What a recommendation asks of the router.

`observe` means that there is evidence but no rule that grants or bars work.
"""


class RunEvidence(Struct, frozen=True, kw_only=True):
    """One stored run of one model and phase.

    Attributes:
        run: counted from 1 within `run_id`.
        total: judged trials of the run.
        prompts: outcome by prompt id.
        patterns: pattern by prompt id, as found when `run_id` was summed up.
    """

    model: str
    phase: str
    run_id: str
    run: int
    passed: int
    total: int
    prompts: Mapping[str, Outcome] = field(default_factory=dict)
    patterns: Mapping[str, PatternKind] = field(default_factory=dict)


class PhaseWindow(Struct, frozen=True, kw_only=True):
    """The last judged runs of one model and phase, newest last."""

    model: str
    phase: str
    runs: tuple[RunEvidence, ...]

    @property
    def target(self) -> str:
        """The key of this window in the feedback: `model::phase`."""
        return f"{self.model}::{self.phase}"

    @property
    def passed(self) -> int:
        """Passed trials of all its runs."""
        return sum(run.passed for run in self.runs)

    @property
    def total(self) -> int:
        """Judged trials of all its runs."""
        return sum(run.total for run in self.runs)

    @property
    def accuracy(self) -> float | None:
        """Passed of judged trials; None if nothing was judged."""
        return self.passed / self.total if self.total else None

    @property
    def has_cold_start(self) -> bool:
        """Whether a cold start was seen in one of its runs."""
        return any("cold_start" in run.patterns.values() for run in self.runs)

    def pattern(self, prompt_id: str) -> PatternKind | None:
        """Return the pattern found with the prompt's newest failure."""
        failing = (run for run in self.runs if run.prompts.get(prompt_id) in FAILED)
        kinds = [run.patterns.get(prompt_id) for run in failing]
        return kinds[-1] if kinds else None


class Recommendation(Struct, frozen=True, kw_only=True):
    """Where to send work of one phase, as seen from one model.

    Attributes:
        target: `model::phase`.
        allow: True or False where a rule decides; None where none does.
        fallback: the model to use instead; None where none is called for.
        requirements: what must hold for the work to be sent.
    """

    target: str
    action: Action
    reason: str
    allow: bool | None = None
    fallback: str | None = None
    requirements: tuple[str, ...] = ()
    type: Literal["routing"] = "routing"

    def to_json(self) -> dict[str, Any]:
        """Return the recommendation as plain JSON."""
        return {**asdict(self), "requirements": list(self.requirements)}


def harness_feedback(
    history: Sequence[RunEvidence], fallback: str = DEFAULT_FALLBACK
) -> dict[str, Any]:
    """Return the content of harness_feedback.json.

    Args:
        history: stored runs, newest last.
        fallback: the model that takes the work a model is not fit for.
    """
    windows = last_runs(history)
    return {
        "model_phase_accuracy": {
            window.target: {
                "passed": window.passed,
                "total": window.total,
                "accuracy": window.accuracy,
                "runs": len(window.runs),
            }
            for window in windows
        },
        "hot_failures": [hot for window in windows for hot in _hot_failures(window)],
        "recommendations": [
            recommend(window, fallback).to_json() for window in windows
        ],
    }


def last_runs(history: Sequence[RunEvidence]) -> tuple[PhaseWindow, ...]:
    """Take the last runs of each model and phase, in order of first sight.

    A run in which nothing was judged is no evidence and pushes none out.
    """
    groups: defaultdict[tuple[str, str], list[RunEvidence]] = defaultdict(list)
    for run in history:
        judged = groups[run.model, run.phase]
        if run.total:
            judged.append(run)
    return tuple(
        PhaseWindow(model=model, phase=phase, runs=tuple(runs[-WINDOW:]))
        for (model, phase), runs in groups.items()
    )


def recommend(window: PhaseWindow, fallback: str) -> Recommendation:
    """Say what the router should do with one model and phase."""
    accuracy = window.accuracy
    if accuracy is None:
        return Recommendation(
            target=window.target, action="no_evidence", reason="nothing was judged"
        )
    seen = _seen(window, accuracy)
    warm = (WARM_UP,) if window.has_cold_start else ()
    if window.phase == "extended" and accuracy < EXTENDED_FLOOR:
        return Recommendation(
            target=window.target,
            action="disable_for_stateful",
            reason=f"{seen}: below {EXTENDED_FLOOR:.2f}",
            allow=False,
            fallback=fallback,
        )
    if window.phase == "atomic" and accuracy >= ATOMIC_FLOOR:
        return Recommendation(
            target=window.target,
            action="allow_for_bounded_tasks",
            reason=f"{seen}: at least {ATOMIC_FLOOR:.2f}" + _cold_text(window),
            allow=True,
            requirements=warm,
        )
    return Recommendation(
        target=window.target,
        action="observe",
        reason=f"{seen}: no rule grants or bars work" + _cold_text(window),
        requirements=warm,
    )


def _hot_failures(window: PhaseWindow) -> Iterator[dict[str, Any]]:
    counts = {
        prompt_id: sum(run.prompts.get(prompt_id) in FAILED for run in window.runs)
        for run in window.runs
        for prompt_id in run.prompts
    }
    for prompt_id, failed in sorted(counts.items(), key=lambda item: -item[1]):
        if failed > HOT_ABOVE:
            yield {
                "model": window.model,
                "phase": window.phase,
                "prompt_id": prompt_id,
                "failed_in": failed,
                "of": sum(run.prompts.get(prompt_id) in JUDGED for run in window.runs),
                "pattern": window.pattern(prompt_id),
            }


def _seen(window: PhaseWindow, accuracy: float) -> str:
    runs = f"{len(window.runs)} run{'' if len(window.runs) == 1 else 's'}"
    return (
        f"{window.phase} accuracy {accuracy:.4g} "
        f"({window.passed} of {window.total} trials, last {runs})"
    )


def _cold_text(window: PhaseWindow) -> str:
    return "; a cold start was seen" if window.has_cold_start else ""
