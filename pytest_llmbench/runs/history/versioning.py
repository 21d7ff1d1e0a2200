"""Which version a database's tables have, and the way to ours."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import inspect, text
from sqlalchemy.exc import SQLAlchemyError

from pytest_llmbench.errors import SettingsError
from pytest_llmbench.runs.history.tables import VERSION_TABLE, VERSIONS, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from pytest_llmbench.runs.history.database import Database

_SCRIPTS: Final = Path(__file__).parent


def bring_up_to_date(database: Database, version: str = VERSIONS[-1]) -> None:
    """Create or upgrade the tables; does nothing where they are as they should be.

    Alembic, whose import takes 280 ms, is imported only where there is something to
    do. Of many processes that come at once one does it and the others wait.

    Args:
        version: where to go; another than the newest is for tests of upgrades.

    Raises:
        SettingsError: the database belongs to a newer version or to somebody else.
    """
    with database.reading() as connection:
        found = _version(connection)
    if _is_at(database, found, version):
        return
    with database.writing() as connection:
        found = _version(connection)  # another process may have been quicker
        if _is_at(database, found, version):
            return
        if found is None:
            _insist_on_empty(database, connection)
        with _untouched_if_it_fails(database):
            _upgrade(connection, version)


@contextmanager
def _untouched_if_it_fails(database: Database) -> Iterator[None]:
    """Say what went wrong; the transaction around it takes everything back."""
    try:
        yield
    except SQLAlchemyError:
        raise  # told by the database
    except Exception as error:
        msg = (
            f"history: the tables of {database.address.shown} can't be upgraded"
            f" ({type(error).__name__}: {error}); they are as they were"
        )
        raise SettingsError(msg) from error


def _is_at(database: Database, found: str | None, version: str) -> bool:
    if found is not None and found not in VERSIONS:
        msg = (
            f"history: {database.address.shown} was written by a newer version of"
            f" pytest-llmbench (tables {found}, this one knows {VERSIONS[-1]});"
            " upgrade pytest-llmbench, or name another database"
        )
        raise SettingsError(msg)
    return found is not None and VERSIONS.index(found) >= VERSIONS.index(version)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    rows = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608 - our own constant
    return rows.scalar()


def _insist_on_empty(database: Database, connection: Connection) -> None:
    others = set(inspect(connection).get_table_names()) & set(metadata.tables)
    if others:
        msg = (
            f"history: {database.address.shown} has tables of somebody else's:"
            f" {', '.join(sorted(others))}; name another database"
        )
        raise SettingsError(msg)


def _upgrade(connection: Connection, version: str) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(_SCRIPTS))

    def steps(revision: Any, _context: object) -> Any:  # noqa: ANN401 - alembic's own
        return scripts._upgrade_revs(version, revision)  # noqa: SLF001 - as its commands

    environment = EnvironmentContext(Config(), scripts, fn=steps)
    with environment:
        environment.configure(
            connection=connection,
            target_metadata=metadata,
            version_table=VERSION_TABLE,
        )
        environment.run_migrations()
