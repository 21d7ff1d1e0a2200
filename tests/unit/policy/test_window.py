"""The last judged runs of each model and phase, from stored job summaries."""

from __future__ import annotations

from typing import Any

import pytest
from made_records import MAIN_EXAMPLE, make_plan, make_records, make_summary

from pytest_llmbench.analysis.summary import summarise
from pytest_llmbench.policy.window import (
    RunEvidence,
    job_runs,
    last_runs,
    summary_jobs,
)

RUN_ID = "20261121T095724000Z-c8e9bb"


def stored(*jobs: dict[str, Any], run_id: str = RUN_ID) -> list[dict[str, Any]]:
    """Return the jobs of one stored summary."""
    return summary_jobs({"run_id": run_id, "job_summaries": list(jobs)})


def job(**changes: object) -> dict[str, Any]:
    """Return the stored summary of twelve prompts in seven runs."""
    return {**make_summary(MAIN_EXAMPLE).to_json(), **changes}


def of_spec(letters: str, spec: str, suite: str = "atomic") -> dict[str, Any]:
    """Return a job of one prompt."""
    grid = {"P1": letters}
    records = make_records(grid, spec=spec, suite=suite)
    return summarise(records, make_plan(grid, spec=spec, suite=suite)).to_json()


def ran(run_id: str, run: int, **changes: object) -> RunEvidence:
    """Make one run."""
    fields: dict[str, Any] = {
        "model": "m",
        "phase": "atomic",
        "run_id": run_id,
        "run": run,
        "passed": 1,
        "total": 1,
    }
    return RunEvidence(**{**fields, **changes})


def test_a_job_is_read_run_by_run() -> None:
    """Counts, outcomes, patterns, build, time, latency and cost come along."""
    stored_job = job(
        comparability={"model_digest": "abc"}, cost={"per_passed_usd": 0.25}
    )
    runs = job_runs(stored(stored_job)[0])
    assert [(run.run, run.passed, run.total) for run in runs] == [
        *[(1, 9, 12), (2, 9, 12)],
        *[(number, 12, 12) for number in range(3, 8)],
    ]
    first = runs[0]
    assert (first.prompts["P6"], first.prompts["P1"]) == ("fail", "pass")
    assert first.patterns["P6"] == "cold_start"
    assert first.judged_runs["P6"] == 7
    assert (first.run_id, first.at) == (RUN_ID, "2026-11-21T09:57:24+00:00")
    assert (first.suite, first.digest) == ("atomic", "abc")
    assert (first.latency_p50_ms, first.usd_per_pass) == (1000.0, 0.25)


def test_errors_and_gaps_are_not_judged() -> None:
    """A run of errors and skips judged nothing; a trial without a record is no word."""
    runs = job_runs(stored(of_spec("PES.T", "s"))[0])
    assert [(run.passed, run.total) for run in runs] == [
        *[(1, 1), (0, 0), (0, 0), (0, 0), (0, 1)]
    ]
    assert [run.prompts.get("P1") for run in runs] == [
        *["pass", "error", "skipped", None, "timeout"]
    ]


@pytest.mark.parametrize(
    "broken",
    [{"runs": None}, {"prompts": [{}]}, {"prompts": 3}, {"runs": [{}]}],
)
def test_a_job_of_another_version_is_no_evidence(broken: dict[str, Any]) -> None:
    """What cannot be read as runs is passed over, and harms no session's end."""
    assert job_runs(stored(job(**broken))[0]) == ()


def test_an_experiment_with_cold_starts_is_no_evidence() -> None:
    """A model that was unloaded before every run would look incapable."""
    assert job_runs(stored(job(cold_start="run"))[0]) == ()
    assert len(job_runs(stored(job(cold_start="spec"))[0])) == 7


def test_specs_of_one_session_count_in_turn() -> None:
    """The last spec of a session does not fill the window alone."""
    jobs = stored(of_spec("F" * 7, "s1"), of_spec("P" * 7, "s2"))
    (window,) = last_runs([run for one in jobs for run in job_runs(one)])
    assert [(run.run, run.spec) for run in window.runs] == [
        (number, spec) for number in range(4, 8) for spec in ("s1", "s2")
    ]


def test_the_order_of_stored_jobs_does_not_matter() -> None:
    """A store that gives a session's jobs the other way round has the same window."""
    jobs = stored(*(of_spec("PFP", f"s{number}") for number in range(3)))
    one_way = [run for one in jobs for run in job_runs(one)]
    other_way = [run for one in reversed(jobs) for run in job_runs(one)]
    assert last_runs(one_way) == last_runs(other_way)


def test_a_newer_session_comes_last() -> None:
    """Run 1 of today is newer than run 7 of yesterday, whatever the sessions' names."""
    runs = [*(ran("b", number) for number in range(1, 8)), ran("a", 1), ran("a", 2)]
    (window,) = last_runs(runs)
    assert [(run.run_id, run.run) for run in window.runs] == [
        *(("b", number) for number in range(2, 8)),
        *[("a", 1), ("a", 2)],
    ]


def test_prompts_of_two_suites_are_two_prompts() -> None:
    """P1 of one suite is not P1 of another, also in one phase."""
    runs = [
        ran("r", number, suite=suite, prompts={"P1": outcome})
        for number in range(1, 3)
        for suite, outcome in (("one", "fail"), ("two", "pass"))
    ]
    (window,) = last_runs(runs)
    assert [(p.suite, p.prompt_id, p.failed_in, p.of) for p in window.prompts()] == [
        ("one", "P1", 2, 2),
        ("two", "P1", 0, 2),
    ]


def test_builds_are_counted_newest_first() -> None:
    """A model that was pulled anew shows both builds."""
    runs = [ran("a", 1, digest="old"), ran("b", 1, digest="new"), ran("c", 1)]
    (window,) = last_runs(runs)
    assert list(window.digests.items()) == [("new", 1), ("old", 1)]


def test_latency_and_cost_are_medians_of_what_is_known() -> None:
    """Runs that tell none are left out of the median."""
    runs = [
        ran("a", 1, latency_p50_ms=100.0),
        ran("b", 1, latency_p50_ms=300.0, usd_per_pass=0.5),
        ran("c", 1),
    ]
    (window,) = last_runs(runs)
    assert (window.latency_p50_ms, window.usd_per_pass) == (200.0, 0.5)
