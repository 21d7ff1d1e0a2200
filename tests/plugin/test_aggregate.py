"""`llmbench aggregate` on runs that pytest has made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench_project import SMALL_SUITE

from pytest_llmbench.cli import main

if TYPE_CHECKING:
    import pytest
    from bench_project import Bench
    from fake_ollama import FakeOllama


def test_totals_are_those_of_the_runs(
    bench: Bench, small: FakeOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    """What two runs have stored adds up, and the newest one's decision is told."""
    path = bench.suite()
    bench.run("--model", "fake:1b", "--runs", "3")
    path.write_text(SMALL_SUITE.replace("exactly READY", "exactly READY!"), "utf-8")
    bench.run("--model", "fake:1b", "--runs", "4")
    summary = bench.summary()
    capsys.readouterr()
    assert main(["aggregate", "--reports", str(bench.reports), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    (group,) = data["groups"]
    assert (group["model"], group["suite"]) == ("fake:1b", "small")
    assert (group["runs"], group["trials"], group["ok_rate"]) == (2, 21, 1.0)
    assert (group["success"]["hits"], group["restraint"]["n"]) == (21, 7)
    assert group["e2e_ms"]["n"] == 21
    assert 0 < group["wall_s"] < 60
    (decision,) = summary["policy_decisions"]
    assert group["newest"]["run_id"] == summary["run_id"]
    assert group["newest"]["decisions"][0]["decision"] == decision["decision"]
    assert group["changed_prompts"] == ["P3"]
    (row,) = json.loads((bench.reports / "AGGREGATE_SUMMARY.json").read_text("utf-8"))[
        "runs"
    ][:1]
    assert row["machine"]
    assert row["jobs"][0]["digest"]
    assert row["jobs"][0]["server_version"]
    assert small.requests


def test_a_replay_adds_nothing(
    bench: Bench, small: FakeOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    """Judging stored replies again is no new evidence."""
    bench.suite()
    bench.run("--model", "fake:1b")
    bench.run("--replay", str(bench.newest("results.jsonl")))
    capsys.readouterr()
    assert main(["aggregate", "--reports", str(bench.reports), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [group["trials"] for group in data["groups"]] == [3]
    assert data["notes"] == ["1 replay of stored replies counts for nothing"]
    assert small.requests
