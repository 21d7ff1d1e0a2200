"""Rate limits in a real run: trials wait, nothing counts as the model's failure."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest
from bench_project import QUIET, SMALL_ANSWERS
from closed_at_first import ClosedAtFirst
from fake_ollama import FakeModel, FakeOllama, always, answers_by_prompt, says
from fake_openai import FakeOpenAI
from fake_openai_models import ChatModel
from limited_ollama import LimitedOllama

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench_project import Bench

MODEL: Final = FakeModel(
    load_s=0.01, answer=answers_by_prompt(SMALL_ANSWERS, says("4"))
)
COLD: Final = ("--disable-warmup", "--model", "fake:1b")
PROMPT: Final = "prompt: Reply with exactly READY., expect: {exact: READY}"
TWENTY: Final = "suite: twenty\nphase: atomic\nprompts:\n" + "".join(
    f"  - {{id: P{number}, {PROMPT}}}\n" for number in range(1, 21)
)


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., LimitedOllama]]:
    """Give a function that starts a limited server where OLLAMA_HOST points."""
    started: list[LimitedOllama] = []

    def start(closed_s: float) -> LimitedOllama:
        server = LimitedOllama(MODEL, closed_s=closed_s)
        server.start()
        started.append(server)
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        return server

    yield start
    for server in started:
        server.stop()


def by_key(server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lead `openai/...` to the fake service."""
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-fake")


def test_all_calls_get_through_a_spent_quota(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty calls, refused for two seconds: all pass, and none was asked too early."""
    limits = ClosedAtFirst(2.0)
    bench.suite(TWENTY, name="twenty")
    ready = ChatModel(answer=always(says("READY")))
    with FakeOpenAI(ready, limits=limits, hints={"retry-after"}) as server:
        by_key(server, monkeypatch)
        result = bench.run("--disable-warmup", "--model", "openai/gpt-x")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=20)
    assert len(limits.passed_s) == 20
    assert 1 <= len(limits.refused_s) <= 8  # as many as go at once
    assert limits.opens_s <= min(limits.passed_s)
    assert max(limits.passed_s) < 2 * limits.opens_s
    records = bench.records()
    assert [record["attempts"] for record in records] == [1] * 20
    backoffs = [one for record in records for one in record["backoffs"]]
    assert [one["kind"] for one in backoffs] == ["rate_limited"] * limits.refused
    for record in records:
        waited_ms = sum(one["wait_s"] for one in record["backoffs"]) * 1e3
        times = record["reply"]["timings"]
        assert times["backoff_ms"] == pytest.approx(waited_ms)
        assert times["e2e_ms"] < 1500
    [job] = bench.summary()["job_summaries"]
    assert job["passed"] == 20


def test_a_rate_limited_trial_is_an_error_of_that_kind(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the key's limit never let through is no failure of the model; HOLD."""
    bench.suite()
    with FakeOpenAI(limits=ClosedAtFirst(600.0), hints={"retry-after"}) as server:
        by_key(server, monkeypatch)
        result = bench.run("--disable-warmup", "--model", "openai/gpt-x")
    result.assert_outcomes(errors=3)
    faults = [record["fault"] for record in bench.records()]
    assert {fault["kind"] for fault in faults} == {"rate_limited"}
    assert "one wait may take 120 s (backoff_wait)" in faults[0]["message"]
    [decision] = bench.summary()["policy_decisions"]
    assert decision["decision"] == "HOLD"


def test_what_never_got_through_is_an_error_and_can_be_finished(
    bench: Bench, limit: Callable[..., LimitedOllama]
) -> None:
    """The spec is HOLD, nothing is a failure; `--resume` asks the rest."""
    server = limit(60.0)
    bench.suite()
    brief = ("-o", "llmbench_backoff_call=1")
    result = bench.run(*COLD, *brief)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(errors=3)
    assert {r["outcome"] for r in bench.records()} == {"error"}
    assert {r["fault"]["kind"] for r in bench.records()} == {"busy"}
    assert {r["failure_mode"] for r in bench.records()} == {None}
    assert len(server.asked) == 1  # the others were not even sent
    [decision] = bench.summary()["policy_decisions"]
    assert (decision["decision"], decision["decided_by"]) == ("HOLD", "evidence")
    server.closed_s = 0.0
    run_id = bench.summary()["run_id"]
    again = bench.run("--resume", run_id, *COLD, *brief)
    assert again.ret == pytest.ExitCode.OK
    again.assert_outcomes(passed=3)


def test_one_servers_wait_holds_up_no_other(
    bench: Bench, limit: Callable[..., LimitedOllama]
) -> None:
    """Of two addresses of a model, the open one takes the trials meanwhile."""
    closed = limit(3.0)
    bench.suite(TWENTY, name="twenty")
    with FakeOllama(MODEL) as other:
        bench.pytester.path.joinpath("llmbench.toml").write_text(
            '[models.two]\nmodel = "fake:1b"\n'
            f'base_url = ["{closed.url}", "{other.url}"]\n'
        )
        result = bench.run("--disable-warmup", "--model", "two")
        assert result.ret == pytest.ExitCode.OK
        asked_ns = [one.received_at_ns for one in other.requests_to("/api/chat")]
        assert asked_ns[8] - asked_ns[0] < 2.5e9  # as far as is asked ahead
    assert [is_refused for _at_s, is_refused in closed.asked[:2]] == [True, False]


def test_a_log_gets_a_line_of_its_own(
    bench: Bench, limit: Callable[..., LimitedOllama]
) -> None:
    """A long wait is told once, between the dots and not in captured output."""
    limit(5.5)
    bench.suite()
    result = bench.run(*COLD)
    lines = [line for line in result.outlines if "calls left" in line]
    assert lines == ["ollama: busy, 6 s, 3 of 3 calls left"]
    assert "Captured" not in result.stdout.str()
    assert re.search(r"^small\.bench\.yaml \.\.\. ", result.stdout.str(), re.MULTILINE)


def on_terminal(*args: str, cwd: str) -> bytes:
    """Run pytest on a terminal and return what it writes."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "pytest", *QUIET, *args]
    process = subprocess.Popen(command, cwd=cwd, stdout=theirs, stderr=theirs)  # noqa: S603 - our own interpreter
    os.close(theirs)
    written = b""
    while select.select([ours], [], [], 30)[0]:
        try:
            found = os.read(ours, 4096)
        except OSError:  # Linux tells the end of the other side so
            break
        if not found:
            break
        written += found
    os.close(ours)
    process.wait(10)
    return written


def test_a_terminal_gets_a_line_that_counts_down(
    bench: Bench, limit: Callable[..., LimitedOllama]
) -> None:
    """It is rewritten in place, wiped out at the end, and pytest's dots go on below."""
    limit(2.5)
    bench.suite()
    written = on_terminal(*COLD, cwd=str(bench.pytester.path)).decode()
    shown = re.findall(
        r"\r(?:\x1b\[\d+m)*ollama: busy, (\d) s, 3 of 3 calls left", written
    )
    assert shown[0] == "3"
    assert shown[-1] == "1"
    after = written.rpartition("calls left")[2]
    assert re.match(r" +(?:\x1b\[0m)?\r +\r\x1b\[A\r\nsmall\.bench\.yaml ", after)
    assert "3 passed" in after
