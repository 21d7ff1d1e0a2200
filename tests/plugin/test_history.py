"""The history at the end of a pytest session."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_llmbench.runs.history import History

if TYPE_CHECKING:
    from bench_project import Bench
    from fake_ollama import FakeOllama

pytestmark = pytest.mark.usefixtures("small")

RUN = ("--model", "fake:1b", "--runs", "2")
IMPORTED = """
import sys, pytest
status = pytest.main(sys.argv[1:])
sys.exit(status or "sqlalchemy" in sys.modules)
"""


def set_history(bench: Bench, url: str) -> None:
    """Give the setting."""
    path = bench.pytester.path / "llmbench.toml"
    path.write_text(f"history = '{url}'\n", "utf-8")


def test_a_run_is_stored_when_it_ends(bench: Bench) -> None:
    """With the setting, the run is in the database as soon as the session is over."""
    bench.suite()
    set_history(bench, "sqlite:///reports/bench.db")
    bench.run(*RUN)
    with History.open(f"sqlite:///{bench.reports}/bench.db") as history:
        (job,) = history.newest_jobs()
        assert history.sync(bench.reports) == 0
    assert job["run_id"] == bench.summary()["run_id"]
    assert (job["judged_runs"], job["accuracy"]) == (2, 1.0)
    config = json.loads(bench.newest("config.json").read_text("utf-8"))
    assert config["settings"]["history"] == "sqlite:///reports/bench.db"


def test_without_the_setting_nothing_is_opened(bench: Bench) -> None:
    """A session writes no database and imports no SQLAlchemy unless it is asked to."""
    bench.suite()
    words = [sys.executable, "-c", IMPORTED, "-q", "-p", "no:cacheprovider", *RUN]
    done = subprocess.run(  # noqa: S603 - our own interpreter
        words, cwd=bench.pytester.path, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert not list(bench.reports.glob("*.db"))
    config = json.loads(bench.newest("config.json").read_text("utf-8"))
    assert config["settings"]["history"] is None


def test_a_history_that_fails_costs_a_note(bench: Bench) -> None:
    """A database that can't be opened changes neither files nor status of the run."""
    bench.suite()
    set_history(bench, "sqlite:///reports/bench.db")
    (bench.reports / "bench.db").mkdir(parents=True)
    result = bench.run_apart(*RUN)
    result.assert_outcomes(passed=6)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*not stored in the history now, but by the next*"])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert bench.summary()["job_summaries"][0]["accuracy"] == 1.0
    assert (bench.reports / "harness_feedback.json").exists()


def test_a_password_stays_where_it_is(bench: Bench) -> None:
    """No file and no line of a run shows the password of its history."""
    bench.suite()
    url = "postgresql://me:hunter2hunter2@127.0.0.1:1/bench?password=other2222"
    set_history(bench, url)
    result = bench.run_apart(*RUN)
    shown = result.stdout.str() + result.stderr.str()
    files = [path for path in bench.reports.rglob("*") if path.is_file()]
    shown += "".join(path.read_text("utf-8") for path in files)
    assert "postgresql://127.0.0.1:1/bench" in shown
    assert "hunter2" not in shown
    assert "other2222" not in shown


def test_a_wrong_setting_stops_the_run(bench: Bench, small: FakeOllama) -> None:
    """A history that is no text is a usage error before anything is asked."""
    bench.suite()
    (bench.pytester.path / "llmbench.toml").write_text("history = 3\n", "utf-8")
    result = bench.run_apart(*RUN)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*history is 3; it takes a URL*"])
    assert not small.requests_to("/api/chat")


def test_a_replay_is_no_run(bench: Bench) -> None:
    """Judging stored replies again adds nothing to the history."""
    bench.suite()
    bench.run(*RUN)
    set_history(bench, "sqlite:///reports/bench.db")
    bench.run("--replay", str(bench.newest("results.jsonl")))
    assert len(list(bench.reports.glob("2*/*"))) == 2
    assert not (bench.reports / "bench.db").exists()


def test_a_resumed_run_takes_its_place(bench: Bench) -> None:
    """What an interrupted run came to is replaced by what the whole run came to."""
    bench.suite()
    set_history(bench, "sqlite:///reports/bench.db")
    bench.run(*RUN)
    path = bench.newest("results.jsonl")
    folder = path.parent
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:4]))
    (folder / "summary.json").unlink()
    with sqlite3.connect(bench.reports / "bench.db") as direct:
        direct.execute("UPDATE runs SET recorded_trials = 4")
        direct.execute("UPDATE jobs SET accuracy = 0.5")
    day_ns = folder.parent.stat().st_mtime_ns
    bench.run("--resume", folder.name)
    assert folder.parent.stat().st_mtime_ns > day_ns
    with History.open(f"sqlite:///{bench.reports}/bench.db") as history:
        (job,) = history.newest_jobs()
        assert (job["recorded_trials"], job["accuracy"]) == (6, 1.0)
        assert history.sync(bench.reports) == 0
