"""A history on a real PostgreSQL server, started for these tests alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import history_writers
import pytest
from history_cases import StoreCases
from made_runs import AT, made_cycle, made_summary, put_run, run_id
from postgresql_cluster import PASSWORD, NoPostgresql, cluster

from pytest_llmbench.errors import SettingsError
from pytest_llmbench.runs.history import History, versioning
from pytest_llmbench.runs.history.address import read_address
from pytest_llmbench.runs.history.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Give the URL of a server; skip where there can be none, but never in CI."""
    try:
        import psycopg  # noqa: F401 - is it there

        with cluster() as url:
            yield url
    except (NoPostgresql, ImportError) as error:
        if os.environ.get("CI"):
            pytest.fail(f"no PostgreSQL, and this is CI: {error}")
        pytest.skip(f"no PostgreSQL: {error}")


@pytest.fixture
def url(server: str, request: pytest.FixtureRequest) -> str:
    """Give the URL of an empty database of this test's own."""
    import psycopg

    name = f"test_{abs(hash(request.node.nodeid))}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"{server}/{name}"


@pytest.fixture
def history(url: str) -> Iterator[History]:
    """Give a new history."""
    with History.open(url) as opened:
        yield opened


class TestPostgresql(StoreCases):
    """A team's."""


def test_nothing_is_lost(url: str, tmp_path: Path) -> None:
    """Twenty processes create and write one database at once: cycles are 1 to 20."""
    for number in range(5):
        put_run(tmp_path, run_id(18, number))
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, history_writers.__file__, url, tmp_path],
        capture_output=True,
        text=True,
        check=True,
    )
    told: list[dict[str, Any]] = [*map(json.loads, done.stdout.splitlines())]
    history_writers.check_twenty_at_once(url, tmp_path, told)


def test_a_history_moves_to_a_server(history: History, tmp_path: Path) -> None:
    """Runs and cycles of a reports folder are in the team's database after one sync."""
    put_run(tmp_path, run_id(20))
    with History.open(f"sqlite:///{tmp_path}/history.db") as old:
        old.sync(tmp_path)
        old.add_cycle(made_cycle())
        old.export(tmp_path)
        assert history.sync(tmp_path) == 1
        assert history.newest_jobs() == old.newest_jobs()
        assert history.cycles() == old.cycles()
    assert history.sync(tmp_path) == 0


def test_an_old_database_is_upgraded(url: str) -> None:
    """Each version's step works on PostgreSQL, too."""
    database = Database(read_address(url))
    versioning.bring_up_to_date(database, "0001")
    database.close()
    with History.open(url) as history:
        assert history.add_run(made_summary(run_id()), at=AT, folder="f")
        assert len(history.newest_jobs()) == 1


def test_a_newer_database_is_refused(url: str) -> None:
    """What a newer program wrote is not touched; the message has no password."""
    import psycopg

    History.open(url).close()
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE llmbench_version SET version_num = '0042'")
    with pytest.raises(SettingsError, match="newer version") as caught:
        History.open(url)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("where", ["head", "query"])
def test_a_wrong_password(url: str, where: str) -> None:
    """Who may not connect is told by whom he was refused, and no password is shown."""
    wrong = url.replace(PASSWORD, "wrong-5f3a99")
    if where == "query":
        wrong = url.replace(f":{PASSWORD}", "") + "?password=wrong-5f3a99"
    with pytest.raises(SettingsError) as caught:
        History.open(wrong)
    text = str(caught.value)
    assert "password authentication failed" in text
    assert "wrong-5f3a99" not in text
    assert "is the server up, and may this user connect" in text


def test_a_server_that_goes_away(url: str) -> None:
    """A connection that is cut between two questions is replaced unseen."""
    import psycopg

    with History.open(url) as history:
        history.add_cycle(made_cycle())
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert len(history.cycles()) == 1
