"""One prompt over the runs of one spec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from pytest_llmbench.analysis.failures import failure_modes
from pytest_llmbench.analysis.patterns import Pattern, find_patterns
from pytest_llmbench.analysis.proportion import Proportion
from pytest_llmbench.analysis.trials import FAILED, JUDGED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.analysis.trials import Grid
    from pytest_llmbench.checks.verdict import FailureMode
    from pytest_llmbench.runs.record import Outcome


class PromptSummary(Struct, frozen=True, kw_only=True):
    """How one prompt came out over the runs.

    Attributes:
        outcomes: by run; None where a planned trial has no record.
        pattern: None where the prompt never ran.
        failure_modes: failed trials by mode, the commonest first.
    """

    prompt_id: str
    category: str
    outcomes: tuple[Outcome | None, ...]
    pattern: Pattern | None
    failure_modes: Mapping[FailureMode, int] = field(default_factory=dict)

    @property
    def passed(self) -> int:
        """In how many runs it passed."""
        return self.outcomes.count("pass")

    @property
    def failed(self) -> int:
        """In how many runs it failed or timed out."""
        return sum(outcome in FAILED for outcome in self.outcomes)

    @property
    def judged(self) -> int:
        """In how many runs it counted for or against the model."""
        return sum(outcome in JUDGED for outcome in self.outcomes)

    @property
    def share(self) -> Proportion:
        """Passed of judged runs, with its Wilson interval."""
        return Proportion(hits=self.passed, n=self.judged)

    @property
    def pass_rate(self) -> float | None:
        """Passed of judged runs; None if none was judged."""
        return self.share.value

    @property
    def wilson_low(self) -> float | None:
        """The lower end of the pass rate's Wilson 95 % interval."""
        return self.share.low

    @property
    def wilson_high(self) -> float | None:
        """The upper end of the pass rate's Wilson 95 % interval."""
        return self.share.high

    @property
    def passed_all(self) -> bool | None:
        """Passed every judged run (pass^k); None if none was judged."""
        return self.passed == self.judged if self.judged else None

    @property
    def passed_any(self) -> bool | None:
        """Passed some run (pass@k); None if none was judged."""
        return self.passed > 0 if self.judged else None

    def to_json(self) -> dict[str, Any]:
        """Return the prompt's row as plain JSON."""
        return {
            "prompt_id": self.prompt_id,
            "category": self.category,
            "outcomes": list(self.outcomes),
            "passed": self.passed,
            "judged": self.judged,
            "pass_rate": self.pass_rate,
            "wilson_low": self.wilson_low,
            "wilson_high": self.wilson_high,
            "passed_all": self.passed_all,
            "passed_any": self.passed_any,
            "pattern": self.pattern and self.pattern.to_json(),
            "failure_modes": dict(self.failure_modes),
        }

    def inconsistency(self) -> dict[str, Any]:
        """Return the entry of `inconsistent_prompts` in summary.json."""
        return {
            "prompt_id": self.prompt_id,
            "runs": len(self.outcomes),
            "judged": self.judged,
            "pass_rate": self.pass_rate,
            "outcomes": list(self.outcomes),
            "pattern": self.pattern and self.pattern.kind,
            "p_value": self.pattern and self.pattern.p_value,
            "evidence": self.pattern and self.pattern.evidence,
        }


def prompt_summaries(grid: Grid) -> tuple[PromptSummary, ...]:
    """Sum up every planned prompt, in suite order."""
    patterns = find_patterns(grid)
    return tuple(
        PromptSummary(
            prompt_id=prompt_id,
            category=_category(grid, prompt_id),
            outcomes=grid.outcomes(prompt_id),
            pattern=patterns[prompt_id],
            failure_modes=failure_modes(t for t in grid.of_prompt(prompt_id) if t),
        )
        for prompt_id in grid.prompt_ids
    )


def _category(grid: Grid, prompt_id: str) -> str:
    trials = (trial for trial in grid.of_prompt(prompt_id) if trial is not None)
    return next((trial.category for trial in trials), "")
