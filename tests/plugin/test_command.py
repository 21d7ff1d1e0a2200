"""The `llmbench` command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pytest_llmbench.cli import main
from pytest_llmbench.prompts.loader import load_suite

if TYPE_CHECKING:
    from bench_project import Bench
    from fake_ollama import FakeOllama

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - only its size is read
"""A file system of its own, on Linux."""


def test_init_writes_a_suite_that_loads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The starter is a right suite, and the message says how to run it."""
    path = tmp_path / "deep" / "mine.bench.yaml"
    assert main(["init", str(path)]) == 0
    assert load_suite(path).prompt_ids() == ("P1", "P2", "P3")
    assert f"pytest {path} --model MODEL" in capsys.readouterr().out


def test_init_overwrites_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is there stays; a name that is not collected is refused."""
    path = tmp_path / "mine.bench.yaml"
    path.write_text("mine", encoding="utf-8")
    assert main(["init", str(path)]) == 2
    assert path.read_text(encoding="utf-8") == "mine"
    assert main(["init", str(tmp_path / "x.yaml")]) == 2
    assert main(["init", str(path / "x.bench.yaml")]) == 2
    text = capsys.readouterr().err
    assert "exists; name another file" in text
    assert "must end in .bench.yaml" in text


def test_doctor_names_machine_and_models(bench: Bench, small: FakeOllama) -> None:
    """Without a model it lists the server's; status 0."""
    result = bench.doctor()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["ram *", "models    fake:1b"])
    assert small.requests


def test_doctor_identifies_a_model(bench: Bench, small: FakeOllama) -> None:
    """With a model it shows version, digest and capabilities."""
    result = bench.doctor("--model", "fake:1b")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["server_version *", "*Q4_K_M"])
    assert small.requests


def test_doctor_says_what_is_wrong(bench: Bench, small: FakeOllama) -> None:
    """A missing model is status 1, a misspelt provider status 2."""
    missing = bench.doctor("--model", "gone:1b")
    assert missing.ret == 1
    missing.stdout.fnmatch_lines(["*ollama pull gone:1b*"])
    misspelt = bench.doctor("--model", "olama/x")
    assert misspelt.ret == 2
    misspelt.stderr.fnmatch_lines(["*did you mean 'ollama/x'*"])
    assert small.requests


def test_doctor_without_a_server(bench: Bench) -> None:
    """Nothing listens: status 1 and what to do."""
    result = bench.doctor()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*ollama serve*"])


@pytest.mark.parametrize("words", [(), ("--model", "both")], ids=["all", "named"])
def test_doctor_looks_where_a_run_would(
    bench: Bench, small: FakeOllama, words: tuple[str, ...]
) -> None:
    """The settings file's models, all their addresses, and its reports' disk."""
    (bench.pytester.path / "llmbench.toml").write_text(
        "reports = 'elsewhere/reports'\n"
        "[models.both]\nmodel = 'fake:1b'\n"
        f"base_url = ['{small.url}', 'http://127.0.0.1:1']\n",
        "utf-8",
    )
    result = bench.doctor(*words)
    assert result.ret == 1
    result.stdout.fnmatch_lines([
        "reports   elsewhere/reports",
        "model           fake:1b",
        f"server          ollama at {small.url}",
        "problem   ollama at http://127.0.0.1:1 cannot be reached*",
    ])


@pytest.mark.skipif(not MEMORY.is_dir(), reason="needs a second file system")
def test_doctor_looks_at_the_disk_of_the_reports(
    bench: Bench, small: FakeOllama
) -> None:
    """What is free where the reports go is what a run will need."""
    bench.pytester.makeini(f"[pytest]\nllmbench_reports = {MEMORY}\n")
    result = bench.doctor()
    (line,) = [one for one in result.outlines if one.startswith("disk ")]
    disk = json.loads(line.partition(" ")[2])
    assert disk["total_bytes"] == shutil.disk_usage(MEMORY).total
    assert small.requests


def test_doctor_takes_the_settings_mistakes_for_its_own(bench: Bench) -> None:
    """What stops a run stops it too, with the same words."""
    (bench.pytester.path / "llmbench.toml").write_text("modle = 'm'\n", "utf-8")
    result = bench.doctor()
    assert result.ret == 2
    result.stderr.fnmatch_lines(["llmbench: *unknown key 'modle'*'model'*"])
    assert not result.outlines


def test_doctor_runs_no_test(bench: Bench, small: FakeOllama) -> None:
    """It only looks: nothing is collected, asked or written."""
    bench.suite()
    bench.pytester.makepyfile("raise SystemExit(7)")
    assert bench.doctor("--model", "fake:1b").ret == 0
    assert not small.requests_to("/api/chat")
    assert not bench.reports.exists()
