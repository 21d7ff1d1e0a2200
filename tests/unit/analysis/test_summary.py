"""One spec's summary, and the shape of summary.json."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import (
    MAIN_EXAMPLE,
    SPEC,
    make_plan,
    make_record,
    make_records,
    make_reply,
    make_summary,
)

from pytest_llmbench.analysis.summary import (
    JobSummary,
    summarise,
    summarise_all,
    variance_report,
)


def test_main_example() -> None:
    """Twelve prompts, seven runs, three of them failing runs 1 and 2."""
    summary = make_summary(MAIN_EXAMPLE)
    assert summary.accuracy == 1.0
    assert summary.variance == 5 / 392
    assert (summary.passed, summary.total, summary.n) == (12, 12, 7)
    assert summary.failed_prompts == ("P6", "P7", "P9")
    assert (summary.planned_trials, summary.recorded_trials) == (84, 84)
    assert summary.outcomes == {
        "pass": 78,
        "fail": 6,
        "timeout": 0,
        "error": 0,
        "skipped": 0,
    }
    assert summary.error_rate == 0.0
    assert summary.latency.e2e_ms.n == 84
    assert summary.scores.success.value == 78 / 84


def test_prompt_rows() -> None:
    """Each prompt shows its outcomes, rate with interval, pass^k and pass@k."""
    first, sixth = (make_summary(MAIN_EXAMPLE).prompts[index] for index in (0, 5))
    assert (first.pass_rate, first.passed_all, first.passed_any) == (1.0, True, True)
    assert (sixth.passed, sixth.failed, sixth.judged) == (5, 2, 7)
    assert sixth.pass_rate == 5 / 7
    assert sixth.wilson_low == pytest.approx(0.3589345, abs=1e-7)
    assert sixth.wilson_high == pytest.approx(0.9177811, abs=1e-7)
    assert (sixth.passed_all, sixth.passed_any) == (False, True)
    assert sixth.outcomes == ("fail", "fail", "pass", "pass", "pass", "pass", "pass")


@pytest.mark.parametrize(
    ("row", "passed_all", "passed_any"),
    [
        ("PPP", True, True),
        ("PEP", True, True),
        ("PFP", False, True),
        ("PFF", False, True),
        ("FTF", False, False),
        ("EEE", None, None),
        ("...", None, None),
    ],
)
def test_pass_all_and_any(
    row: str,
    passed_all: bool | None,  # noqa: FBT001 - a table
    passed_any: bool | None,  # noqa: FBT001 - a table
) -> None:
    """Both are over judged runs, and None where nothing was judged."""
    (prompt,) = make_summary({"P1": row}).prompts
    assert (prompt.passed_all, prompt.passed_any) == (passed_all, passed_any)


def test_failed_prompts_hold_timeouts_but_not_errors() -> None:
    """A prompt that timed out once has failed; one that erred has not."""
    grid = {"P1": "PTP", "P2": "PEP", "P3": "PPP", "P4": "FPS"}
    assert make_summary(grid).failed_prompts == ("P1", "P4")


def test_errors_count_for_nobody() -> None:
    """Errors are in the error rate and in no accuracy."""
    summary = make_summary({"P1": "PPE", "P2": "PPP", "P3": "PFE", "P4": "PPS"})
    assert summary.error_rate == 2 / 11
    assert summary.recorded_trials == 11
    assert summary.judged_trials == 9
    assert [run.accuracy for run in summary.runs] == [1.0, 0.75, 1.0]
    assert [run.is_complete for run in summary.runs] == [True, True, False]
    assert (summary.n, summary.accuracy, summary.passed) == (2, 0.875, 3.5)


def test_nothing_recorded() -> None:
    """A planned job without a record has counts and no numbers."""
    plan = make_plan(MAIN_EXAMPLE)
    summary = summarise([], plan)
    assert (summary.accuracy, summary.variance, summary.passed) == (None, None, None)
    assert (summary.n, summary.recorded_trials, summary.planned_trials) == (0, 0, 84)
    assert summary.error_rate is None
    assert summary.failed_prompts == ()
    assert [run.missing for run in summary.runs] == [12] * 7
    assert variance_report([summary]) == {"inconsistent_prompts": []}
    json.dumps(summary.to_json(), allow_nan=False)


def test_all_errors_give_no_accuracy() -> None:
    """A server that was down judged nothing."""
    summary = make_summary({"P1": "EEE", "P2": "EEE"})
    assert (summary.accuracy, summary.n, summary.error_rate) == (None, 0, 1.0)


def test_records_of_another_question_are_left_out() -> None:
    """A record whose prompt has changed since answers nothing here."""
    records = [make_record(run=1), make_record(run=2, prompt_hash="old")]
    summary = summarise(records, make_plan({"P1": "PP"}))
    assert [run.missing for run in summary.runs] == [0, 1]


def test_jobs_are_kept_apart_in_plan_order() -> None:
    """Spec and suite tell jobs apart; a job without records is there too."""
    other = SPEC.replace("m:1b", "n:2b")
    grid = {"P1": "PP"}
    records = [
        *make_records({"P1": "FF"}, spec=other),
        *make_records({"P1": "PF"}, suite="second"),
        *make_records(grid),
    ]
    plans = [
        make_plan(grid),
        make_plan(grid, suite="second"),
        make_plan(grid, spec=other),
        make_plan(grid, spec="unseen"),
    ]
    summaries = summarise_all(records, plans)
    assert [summary.accuracy for summary in summaries] == [1.0, 0.5, 0.0, None]
    assert [summary.spec for summary in summaries] == [SPEC, SPEC, other, "unseen"]
    assert summaries[0] == summarise(records, plans[0])


def test_summary_json_has_the_designed_shape() -> None:
    """The keys that readers rely on are there, in plain JSON."""
    found = json.loads(json.dumps(make_summary(MAIN_EXAMPLE).to_json()))
    expected = {
        "model": "m:1b",
        "phase": "atomic",
        "variant": "native_api",
        "spec": SPEC,
        "passed": 12,
        "total": 12,
        "accuracy": 1.0,
        "variance": 5 / 392,
        "failed_prompts": ["P6", "P7", "P9"],
        "latency_p50_ms": 1000.0,
        "restraint_score": None,
        "agent_score": None,
        "action_score": None,
        "wrong_tool_avoidance": None,
        "tier": None,
        "timed_out": 0,
        "cache": {"reported": 0, "suspected": 0, "trials": 84},
    }
    assert {key: found[key] for key in expected} == expected
    assert found["runs"][0]["accuracy"] == 0.75
    assert found["prompts"][5]["pattern"]["pooled_prompts"] == ["P6", "P7", "P9"]
    assert found["latency"]["e2e_ms"]["n"] == 84
    assert '"passed": 12,' in json.dumps(found)


def test_latency_p50_is_less_load() -> None:
    """The headline latency holds no load."""
    summary = make_summary({"P1": "PPP"}, reply=make_reply(load_ms=400.0))
    assert summary.to_json()["latency_p50_ms"] == 600.0


def test_variance_report_lists_what_is_not_stable() -> None:
    """Every prompt with another pattern than stable is listed with evidence."""
    summary = make_summary({"P1": "PPP", "P2": "FPP", "P3": "EEE", "P4": "..."})
    assert variance_report([summary]) == {
        "inconsistent_prompts": [
            {
                "spec": SPEC,
                "suite": "atomic",
                "prompt_id": "P2",
                "runs": 3,
                "judged": 3,
                "pass_rate": 2 / 3,
                "outcomes": ["fail", "pass", "pass"],
                "pattern": "flaky",
                "p_value": 1 / 3,
                "evidence": "failed run 1 of 3, chance p = 0.33 is high: "
                "it may be luck",
            },
            {
                "spec": SPEC,
                "suite": "atomic",
                "prompt_id": "P3",
                "runs": 3,
                "judged": 0,
                "pass_rate": None,
                "outcomes": ["error", "error", "error"],
                "pattern": "infrastructure",
                "p_value": None,
                "evidence": "errors in runs 1-3 of 3; nothing judged",
            },
        ]
    }


def test_scores_reach_the_summary() -> None:
    """Restraint, behaviours, category and tier are those of the records."""
    restraint = make_summary(
        {"P1": "PPF"},
        expects_no_tool=True,
        behaviour="abstained",
        category="restraint",
        phase="tool_use",
    )
    assert restraint.restraint_score == 1.0
    assert restraint.behaviours["abstained"] == 3
    assert restraint.prompts[0].category == "restraint"
    plan = make_plan({"P1": "PPF"}, phase="tool_use")
    assert summarise(make_records({"P1": "PPF"}), plan).tier == 2
    assert (restraint.suite, restraint.variant) == ("atomic", "native_api")


letters = st.sampled_from("PPPFTES.")
grids = st.integers(1, 6).flatmap(
    lambda runs: st.dictionaries(
        st.sampled_from([f"P{number}" for number in range(8)]),
        st.text(letters, min_size=runs, max_size=runs),
        min_size=1,
    )
)


def holds_together(summary: JobSummary) -> None:
    """Assert what every summary must satisfy."""
    recorded = sum(summary.outcomes.values())
    missing = sum(run.missing for run in summary.runs)
    assert recorded + missing == summary.planned_trials
    assert summary.recorded_trials == recorded - summary.outcomes["skipped"]
    assert summary.n == sum(run.is_complete for run in summary.runs)
    assert (summary.accuracy is None) == (summary.n == 0)
    assert (summary.variance is None) == (summary.n < 2)
    assert summary.accuracy is None or 0 <= summary.accuracy <= 1
    failed = summary.outcomes["fail"] + summary.outcomes["timeout"]
    assert bool(summary.failed_prompts) == bool(failed)
    assert sum(prompt.failed for prompt in summary.prompts) == failed
    assert sum(prompt.judged for prompt in summary.prompts) == summary.judged_trials


@given(grids, st.data())
def test_any_grid_holds_together(grid: dict[str, str], data: st.DataObject) -> None:
    """Counts add up, numbers stay in bounds, order is free, JSON is plain."""
    records, plan = make_records(grid), make_plan(grid)
    summary = summarise(records, plan)
    holds_together(summary)
    assert summary == summarise(data.draw(st.permutations(records)), plan)
    json.dumps(summary.to_json(), allow_nan=False)
    json.dumps(variance_report([summary]), allow_nan=False)
