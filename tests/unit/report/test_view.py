"""The view model: numbers and outcomes as text cells."""

from __future__ import annotations

import pytest
from made_records import (
    MAIN_EXAMPLE,
    make_plan,
    make_records,
    make_reply,
    make_summary,
)
from msgspec.structs import replace

from pytest_llmbench.analysis.summary import summarise
from pytest_llmbench.calls.request import WarmupResult
from pytest_llmbench.policy.baseline import Baseline
from pytest_llmbench.policy.decision import decide
from pytest_llmbench.policy.thresholds import PolicyThresholds
from pytest_llmbench.report.view import GateView, JobView, job_view, warmup_text
from pytest_llmbench.runs.record import Attempt

WARM = WarmupResult(model="m", server="h", status="success", wall_s=2.5)


def view(grid: dict[str, str], baseline: Baseline | None = None) -> JobView:
    """Make the view of a grid of letters."""
    summary = make_summary(grid)
    return job_view(summary, decide(summary, PolicyThresholds(), baseline, {}), None)


def facts(
    grid: dict[str, str], calls_at_once: int = 1, **changes: object
) -> dict[str, str]:
    """Return the facts of a grid by their label."""
    summary = make_summary(grid, **changes)
    decision = decide(summary, PolicyThresholds(), None, {})
    shown = job_view(summary, decision, None, calls_at_once=calls_at_once)
    return dict(shown.facts)


def test_rows_have_one_letter_per_run() -> None:
    """Every outcome has its letter, a trial that never ran too."""
    row = view({"P1": "PFTES."}).rows[0]
    assert row.cells == ("P", "F", "T", "E", "s", "-")
    assert (row.passed, row.interval) == ("1/3", "6-79 %")
    assert not row.is_stable


def test_a_prompt_that_never_ran_shows_nothing_to_look_at() -> None:
    """Without an outcome there is no pattern and no interval."""
    row = view({"P1": "PP", "P2": ".."}).rows[1]
    assert (row.passed, row.interval, row.pattern) == ("0/0", "-", "")
    assert row.is_stable


def test_prompts_with_one_evidence_share_a_pattern() -> None:
    """What failed alike is said once, with all its prompts."""
    patterns = view({**MAIN_EXAMPLE, "P12": "FFFFFFF"}).patterns
    assert [(p.kind, p.prompt_ids) for p in patterns] == [
        ("cold_start", ("P6", "P7", "P9")),
        ("incapable", ("P12",)),
    ]


def test_a_stable_suite_has_no_pattern() -> None:
    """Where all is well there is nothing to explain."""
    assert view({"P1": "PPP", "P2": "PPP"}).patterns == ()


def test_retries_are_a_fact_of_their_own() -> None:
    """Trials, attempts and reasons are told; without a retry there is no line."""
    slow = Attempt(outcome="timeout", kind="stalled", message="")
    found = facts({"P1": "PP"}, earlier_attempts=(slow, slow))
    assert found["retries"] == "2 trials needed 4 more attempts (4 timeout)"
    assert "retries" not in facts({"P1": "PP"})


def test_the_main_facts() -> None:
    """Accuracy, variance, latency with n, load apart."""
    found = facts(MAIN_EXAMPLE, reply=make_reply(load_ms=1200.0))
    assert found["accuracy"] == (
        "100 % median of 7 runs (12 of 12 prompts), variance 0.0128"
    )
    assert found["E2E"].startswith("p50 ")
    assert found["E2E"].endswith("(n=84)")
    assert found["load"] == ("p50 1.20 s, p95 1.20 s (n=84), in neither of the above")
    assert "errors" not in found
    assert facts(MAIN_EXAMPLE)["load"] == "not told by the server"


def test_isolation_is_shown_where_there_is_any() -> None:
    """Its cost has a line of its own, behind the latencies that do not hold it."""
    found = facts(MAIN_EXAMPLE, reply=make_reply(isolation_ms=85.0))
    assert found["isolation"] == "p50 85 ms, p95 85 ms (n=84), in none of the above"
    assert list(found).index("isolation") == list(found).index("load") + 1
    assert "isolation" not in facts(MAIN_EXAMPLE)


@pytest.mark.parametrize(
    ("calls_at_once", "queue_ms", "is_shown"),
    [(1, 40.0, False), (4, 5.0, False), (4, 40.0, True), (4, None, False)],
)
def test_the_queue_is_shown_where_it_matters(
    calls_at_once: int,
    queue_ms: float | None,
    is_shown: bool,  # noqa: FBT001 - one fact
) -> None:
    """Where calls overlap and waited for a slot, in the form of the latencies."""
    reply = make_reply(queue_ms=queue_ms)
    found = facts(MAIN_EXAMPLE, calls_at_once, reply=reply)
    expected = "p50 40 ms, p95 40 ms (n=84), in none of the above"
    assert found.get("queue") == (expected if is_shown else None)


def test_a_few_long_waits_show_the_queue() -> None:
    """A p95 above the limit is enough: half of the calls wait for nothing."""
    records = make_records({"P1": "P" * 40})
    waits = [0.0] * 30 + [40.0] * 10
    replies = (make_reply(queue_ms=wait) for wait in waits)
    records = [replace(r, reply=one) for r, one in zip(records, replies, strict=True)]
    summary = summarise(records, make_plan({"P1": "P" * 40}))
    decision = decide(summary, PolicyThresholds(), None, {})
    found = dict(job_view(summary, decision, None, calls_at_once=2).facts)
    assert found["queue"].startswith("p50 0.0 ms, p95 40 ms")


def test_p95_waits_for_twenty() -> None:
    """Below twenty samples the place of p95 says why it is empty."""
    assert facts({"P1": "PPP"})["TTFT"] == "p50 200 ms, p95 at n>=20 (n=3)"


def test_timeouts_and_errors_are_counted_apart() -> None:
    """A timeout is in no percentile; an error counts for nobody."""
    found = facts({"P1": "PTE", "P2": "PPP"})
    assert found["E2E"].endswith("(n=4); 1 timed out, in no percentile")
    assert found["errors"] == "1 trial (16.7 %), judged for nobody"


def test_nothing_judged_has_no_latency() -> None:
    """Where only errors came, no latency is shown."""
    found = facts({"P1": "EEE"})
    assert found["accuracy"] == "none: no run is complete"
    assert set(found) == {"accuracy", "success", "errors"}
    assert found["success"] == "0 % (0 of 3; 3 timeout), limit 90 %"


def test_one_run_has_no_variance() -> None:
    """A spread needs two runs."""
    assert facts({"P1": "P"})["accuracy"] == (
        "100 % median of 1 run (1 of 1 prompt), variance -"
    )


def test_tool_use_is_shown_with_its_counts() -> None:
    """Scores come with hits and n; behaviours with their number."""
    grid = {"P1": "PPPFF"}
    restrained = facts(grid, expects_no_tool=True, behaviour="abstained")
    assert "restraint 100 % (5/5, 57-100 %)" in restrained["tool use"]
    assert restrained[""] == "5 abstained"
    acting = facts(grid, expects_tool=True, behaviour="called_right", category="action")
    assert acting["tool use"].startswith("action 100 % (5/5, 57-100 %)")
    assert acting["by category"] == "action 60 % (3/5, 23-88 %)"


def test_tool_use_has_a_score_and_a_tier() -> None:
    """Where all three categories are there, they sum up to one score."""
    grid = {"P1": "PPPPF", "P2": "PPPPP", "P3": "PPPPP"}
    records = [
        replace(
            record,
            phase="tool_use",
            category={"P1": "action", "P2": "restraint", "P3": "wrong_tool"}[
                record.prompt_id
            ],
            expects_tool=record.prompt_id != "P2",
            expects_no_tool=record.prompt_id == "P2",
            behaviour="abstained" if record.prompt_id == "P2" else "called_right",
        )
        for record in make_records(grid)
    ]
    summary = summarise(records, make_plan(grid, phase="tool_use"))
    decision = decide(summary, PolicyThresholds(), None, {})
    found = dict(job_view(summary, decision, None).facts)
    assert found["agent score"] == "1.000 (0.628-1.000)"  # 0.4 * 0.722 + 0.6 * 0.566
    assert found["tier"] == "1: success 93.3 % (14/15, 70-99 %)"
    assert found["by category"] == (
        "action 80 % (4/5, 38-96 %), restraint 100 % (5/5, 57-100 %), "
        "wrong_tool 100 % (5/5, 57-100 %)"
    )
    assert found[""] == "10 called right, 5 abstained"


def test_failure_modes_are_summed_up() -> None:
    """The spec shows all of them, each prompt its own."""
    grid = {"P1": "PFF", "P2": "PPP", "P3": "TFP"}
    summary = make_summary(grid, failure_mode="wrong_tool")
    shown = job_view(summary, decide(summary, PolicyThresholds(), None, {}), None)
    assert dict(shown.facts)["failures"] == "3 wrong_tool, 1 timeout"
    assert [row.failures for row in shown.rows] == [
        "2 wrong_tool",
        "",
        "1 timeout, 1 wrong_tool",
    ]
    assert "failures" not in facts({"P1": "PPP"})


def test_a_score_of_nothing_judged_has_no_interval() -> None:
    """Errors only: the prompts are there, their score is not."""
    found = facts({"P1": "EE"}, expects_tool=True, category="action")
    assert found["tool use"] == "action - (0/0)"
    assert found["by category"] == "action - (0/0)"


def test_a_prompt_cache_is_told() -> None:
    """Cached prompts make TTFT look better than it is, so they are named."""
    found = facts({"P1": "PPP"}, reply=make_reply(cached_tokens=5))
    assert found["cache"].startswith("3 of 3 prompts came partly from the server's")


def test_gates_have_observed_limit_and_margin() -> None:
    """Each gate's number is shown in its own unit, with how far it is inside."""
    base = Baseline(
        spec="b",
        run_id="r0",
        accuracy=0.75,
        prompt_hashes={name: f"hash-{name}" for name in MAIN_EXAMPLE},
        comparability={},
    )
    shown = view(MAIN_EXAMPLE, base)
    assert tuple(replace(gate, reason="", code="") for gate in shown.gates) == (
        GateView(
            name="evidence",
            observed="0 % errors",
            limit="<= 5 % errors",
            margin="+5 points",
            verdict="pass",
        ),
        GateView(
            name="samples",
            observed="7 runs",
            limit=">= 3 runs",
            margin="+4",
            verdict="pass",
        ),
        GateView(
            name="variance",
            observed="0.0128",
            limit="<= 0.0025",
            margin="-0.0103",
            verdict="fail -> HOLD",
        ),
        GateView(
            name="no regression",
            observed="100 %",
            limit=">= 75 %",
            margin="+25 points",
            verdict="pass",
        ),
        GateView(
            name="restraint",
            observed="-",
            limit=">= 80 %",
            margin="",
            verdict="does not apply",
        ),
    )
    assert (shown.decision, shown.baseline) == ("HOLD", "b")
    held = shown.gates[2]
    assert held.code == "variance_too_high"
    assert "variance 0.01276 is above 0.0025" in held.reason
    assert shown.code == held.code
    assert shown.reason == held.reason


def test_a_margin_that_is_kept_excuses_no_failed_gate() -> None:
    """With no error at all, evidence can lack trials: the margin is not the cause."""
    summary = make_summary({"P1": "PPPS", "P2": "PPPS"})
    decision = decide(summary, PolicyThresholds(), None, {})
    gates = {gate.name: gate for gate in job_view(summary, decision, None).gates}
    assert gates["evidence"].verdict == "fail -> HOLD"
    assert gates["evidence"].margin == "not the cause"


def test_a_gate_without_a_number_fails_openly() -> None:
    """Where nothing was judged every gate shows `-`, not 0."""
    gates = {gate.name: gate for gate in view({"P1": "E"}).gates}
    assert gates["variance"].observed == "-"
    assert gates["variance"].verdict == "fail -> HOLD"
    assert gates["no regression"].verdict == "fail -> REJECT"


@pytest.mark.parametrize(
    ("warmup", "text"),
    [
        (WARM, "success in 2.50 s"),
        (
            replace(WARM, load_s=1.25, gpu_share=0.5, context_length=4096),
            "success in 2.50 s, load 1.25 s, 50 % in VRAM, context 4,096",
        ),
        (replace(WARM, status="already_loaded"), "already loaded in 2.50 s"),
        (replace(WARM, status="failed", detail="refused"), "failed: refused"),
        (
            replace(WARM, status="skipped", detail="switched off"),
            "skipped: switched off",
        ),
    ],
)
def test_warm_up_is_one_line(warmup: WarmupResult, text: str) -> None:
    """How warming went, with what is known of the loaded model."""
    assert warmup_text(warmup) == text
    summary = make_summary({"P1": "P"})
    shown = job_view(summary, decide(summary, PolicyThresholds(), None, {}), warmup)
    assert shown.facts[-1] == ("warm-up", text)
