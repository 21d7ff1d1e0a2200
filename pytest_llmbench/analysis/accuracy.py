"""Accuracy of each run, and its median and variance over runs."""

from __future__ import annotations

from collections import Counter
from statistics import median, pvariance
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from pytest_llmbench.analysis.proportion import Proportion

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from fractions import Fraction

    from pytest_llmbench.analysis.trials import Grid

_MIN_N_VARIANCE = 2


class RunResult(Struct, frozen=True, kw_only=True):
    """How many trials of one run came out how; together all planned prompts.

    Attributes:
        run: counted from 1.
        missing: planned trials without a record.
    """

    run: int
    passed: int
    failed: int
    timed_out: int
    errors: int
    skipped: int
    missing: int

    @property
    def share(self) -> Proportion:
        """Passed of all judged trials: errors count for nobody."""
        judged = self.passed + self.failed + self.timed_out
        return Proportion(hits=self.passed, n=judged)

    @property
    def accuracy(self) -> float | None:
        """Passed / (passed + failed + timed out); None if nothing was judged."""
        return self.share.value

    @property
    def is_complete(self) -> bool:
        """Whether every planned prompt was tried and something was judged.

        A run with errors is complete: its judged trials count. A run with
        skipped or missing trials is not: it was another, smaller test.
        """
        return not self.skipped and not self.missing and self.share.n > 0

    @property
    def note(self) -> str:
        """What a reader must know beside the accuracy; empty if nothing."""
        parts = {
            "timed out": self.timed_out,
            "error" if self.errors == 1 else "errors": self.errors,
            "skipped": self.skipped,
            "missing": self.missing,
        }
        return ", ".join(f"{count} {word}" for word, count in parts.items() if count)

    def to_json(self) -> dict[str, Any]:
        """Return the run as an entry of summary.json."""
        return {
            "run": self.run,
            "accuracy": self.accuracy,
            "note": self.note,
            "passed": self.passed,
            "failed": self.failed,
            "timed_out": self.timed_out,
            "errors": self.errors,
            "skipped": self.skipped,
            "missing": self.missing,
            "is_complete": self.is_complete,
        }


class OverRuns(Struct, frozen=True, kw_only=True):
    """What the complete runs show together.

    Attributes:
        n: how many runs are complete; the others are left out.
        passed: median count of passed prompts.
        accuracy: median of the runs' accuracies; None without a run.
        variance: population variance of them; None below two runs.
    """

    n: int
    passed: float | None = None
    accuracy: float | None = None
    variance: float | None = None


def run_results(grid: Grid) -> tuple[RunResult, ...]:
    """Count the outcomes of every planned run."""
    return tuple(_run_result(grid, run) for run in range(1, grid.runs + 1))


def over_runs(runs: Sequence[RunResult]) -> OverRuns:
    """Take median and population variance over the complete runs.

    Variance is Σ(aᵢ - ā)² / n. Both are taken on exact fractions and rounded
    once, so that a value on a gate's limit is on it.
    """
    complete = [run for run in runs if run.is_complete]
    ratios = _exact(run.share for run in complete)
    n = len(ratios)
    if not n:
        return OverRuns(n=0)
    return OverRuns(
        n=n,
        passed=_plain(median(run.passed for run in complete)),
        accuracy=float(median(ratios)),
        variance=float(pvariance(ratios)) if n >= _MIN_N_VARIANCE else None,
    )


def _run_result(grid: Grid, run: int) -> RunResult:
    counts = Counter(record.outcome for record in grid.in_run(run))
    return RunResult(
        run=run,
        passed=counts["pass"],
        failed=counts["fail"],
        timed_out=counts["timeout"],
        errors=counts["error"],
        skipped=counts["skipped"],
        missing=len(grid.prompt_ids) - counts.total(),
    )


def _exact(shares: Iterable[Proportion]) -> list[Fraction]:
    return [share.ratio for share in shares if share.ratio is not None]


def _plain(value: float) -> float:
    """Return a whole number as int, so that JSON shows 12 and not 12.0."""
    return int(value) if value == int(value) else value
