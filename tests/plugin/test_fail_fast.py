"""`--fail-fast`: a spec that leads nowhere is given up, and is never promoted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from bench_project import SMALL_ANSWERS, SMALL_SUITE
from fake_ollama import (
    FakeModel,
    answers_by_prompt,
    crashes,
    says,
    slow_first_byte,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import Bench
    from fake_ollama import Answer, FakeCall, FakeOllama, Fault

RIGHT = answers_by_prompt(SMALL_ANSWERS, says("4"))
RUN = ("--model", "fake:1b", "--runs", "5", "--disable-warmup")
"""Fifteen trials, each one request."""


def dies_at(trial: int) -> Callable[[FakeCall], Answer | Fault]:
    """Answer right until a trial, counted from 1, and crash ever after."""
    asked: list[str] = []

    def answer(call: FakeCall) -> Answer | Fault:
        asked.append(call.last_user_text)
        return crashes() if len(asked) >= trial else RIGHT(call)

    return answer


def outcomes(bench: Bench) -> str:
    """Return the newest run's outcomes by their first letters."""
    return "".join(record["outcome"][0] for record in bench.records())


def test_a_dead_server_ends_the_spec(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """After three errors in a row the rest is skipped, with the reason."""
    server = serve(FakeModel(answer=dies_at(8)))
    bench.suite()
    result = bench.run(*RUN, "-rs", "--junitxml", "junit.xml", "--fail-fast")
    result.assert_outcomes(passed=7, errors=3, skipped=5)
    # The one in flight when the tenth was judged may have come to its server.
    assert len(server.requests_to("/api/chat")) in {10, 11}
    assert outcomes(bench) == "pppppppeeesssss"
    fault = bench.records()[-1]["fault"]
    assert fault["kind"] == "given_up"
    reason = (
        "3 trials in a row ended in error or time-out: P2 run 3 (server_fault),"
        " P3 run 3 (server_fault), P1 run 4 (server_fault)"
    )
    assert fault["message"] == reason
    (decision,) = bench.summary()["policy_decisions"]
    assert decision["decision"] == "HOLD"
    assert f"10 of 15 trials ran: given up, {reason}" in decision["reason"]
    assert bench.summary()["job_summaries"][0]["given_up"] == reason
    text = " ".join(result.stdout.str().split())
    assert "HOLD: 10 of 15 trials ran: given up, 3 trials in a row" in text
    assert f"spec given up: {reason}" in text
    junit = (bench.pytester.path / "junit.xml").read_text()
    assert junit.count("spec given up: 3 trials in a row") >= 5
    assert "HOLD: 10 of 15 trials ran: given up, 3 trials" in junit


def test_time_outs_end_the_spec(bench: Bench, small: FakeOllama) -> None:
    """A model that is too slow N times in a row is not waited for any longer."""
    bench.suite()
    small.faults.append(slow_first_byte(0.4).always())
    bench.run(*RUN, "--call-timeout", "0.1", "--fail-fast", "2")
    assert outcomes(bench) == "tt" + "s" * 13
    assert bench.summary()["policy_decisions"][0]["decision"] == "HOLD"


def test_a_prompt_that_always_fails_ends_the_spec(
    bench: Bench, small: FakeOllama
) -> None:
    """Three failed first runs of one prompt are enough, whatever N is."""
    bench.suite(SMALL_SUITE.replace("exact: READY", "exact: NEVER"))
    bench.run(*RUN, "--fail-fast=9")
    assert outcomes(bench) == "ppfppfppf" + "s" * 6
    decision = bench.summary()["policy_decisions"][0]
    assert decision["decision"] == "HOLD"
    assert "given up, P3 failed its first 3 runs (run 1: " in decision["reason"]
    assert small.loads


def test_other_specs_go_on(bench: Bench, serve: Callable[..., FakeOllama]) -> None:
    """What one model's errors end is that model's spec only."""
    serve(
        FakeModel(name="bad:1b", answer=dies_at(1)),
        FakeModel(name="good:1b", answer=RIGHT),
    )
    bench.suite()
    run = ("--model", "bad:1b,good:1b", "--runs", "3", "--disable-warmup")
    bench.run(*run, "--fail-fast")
    assert outcomes(bench) == "eeessssss" + "p" * 9
    words = {d["spec"][:4]: d["decision"] for d in bench.summary()["policy_decisions"]}
    assert words == {"bad:": "HOLD", "good": "PROMOTE"}


@pytest.mark.parametrize("options", [(), ("--fail-fast=0",), ("--fail-fast", "0")])
def test_nothing_is_given_up_unasked(
    bench: Bench, serve: Callable[..., FakeOllama], options: tuple[str, ...]
) -> None:
    """Without the option, or with 0, every trial is tried."""
    serve(FakeModel(answer=dies_at(4)))
    bench.suite()
    (bench.pytester.path / "llmbench.toml").write_text(
        "fail_fast = 3\n" if options else ""
    )
    bench.run(*RUN, *options)
    assert outcomes(bench) == "ppp" + "e" * 12


def test_the_settings_file_has_its_twin(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """`fail_fast = 4` is the option with a number."""
    serve(FakeModel(answer=dies_at(4)))
    bench.suite()
    (bench.pytester.path / "llmbench.toml").write_text("fail_fast = 4\n")
    bench.run(*RUN)
    assert outcomes(bench) == "pppeeee" + "s" * 8


def test_workers_give_up_too(bench: Bench, serve: Callable[..., FakeOllama]) -> None:
    """Under `-n 2` a model's trials are on one worker, which counts them."""
    serve(FakeModel(answer=dies_at(8)))
    bench.suite()
    result = bench.run_apart(*RUN, "-n2", "--fail-fast")
    result.assert_outcomes(passed=7, errors=3, skipped=5)
    assert "given up, 3 trials" in bench.summary()["policy_decisions"][0]["reason"]


def test_a_path_behind_the_option_is_explained(bench: Bench) -> None:
    """The message says how to write it."""
    bench.suite()
    result = bench.run("--model", "fake:1b", "--fail-fast", "small.bench.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str()
    assert "--fail-fast is 'small.bench.yaml'; it takes a whole number" in text
    assert "before a path write --fail-fast=3" in text


def test_a_run_given_up_can_go_on(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """Resumed, the errors and the skipped trials are asked, by the same rule."""
    serve(FakeModel(answer=dies_at(8)))
    bench.suite()
    bench.run(*RUN, "--fail-fast")
    serve(FakeModel(answer=RIGHT))
    bench.run("--resume", "last").assert_outcomes(passed=15)
    assert bench.summary()["job_summaries"][0]["given_up"] is None
    assert bench.summary()["policy_decisions"][0]["decision"] == "PROMOTE"


def test_resumed_trials_are_evidence(bench: Bench, small: FakeOllama) -> None:
    """Judged trials from before count in their order; 0 asks the rest after all."""
    bench.suite(SMALL_SUITE.replace("exact: READY", "exact: NEVER"))
    bench.run(*RUN, "--fail-fast")
    asked = len(small.requests_to("/api/chat"))
    bench.run("--resume", "last").assert_outcomes(passed=6, failed=3, skipped=6)
    assert len(small.requests_to("/api/chat")) == asked
    assert len(bench.records()) == 15
    bench.run("--resume", "last", "--fail-fast=0").assert_outcomes(passed=10, failed=5)
    assert len(small.requests_to("/api/chat")) == asked + 6
    config = json.loads(bench.newest("config.json").read_text())
    assert config["settings"]["fail_fast"] == 0


def test_a_replay_gives_nothing_up(bench: Bench, small: FakeOllama) -> None:
    """Stored replies cost nothing, so all of them are judged."""
    bench.suite(SMALL_SUITE.replace("exact: READY", "exact: NEVER"))
    bench.run(*RUN)
    stored = str(bench.newest("results.jsonl"))
    result = bench.run(*RUN, "--replay", stored, "--fail-fast")
    result.assert_outcomes(passed=10, failed=5)
    assert small.loads


def test_a_rerun_that_is_skipped_hides_no_error(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """With `--reruns` the third error gives up, and stays an error."""
    serve(FakeModel(answer=dies_at(1)))
    bench.suite()
    bench.run(*RUN, "--reruns", "1", "--fail-fast=1")
    counts = bench.summary()["job_summaries"][0]["outcomes"]
    assert (counts["error"], counts["skipped"]) == (1, 14)
