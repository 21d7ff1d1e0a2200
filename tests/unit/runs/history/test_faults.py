"""What is wrong with a database is said in one message, with what to do."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from made_runs import AT, made_cycle, made_summary, run_id

from pytest_llmbench.errors import SettingsError
from pytest_llmbench.masking import masked_text
from pytest_llmbench.runs.history import History, database

if TYPE_CHECKING:
    from pathlib import Path

    from _pytest.monkeypatch import MonkeyPatch

WITHOUT_PSYCOPG = """
import sys
sys.modules["psycopg"] = None
from pytest_llmbench.errors import SettingsError
from pytest_llmbench.runs.history import History
try:
    History.open(sys.argv[1])
except SettingsError as error:
    print(error)
"""


def message(url: str) -> str:
    """Return what opening a database says."""
    with pytest.raises(SettingsError) as caught:
        History.open(url)
    text = str(caught.value)
    assert text.startswith("history: ")
    assert len(text.splitlines()) == 1
    return text


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("reports/history.db", "'reports/history.db' is no database URL"),
        ("mysql://me:hunter2hunter2@box/bench", "'mysql' is no known database"),
        ("postgresql+psycopg2://box/bench", "no known database"),
        ("me:hunter2hunter2@box", "no database URL"),
        ("sqlite://", "an SQLite history is a file"),
        ("sqlite:///:memory:", "an SQLite history is a file"),
        ("sqlite://reports/history.db", "three slashes"),
        ("postgresql://box:port/bench", "no database URL"),
    ],
)
def test_a_bad_url(url: str, words: str) -> None:
    """The message shows what was found and a right one, and no password."""
    text = message(url)
    assert words in text
    assert "sqlite:///reports/history.db" in text
    assert "hunter2" not in text


def test_the_driver_is_missing() -> None:
    """Without psycopg the message names the extra, and not the password."""
    url = "postgresql://me:hunter2hunter2@127.0.0.1:1/bench"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", WITHOUT_PSYCOPG, url],
        capture_output=True,
        text=True,
        check=True,
    )
    assert 'pip install "pytest-llmbench[postgresql]"' in done.stdout
    assert "postgresql://127.0.0.1:1/bench" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_no_server() -> None:
    """A server that is not there is named, without the password."""
    pytest.importorskip("psycopg")
    text = message(
        "postgresql://me:hunter2hunter2@127.0.0.1:1/bench?password=other2222"
    )
    assert "postgresql://127.0.0.1:1/bench: " in text
    assert "is the server up" in text
    assert "hunter2" not in text
    assert "other2222" not in text
    assert masked_text("said: hunter2hunter2, other2222") == "said: ***, ***"


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A corrupt file is named, and it is said that nothing is lost with it."""
    path = tmp_path / "history.db"
    path.write_text("no database" * 1000, "utf-8")
    text = message(f"sqlite:///{path}")
    assert str(path) in text
    assert "the run folders are the truth: move it away" in text
    assert path.exists()


def test_a_database_with_a_hole(tmp_path: Path) -> None:
    """Damage within the file is found by who reads there, and told in the same way."""
    path = tmp_path / "history.db"
    with History.open(f"sqlite:///{path}") as history:
        for number in range(50):
            name = run_id(21, number)
            history.add_run(made_summary(name), at=AT, folder="f")
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xff" * (len(data) - 8192)
    path.write_bytes(data)
    with pytest.raises(SettingsError, match="the run folders are the truth"):  # noqa: SIM117
        with History.open(f"sqlite:///{path}") as history:
            history.newest_jobs()


def test_a_file_that_may_not_be_written(tmp_path: Path) -> None:
    """A read-only database can be read; a write names it and says what to do."""
    path = tmp_path / "history.db"
    with History.open(f"sqlite:///{path}") as history:
        history.add_run(made_summary(run_id()), at=AT, folder="f")
    with History.open(f"sqlite:///file:{path}?mode=ro&uri=true") as history:
        assert len(history.newest_jobs()) == 1
        with pytest.raises(
            SettingsError, match="make the file and its folder writable"
        ):
            history.add_cycle(made_cycle())


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    """A path that can't be a file, or lie below one, is named."""
    (tmp_path / "history.db").mkdir()
    assert f"{tmp_path}/history.db" in message(f"sqlite:///{tmp_path}/history.db")
    (tmp_path / "file").touch()
    text = message(f"sqlite:///{tmp_path}/file/history.db")
    assert f"{tmp_path}/file/history.db" in text


def test_where_there_is_no_write_ahead_log(tmp_path: Path) -> None:
    """On a file system without shared memory the journal stays, and all works."""
    url = f"sqlite:///file:{tmp_path}/history.db?vfs=unix-dotfile&uri=true"
    with History.open(url) as history:
        assert history.add_run(made_summary(run_id()), at=AT, folder="f")
        assert history.add_cycle(made_cycle()) == 1
        assert len(history.newest_jobs()) == 1
    with sqlite3.connect(tmp_path / "history.db") as direct:
        assert direct.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_writer_that_never_ends(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    """Who waits for too long is told for whom, and readers need not wait at all."""
    path = tmp_path / "history.db"
    History.open(f"sqlite:///{path}").close()
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    direct = sqlite3.connect(path, isolation_level=None)
    direct.execute("BEGIN IMMEDIATE")
    with History.open(f"sqlite:///{path}") as history:
        assert history.newest_jobs() == []
        with pytest.raises(SettingsError, match="another process has held it"):
            history.add_cycle(made_cycle())
        direct.rollback()
        assert history.add_cycle(made_cycle()) == 1
    direct.close()
