"""Suites asked of Claude Code, from the command line to the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bench_project import SMALL_ANSWERS, Bench
from claude_code import KEY, needs_claude_code, settle
from fake_anthropic import FakeAnthropic
from fake_anthropic_models import haiku
from fake_ollama_models import answers_by_prompt, says

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = needs_claude_code

MODEL = "claude-code/claude-haiku-5-5?effort=low"


@pytest.fixture
def right(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeAnthropic]:
    """Point Claude Code at a fake that answers the small suite right."""
    settle(monkeypatch, tmp_path / "home")
    bench.suite()
    script = answers_by_prompt(SMALL_ANSWERS, says("4"))
    with FakeAnthropic(haiku(script)) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield server


def test_a_suite_passes(bench: Bench, right: FakeAnthropic) -> None:
    """Tools, restraint and text are judged as at any provider; the spec has effort."""
    result = bench.run_apart("--model", MODEL, "--disable-warmup")
    result.assert_outcomes(passed=3)
    records = bench.records()
    assert {record["outcome"] for record in records} == {"pass"}
    for record in records:
        times = record["reply"]["timings"]
        assert times["ttft_ms"] <= times["e2e_ms"]
        assert times["isolation_ms"] > 0
    efforts = {
        (asked.body or {})["output_config"]["effort"]
        for asked in right.requests_to("/v1/messages")
    }
    assert efforts == {"low"}
    written = [path for path in bench.reports.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in written)


def test_nobody_is_logged_in(
    bench: Bench, right: FakeAnthropic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The login is asked for before the first trial; no trial is a failure."""
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    result = bench.run_apart("--model", MODEL)
    text = result.stdout.str() + result.stderr.str()
    assert "claude auth login" in text
    assert "Traceback" not in text
    assert not right.requests
