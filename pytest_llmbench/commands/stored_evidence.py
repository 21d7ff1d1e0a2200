"""The stored runs that feedback and routing rest on."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.policy.window import job_runs, summary_jobs
from pytest_llmbench.runs.stored import newest_summaries

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from pytest_llmbench.policy.window import RunEvidence

_SUMMARIES: Final = 200


def stored_runs(arguments: argparse.Namespace) -> list[RunEvidence]:
    """Return the newest runs of every model and phase, newest last."""
    return evidence_of(_newest_jobs(arguments))


def evidence_of(jobs: Iterable[dict[str, Any]]) -> list[RunEvidence]:
    """Read the runs of stored job summaries, in their order."""
    return [run for job in jobs for run in job_runs(job)]


def _newest_jobs(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    newest = list(islice(newest_summaries(Path(arguments.reports)), _SUMMARIES))
    return [job for summary in reversed(newest) for job in summary_jobs(summary)]
