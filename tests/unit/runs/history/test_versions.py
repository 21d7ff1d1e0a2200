"""A database of an older version is upgraded with all that is in it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from made_runs import AT, made_cycle, made_summary, put_run, run_id
from sqlalchemy import insert

from pytest_llmbench.errors import SettingsError
from pytest_llmbench.runs.history import History, versioning
from pytest_llmbench.runs.history.address import read_address
from pytest_llmbench.runs.history.database import Database
from pytest_llmbench.runs.history.rows import run_rows
from pytest_llmbench.runs.history.tables import (
    VERSION_TABLE,
    VERSIONS,
    jobs,
    metadata,
    runs,
)

if TYPE_CHECKING:
    from pathlib import Path

OPENS = """
import sys
from pytest_llmbench.runs.history import History
History.open(sys.argv[1]).close()
print("alembic" in sys.modules)
"""
SET_VERSION = "UPDATE llmbench_version SET version_num = '0042'"
GET_VERSION = "SELECT version_num FROM llmbench_version"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Name a database that is not there yet."""
    return f"sqlite:///{tmp_path}/history.db"


def make_old(url: str, many: int) -> None:
    """Make a database of the first version with runs in it."""
    database = Database(read_address(url))
    versioning.bring_up_to_date(database, "0001")
    with database.writing() as connection:
        for number in range(many):
            grid = {"P1": "PEF"} if number % 2 else {"P1": "EEE"}
            summary = made_summary(run_id(21, number), grid)
            rows = run_rows(summary, at=AT, folder="f")
            assert rows is not None
            del rows.jobs[0]["judged_runs"]
            connection.execute(insert(runs), rows.run)
            columns = [column for column in jobs.c if column.name in rows.jobs[0]]
            connection.execute(
                insert(jobs).values({c: rows.jobs[0][c.name] for c in columns})
            )
    database.close()


def test_the_program_knows_its_versions() -> None:
    """The steps on disk are those that the program knows, in their order."""
    scripts = ScriptDirectory(str(versioning._SCRIPTS))
    steps = [step.revision for step in scripts.walk_revisions()]
    assert tuple(reversed(steps)) == VERSIONS


def test_the_steps_lead_to_the_tables(url: str) -> None:
    """A database that went through all steps has the tables the program works with."""
    History.open(url).close()
    database = Database(read_address(url))
    with database.reading() as connection:
        options = {"version_table": VERSION_TABLE}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    database.close()


def test_an_old_database_is_upgraded_with_its_runs(url: str) -> None:
    """The judged runs of jobs that were stored before anybody counted are counted."""
    make_old(url, 3)
    with History.open(url) as history:
        assert history.run_count() == 3
        (found,) = history.newest_jobs(runs=2)
        assert (found["run_id"], found["judged_runs"]) == (run_id(21, 1), 2)
        assert history.add_run(made_summary(run_id(21, 9)), at=AT, folder="f")


def test_more_runs_than_fit_one_step_are_counted(url: str) -> None:
    """An upgrade goes on until the last job."""
    make_old(url, 1100)
    with History.open(url) as history:
        assert len(history.newest_jobs(runs=1100)) == 550


def test_a_newer_database_is_refused(url: str, tmp_path: Path) -> None:
    """What a newer program wrote is neither read nor changed; the message says so."""
    History.open(url).close()
    with sqlite3.connect(tmp_path / "history.db") as direct:
        direct.execute(SET_VERSION)
    with pytest.raises(SettingsError, match="newer version") as caught:
        History.open(url)
    assert f"{tmp_path}/history.db" in str(caught.value)
    assert "0042" in str(caught.value)


def test_somebody_elses_tables_are_left_alone(url: str, tmp_path: Path) -> None:
    """A database whose tables have our names but not our version is refused."""
    with sqlite3.connect(tmp_path / "history.db") as direct:
        direct.execute("CREATE TABLE runs (mine TEXT)")
    with pytest.raises(SettingsError, match="somebody else's: runs"):
        History.open(url)
    with sqlite3.connect(tmp_path / "history.db") as direct:
        names = direct.execute("SELECT name FROM sqlite_master").fetchall()
    assert names == [("runs",)]


def test_an_upgrade_that_fails_changes_nothing(url: str, tmp_path: Path) -> None:
    """Tables, contents and version stay as they were, and the next open tries again."""
    make_old(url, 2)
    with sqlite3.connect(tmp_path / "history.db") as direct:
        kept = direct.execute("SELECT summary FROM jobs WHERE id = 2").fetchone()
        direct.execute("UPDATE jobs SET summary = '{}' WHERE id = 2")
    with pytest.raises(SettingsError, match="they are as they were"):
        History.open(url)
    with sqlite3.connect(tmp_path / "history.db") as direct:
        found = direct.execute(GET_VERSION).fetchone()
        assert found == ("0001",)
        direct.execute("UPDATE jobs SET summary = ? WHERE id = 2", kept)
    with History.open(url) as history:
        assert history.run_count() == 2


def test_alembic_is_imported_only_to_change_tables(url: str) -> None:
    """Opening a database that is as it should be does not pay for alembic's import."""
    said = [
        subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", OPENS, url],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for _ in range(2)
    ]
    assert said == ["True", "False"]


def test_a_deleted_database_is_built_again(url: str, tmp_path: Path) -> None:
    """Runs come back from their folders, cycles from their export."""
    put_run(tmp_path, run_id(20))
    with History.open(url) as history:
        history.sync(tmp_path)
        history.add_cycle(made_cycle())
        history.export(tmp_path)
        before = history.newest_jobs(), history.cycles()
    for path in tmp_path.glob("history.db*"):
        path.unlink()
    with History.open(url) as history:
        history.sync(tmp_path)
        assert (history.newest_jobs(), history.cycles()) == before
