"""Connections and transactions; every fault of a database becomes one clear error."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError

from pytest_llmbench.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

    from pytest_llmbench.runs.history.address import Address

BUSY_S: Final = 60
"""How long a writer waits for others; each holds the database for milliseconds."""

_CONNECT_TIMEOUT: Final[dict[str, Any]] = {"connect_timeout": 10}
_LOCK: Final = 5_127_004_208_613
"""Any number: PostgreSQL's advisory lock that our writers take."""

_REBUILT: Final = (
    "the run folders are the truth: move it away (with its -wal and -shm), and the"
    " next command builds it again from them"
)
_ADVICE: Final = {
    "malformed": _REBUILT,
    "not a database": _REBUILT,
    "readonly": "make the file and its folder writable, or name another file",
    "unable to open": "make the file and its folder writable, or name another file",
    "locked": f"another process has held it for {BUSY_S} s; try again when it is done",
    "is full": "make room on the disk",
    "disk I/O": "look at the disk; " + _REBUILT,
}
_SERVER: Final = "is the server up, and may this user connect and write there?"


class Database:
    """An open database.

    Writers wait for one another (SQLite: BEGIN IMMEDIATE; PostgreSQL: an advisory
    lock), so that what a writer reads is still so when it writes. Readers do not wait.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        with self.told():
            if address.file is not None:
                address.file.parent.mkdir(parents=True, exist_ok=True)
            self._engine = _engine(address)

    def close(self) -> None:
        """Close every connection."""
        with self.told():
            self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection in a transaction that only reads."""
        with self.told(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in a transaction that no other writer shares time with."""
        with self.told(), self._engine.connect() as opened:
            connection = opened.execution_options(llmbench_writes=True)
            with connection.begin():
                if not self.address.is_sqlite:
                    connection.execute(
                        text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK}
                    )
                yield connection

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn what a database or its disk raises into one message.

        Raises:
            SettingsError: names the database, what it said, and what to do.
        """
        try:
            yield
        except SQLAlchemyError as error:
            said = str(getattr(error, "orig", None) or error).strip()
            raise SettingsError(self._message(said)) from None
        except OSError as error:
            raise SettingsError(self._message(error.strerror or str(error))) from None

    def _message(self, said: str) -> str:
        first = said.splitlines()[0] if said else "no reason given"
        advice = _SERVER
        if self.address.is_sqlite:
            found = (told for word, told in _ADVICE.items() if word in said)
            advice = next(found, "see that its folder is there and writable")
        return f"history: {self.address.shown}: {first}; {advice}"


def _engine(address: Address) -> Engine:
    if address.is_sqlite:
        engine = create_engine(address.url, connect_args={"timeout": BUSY_S})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    asked = {} if "connect_timeout" in address.url.query else _CONNECT_TIMEOUT
    # A loop may take hours between two questions: a connection that died is replaced.
    return create_engine(address.url, connect_args=asked, pool_pre_ping=True)


def _set_up_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's
    """Leave transactions to us, and let readers go on while one writes.

    Where the file system or another process refuses the write-ahead log, the journal
    stays what it is: slower, and as safe.
    """
    import sqlite3

    connection.isolation_level = None
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode != "wal":
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError:
            return
    if mode == "wal":  # a loss of power may cost the last writes, never the database
        connection.execute("PRAGMA synchronous = NORMAL")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("llmbench_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
