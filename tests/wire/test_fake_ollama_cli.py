"""The fake Ollama can be started by hand and answers the atomic suite."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from fake_ollama_atomic import ATOMIC_ANSWERS
from fake_ollama_scenarios import SCENARIOS

from pytest_llmbench.prompts.loader import load_suite

ROOT = Path(__file__).parents[2]
FAKE = ROOT / "tests" / "fakes" / "fake_ollama.py"


def start(command: list[str]) -> subprocess.Popen[str]:
    """Start a command whose output is read as text."""
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, text=True)  # noqa: S603 - our own


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serves_until_told_to_stop(number: signal.Signals) -> None:
    """It must print its URL, answer, and end with status 0 when signalled."""
    command = [sys.executable, str(FAKE), "--port", "0", "--scenario", "cold_start"]
    with start(command) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        url = first.split()[0]
        models = httpx.get(f"{url}/api/tags", trust_env=False).json()["models"]
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait(5) == 0
    assert re.match(r"http://127\.0\.0\.1:\d+ ", first)
    assert models[0]["name"] == "lfm2.5-thinking:1.2b"
    assert rest == "1 requests, 0 loads\n"


def test_needs_nothing_but_python() -> None:
    """It must start without any installed package, and list its scenarios."""
    command = [sys.executable, "-E", "-S", str(FAKE), "--help"]
    with start(command) as process:
        shown, _ = process.communicate(timeout=5)
    assert process.returncode == 0
    assert all(name in shown for name in SCENARIOS)


def test_atomic_answers_fit_the_atomic_suite() -> None:
    """Each key must occur in its own prompt only, and call what is expected."""
    suite = load_suite(ROOT / "suites" / "atomic" / "atomic.bench.yaml")
    pairs = zip(suite.prompts, ATOMIC_ANSWERS.items(), strict=True)
    for prompt, (key, answer) in pairs:
        found = [known for known in ATOMIC_ANSWERS if known in prompt.text]
        assert found == [key], prompt.id
        called = [name for name, _arguments in answer.tool_calls]
        assert called == prompt.expect["tools"], prompt.id
