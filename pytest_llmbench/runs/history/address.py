"""Which database a URL means, and how it is named to a reader."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from pytest_llmbench.errors import SettingsError
from pytest_llmbench.masking import masks, without_password

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_EXAMPLES: Final = "sqlite:///reports/history.db or postgresql://user@host/database"
_DRIVERS: Final = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


class Address(Struct, frozen=True, kw_only=True):
    """A database.

    Attributes:
        url: for SQLAlchemy, password included.
        shown: for readers, without user, password and options.
        file: where an SQLite database lies; None for a server or a `file:` URI.
    """

    url: URL
    shown: str
    file: Path | None = None

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file of this machine."""
        return self.url.get_backend_name() == "sqlite"


def read_address(text: str) -> Address:
    """Read a database URL and note the password in it.

    Raises:
        SettingsError: it is none, names no database, or its driver is missing.
    """
    masks.add_password(text)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        shown = without_password(text)
        msg = f"history: {shown!r} is no database URL; it takes {_EXAMPLES}"
        raise SettingsError(msg) from None
    for value in (url.password, *_passwords(url)):
        if value:
            masks.add(str(value))
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        msg = f"history: {url.drivername!r} is no known database; it takes {_EXAMPLES}"
        raise SettingsError(msg)
    url = url.set(drivername=driver)
    return _sqlite(url) if driver == "sqlite" else _postgresql(url)


def _passwords(url: URL) -> list[str]:
    """Return what libpq takes as a password among the URL's options."""
    found = [value for key, value in url.query.items() if "passw" in key.lower()]
    return [text for value in found for text in _texts(value)]


def _texts(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _sqlite(url: URL) -> Address:
    name = url.database or ""
    if name in {"", ":memory:"} or url.host:
        msg = (
            "history: an SQLite history is a file, named behind three slashes:"
            " sqlite:///reports/history.db"
        )
        raise SettingsError(msg)
    if name.startswith("file:"):
        return Address(url=url, shown=name.partition("?")[0].removeprefix("file:"))
    return Address(url=url, shown=name, file=Path(name))


def _postgresql(url: URL) -> Address:
    bare = url.set(drivername="postgresql", query={})
    shown = without_password(bare.render_as_string(hide_password=True))
    try:
        import psycopg  # noqa: F401 - it finds its own parts missing, too
    except ImportError as error:
        msg = (
            f"history: {shown} needs the driver psycopg ({error}):"
            ' pip install "pytest-llmbench[postgresql]"'
        )
        raise SettingsError(msg) from None
    return Address(url=url, shown=shown)
