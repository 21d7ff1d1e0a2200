"""What a session's summary comes to in the history."""

from __future__ import annotations

from made_cycles import COLD, WARM, make_job
from made_records import MAIN_EXAMPLE

from pytest_llmbench.policy.baseline import asked_prompts
from pytest_llmbench.policy.cycles import (
    best_promoted,
    decisions_by_spec,
    extract,
    jobs_by_spec,
    judged,
    variances,
)

QUICK = "m:1b / atomic / native_api / t30 r0 i0 w1"


def decision(spec: str, word: str) -> dict[str, str]:
    """Make a decision as summary.json has it."""
    return {"spec": spec, "decision": word, "reason": f"{word} it is", "code": "c"}


def test_the_worst_decision_over_the_suites_holds() -> None:
    """Promoted on one suite and rejected on another is rejected."""
    found = decisions_by_spec([
        decision(WARM, "PROMOTE"),
        decision(WARM, "REJECT"),
        decision(QUICK, "HOLD"),
    ])
    assert found[WARM] == {"decision": "REJECT", "reason": "REJECT it is", "code": "c"}
    assert found[QUICK]["decision"] == "HOLD"


def test_the_best_promoted_is_the_most_accurate_then_the_quickest() -> None:
    """Accuracy first; of equals the lower p50; nobody where none is promoted."""
    jobs = {
        COLD: [make_job({}, accuracy=1.0, latency_p50_ms=1.0)],
        WARM: [make_job({}, accuracy=0.9, latency_p50_ms=500.0)],
        QUICK: [make_job({}, accuracy=0.9, latency_p50_ms=400.0)],
    }
    promoted = {spec: decision(spec, "PROMOTE") for spec in (WARM, QUICK)}
    decisions = {COLD: decision(COLD, "HOLD"), **promoted}
    assert best_promoted(decisions, jobs) == QUICK
    jobs[WARM][0]["accuracy"] = 0.95
    assert best_promoted(decisions, jobs) == WARM
    assert best_promoted({COLD: decision(COLD, "HOLD")}, jobs) is None


def test_of_several_suites_the_largest_variance_is_kept() -> None:
    """One number per spec, null where no suite has one."""
    jobs = jobs_by_spec([
        make_job({}, spec=WARM, variance=0.001),
        make_job({}, spec=WARM, variance=0.002),
        make_job({}, spec=COLD, variance=None),
    ])
    assert variances(jobs) == {WARM: 0.002, COLD: None}


def test_an_extract_keeps_what_the_next_cycle_asks_for() -> None:
    """Scores, latency and the conditions, but no prompt's row."""
    job = make_job(MAIN_EXAMPLE)
    kept = extract(job)
    assert kept["comparability"]["model_digest"] == "abc"
    assert kept["latency_p95_ms"] == 1000
    assert "runs" not in kept
    assert judged([job, job]) == 168


def test_prompts_without_room_were_meant_to_be_asked() -> None:
    """The next cycle finds the suite as it was, whatever the model has room for."""
    key = {"prompts": {"L1:400": "a"}, "beyond_context": {"L1:800": "b"}}
    kept = extract(make_job(MAIN_EXAMPLE, comparability=key))["comparability"]
    assert kept["prompts"] == {"L1:400": "a", "L1:800": "b"}
    assert asked_prompts({"prompts": {"P1": "a"}}) == {"P1": "a"}
    assert asked_prompts({}) is None
