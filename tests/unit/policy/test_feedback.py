"""Feedback over the last runs of each model and phase."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.policy.feedback import cause, harness_feedback, recommend
from pytest_llmbench.policy.routing_rules import RoutingRules
from pytest_llmbench.policy.window import PromptHistory, RunEvidence, last_runs


def ran(passed: int = 12, total: int = 12, **changes: object) -> RunEvidence:
    """Make one stored run."""
    fields: dict[str, Any] = {
        "model": "m",
        "phase": "atomic",
        "run_id": "r1",
        "run": 1,
        "passed": passed,
        "total": total,
    }
    fields.update(changes)
    return RunEvidence(**fields)


def recommended(*runs: RunEvidence) -> dict[str, Any]:
    """Return the one recommendation for these runs."""
    (found,) = harness_feedback(runs)["recommendations"]
    return dict(found)


def test_accuracy_is_over_the_last_eight_runs() -> None:
    """The ninth run back is forgotten; the rest are summed by trials."""
    history = [ran(0), *[ran(12)] * 6, ran(9), ran(3, 6)]
    assert harness_feedback(history)["model_phase_accuracy"] == {
        "m::atomic": {
            "passed": 84,
            "total": 90,
            "accuracy": 84 / 90,
            "low": pytest.approx(0.86210, abs=1e-5),
            "high": pytest.approx(0.96909, abs=1e-5),
            "runs": 8,
        }
    }


def test_models_and_phases_are_kept_apart() -> None:
    """Each model and phase has its own eight runs."""
    history = [
        *[ran()] * 8,
        ran(1, model="n"),
        ran(2, phase="extended"),
        *[ran(3, model="n")] * 2,
    ]
    accuracy = harness_feedback(history)["model_phase_accuracy"]
    assert {key: value["passed"] for key, value in accuracy.items()} == {
        "m::atomic": 96,
        "n::atomic": 7,
        "m::extended": 2,
    }


def test_runs_that_judged_nothing_push_none_out() -> None:
    """A server that was down for a day does not erase what was known."""
    history = [*[ran(6)] * 8, *[ran(0, 0)] * 8]
    found = harness_feedback(history)["model_phase_accuracy"]["m::atomic"]
    assert (found["passed"], found["total"], found["runs"]) == (48, 96, 8)


def test_no_evidence_is_a_value_of_its_own() -> None:
    """A model that was only ever down is neither allowed nor barred."""
    found = harness_feedback([ran(0, 0)])
    assert found["model_phase_accuracy"]["m::atomic"]["accuracy"] is None
    assert found["recommendations"] == [
        {
            "type": "routing",
            "target": "m::atomic",
            "action": "no_evidence",
            "reason": "nothing was judged",
            "allow": None,
            "fallback": None,
            "requirements": [],
        }
    ]


def test_empty_history() -> None:
    """Without a history there is nothing to say."""
    assert harness_feedback([]) == {
        "model_phase_accuracy": {},
        "hot_failures": [],
        "recommendations": [],
    }


@pytest.mark.parametrize(
    ("phase", "passed", "action", "allow", "fallback"),
    [
        ("extended", 499, "disable_for_stateful", False, "premium"),
        ("extended", 500, "observe", None, None),
        ("extended", 1000, "observe", None, None),
        ("atomic", 801, "allow_for_bounded_tasks", True, None),
        ("atomic", 800, "allow_for_bounded_tasks", True, None),
        ("atomic", 799, "observe", None, None),
        ("atomic", 0, "observe", None, None),
        ("format", 1000, "observe", None, None),
        ("tool_use", 0, "observe", None, None),
    ],
)
def test_routing_at_its_limits(
    phase: str,
    passed: int,
    action: str,
    allow: bool | None,  # noqa: FBT001 - a table
    fallback: str | None,
) -> None:
    """Below 0.50 extended work is barred; from 0.80 atomic work is allowed."""
    (window,) = last_runs([ran(passed, 1000, phase=phase)])
    found = recommend(window, RoutingRules(fallback="premium"))
    assert (found.action, found.allow, found.fallback) == (action, allow, fallback)
    assert found.target == f"m::{phase}"


def test_default_fallback_is_the_premium_model() -> None:
    """Without a setting the fallback is Claude Haiku."""
    found = recommended(ran(1, phase="extended"))
    assert found["fallback"] == "anthropic/claude-haiku-5-5"
    assert found["reason"] == (
        "extended accuracy 0.08333 (1 of 12 trials, last 1 run): below 0.50"
    )


def test_a_cold_start_asks_for_warm_up() -> None:
    """Bounded work is allowed with a warm-up if a cold start was seen."""
    cold = ran(9, patterns={"P6": "cold_start"})
    found = recommended(cold, ran())
    assert found["requirements"] == ["warm-up"]
    assert found["reason"] == (
        "atomic accuracy 0.875 (21 of 24 trials, last 2 runs): at least 0.80; "
        "a cold start was seen"
    )
    assert recommended(ran(patterns={"P6": "flaky"}))["requirements"] == []
    assert recommended(cold, *[ran()] * 8)["requirements"] == []


@pytest.mark.parametrize(("failures", "is_hot"), [(2, False), (3, True), (8, True)])
def test_hot_failures_at_the_limit(failures: int, is_hot: bool) -> None:  # noqa: FBT001 - a table
    """A prompt is hot if it failed in more than two of the last eight runs."""
    history = [
        ran(prompts={"P6": "fail" if number < failures else "pass"})
        for number in range(8)
    ]
    assert bool(harness_feedback(history)["hot_failures"]) is is_hot


def test_hot_failures_count_the_window_only() -> None:
    """Failures before the last eight runs are forgotten."""
    history = [ran(prompts={"P6": "fail"})] * 3 + [ran(prompts={"P6": "pass"})] * 7
    assert harness_feedback(history)["hot_failures"] == []


def test_hot_failures_tell_why() -> None:
    """Timeouts count, errors do not; the pattern is that of the newest failure."""
    old = ran(run_id="a", prompts={"P6": "fail"}, patterns={"P6": "flaky"})
    cold = ran(
        run_id="b",
        prompts={"P6": "timeout"},
        patterns={"P6": "cold_start"},
    )
    well = ran(run_id="c", prompts={"P6": "pass"}, patterns={"P6": "stable"})
    down = ran(run_id="d", prompts={"P6": "error"}, patterns={"P6": "infrastructure"})
    history = [old, old, old, cold, well, down]
    assert harness_feedback(history)["hot_failures"] == [
        {
            "model": "m",
            "phase": "atomic",
            "suite": "",
            "prompt_id": "P6",
            "failed_in": 4,
            "of": 5,
            "pattern": "cold_start",
            "cause": "cold start: it fails while the model is cold; warm it up",
        },
    ]


def test_hot_failures_come_worst_first() -> None:
    """The prompt that failed most often leads."""
    history = [
        *[ran(prompts={"P1": "fail", "P2": "fail"})] * 3,
        ran(prompts={"P1": "pass", "P2": "fail"}),
    ]
    hot = harness_feedback(history)["hot_failures"]
    assert [(one["prompt_id"], one["failed_in"]) for one in hot] == [
        ("P2", 4),
        ("P1", 3),
    ]


def test_a_failure_without_a_pattern() -> None:
    """A history that stored no pattern leaves the reason open."""
    history = [ran(prompts={"P6": "fail"})] * 3
    assert harness_feedback(history)["hot_failures"][0]["pattern"] is None


runs = st.builds(
    ran,
    passed=st.integers(0, 12),
    total=st.sampled_from([0, 12]),
    model=st.sampled_from(["m", "n"]),
    phase=st.sampled_from(["atomic", "extended"]),
    prompts=st.dictionaries(
        st.sampled_from(["P1", "P2"]),
        st.sampled_from(["pass", "fail", "timeout", "error", "skipped"]),
    ),
).filter(lambda run: run.passed <= run.total)


@given(st.lists(runs, max_size=40))
def test_feedback_holds_together(history: list[RunEvidence]) -> None:
    """Windows hold at most eight runs, and every target gets one recommendation."""
    found = harness_feedback(history)
    json.dumps(found, allow_nan=False)
    accuracy = found["model_phase_accuracy"]
    assert [one["target"] for one in found["recommendations"]] == list(accuracy)
    for entry in accuracy.values():
        assert entry["runs"] <= 8
        assert entry["passed"] <= entry["total"]
        assert (entry["accuracy"] is None) == (entry["total"] == 0)
    for hot in found["hot_failures"]:
        assert 2 < hot["failed_in"] <= hot["of"] <= 8


def caused(**changes: object) -> str:
    """Return the cause of a prompt's failures."""
    fields: dict[str, Any] = {
        "suite": "s",
        "prompt_id": "P6",
        "failed_in": 4,
        "of": 4,
        "pattern": "incapable",
        "session_runs": 4,
    }
    return cause(PromptHistory(**{**fields, **changes})).partition(":")[0]


def test_the_cause_in_words() -> None:
    """Cold start or capability: as far as the runs can tell, and no further."""
    assert caused() == "capability"
    assert caused(of=5) == "unclear"
    assert caused(session_runs=1) == "unclear"
    assert caused(session_runs=2) == "capability"
    assert caused(pattern="cold_start") == "cold start"
    assert caused(pattern="flaky") == "chance"
    assert caused(pattern="degrading") == "degrading"
    assert caused(pattern=None) == "unclear"


def test_a_rule_of_the_users_own() -> None:
    """Other phases are granted and barred where the settings say so."""
    table = {"chat": {"allow_from": 0.5, "bar_below": 0.25, "fallback": "big"}}
    rules = RoutingRules.from_mapping(table, "routing")
    found = [
        recommend(last_runs([ran(passed, 100, phase="chat")])[0], rules)
        for passed in (50, 49, 25, 24)
    ]
    assert [(one.action, one.fallback) for one in found] == [
        ("allow", None),
        ("observe", None),
        ("observe", None),
        ("disable", "big"),
    ]


def test_suites_of_one_phase_are_not_mixed() -> None:
    """Two failures of P1 in each of two suites are no hot failure."""
    history = [
        ran(suite=suite, run=number, prompts={"P1": "fail"})
        for number in (1, 2)
        for suite in ("one", "two")
    ]
    assert harness_feedback(history)["hot_failures"] == []
