"""The guard before a run: shown, stored, repeated, and stopping when asked to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from bench_project import SMALL_ANSWERS
from fake_nvidia_smi import CARD, put_nvidia_smi
from fake_ollama import FakeModel, answers_by_prompt, says
from fake_ollama_probe import preload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench_project import Bench
    from fake_ollama import FakeOllama

WORKERS = [pytest.param((), id="one process"), pytest.param(("-n2",), id="-n2")]


@pytest.fixture
def shared(bench: Bench, serve: Callable[..., FakeOllama]) -> FakeOllama:
    """Serve `fake:1b`, right on the small suite, and `other:7b`."""
    bench.suite()
    right = answers_by_prompt(SMALL_ANSWERS, says("4"))
    return serve(FakeModel(answer=right), FakeModel(name="other:7b", answer=right))


def guard_of(bench: Bench) -> list[dict[str, Any]]:
    """Return the newest run's findings about other models."""
    inventory = json.loads(bench.newest("inventory.json").read_text("utf-8"))
    found = inventory["guard"]
    return [one for one in found if one["finding"] == "other_model"]


def output_of(result: pytest.RunResult) -> str:
    """Return all output with line breaks and indents taken for one blank."""
    return " ".join((result.stdout.str() + result.stderr.str()).split())


@pytest.mark.parametrize("workers", WORKERS)
def test_another_model_is_shown_stored_and_repeated(
    bench: Bench, shared: FakeOllama, workers: tuple[str, ...]
) -> None:
    """The header warns, inventory.json keeps it, the summary ends with it."""
    preload(shared, model="other:7b")
    result = bench.run_apart("--model", "fake:1b", *workers)
    text = output_of(result)
    words = f"ollama at {shared.url} holds another model: other:7b (1.2 GiB, 100 % in"
    assert result.ret == pytest.ExitCode.OK
    head, _, rest = text.partition(f"llmbench: warning: {words}")
    assert "passed" not in head
    assert text.count(f"llmbench: warning: {words}") == 1
    assert f"note before the run: {words}" in rest
    (one,) = guard_of(bench)
    assert (one["level"], one["model"]) == ("busy", "other:7b")
    assert one["server"] == f"ollama at {shared.url}"
    assert one["expires_at"]


@pytest.mark.parametrize("workers", WORKERS)
def test_require_idle_stops_a_run_beside_another_model(
    bench: Bench, shared: FakeOllama, workers: tuple[str, ...]
) -> None:
    """Exit 4, one message with what and what to do, and nothing is asked."""
    preload(shared, model="other:7b")
    before = len(shared.requests_to("/api/chat"))
    result = bench.run_apart("--model", "fake:1b", "--require-idle", *workers)
    text = output_of(result)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert text.count("--require-idle: other work is in the way") == 1
    assert "other:7b (1.2 GiB, 100 % in VRAM, until 20" in text
    assert "`ollama stop other:7b`" in text
    assert "INTERNALERROR" not in text
    assert "Traceback" not in text
    assert len(shared.requests_to("/api/chat")) == before
    assert not bench.reports.exists()


@pytest.mark.parametrize("workers", WORKERS)
def test_require_idle_lets_the_runs_own_models_be_loaded(
    bench: Bench, shared: FakeOllama, workers: tuple[str, ...]
) -> None:
    """Models of the run that are loaded already are no other work."""
    preload(shared)
    preload(shared, model="other:7b")
    models = ("--model", "Fake:1b,other:7b")
    result = bench.run_apart(*models, "--require-idle", *workers)
    assert result.ret == pytest.ExitCode.OK
    assert f"llmbench: ollama at {shared.url} is idle" in result.stdout.str()
    assert [one["level"] for one in guard_of(bench)] == ["ok"]


def test_only_models_that_are_run_are_the_runs_own(
    bench: Bench, shared: FakeOllama
) -> None:
    """A model that `-k` has left out is another model."""
    preload(shared, model="other:7b")
    result = bench.run_apart(
        "--model", "fake:1b,other:7b", "-k", "fake", "--require-idle", "-n2"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "holds another model: other:7b" in output_of(result)


def test_require_idle_on_an_idle_server(bench: Bench, shared: FakeOllama) -> None:
    """An idle server is asked; the setting may stand in the settings file."""
    (bench.pytester.path / "llmbench.toml").write_text("require_idle = true", "utf-8")
    result = bench.run("--model", "fake:1b")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines([
        "llmbench: records go to *",
        f"llmbench: ollama at {shared.url} is idle",
        "llmbench: disk * free*",
    ])


def test_a_settings_file_alone_stops_workers_too(
    bench: Bench, shared: FakeOllama
) -> None:
    """Without any option of ours the controller finds out from its workers."""
    preload(shared, model="other:7b")
    text = 'require_idle = true\nmodel = "fake:1b"\n'
    (bench.pytester.path / "llmbench.toml").write_text(text, "utf-8")
    result = bench.run_apart("-n2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--require-idle: other work is in the way" in output_of(result)


@pytest.mark.parametrize("workers", WORKERS)
def test_no_server_is_looked_at_for_other_tests(
    bench: Bench, shared: FakeOllama, workers: tuple[str, ...]
) -> None:
    """A run of ordinary tests in a bench project asks nobody and is not stopped."""
    preload(shared, model="other:7b")
    before = len(shared.requests)
    file = bench.pytester.makepyfile("def test_it(): pass")
    options = ("--require-idle", "--model", "fake:1b", file.name)
    result = bench.run_apart(*options, *workers)
    assert result.ret == pytest.ExitCode.OK
    assert "llmbench: " not in result.stdout.str()
    assert len(shared.requests) == before


def test_a_replay_looks_at_no_server(bench: Bench, shared: FakeOllama) -> None:
    """Stored replies are judged whatever the server does."""
    bench.run("--model", "fake:1b")
    stored = str(bench.newest("results.jsonl"))
    preload(shared, model="other:7b")
    before = len(shared.requests)
    result = bench.run("--replay", stored, "--require-idle")
    assert result.ret == pytest.ExitCode.OK
    assert len(shared.requests) == before


def test_collecting_only_looks_at_nothing(bench: Bench, shared: FakeOllama) -> None:
    """`--collect-only` lists trials, however busy the server is."""
    preload(shared, model="other:7b")
    before = len(shared.requests)
    result = bench.run("--model", "fake:1b", "--collect-only", "--require-idle")
    assert result.ret == pytest.ExitCode.OK
    assert len(shared.requests) == before


def test_require_idle_with_the_embedded_engine(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine is our own and computes on the CPU: nothing can be in its way."""
    bench.suite()
    put_nvidia_smi(tmp_path, monkeypatch, {**CARD, "utilization.gpu": "99"})
    result = bench.run_apart("--model", "embedded", "--require-idle")
    assert result.ret in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
    assert len(bench.records()) == 3


def test_a_working_gpu_stops_a_run(
    bench: Bench, shared: FakeOllama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU at work before the first call is other work at a local server."""
    put_nvidia_smi(tmp_path, monkeypatch, CARD, {**CARD, "utilization.gpu": "87"})
    result = bench.run("--model", "fake:1b", "--require-idle")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = output_of(result)
    assert "the GPU is at 87 % before the first call" in text
    assert "`nvidia-smi`" in text
    assert not shared.loads


def test_too_little_vram_is_a_warning(
    bench: Bench, shared: FakeOllama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model larger than the free VRAM is told, and run all the same."""
    put_nvidia_smi(tmp_path, monkeypatch, {**CARD, "memory.free": "512"})
    result = bench.run("--model", "fake:1b", "--require-idle")
    assert result.ret == pytest.ExitCode.OK
    text = output_of(result)
    assert "VRAM 512 MiB of 8 GiB free" in text
    assert "fake:1b needs 1.2 GiB of VRAM, only 512 MiB is free" in text
    assert shared.loads


def test_doctor_shows_the_same_findings(
    bench: Bench,
    shared: FakeOllama,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line per finding, its level first; a busy server is no fault of it."""
    put_nvidia_smi(tmp_path, monkeypatch, CARD)
    preload(shared, model="other:7b")
    result = bench.doctor("--model", "fake:1b")
    assert result.ret == 0
    lines = result.outlines
    assert "ok        the GPU is at 0 %" in lines
    assert "ok        fake:1b needs 1.2 GiB of VRAM, 7 GiB is free" in lines
    start = f"busy      ollama at {shared.url} holds another model: other:7b"
    assert any(line.startswith(start) for line in lines)
