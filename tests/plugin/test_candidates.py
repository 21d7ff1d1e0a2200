"""Baseline and candidates side by side: order, decisions, what is canonical."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from bench_project import SMALL_ANSWERS, SMALL_SUITE
from fake_ollama import FakeModel, answers_by_prompt, refuse, says

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import Bench
    from fake_ollama import FakeOllama

COLD = "fake:1b / atomic / native_api / t60 r0 i0 w0"
WARM = "fake:1b / atomic / native_api / t60 r0 i0 w1"
HOT = "fake:1b / atomic / native_api / t60 r0 i0 w1 temperature=0.9"
SLOW = "fake:1b / atomic / native_api / t120 r0 i0 w1"
OTHER = "two:1b / atomic / native_api / t60 r0 i0 w1"


def axis(*candidates: str, baseline: str = "") -> tuple[str, ...]:
    """Return the options that name a baseline and candidates."""
    named = tuple(word for one in candidates for word in ("--candidate", one))
    return (*named, "--baseline", baseline) if baseline else named


def turns(bench: Bench) -> list[tuple[int, str]]:
    """Return run and spec of the records, in order, each turn once."""
    found = [(record["run"], record["spec"]) for record in bench.records()]
    return list(dict.fromkeys(found))


def decisions(bench: Bench) -> dict[str, Any]:
    """Return the newest run's decisions by spec."""
    return {one["spec"]: one for one in bench.summary()["policy_decisions"]}


def canonical(bench: Bench) -> str:
    """Return the canonical spec of the phase `atomic`; empty without one."""
    path = bench.reports / "canonical.json"
    if not path.exists():
        return ""
    return str(json.loads(path.read_text())["phases"]["atomic"]["spec"])


def test_specs_take_turns_run_by_run(bench: Bench, small: FakeOllama) -> None:
    """Each run asks every spec whole, and begins with another one than the last."""
    bench.suite()
    options = ("--runs", "4", "-v")
    result = bench.run(*axis(WARM, SLOW, baseline=COLD), *options)
    result.assert_outcomes(passed=36)
    order = [COLD, WARM, SLOW]
    assert turns(bench) == [
        (run, spec)
        for run in (1, 2, 3, 4)
        for spec in (order * 2)[(run - 1) % 3 : (run - 1) % 3 + 3]
    ]
    result.stdout.fnmatch_lines([
        "llmbench: 3 specs, 3 prompts, 4 runs = 36 trials; warm-up by spec",
        f"llmbench: baseline {COLD}",
        f"llmbench: candidate {WARM}",
        "*::P1*fake:1b-native_api-t60r0i0w0-run1* PASSED*",
        "*::P1*fake:1b-native_api-t120r0i0w1-run2* PASSED*",
    ])
    assert small.loads


def test_candidates_are_held_against_the_baseline_beside_them(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """The stored baseline of another day says nothing; the one of this session does."""
    right = answers_by_prompt(SMALL_ANSWERS, says("4"))
    worse = answers_by_prompt({**SMALL_ANSWERS, "exactly READY": says("no")}, says("4"))
    serve(FakeModel(answer=worse), FakeModel(name="two:1b", answer=right))
    bench.suite()
    options = ("--runs", "3", "--gate", "promote")
    result = bench.run(*axis(OTHER, baseline=WARM), *options)
    assert result.ret == pytest.ExitCode.OK  # the baseline's own failures are no fault
    result.stdout.fnmatch_lines([
        f"{WARM}",
        "  baseline: this run's candidates are held against it",
        f"{OTHER}",
        f"  baseline *{WARM}",
        "  PROMOTE: all gates pass",
        "--gate promote: met",
    ])
    found = decisions(bench)
    assert list(found) == [OTHER]
    assert found[OTHER]["baseline_spec"] == WARM
    gate = found[OTHER]["gates"][3]
    assert gate["limit"] == pytest.approx(2 / 3)
    assert {j["spec"]: j["role"] for j in bench.summary()["job_summaries"]} == {
        WARM: "baseline",
        OTHER: "candidate",
    }
    text = bench.newest("summary.md").read_text()
    assert "**baseline**: this run's candidates are held against it" in text
    assert canonical(bench) == OTHER  # there was none
    back = bench.run(*axis(WARM, baseline=OTHER), *options)
    assert back.ret == pytest.ExitCode.TESTS_FAILED
    assert decisions(bench)[WARM]["decision"] == "REJECT"
    assert canonical(bench) == OTHER


def test_the_canonical_spec_is_the_baseline(bench: Bench, small: FakeOllama) -> None:
    """Without --baseline it runs again beside the candidates, and may be succeeded."""
    bench.suite()
    bench.run("--model", "fake:1b", "--runs", "3")
    assert canonical(bench) == WARM
    bench.run(*axis(SLOW, HOT), "--runs", "3")
    summary = bench.summary()
    roles = [(job["spec"], job["role"]) for job in summary["job_summaries"]]
    assert roles == [(WARM, "baseline"), (SLOW, "candidate"), (HOT, "candidate")]
    assert canonical(bench) in {SLOW, HOT}
    seeds = {(one["spec"], one["run"]): one["seed"] for one in bench.records()}
    assert seeds[WARM, 1] == seeds[SLOW, 1] != seeds[HOT, 1]
    # What was held against another spec leaves the canonical one, and says so.
    now = canonical(bench)
    other = SLOW if now == HOT else HOT
    bench.run(*axis(other, baseline=WARM), "--runs", "3")
    told = "was not held against the canonical spec of phase atomic"
    assert any(told in note for note in bench.summary()["notes"])
    assert canonical(bench) == now
    assert small.loads


def test_without_any_baseline_candidates_are_decided_alone(
    bench: Bench, small: FakeOllama
) -> None:
    """No canonical spec, no --baseline: the first to pass becomes canonical."""
    bench.suite()
    bench.run(*axis(WARM), "--runs", "3")
    (job,) = bench.summary()["job_summaries"]
    assert job["role"] == "candidate"
    assert decisions(bench)[WARM]["baseline_spec"] is None
    assert canonical(bench) == WARM
    assert small.loads


def test_a_baseline_with_bad_evidence_holds_its_candidates(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """What erred measures nothing, so nothing can be said to be better than it."""
    right = answers_by_prompt(SMALL_ANSWERS, says("4"))
    server = serve(FakeModel(answer=right), FakeModel(name="two:1b", answer=right))
    fault = refuse(500, "no").where(model="two:1b", prompt_contains="Oslo")
    server.faults.append(replace(fault, is_always=True))
    bench.suite()
    bench.run(*axis(WARM, baseline=OTHER), "--runs", "3")
    (decision,) = decisions(bench).values()
    assert (decision["decision"], decision["decided_by"]) == ("HOLD", "evidence")
    assert decision["reason"].startswith(
        "the baseline's own evidence: 3 of 9 trials erred"
    )
    assert decision["gates"][0]["passed"] is False
    assert canonical(bench) == ""


def test_a_baseline_that_is_not_there_holds_its_candidates(
    bench: Bench, small: FakeOllama
) -> None:
    """Nothing of it was judged."""
    bench.suite()
    bench.run(*axis(WARM, baseline=OTHER), "--runs", "3")
    (decision,) = decisions(bench).values()
    assert (decision["decision"], decision["decided_by"]) == ("HOLD", "evidence")
    assert small.loads


@pytest.mark.parametrize("workers", ["-n2", "-n0"])
def test_workers_take_the_same_turns(
    bench: Bench, small: FakeOllama, workers: str
) -> None:
    """One server's specs stay on one worker, in the order of one process."""
    bench.suite()
    bench.run_apart(*axis(SLOW, HOT, baseline=WARM), "--runs", "3", workers)
    found = turns(bench)
    assert found[:4] == [(1, WARM), (1, SLOW), (1, HOT), (2, SLOW)]
    assert len(found) == 9
    assert len({record["worker"] for record in bench.records()}) == 1
    assert set(decisions(bench)) == {SLOW, HOT}
    ids = {record["trial_id"] for record in bench.records()}
    assert len(ids) == 27
    assert any("fake:1b-native_api-t60r0i0w1&temperature=0.9-run3" in i for i in ids)
    assert len(small.loads) == 3


def test_failed_trials_of_a_spec_run_again(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """--lf finds them by their ids, which name flags and options."""
    wrong = answers_by_prompt({**SMALL_ANSWERS, "exactly READY": says("no")}, says("4"))
    serve(FakeModel(answer=wrong))
    bench.suite()
    options = ("-p", "cacheprovider", *axis(HOT, baseline=WARM))
    bench.pytester.runpytest_inprocess(*options).assert_outcomes(passed=4, failed=2)
    again = bench.pytester.runpytest_inprocess(*options, "--lf")
    again.assert_outcomes(failed=2)


def test_each_suite_runs_its_own_phase(bench: Bench, small: FakeOllama) -> None:
    """Suites of one phase share a spec's turn; another phase is not run, and named."""
    bench.suite()
    bench.suite(SMALL_SUITE.replace("suite: small", "suite: more"), "more")
    other = SMALL_SUITE.replace("suite: small", "suite: far")
    bench.suite(other.replace("phase: atomic", "phase: extended"), "far")
    result = bench.run(*axis(SLOW, baseline=WARM), "--runs", "2")
    result.assert_outcomes(passed=24)
    result.stdout.fnmatch_lines([
        "llmbench: suite far is not run: no candidate is of phase extended"
    ])
    assert turns(bench) == [(1, WARM), (1, SLOW), (2, SLOW), (2, WARM)]
    assert len(bench.summary()["policy_decisions"]) == 2
    assert len(small.loads) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((*axis(SLOW), "--model", "x"), "--candidate and --model exclude"),
        ((*axis(SLOW), "--variant", "text"), "--candidate and --variant exclude"),
        ((*axis(SLOW), "--call-timeout", "5"), "--candidate and --call-timeout excl"),
        ((*axis(SLOW), "--replay", "x.jsonl"), "--candidate and --replay exclude"),
        (axis(SLOW, baseline=SLOW), "is --baseline of phase atomic already"),
        (axis("m atomic native"), "--candidate: unknown variant 'native'*mean*_api"),
        (axis("m atomic"), "--candidate: spec 'm atomic' lacks variant"),
        (axis("m b text"), "--candidate: 'm / b / text*of phase 'b', which no*atomic"),
        (axis(SLOW, baseline="m b text"), "--baseline: 'm / b /*of phase b, but every"),
        (("--runs", "auto", "--model", "m"), "--runs auto needs --candidate"),
        (("--runs", "auto", *axis(SLOW)), "--runs auto: phase atomic has no baseline"),
        (("--runs", "auto:0"), "--runs is 'auto:0'; it takes a whole number"),
        (("--cold-start", "no"), "--cold-start is 'no'; it takes one of never, spec"),
    ],
)
def test_what_contradicts_itself_is_one_usage_error(
    bench: Bench, options: tuple[str, ...], words: str
) -> None:
    """It names the option and what to do; no trial is begun."""
    bench.suite()
    result = bench.run(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{words}*"])
    assert not bench.reports.exists()


def test_a_candidate_that_is_canonical_is_a_usage_error(
    bench: Bench, small: FakeOllama
) -> None:
    """It would be held against itself."""
    bench.suite()
    bench.run("--model", "fake:1b", "--runs", "3")
    result = bench.run(*axis(WARM))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*is the canonical spec of phase atomic already*"])
    assert small.loads


def test_an_interrupted_run_goes_on_with_its_own_baseline(
    bench: Bench, small: FakeOllama
) -> None:
    """The canonical spec of then is asked to the end, whatever is canonical now."""
    bench.suite()
    bench.run("--model", "fake:1b", "--runs", "3")
    whole = bench.run(*axis(SLOW), "--runs", "3")
    whole.assert_outcomes(passed=18)
    results = bench.newest("results.jsonl")
    lines = results.read_text().splitlines(keepends=True)
    results.write_text("".join(lines[:7]))
    results.with_name("summary.json").unlink()
    path = bench.reports / "canonical.json"
    assert canonical(bench) == SLOW
    loads = len(small.loads)
    result = bench.run("--resume", results.parent.name)
    result.assert_outcomes(passed=18)
    result.stdout.fnmatch_lines(["*7 of 18 trials are finished and not asked again*"])
    assert len(bench.records()) == 18
    assert {j["role"] for j in bench.summary()["job_summaries"]} == {
        "baseline",
        "candidate",
    }
    # Both specs had begun before: neither was unloaded again.
    assert len(small.loads) == loads
    assert path.exists()
    other = bench.run("--resume", results.parent.name, "--candidate", HOT)
    other.stderr.fnmatch_lines(["*--candidate is*but that run has*"])


def test_the_caller_may_name_the_run(
    bench: Bench, small: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LLMBENCH_RUN_ID names the folder, once, and only with an id's form."""
    bench.suite()
    wanted = "20261121T095724000Z-c8e9bb"
    monkeypatch.setenv("LLMBENCH_RUN_ID", wanted)
    bench.run("--model", "fake:1b")
    assert bench.summary()["run_id"] == wanted
    again = bench.run("--model", "fake:1b")
    assert again.ret == pytest.ExitCode.USAGE_ERROR
    again.stderr.fnmatch_lines([f"*LLMBENCH_RUN_ID: run {wanted} exists already*"])
    assert bench.run("--resume", wanted).ret == pytest.ExitCode.OK
    monkeypatch.setenv("LLMBENCH_RUN_ID", "../mine")
    result = bench.run("--model", "fake:1b")
    result.stderr.fnmatch_lines(["*LLMBENCH_RUN_ID is '../mine'; it takes a start*"])
    assert small.loads
