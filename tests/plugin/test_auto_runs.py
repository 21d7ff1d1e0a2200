"""--runs auto: runs end once each candidate is known to be worse, or not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from bench_project import SMALL_ANSWERS, Bench
from fake_ollama import FakeModel, answers_by_prompt, says
from jsonschema import Draft202012Validator

from pytest_llmbench.runs.schemas import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from fake_ollama import FakeOllama

DEFS = {"$defs": load_schema("summary")["$defs"]}
BASE = "fake:1b / atomic / native_api / t60 r0 i0 w1"
SAME = "fake:1b / atomic / native_api / t120 r0 i0 w1"
WORSE = "bad:1b / atomic / native_api / t60 r0 i0 w1"
RIGHT = answers_by_prompt(SMALL_ANSWERS, says("4"))
WRONG = answers_by_prompt({}, says("no"))


@pytest.fixture
def models(serve: Callable[..., FakeOllama]) -> FakeOllama:
    """Serve a model that is always right and one that answers `no` to everything."""
    return serve(FakeModel(answer=RIGHT), FakeModel(name="bad:1b", answer=WRONG))


def asked(server: FakeOllama) -> int:
    """Count the questions of trials: not preloads, unloadings, warm-ups."""
    bodies = [request.body or {} for request in server.requests_to("/api/chat")]
    texts = [m["content"] for body in bodies for m in body["messages"][-1:]]
    return len([text for text in texts if text != "What is 2+2?"])


def test_runs_end_when_the_verdict_is_certain(bench: Bench, models: FakeOllama) -> None:
    """The rest is skipped with the reason, asked of nobody, and missed by no gate."""
    bench.suite()
    options = ("--baseline", BASE, "--candidate", WORSE, "--gate", "no-reject")
    result = bench.run(*options, "--runs", "auto", "-rs")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    summary = bench.summary()
    told = summary["sequential"]
    runs = told["runs"]
    assert 3 <= runs < 20
    assert told["max_runs"] == 20
    assert told["calls_saved"] == (20 - runs) * 6
    assert told["candidates"][WORSE]["verdict"] == "worse"
    assert told["candidates"][WORSE]["after_runs"] <= runs
    assert len(bench.records()) == asked(models) == runs * 6
    assert result.parseoutcomes()["skipped"] == (20 - runs) * 6
    Draft202012Validator(load_schema("summary")["$defs"]["sequential"] | DEFS).validate(
        told
    )
    (decision,) = summary["policy_decisions"]
    assert decision["decision"] == "REJECT"
    assert decision["gates"][0]["passed"] is True
    assert {job["planned_trials"] for job in summary["job_summaries"]} == {runs * 3}
    saved = (20 - runs) * 6
    result.stdout.fnmatch_lines([f"SKIPPED*decided after {runs} runs: {WORSE}: worse*"])
    result.stdout.fnmatch_lines([
        f"*note*--runs auto: {runs} of at most 20 runs, {saved} calls saved",
        f"*note*--runs auto: {WORSE}:",
        "*worse, certain after*",
    ])


def test_runs_go_on_while_one_candidate_is_open(
    bench: Bench, models: FakeOllama
) -> None:
    """What three prompts in four runs can't show is not claimed."""
    bench.suite()
    options = ("--baseline", BASE, "--candidate", WORSE, "--candidate", SAME)
    result = bench.run(*options, "--runs", "auto:4")
    assert "skipped" not in result.parseoutcomes()
    told = bench.summary()["sequential"]
    assert (told["runs"], told["max_runs"], told["calls_saved"]) == (4, 4, 0)
    assert told["candidates"][SAME]["verdict"] is None
    assert told["candidates"][SAME]["after_runs"] is None
    assert models.loads


def test_a_run_that_has_ended_by_itself_is_complete(
    bench: Bench, models: FakeOllama
) -> None:
    """--resume asks nothing more of it; of one that was cut it asks what is missing."""
    bench.suite()
    options = ("--baseline", BASE, "--candidate", WORSE)
    bench.run(*options, "--runs", "auto")
    runs = bench.summary()["sequential"]["runs"]
    run_id = bench.newest("results.jsonl").parent.name
    count = asked(models)
    again = bench.run("--resume", run_id)
    again.stdout.fnmatch_lines([f"*run {run_id} is complete; nothing is asked"])
    assert asked(models) == count
    results = bench.newest("results.jsonl")
    lines = results.read_text().splitlines(keepends=True)
    results.write_text("".join(lines[:-2]))
    bench.run("--resume", run_id)
    assert asked(models) == count + 2
    assert bench.summary()["sequential"]["runs"] == runs
    assert (
        json.loads(bench.newest("config.json").read_text())["plans"][0]["runs"] == runs
    )


def test_a_service_is_asked_no_run_too_many(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its calls are made ahead of pytest, but not into a run that may not come."""
    from fake_openai import FakeOpenAI
    from fake_openai_models import OPENAI, ChatModel

    monkeypatch.setenv("OPENAI_API_KEY", "sk-fake-1234567890")
    bench.suite()
    models = (ChatModel(name="good", answer=RIGHT), ChatModel(name="bad", answer=WRONG))
    with FakeOpenAI(*models, flavour=OPENAI) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        specs = [f"openai/{name} / atomic / native_api" for name in ("good", "bad")]
        bench.run("--baseline", specs[0], "--candidate", specs[1], "--runs", "auto")
        summary = bench.summary()
        runs = summary["sequential"]["runs"]
        assert runs < 20
        questions = [body["messages"][-1]["content"] for body in server.bodies]
        assert len([one for one in questions if "2+2" not in one]) == runs * 6
        assert all(one["unloaded"] is None for one in summary["warmup_result"])


def test_workers_can_not_end_runs(bench: Bench, models: FakeOllama) -> None:
    """Which runs are over is known in one process only."""
    bench.suite()
    options = ("--baseline", BASE, "--candidate", WORSE, "--runs", "auto", "-n2")
    result = bench.run_apart(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--runs auto needs one process: leave -n*"])
    assert not models.loads
