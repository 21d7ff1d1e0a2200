"""A suite is held against its format once, and again when it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest
    from bench_project import Bench
    from fake_ollama import FakeOllama

CACHED = ("--model", "fake:1b", "-p", "no:hypothesispytest")
"""With pytest's cache, which other tests leave out."""
PLAIN = """
suite: small
prompts: [{id: P3, prompt: Reply with exactly READY., expect: {exact: READY}}]
"""
IMPORTS = """
import sys

def pytest_unconfigure():
    print("jsonschema loaded:", "jsonschema" in sys.modules)
"""


def told(result: pytest.RunResult) -> bool:
    """Whether a run has loaded the library that checks suites."""
    (line,) = [one for one in result.outlines if one.startswith("jsonschema loaded")]
    return line.endswith("True")


def test_a_known_suite_is_not_held_against_its_format_again(
    bench: Bench, small: FakeOllama
) -> None:
    """The second run spares the check; a changed or a faulty text is checked."""
    del small
    run = bench.pytester.runpytest_subprocess
    bench.pytester.makepyfile(imports_seen=IMPORTS)
    path = bench.suite(PLAIN)
    text = path.read_text("utf-8")
    assert told(run(*CACHED, "-p", "imports_seen"))
    again = run(*CACHED, "-p", "imports_seen")
    again.assert_outcomes(passed=1)
    assert not told(again)
    path.write_text(text + "# changed\n", "utf-8")
    assert told(run(*CACHED, "-p", "imports_seen"))
    path.write_text(text + "promts: []\n", "utf-8")
    for _ in range(2):
        run(*CACHED, "-p", "imports_seen").stdout.fnmatch_lines([
            "*unknown key 'promts'*"
        ])
    path.write_text(text, "utf-8")
    assert not told(run(*CACHED, "-p", "imports_seen"))
    assert told(run(*CACHED, "-p", "imports_seen", "--cache-clear"))


def test_a_cache_that_cannot_be_written_is_done_without(
    bench: Bench, small: FakeOllama
) -> None:
    """The suite is checked each time, and nothing is said of it."""
    del small
    bench.suite()
    folder = bench.pytester.path / "cache"
    folder.write_text("in the way", "utf-8")
    given = (*CACHED, "-o", "cache_dir=cache")
    bench.pytester.runpytest_subprocess(*given).assert_outcomes(passed=3)
