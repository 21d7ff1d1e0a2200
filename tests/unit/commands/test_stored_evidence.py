"""The stored runs that feedback and routing rest on."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

import pytest
from made_records import make_plan, make_records

from pytest_llmbench.analysis.summary import summarise
from pytest_llmbench.commands.stored_evidence import evidence_of, stored_runs
from pytest_llmbench.policy.window import last_runs, summary_jobs
from pytest_llmbench.runs.folder import write_json

if TYPE_CHECKING:
    from pathlib import Path


def job(number: int, runs: int) -> dict[str, Any]:
    """Return the job of one spec: the first ones fail, the last ones pass."""
    spec = f"m:1b / atomic / native_api / t{60 + number} r0 i0 w0"
    grid = {f"P{prompt}": ("F" if number < prompt else "P") * runs for prompt in (1, 4)}
    records = make_records(grid, spec=spec)
    stored = summarise(records, make_plan(grid, spec=spec)).to_json()
    return {**stored, "comparability": {"model_digest": f"build{number}"}}


def store(reports: Path, hour: int, jobs: list[dict[str, Any]]) -> dict[str, Any]:
    """Write the summary.json of a run; return it."""
    run_id = f"20261121T{hour:02}0000000Z-c8e9bb"
    summary = {"run_id": run_id, "job_summaries": jobs, "policy_decisions": []}
    write_json(reports / "2026-11-21" / run_id / "summary.json", summary)
    return summary


@pytest.mark.parametrize(
    ("specs", "runs"), [(1, 1), (1, 9), (3, 2), (5, 20), (9, 1), (40, 3)]
)
def test_a_window_holds_whole_sessions(tmp_path: Path, specs: int, runs: int) -> None:
    """However many specs a session had, all of them count in turn."""
    summaries = [
        store(tmp_path, hour, [job(number, runs) for number in range(specs)])
        for hour in range(1, 12)
    ]
    jobs = [one for summary in summaries for one in summary_jobs(summary)]
    wanted = last_runs(evidence_of(jobs))
    (window,) = last_runs(stored_runs(Namespace(reports=str(tmp_path))))
    (other,) = wanted
    assert [(run.run_id, run.run, run.spec) for run in window.runs] == [
        (run.run_id, run.run, run.spec) for run in other.runs
    ]
    assert window.share == other.share
    assert window.prompts() == other.prompts()
    assert window.digests == other.digests
    assert len(window.runs) == 8


def test_nothing_is_stored(tmp_path: Path) -> None:
    """A folder without runs gives none."""
    assert stored_runs(Namespace(reports=str(tmp_path))) == []
