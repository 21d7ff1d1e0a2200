"""Results over several lengths, as commands and later sessions read them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest
from fake_ollama import FakeModel, says

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
    context: {tokens: [400, 800, 1600]}
    expect: {exact: READY}
"""
MAIN: Final = "import sys; from pytest_llmbench.cli import main; sys.exit(main())"
OWN: Final = "fake:1b / long_context / native_api / t60 r0 i0 w1"


@pytest.fixture(autouse=True)
def fake(serve: Callable[..., FakeOllama]) -> FakeOllama:
    """Serve `fake:1b` with a context of 1,024 tokens, always READY."""
    return serve(FakeModel(answer=lambda _call: says("READY"), context_length=1024))


def command(bench: Bench, *words: str, status: int = 0) -> str:
    """Run a command of ours; return what it said."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", MAIN, *words],
        cwd=bench.pytester.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, "")
    return done.stdout


def run(bench: Bench, model: str, *words: str) -> str:
    """Run the suite three times; return the run's id."""
    bench.run("--model", model, "--runs", "3", *words)
    return str(bench.summary()["run_id"])


def test_a_context_that_varies_is_told(bench: Bench) -> None:
    """Two results, and a result and its baseline, show it beside a number."""
    bench.suite(LONG, "long")
    first = run(bench, "fake:1b")
    second = run(bench, "fake:1b?num_ctx=1024", "--baseline", OWN)
    (decision,) = bench.summary()["policy_decisions"]
    assert "num_ctx: varies by prompt then, 1024 now" in decision["differences"]
    shown = command(bench, "compare", first, second)
    assert "num_ctx: varies by prompt in A, 1024 in B" in shown
    assert "beyond" not in shown


def test_commands_read_what_fits(bench: Bench) -> None:
    """Feedback, routes, history and sums are of the lengths that were asked."""
    bench.suite(LONG, "long")
    run(bench, "fake:1b")
    run(bench, "fake:1b")
    (decision,) = bench.summary()["policy_decisions"]
    assert decision["decision"] == "PROMOTE"
    assert "100 % (12/12, 76-100 %)" in command(bench, "feedback")
    words = ("route", "--phase", "long_context")
    assert "(12 of 12 trials, last 6 runs)" in command(bench, *words, status=1)
    assert OWN in command(bench, "history")
    (*_, line) = [o for o in command(bench, "aggregate").splitlines() if "long" in o]
    assert line.split()[:6] == ["fake:1b", "long", "2", "12", "100%", "100%"]
