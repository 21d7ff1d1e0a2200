"""Commands in a project whose pytest takes every warning for an error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from bench_project import Bench
    from fake_ollama import FakeOllama

COMMAND: Final = "from pytest_llmbench.cli import main; raise SystemExit(main())"
SPEC: Final = "fake:1b / atomic / native_api / t60 r0 i0 w1"


@pytest.mark.parametrize(
    "words",
    [
        ("doctor", "--model", "fake:1b"),
        ("loop", ".", "--baseline", SPEC, "--cycles", "1", "--runs", "2"),
        ("verify-warmup", ".", "--model", "fake:1b", "--runs", "1"),
    ],
    ids=lambda words: words[0],
)
def test_a_command_reads_the_project_without_a_warning(
    bench: Bench, small: FakeOllama, words: tuple[str, ...]
) -> None:
    """What pytest is told in this process gives it nothing to warn of."""
    bench.suite()
    bench.pytester.makeini("[pytest]\nfilterwarnings = error")
    result = bench.pytester.run(sys.executable, "-c", COMMAND, *words)
    assert result.ret in {0, 1}
    assert "Warning" not in result.stdout.str() + result.stderr.str()
    assert small.requests
