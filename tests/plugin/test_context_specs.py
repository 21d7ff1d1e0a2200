"""Lengths where specs are the axis: their order, whole runs, and cold starts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from fake_ollama import FakeModel, says
from fake_openai import FakeOpenAI
from fake_openai_models import LLAMA_CPP, ChatModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import Bench
    from fake_ollama import FakeOllama

LONG: Final = """
suite: long
phase: long_context
defaults: {options: {num_predict: 32}}
prompts:
  - id: L1
    prompt: Reply with exactly READY.
    context: {tokens: [800, 400]}
    expect: {exact: READY}
"""
COLD: Final = "fake:1b / long_context / native_api / t60 r0 i0 w0"
WARM: Final = "fake:1b / long_context / native_api / t60 r0 i0 w1"
WORSE: Final = "bad:1b / long_context / native_api / t60 r0 i0 w1"
CALIBRATIONS: Final = 3
"""One prompt by itself, and twice with filler."""


@pytest.fixture
def fake(serve: Callable[..., FakeOllama]) -> FakeOllama:
    """Serve `fake:1b`, which always says READY, and `bad:1b`, which never does."""
    return serve(
        FakeModel(answer=lambda _call: says("READY")),
        FakeModel(name="bad:1b", answer=lambda _call: says("no")),
    )


def order(bench: Bench) -> list[tuple[int, int, str]]:
    """Return length, run and spec of each trial, as they were asked."""
    records = sorted(bench.records(), key=lambda one: str(one["started_at"]))
    return [(r["context"]["asked_tokens"], r["run"], r["spec"]) for r in records]


def doings(server: FakeOllama) -> list[str]:
    """Return what the server was told to do, in order: one word each."""
    return [word for one in server.requests if (word := _word(one.body or {}))]


def _word(body: dict[str, Any]) -> str:
    if body.get("keep_alive") == 0:
        return "unload"
    if not body.get("messages"):
        return ""
    return "count" if body["options"]["num_predict"] == 16 else "ask"


def test_each_length_is_run_run_by_run(bench: Bench, fake: FakeOllama) -> None:
    """The short length first; in it runs, each beginning with the next spec."""
    bench.suite(LONG, "long")
    bench.run("--baseline", COLD, "--candidate", WARM, "--runs", "2")
    turns = [(1, COLD), (1, WARM), (2, WARM), (2, COLD)]
    assert order(bench) == [(n, *turn) for n in (400, 800) for turn in turns]
    assert doings(fake).count("count") == CALIBRATIONS
    loads = [load.num_ctx for load in fake.loads]
    # To count; cold; warm; then the other length, once for all specs and runs.
    assert loads == [1024, 512, 512, 1024]


def test_counting_comes_before_a_cold_start(bench: Bench, fake: FakeOllama) -> None:
    """What it loads is unloaded before the first trial, which is cold."""
    bench.suite(LONG, "long")
    bench.run("--baseline", COLD, "--candidate", WARM, "--runs", "2")
    first, *_ = bench.records()
    assert (first["spec"], first["is_resident"]) == (COLD, False)
    told = [w for w in doings(fake) if w != "ask"]
    assert told[:CALIBRATIONS] == ["count"] * CALIBRATIONS
    assert set(told[CALIBRATIONS:]) == {"unload"}
    begun = doings(fake)[CALIBRATIONS:]
    assert begun[: begun.index("ask")] == ["unload"] * begun.index("ask")
    warmups = bench.summary()["warmup_result"]
    assert [w["unloaded"] for w in warmups] == [True, True]
    inventory = json.loads(bench.newest("inventory.json").read_text())
    assert max(c["at"] for c in inventory["calibrations"]) < first["started_at"]


def test_a_warmed_spec_is_counted_before_it_is_warmed(
    bench: Bench, fake: FakeOllama
) -> None:
    """Its warm-up loads an unloaded model, and stands behind the counting."""
    bench.suite(LONG, "long")
    bench.run("--baseline", WARM, "--candidate", COLD, "--runs", "1")
    (warm, cold) = bench.summary()["warmup_result"]
    assert (warm["status"], warm["unloaded"]) == ("success", True)
    assert (cold["status"], cold["unloaded"]) == ("skipped", True)
    assert doings(fake)[CALIBRATIONS] == "unload"
    assert [r["is_resident"] for r in bench.records()][:2] == [True, False]


def test_each_run_may_begin_cold(bench: Bench, fake: FakeOllama) -> None:
    """A spec's run is then asked in one go, all lengths, behind one unloading."""
    bench.suite(LONG, "long")
    bench.run(
        *("--baseline", COLD, "--candidate", WARM, "--runs", "2"),
        *("--cold-start", "run"),
    )
    turns = [(1, COLD), (1, WARM), (2, WARM), (2, COLD)]
    assert order(bench) == [(n, *turn) for turn in turns for n in (400, 800)]
    shown = {(r["run"], r["prompt_id"], r["spec"]): r for r in bench.records()}
    for run in (1, 2):
        assert shown[run, "L1:400", COLD]["is_resident"] is False
        assert shown[run, "L1:400", WARM]["is_resident"] is True
    assert {w["unloaded"] for w in bench.summary()["warmup_result"]} == {True}
    assert doings(fake).count("count") == CALIBRATIONS


def test_models_may_begin_each_run_cold(bench: Bench, fake: FakeOllama) -> None:
    """Without candidates too, a run has all its lengths behind one unloading."""
    bench.suite(LONG, "long")
    bench.run("--model", "fake:1b", "--runs", "2", "--cold-start", "run")
    found = [(tokens, run) for tokens, run, _ in order(bench)]
    assert found == [(400, 1), (800, 1), (400, 2), (800, 2)]
    assert doings(fake).count("unload") == 2


def test_runs_that_end_by_themselves_are_whole(bench: Bench, fake: FakeOllama) -> None:
    """Runs come before lengths, so each that was asked has all of them."""
    bench.suite(LONG, "long")
    options = ("--baseline", WARM, "--candidate", WORSE)
    bench.run(*options, "--runs", "auto:30")
    told = bench.summary()["sequential"]
    runs = told["runs"]
    assert told["candidates"][WORSE]["verdict"] == "worse"
    assert runs < 30
    assert told["calls_saved"] == (30 - runs) * 4
    found = order(bench)
    assert [(n, run) for n, run, _ in found] == [
        (n, run) for run in range(1, runs + 1) for n in (400, 400, 800, 800)
    ]
    assert {spec for *_, spec in found[:2]} == {WARM, WORSE}
    jobs = bench.summary()["job_summaries"]
    assert {(job["n"], job["planned_trials"]) for job in jobs} == {(runs, 2 * runs)}
    assert fake.loads


def test_workers_keep_the_order(bench: Bench, fake: FakeOllama) -> None:
    """The one that has the server counts, begins cold, and goes length by length."""
    bench.suite(LONG, "long")
    options = ("--baseline", COLD, "--candidate", WARM, "--runs", "2", "-n2")
    bench.run_apart(*options).assert_outcomes(passed=8)
    turns = [(1, COLD), (1, WARM), (2, WARM), (2, COLD)]
    assert order(bench) == [(n, *turn) for n in (400, 800) for turn in turns]
    assert doings(fake).count("count") == CALIBRATIONS
    assert [r["is_resident"] for r in bench.records()][:2] == [False, True]
    assert [w["unloaded"] for w in bench.summary()["warmup_result"]] == [True, True]


def test_calls_ahead_stay_within_a_run_and_a_spec(bench: Bench) -> None:
    """A service is asked several at once; each spec has been counted before."""
    with FakeOpenAI(
        ChatModel(answer=lambda _call: says("READY")), flavour=LLAMA_CPP
    ) as server:
        (bench.pytester.path / "llmbench.toml").write_text(
            f'[models.mine]\nprovider = "openai"\nmodel = "gpt-x"\n'
            f'base_url = "{server.base_url}"\nconcurrency = 4\n',
            "utf-8",
        )
        bench.suite(LONG, "long")
        spec = "mine / long_context / native_api / t60 r0 i0 w0"
        other = spec.replace("native_api", "few_shot")
        options = ("--baseline", spec, "--candidate", other, "--runs", "auto:3")
        bench.run(*options).assert_outcomes(passed=12)
    found = [(run, tokens) for tokens, run, _ in order(bench)]
    assert found == [(run, n) for run in (1, 2, 3) for n in (400, 400, 800, 800)]
    for record in bench.records():
        context = record["context"]
        wanted = pytest.approx(context["asked_tokens"], rel=0.02)
        assert context["counted_tokens"] == wanted
