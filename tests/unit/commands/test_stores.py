"""Which history the commands open: the settings', or the one beside the runs."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

import pytest
from made_runs import put_run, run_id

from pytest_llmbench.commands.stores import open_history
from pytest_llmbench.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with one run below `reports`."""
    monkeypatch.chdir(tmp_path)
    put_run(tmp_path / "reports", run_id())
    return tmp_path


def runs(reports: str = "reports") -> int:
    """Return how many runs the commands' history has."""
    with open_history(Namespace(reports=reports)) as history:
        return history.run_count()


def test_it_lies_beside_the_runs(project: Path) -> None:
    """Without a setting it is history.db in the reports, and holds what is there."""
    assert runs() == 1
    assert (project / "reports" / "history.db").is_file()
    put_run(project / "out", run_id(20))
    assert runs("out") == 1
    assert (project / "out" / "history.db").is_file()


@pytest.mark.parametrize("place", [".", "suites/atomic"])
def test_a_relative_file_is_seen_from_the_root(
    project: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The settings' relative path means the same file wherever one stands."""
    text = '[tool.llmbench]\nhistory = "sqlite:///kept/bench.db"\n'
    (project / "pyproject.toml").write_text(text, "utf-8")
    (project / place).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(project / place)
    assert runs(str(project / "reports")) == 1
    assert (project / "kept" / "bench.db").is_file()
    assert not (project / "reports" / "history.db").exists()


def test_an_absolute_file(project: Path) -> None:
    """A path with four slashes is absolute."""
    text = f'history = "sqlite:///{project / "far" / "bench.db"}"\n'
    (project / "llmbench.toml").write_text(text, "utf-8")
    assert runs() == 1
    assert (project / "far" / "bench.db").is_file()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("history = 3", "llmbench.toml: history is 3; it takes a URL, sqlite:///"),
        ('history = " "', "history is ' '"),
        ('history = "history.db"', "no database URL"),
        ("history = ", "llmbench.toml: "),
    ],
)
def test_a_wrong_setting(project: Path, text: str, words: str) -> None:
    """What can't be a database is told with its place and a right one."""
    (project / "llmbench.toml").write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=words):
        runs()
