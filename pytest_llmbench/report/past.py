"""What the specs of a run came to before, over their stored runs."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.analysis.trend import trends
from pytest_llmbench.policy.window import summary_jobs
from pytest_llmbench.runs.stored import newest_summaries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmbench.analysis.trend import Trend

_AT_END: Final = 30
"""Stored runs whose summaries are read where no history is opened."""


def past_of_jobs(
    specs: Iterable[Sequence[Mapping[str, Any]]],
) -> dict[tuple[str, str], Trend]:
    """Return trends by spec and suite.

    Args:
        specs: the stored jobs of each spec, oldest first, as the history gives them.
    """
    found = (trend for jobs in specs for trend in trends(jobs))
    return {(trend.spec, trend.suite): trend for trend in found}


def past_of_summaries(
    reports: Path, limit: int = _AT_END
) -> dict[tuple[str, str], Trend]:
    """Return the same from the newest run folders, for who opens no history."""
    by_spec: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    newest = list(islice(newest_summaries(reports), limit))
    for summary in reversed(newest):
        for job in _jobs(summary):
            by_spec[job["spec"]].append(job)
    return past_of_jobs(by_spec.values())


def _jobs(summary: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a trend needs of each job; what is of another version is left out."""
    decisions = {
        (one.get("spec"), one.get("suite")): one.get("decision")
        for one in summary.get("policy_decisions") or ()
    }
    for job in summary_jobs(summary):
        key = (job.get("spec"), job.get("suite"))
        try:
            runs = sum(
                run["passed"] + run["failed"] + run["timed_out"] > 0
                for run in job["runs"]
            )
        except (KeyError, TypeError):
            continue
        if all(isinstance(word, str) for word in key):
            own = {"judged_runs": runs, "decision": decisions.get(key)}
            yield {"accuracy": None, "variance": None, **job, **own}
