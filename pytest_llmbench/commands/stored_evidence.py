"""The stored runs that feedback and routing rest on."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.commands.stores import open_history
from pytest_llmbench.policy.window import WINDOW, is_experiment, job_runs

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from pytest_llmbench.policy.window import RunEvidence
    from pytest_llmbench.runs.history import History

_MORE: Final = 4
"""By how much more is asked for where a session may have been cut."""


def stored_runs(arguments: argparse.Namespace) -> list[RunEvidence]:
    """Return the newest runs of every model and phase, newest last.

    Raises:
        SettingsError: the settings or the history can't be read.
    """
    with open_history(arguments) as history:
        return evidence_of(_newest_jobs(history))


def evidence_of(jobs: Iterable[dict[str, Any]]) -> list[RunEvidence]:
    """Read the runs of stored job summaries, in their order."""
    return [run for job in jobs for run in job_runs(job)]


def _newest_jobs(history: History) -> list[dict[str, Any]]:
    """Return jobs enough for a window of whole sessions.

    The specs of a session count in turn, so a window must not lie in a session of
    which the history has given the last specs only.
    """
    wanted = WINDOW * _MORE
    while True:
        jobs = history.newest_jobs(wanted)
        if not _has_cut_window(jobs, wanted):
            return jobs
        wanted *= _MORE


def _has_cut_window(jobs: Iterable[dict[str, Any]], wanted: int) -> bool:
    groups: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for job in jobs:
        groups[job["model"], job["phase"]].append(job)
    return any(_is_cut(own, wanted) for own in groups.values())


def _is_cut(jobs: list[dict[str, Any]], wanted: int) -> bool:
    """Whether the oldest session of a model and phase may lack specs of the window."""
    if sum(job["judged_runs"] for job in jobs) < wanted:
        return False  # the history has no more
    oldest = jobs[0]["run_id"]
    later = (job for job in jobs if job["run_id"] != oldest)
    whole = sum(job["judged_runs"] for job in later if not is_experiment(job))
    return bool(whole < WINDOW)
