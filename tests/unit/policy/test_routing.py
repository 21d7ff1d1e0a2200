"""Who gets a piece of work."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pytest_llmbench.policy.routing import best_for, known_phases, may_do
from pytest_llmbench.policy.routing_rules import RoutingRules
from pytest_llmbench.policy.window import RunEvidence, last_runs
from pytest_llmbench.runs.schemas import load_schema

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
RULES = RoutingRules.from_mapping({"fallback": "premium"}, "routing")


def ran(passed: int, **changes: object) -> RunEvidence:
    """Make one run of ten trials."""
    fields: dict[str, Any] = {
        "model": "m",
        "phase": "atomic",
        "run_id": "r1",
        "run": 1,
        "passed": passed,
        "total": 10,
    }
    return RunEvidence(**{**fields, **changes})


def best(*runs: RunEvidence, phase: str = "atomic") -> tuple[Any, ...]:
    """Return verdict, model and receiver for a phase."""
    found = best_for(last_runs(runs), phase, RULES, NOW)
    return found.verdict, found.model, found.send_to


def may(*runs: RunEvidence, model: str = "m", phase: str = "atomic") -> tuple[Any, ...]:
    """Return verdict, model and receiver for one model."""
    found = may_do(last_runs(runs), phase, model, RULES, NOW)
    return found.verdict, found.model, found.send_to


def test_a_good_model_is_allowed() -> None:
    """From the limit on the work goes to the model itself, below it does not."""
    assert may(ran(8)) == ("allow", "m", "m")
    assert may(ran(7)) == ("observe", "m", "premium")


def test_a_weak_model_is_denied_stateful_work() -> None:
    """Below the limit the fallback gets it; on the limit nothing is decided."""
    assert may(ran(4, phase="extended"), phase="extended") == ("deny", "m", "premium")
    assert may(ran(5, phase="extended"), phase="extended")[0] == "observe"


def test_no_evidence_is_a_verdict() -> None:
    """A model that was never judged goes to the fallback, and the near name is told."""
    assert may(ran(0, total=0)) == ("no_evidence", "m", "premium")
    found = may_do(
        last_runs([ran(9, model="fake:1b")]), "atomic", "fake:2b", RULES, NOW
    )
    assert (found.verdict, found.send_to) == ("no_evidence", "premium")
    assert found.reason == (
        "no stored run of 'fake:2b' in the phase 'atomic'; did you mean 'fake:1b'?"
    )
    found = may_do(last_runs([ran(9)]), "extended", "m", RULES, NOW)
    assert found.reason.endswith("; it has runs in: atomic")


def test_a_fallback_cannot_stand_in_for_itself() -> None:
    """The very model that is not allowed gets no work as its own fallback."""
    runs = [ran(1, model="premium", phase="extended")]
    assert may(*runs, model="premium", phase="extended") == ("deny", "premium", None)


def test_allowed_comes_before_observed() -> None:
    """A surer model that no rule allows does not win over an allowed one."""
    lucky = ran(4, total=5, model="allowed")
    found = best_for(last_runs([lucky, ran(790, total=1000)]), "atomic", RULES, NOW)
    assert [one.verdict for one in found.evidence] == ["allow", "observe"]
    assert found.send_to == "allowed"


def test_the_interval_ranks_before_the_mean() -> None:
    """9 of 10 is less sure than 85 of 100, so the latter wins."""
    sure = ran(85, total=100, model="sure")
    assert best(ran(9, model="lucky"), sure) == ("allow", "sure", "sure")


def test_latency_then_cost_break_ties() -> None:
    """Equally right: the faster; equally fast: the cheaper; what is unknown is last."""
    slow = ran(9, model="a", latency_p50_ms=900.0)
    fast = ran(9, model="b", latency_p50_ms=100.0)
    cheap = ran(9, model="c", latency_p50_ms=100.0, usd_per_pass=0.1)
    assert best(ran(9, model="0"), slow)[1] == "a"
    assert best(slow, fast)[1] == "b"
    assert best(slow, fast, cheap)[1] == "c"


def test_nobody_allowed_means_the_fallback() -> None:
    """The best that was only observed is named, yet the fallback gets the work."""
    seen = [ran(5, model="a", phase="tool_use"), ran(9, model="b", phase="tool_use")]
    assert best(*seen, phase="tool_use") == ("observe", "b", "premium")
    barred = ran(1, phase="extended")
    assert best(barred, phase="extended") == ("deny", None, "premium")
    assert best(phase="atomic") == ("no_evidence", None, "premium")


def test_the_evidence_tells_age_and_builds() -> None:
    """Old runs and other builds are said, not hidden."""
    old = ran(9, run_id="a", digest="one", at="2026-11-20T12:00:00+00:00")
    new = ran(9, run_id="b", digest="two", at="2026-11-21T12:00:00.000+00:00")
    (found,) = may_do(last_runs([old, new]), "atomic", "m", RULES, NOW).evidence
    assert (found.newest_run, found.age_s) == ("b", 3 * 86_400.0)
    assert found.digests == {"two": 1, "one": 1}
    (unknown,) = may_do(last_runs([ran(9)]), "atomic", "m", RULES, NOW).evidence
    assert (unknown.newest_at, unknown.age_s) == ("", None)


def test_requirements_and_hot_failures_come_along() -> None:
    """An allowed model that was seen cold must be warmed; its failures are named."""
    runs = [
        ran(9, run=number, prompts={"P6": "fail"}, patterns={"P6": "cold_start"})
        for number in range(3)
    ]
    found = may_do(last_runs(runs), "atomic", "m", RULES, NOW)
    assert found.requirements == ("warm-up",)
    (hot,) = found.evidence[0].hot_failures
    assert (hot.prompt_id, hot.failed_in, hot.pattern) == ("P6", 3, "cold_start")


def test_known_phases_are_rules_and_runs() -> None:
    """A phase that was never run is known if a rule names it."""
    windows = last_runs([ran(9, phase="chat")])
    assert known_phases(windows, RULES) == ["atomic", "chat", "extended"]


runs = st.builds(
    ran,
    passed=st.integers(0, 10),
    model=st.sampled_from(["m", "n", "premium"]),
    phase=st.sampled_from(["atomic", "extended", "chat"]),
    prompts=st.dictionaries(
        st.sampled_from(["P1", "P2"]), st.sampled_from(["pass", "fail", "error"])
    ),
    digest=st.sampled_from(["", "a", "b"]),
    at=st.sampled_from(["", "no time", "2026-11-20T12:00:00+00:00", "2026-11-21"]),
    latency_p50_ms=st.none() | st.floats(0, 1e6),
)


@given(
    history=st.lists(runs, max_size=30),
    phase=st.sampled_from(["atomic", "extended", "chat"]),
    model=st.sampled_from([None, "m", "n", "premium"]),
)
def test_every_answer_holds_together(
    history: list[RunEvidence], phase: str, model: str | None
) -> None:
    """It fits its schema, sends work to an allowed model only, and else elsewhere."""
    windows = last_runs(history)
    if model is None:
        found = best_for(windows, phase, RULES, NOW)
    else:
        found = may_do(windows, phase, model, RULES, NOW)
    line = {"schema_version": 1, "at": NOW.isoformat(), **found.to_json()}
    stored = json.loads(json.dumps(line, allow_nan=False))
    assert list(Draft202012Validator(SCHEMA).iter_errors(stored)) == []
    if found.verdict == "allow":
        assert found.send_to == found.model
    else:
        assert found.send_to in {None, "premium"}
    for better, worse in zip(found.evidence, found.evidence[1:], strict=False):
        assert better.rank < worse.rank


SCHEMA = load_schema("routing_decisions")


@pytest.mark.parametrize(("passed", "verdict"), [(6, "allow"), (5, "observe")])
def test_a_phase_of_the_users_own(passed: int, verdict: str) -> None:
    """A rule in the settings grants work of any phase."""
    rules = RoutingRules.from_mapping({"chat": {"allow_from": 0.6}}, "routing")
    windows = last_runs([ran(passed, phase="chat")])
    assert may_do(windows, "chat", "m", rules, NOW).verdict == verdict
