"""Nothing measured is lost: Ctrl-C, kill -9, a dead worker."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from bench_project import SMALL_ANSWERS, SMALL_SUITE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench_project import Bench
    from fake_ollama import FakeOllama


@pytest.fixture
def unhurried(serve: Callable[..., FakeOllama]) -> FakeOllama:
    """Serve `fake:1b`, right, at 0.05 s per call."""
    from fake_ollama import FakeModel, answers_by_prompt, says

    right = answers_by_prompt(SMALL_ANSWERS, says("4"))
    return serve(FakeModel(answer=right, first_token_delay_s=0.05))


def start(bench: Bench, *options: str) -> subprocess.Popen[bytes]:
    """Start pytest and wait until some trials are recorded."""
    bench.suite(SMALL_SUITE)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter
        [*command, "--model", "fake:1b", "--runs", "100", *options],
        cwd=bench.pytester.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # A background job may have been started with Ctrl-C switched off.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 20
    while len(_lines(bench)) < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    return process


def _lines(bench: Bench) -> list[str]:
    paths: list[Path] = sorted(bench.reports.glob("2*/*/results.jsonl"))
    return paths[-1].read_text("utf-8").splitlines() if paths else []


def test_ctrl_c_keeps_what_is_finished(bench: Bench, unhurried: FakeOllama) -> None:
    """Exit code 2, a summary of the finished trials, HOLD, and no call left running."""
    process = start(bench)
    process.send_signal(signal.SIGINT)
    text = process.communicate(timeout=20)[0].decode()
    assert process.returncode == pytest.ExitCode.INTERRUPTED, text
    records = [json.loads(line) for line in _lines(bench)]
    assert len(records) >= 5
    assert bench.summary()["job_summaries"][0]["recorded_trials"] == len(records)
    assert f"HOLD: {len(records)} of 300 trials ran" in text
    assert "Traceback" not in text
    last = unhurried.requests_to("/api/chat")[-1]
    assert last.finished.wait(2)


def test_kill_9_loses_at_most_the_call_in_flight(
    bench: Bench, unhurried: FakeOllama
) -> None:
    """Every answered trial but the last is a whole line on disk."""
    process = start(bench)
    process.kill()
    process.communicate(timeout=20)
    records = [json.loads(line) for line in _lines(bench)]
    answered = [r for r in unhurried.requests_to("/api/chat") if r.status == 200]
    assert len(records) >= len(answered) - 2 - 1  # preload and question are no trials


def test_the_gate_is_not_met_by_an_interrupted_run(
    bench: Bench, unhurried: FakeOllama
) -> None:
    """Interrupted keeps pytest's own code, which no CI takes for success."""
    process = start(bench, "--gate", "no-reject")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    decision: dict[str, Any] = bench.summary()["policy_decisions"][0]
    assert decision["decision"] == "HOLD"
    assert unhurried.loads
