"""The `llmbench` command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmbench.cli import main
from pytest_llmbench.prompts.loader import load_suite

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from fake_ollama import FakeOllama


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


def test_doctor_names_machine_and_models(
    small: FakeOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a model it lists the server's; status 0."""
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "ram" in text
    assert "models    fake:1b" in text
    assert small.requests


def test_doctor_identifies_a_model(
    small: FakeOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a model it shows version, digest and capabilities."""
    assert main(["doctor", "--model", "fake:1b"]) == 0
    text = capsys.readouterr().out
    assert "server_version" in text
    assert "Q4_K_M" in text
    assert small.requests


def test_doctor_says_what_is_wrong(
    small: FakeOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing model is status 1, a misspelt provider status 2."""
    assert main(["doctor", "--model", "gone:1b"]) == 1
    assert "ollama pull gone:1b" in capsys.readouterr().out
    assert main(["doctor", "--model", "olama/x"]) == 2
    assert "did you mean 'ollama/x'" in capsys.readouterr().err
    assert small.requests


def test_doctor_without_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing listens: status 1 and what to do."""
    assert main(["doctor"]) == 1
    assert "ollama serve" in capsys.readouterr().out
