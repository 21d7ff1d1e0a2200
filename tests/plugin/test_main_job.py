"""The main job: runs, patterns, gates, decision, exit status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import Bench
    from fake_ollama import FakeOllama

RUN = ("atomic", "--model", "fake:1b", "--runs", "7", "--gate", "promote")


def test_a_cold_start_is_found_and_held(bench: Bench, cold: FakeOllama) -> None:
    """Without warm-up: F F P P P P P, cold_start with p and load, HOLD, exit 1."""
    bench.atomic()
    result = bench.run(*RUN, "--disable-warmup")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=78, failed=6)
    result.stdout.fnmatch_lines([
        "  P6 * F F P P P P P * 5/7 * 36-92 % * cold_start",
        "  cold_start     P6, P7, P9: failed runs 1-2 of 7, chance p = 0.00011*",
        "  variance*0.0128*<= 0.0025*fail -> HOLD",
        "  HOLD: variance 0.01276 is above 0.0025 over 7 runs",
        "--gate promote: FAILED",
    ])
    job = bench.summary()["job_summaries"][0]
    assert job["variance"] == pytest.approx(0.012755102)
    assert job["accuracy"] == 1.0
    assert job["failed_prompts"] == ["P6", "P7", "P9"]
    pattern = job["prompts"][5]["pattern"]
    assert pattern["kind"] == "cold_start"
    assert pattern["p_value"] == pytest.approx((1 / 21) ** 3)
    assert pattern["residency"]["is_resident"] is False
    assert pattern["residency"]["load_ms"] >= 200
    assert not (bench.reports / "canonical.json").exists()
    assert cold.loads


def test_a_warmed_model_is_promoted(bench: Bench, cold: FakeOllama) -> None:
    """With warm-up: 12 of 12, variance 0, PROMOTE, exit 0, and it is canonical."""
    bench.atomic()
    result = bench.run(*RUN)
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=84)
    result.stdout.fnmatch_lines([
        "*PROMOTE: all gates pass; no baseline yet, so this becomes it"
    ])
    canonical = json.loads((bench.reports / "canonical.json").read_text())
    atomic = canonical["phases"]["atomic"]
    assert atomic["spec"] == "fake:1b / atomic / native_api / t60 r0 i0 w1"
    assert atomic["variance"] == 0
    assert len(cold.loads) == 1


def test_the_model_is_warmed_once(bench: Bench, atomic: FakeOllama) -> None:
    """One preload and one small question come before the first trial."""
    bench.atomic()
    bench.run(*RUN)
    bodies = [r.body or {} for r in atomic.requests_to("/api/chat")]
    assert [len(b["messages"]) for b in bodies[:3]] == [0, 1, 2]
    assert bodies[1]["messages"][0]["content"] == "What is 2+2?"
    assert len(bodies) == 2 + 84
    assert len(bench.records()) == 84
    assert bench.summary()["warmup_result"][0]["status"] == "success"


def test_every_run_has_its_own_recorded_seed(bench: Bench, small: FakeOllama) -> None:
    """A run's seed is sent, recorded, and the same in a repetition of the run."""
    bench.suite()
    seeds = []
    for _ in range(2):
        bench.run("--model", "fake:1b", "--runs", "3")
        seeds.append([(r["run"], r["seed"]) for r in bench.records()])
    assert seeds[0] == seeds[1]
    assert len({seed for _, seed in seeds[0]}) == 3
    sent = {
        (r.body or {})["options"].get("seed") for r in small.requests_to("/api/chat")
    }
    assert {seed for _, seed in seeds[0]} <= sent


def test_a_worse_model_is_rejected_against_the_canonical(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """The canonical spec is the baseline; a lower median is a REJECT."""
    from bench_project import SMALL_ANSWERS
    from fake_ollama import FakeModel, answers_by_prompt, says

    right = answers_by_prompt(SMALL_ANSWERS, says("4"))
    worse = answers_by_prompt({**SMALL_ANSWERS, "exactly READY": says("no")}, says("4"))
    server = serve(FakeModel(answer=right), FakeModel(name="bad:1b", answer=worse))
    bench.suite()
    options = ("--runs", "3", "--gate", "no-reject")
    assert bench.run("--model", "fake:1b", *options).ret == pytest.ExitCode.OK
    result = bench.run("--model", "bad:1b", *options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([
        "  baseline       fake:1b / atomic / native_api / t60 r0 i0 w1",
        "  REJECT: median accuracy 0.6667 is below the baseline's 1",
    ])
    canonical = json.loads((bench.reports / "canonical.json").read_text())
    assert canonical["phases"]["atomic"]["model"] == "fake:1b"
    assert server.loads


def test_a_chosen_baseline_is_taken_from_its_stored_run(
    bench: Bench, small: FakeOllama
) -> None:
    """`--baseline SPEC` compares with that spec's newest run, and promotes nothing."""
    bench.suite()
    bench.run("--model", "fake:1b", "--runs", "2")
    spec = "fake:1b atomic native_api w1 t60"
    result = bench.run("--model", "fake:1b", "--runs", "3", "--baseline", spec)
    result.stdout.fnmatch_lines([
        "  baseline       fake:1b / atomic / native_api / t60 r0 i0 w1",
        "*PROMOTE*",
    ])
    assert not (bench.reports / "canonical.json").exists()
    assert small.loads


def test_a_changed_prompt_makes_the_baseline_incomparable(
    bench: Bench, small: FakeOllama
) -> None:
    """Other prompts by hash: HOLD, and the changed prompt is named."""
    path = bench.suite()
    bench.run("--model", "fake:1b", "--runs", "3")
    path.write_text(path.read_text().replace("in Oslo?", "in Oslo today?"))
    path.write_text(path.read_text().replace("Oslo today", "weather in Oslo"))
    result = bench.run("--model", "fake:1b", "--runs", "3")
    result.stdout.fnmatch_lines([
        "*HOLD: baseline not comparable: prompts changed: P1*"
    ])
    assert small.loads


@pytest.mark.parametrize(
    ("gate", "runs", "wrong", "status"),
    [
        ("none", 3, False, 0),
        ("none", 3, True, 1),
        ("promote", 3, False, 0),
        ("promote", 2, False, 1),  # HOLD: too few runs
        ("no-reject", 2, False, 0),
        ("no-reject", 2, True, 0),  # HOLD wins over failed trials
        ("promote", 3, True, 0),  # first of its phase: no baseline, all gates pass
    ],
)
def test_exit_status_follows_the_gate(
    bench: Bench,
    small: FakeOllama,
    *,
    gate: str,
    runs: int,
    wrong: bool,
    status: int,
) -> None:
    """`--gate` decides the status; `none` leaves it to pytest."""
    from bench_project import SMALL_SUITE

    wanted = "exact: NEVER" if wrong else "exact: READY"
    bench.suite(SMALL_SUITE.replace("exact: READY", wanted))
    result = bench.run("--model", "fake:1b", "--runs", str(runs), "--gate", gate)
    assert result.ret == status
    assert small.loads


def test_a_failing_ordinary_test_keeps_the_status_red(
    bench: Bench, small: FakeOllama
) -> None:
    """A promoted model does not hide a failing unit test."""
    bench.suite()
    bench.pytester.makepyfile("def test_a(): assert False")
    result = bench.run("--model", "fake:1b", "--runs", "3", "--gate", "promote")
    result.stdout.fnmatch_lines(["*PROMOTE*", "--gate promote: met"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert small.loads


def test_errors_hold_and_count_for_nobody(bench: Bench, small: FakeOllama) -> None:
    """A server fault is an error: accuracy is over the rest, and the gate is closed."""
    from fake_ollama import crashes

    bench.suite()
    small.faults.append(crashes().where(prompt_contains="READY").always())
    result = bench.run("--model", "fake:1b", "--runs", "3", "--gate", "no-reject")
    result.assert_outcomes(passed=6, errors=3)
    assert result.ret == pytest.ExitCode.OK
    summary = bench.summary()
    assert summary["job_summaries"][0]["accuracy"] == 1.0
    assert summary["policy_decisions"][0]["decided_by"] == "evidence"
    result.stdout.fnmatch_lines([
        "*ERROR at setup of P3*",
        "*unexpectedly stopped*",
        "*HOLD: 3 of 9 trials*",
    ])
    assert (
        bench.run("--model", "fake:1b", "--runs", "3", "--gate", "promote").ret
        == pytest.ExitCode.TESTS_FAILED
    )


def test_nothing_judged_meets_no_gate(bench: Bench, small: FakeOllama) -> None:
    """All trials in error: no gate is green on no evidence."""
    from fake_ollama import crashes

    bench.suite()
    small.faults.append(crashes().always())
    result = bench.run("--model", "fake:1b", "--gate", "no-reject")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*HOLD: nothing was judged*"])


def test_deselecting_everything_is_pytests_own_status(
    bench: Bench, small: FakeOllama
) -> None:
    """No trial at all keeps pytest's code 5, which is no success either."""
    bench.suite()
    result = bench.run("--model", "fake:1b", "--gate", "promote", "-k", "nothing")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert not small.requests


def test_a_slow_model_times_out_as_not_passed(bench: Bench, small: FakeOllama) -> None:
    """A timeout is the model's: not passed, its own letter, in no percentile."""
    from fake_ollama import slow_first_byte

    bench.suite()
    small.faults.append(slow_first_byte(1.0).where(prompt_contains="READY"))
    result = bench.run("--model", "fake:1b", "--call-timeout", "0.3", "-v")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*P3*TIMEOUT*", "*no first byte within 0.3 s*"])
    job = bench.summary()["job_summaries"][0]
    assert job["outcomes"]["timeout"] == 1
    assert job["latency"]["e2e_ms"]["n"] == 2
    assert job["runs"][0]["accuracy"] == pytest.approx(2 / 3)
