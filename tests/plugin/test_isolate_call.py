"""`--isolate-call`: the same results, its cost shown, and nothing left over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import Bench
    from fake_ollama import Answer, FakeCall, FakeOllama

TALK: Final = """
suite: talk
phase: extended
tools:
  - name: find_room
    parameters: {type: object, properties: {people: {type: integer}}}
prompts:
  - id: E1
    turns:
      - user: Find a room for four.
        tool_results:
          find_room: {room: K17}
        expect: {tools: [find_room], contains: K17}
      - user: Which room was it?
        expect: {tools: [], contains: K17}
"""
DIFFERS: Final = {"started_at", "spec", "seed", "trial_id"}
"""Fields that any two runs of two specs have of their own."""


def steady(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without times, and without what names run and spec."""
    kept = {key: value for key, value in record.items() if key not in DIFFERS}
    if record["reply"]:
        kept["reply"] = {**record["reply"], "timings": None}
        kept["reply"]["tool_calls"] = [
            {**call, "id": ""} for call in record["reply"]["tool_calls"]
        ]
    return kept


def costs(bench: Bench) -> list[float | None]:
    """Return what isolation cost, trial by trial."""
    return [r["reply"]["timings"]["isolation_ms"] for r in bench.records()]


def test_the_results_are_the_same(bench: Bench, small: FakeOllama) -> None:
    """Records, decision and exit status are those of a run without isolation."""
    bench.suite()
    options = ("--model", "fake:1b", "--runs", "2", "--gate", "no-reject")
    plain = bench.run(*options)
    before, without = bench.records(), costs(bench)
    isolated = bench.run(*options, "--isolate-call")
    assert isolated.ret == plain.ret == pytest.ExitCode.OK
    assert [steady(r) for r in bench.records()] == [steady(r) for r in before]
    assert without == [None] * 6
    assert all(costs(bench))
    assert {r["spec"] for r in bench.records()} == {
        "fake:1b / atomic / native_api / t60 r0 i1 w1"
    }
    assert small.loads


def test_the_cost_is_shown(bench: Bench, small: FakeOllama) -> None:
    """Terminal, Markdown and summary.json name it; without isolation nothing does."""
    bench.suite()
    result = bench.run("--model", "fake:1b", "--isolate-call")
    result.stdout.fnmatch_lines([
        "  load *",
        "  isolation *p50 * ms, p95 at n>=20 (n=3), in none of the above",
    ])
    assert "isolation" in bench.newest("summary.md").read_text("utf-8")
    series = bench.summary()["job_summaries"][0]["latency"]["isolation_ms"]
    assert series["n"] == 3
    assert series["p50"] > 0
    assert small.loads
    result = bench.run("--model", "fake:1b")
    assert "isolation" not in result.stdout.str()
    assert bench.summary()["job_summaries"][0]["latency"]["isolation_ms"]["n"] == 0


def test_a_conversation_goes_through_children(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """Each of its calls has a child of its own; the trial's cost is their sum."""
    from fake_ollama import FakeModel, calls, says

    def chained(call: FakeCall) -> Answer:
        is_first = call.messages[-1]["role"] == "user" and len(call.messages) == 1
        return calls("find_room", people=4) if is_first else says("It is K17.")

    server = serve(FakeModel(answer=chained))
    bench.suite(TALK)
    one_call_ms: list[float] = []
    for options in ((), ("--isolate-call",)):
        result = bench.run("--model", "fake:1b", "--disable-warmup", *options)
        result.assert_outcomes(passed=1)
        (record,) = bench.records()
        one_call_ms.append(record["reply"]["timings"]["isolation_ms"] or 0.0)
        roles = [message["role"] for message in record["transcript"]]
        assert roles == ["user", "assistant", "tool", "assistant", "user", "assistant"]
    assert one_call_ms[0] == 0.0
    assert one_call_ms[1] > 30
    assert len(server.requests_to("/api/chat")) == 6


def test_workers_isolate_too(bench: Bench, small: FakeOllama) -> None:
    """With `-n 2` the calls of a worker are made in children of that worker."""
    bench.suite()
    result = bench.run_apart("--model", "fake:1b", "--isolate-call", "-n2")
    result.assert_outcomes(passed=3)
    assert all(costs(bench))
    assert {r["worker"] for r in bench.records()} < {"gw0", "gw1"}
    assert small.loads


def test_the_embedded_model_runs_isolated(bench: Bench) -> None:
    """`--model embedded` keeps its one engine; the children only ask it."""
    bench.suite()
    result = bench.run_apart("--model", "embedded", "--isolate-call", "--runs", "2")
    assert result.ret in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
    assert [r["fault"] for r in bench.records()] == [None] * 6
    assert all(costs(bench))
    assert {r["reply"]["timings"]["load_ms"] for r in bench.records()} == {0.0}


def test_the_spec_flag_isolates(bench: Bench, small: FakeOllama) -> None:
    """`isolate_call` in the settings file does what the option does."""
    bench.suite()
    path = bench.pytester.path / "llmbench.toml"
    path.write_text("isolate_call = true\n", "utf-8")
    bench.run("--model", "fake:1b")
    assert all(costs(bench))
    assert small.loads
