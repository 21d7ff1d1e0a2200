"""Faults of the wire through real pytest runs: one trial is lost, and no other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest
from bench_project import QUIET, SMALL_ANSWERS
from fake_ollama import FakeModel, answers_by_prompt, says
from fault_cases import ADDRESSES, CASES, PAUSE_S, address_of
from faulty_process import FaultyProcess
from faulty_server import FaultyOllama

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench_project import Bench

RUN: Final = ("--model", "fake:1b", "--runs", "2", "-o", "llmbench_backoff_call=0")
HIT: Final = "Which tools"
"""In the text of P2, the second of three prompts."""

HITTING: Final = [
    name
    for name, case in CASES.items()
    if name not in ADDRESSES and case.path == "/api/chat" and not case.is_endless
]
"""All but what takes long: a reply up to the limit that holds without a setting."""


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyOllama]:
    """Serve `fake:1b`, right on the small suite, where OLLAMA_HOST points."""
    right = answers_by_prompt(SMALL_ANSWERS, says("4"))
    with FaultyOllama(FakeModel(load_s=0.01, answer=right)) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        yield server


@pytest.mark.parametrize("name", HITTING)
def test_a_fault_costs_one_trial(bench: Bench, faulty: FaultyOllama, name: str) -> None:
    """The record says what happened, all other trials pass, the exit code is 1."""
    case = CASES[name]
    faulty.arm(case.fault, prompt_contains=HIT, pause_s=PAUSE_S)
    is_slow = case.row.outcome == "timeout"
    bench.suite()
    result = bench.run(*RUN, *(("--call-timeout", "0.3") if is_slow else ()))
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    told = f"{result.stdout}{result.stderr}"
    assert "Traceback" not in told
    assert ("TIMEOUT" if is_slow else "ERROR") in told
    assert [(r["run"], r["prompt_id"]) for r in bench.records()] == [
        (run, f"P{number}") for run in (1, 2) for number in (1, 2, 3)
    ]
    hit, *others = sorted(bench.records(), key=lambda r: r["outcome"] == "pass")
    assert {record["outcome"] for record in others} == {"pass"}
    assert (hit["run"], hit["prompt_id"]) == (1, "P2")
    assert hit["outcome"] == case.row.outcome
    assert hit["fault"]["kind"] == case.row.error.kind
    assert faulty.url in hit["fault"]["message"]
    assert_kept(hit, case.row.kept)


def assert_kept(record: dict[str, Any], kept: str | None) -> None:
    """The reply as far as it came is in the record, with its queue time."""
    if kept is None:
        assert record["reply"] is None
        return
    assert record["reply"]["timings"]["queue_ms"] is not None
    assert bool(record["reply"]["text"]) == bool(kept)


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_wrong_address_ends_the_run_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Where nobody can be asked, one usage error says why; no trial is an error."""
    case = ADDRESSES[name]
    bench.suite()
    with address_of(case) as (url, _server):
        monkeypatch.setenv("OLLAMA_HOST", url)
        result = bench.run(*RUN)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    told = f"{result.stdout}{result.stderr}"
    assert "Traceback" not in told
    assert [word for word in case.row.words if word not in told] == []
    assert url in told


class Restarting:
    """A plugin that starts the server again once a trial was an error."""

    def __init__(self, server: FaultyProcess) -> None:
        self.server = server
        self.starts = 0

    def pytest_runtest_logfinish(self) -> None:
        """Look after the server between two trials; calls go on meanwhile."""
        if not self.server.is_alive:
            self.server.start()
            self.starts += 1


@pytest.mark.parametrize("fault", ["dies", "dies_before_headers"])
def test_a_server_that_is_restarted_in_mid_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Calls find no server for a while: errors. Then all pass, the model seen cold."""
    bench.atomic()
    hit = ("--fault", fault, "--once", "--prompt-contains", "weather in Tokyo")
    with FaultyProcess() as server:
        server.start(*hit)
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        restarting = Restarting(server)
        result = bench.pytester.runpytest_inprocess(
            *(*QUIET, "atomic", "--model", "fake:1b", "--runs", "2"),
            plugins=[restarting],
        )
    assert restarting.starts == 1
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    records = bench.records()
    assert [record["prompt_id"] for record in records] == 2 * [
        f"P{number}" for number in range(1, 13)
    ]
    lost = [index for index, record in enumerate(records) if record["fault"]]
    assert lost == list(range(6, 6 + len(lost)))  # from P7 of run 1 on
    assert {records[index]["outcome"] for index in lost} == {"error"}
    found = records[6]["fault"]["message"]
    assert re.search(r"mid-reply|cannot be reached", found)
    back = records[lost[-1] + 1 :]
    assert len(back) > 6
    assert {record["outcome"] for record in (*records[:6], *back)} == {"pass"}
    assert [record["is_resident"] for record in records[1:6]] == 5 * [True]
    assert [record["is_resident"] for record in back[:3]] == [False, True, True]
