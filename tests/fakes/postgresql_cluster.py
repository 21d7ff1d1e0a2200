"""A private PostgreSQL server for tests; installed from Debian where it is missing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

USER: Final = "bench"
PASSWORD: Final = "pw-9f2c71d04e"
_INSTALL_S: Final = 240
_START_S: Final = 60


class NoPostgresql(Exception):
    """There is none, and it can't be installed; the text says why."""


@contextmanager
def cluster() -> Iterator[str]:
    """Run a server on 127.0.0.1; give its URL without a database, password included.

    Raises:
        NoPostgresql: there is none, and it can't be installed.
    """
    if sys.platform == "win32":
        msg = "these tests start it on Linux and macOS only"
        raise NoPostgresql(msg)
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="llmbench-postgresql-"))
    user = _unprivileged_user()
    if user:
        shutil.chown(folder, user)
    try:
        with _running(programs, folder, user) as port:
            yield f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(programs: Path, folder: Path, user: str | None) -> Iterator[int]:
    data, port = folder / "data", _free_port()
    (folder / "password").write_text(PASSWORD, "utf-8")
    start = ("--auth=scram-sha-256", f"--pwfile={folder / 'password'}")
    words = [str(programs / "initdb"), "-D", str(data), "-U", USER, *start]
    _call([*words, "--encoding=UTF8", "--locale=C", "--no-sync"], folder, user)
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        " -c fsync=off -c shared_buffers=16MB -c max_connections=60"
    )
    control = [str(programs / "pg_ctl"), "-D", str(data), "-w"]
    log = str(folder / "log")
    _call([*control, "-l", log, "-o", options, "start"], folder, user)
    try:
        yield port
    finally:
        _call([*control, "-m", "immediate", "stop"], folder, user)


def _call(words: list[str], folder: Path, user: str | None) -> None:
    """Run a program of the server's to its end.

    The server keeps what it was given as output, so that is a file, not a pipe.
    """
    with (folder / "said").open("wb") as said:
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
            words,
            cwd=folder,
            user=user,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            timeout=_START_S,
            check=False,
        )
    if done.returncode:
        text = (folder / "said").read_text("utf-8", "replace")
        msg = f"{Path(words[0]).name} ended with {done.returncode}: {text[-1000:]}"
        raise NoPostgresql(msg)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _unprivileged_user() -> str | None:
    """Return whom the server runs as: it refuses root."""
    if os.geteuid() != 0:
        return None
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _programs() -> Path:
    """Return the folder of initdb and pg_ctl; install them if need be."""
    found = _installed()
    if found is None:
        with _one_at_a_time():
            found = _installed() or _install()
    return found


def _installed() -> Path | None:
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    beside = shutil.which("initdb")
    return Path(beside).resolve().parent if beside else None


def _install() -> Path:
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        msg = "PostgreSQL is not installed, and installing it needs root on Debian"
        raise NoPostgresql(msg)
    apt = ["apt-get", "-y", "-qq", "-o", "Acquire::Retries=1"]
    install = [*apt, "install", "--no-install-recommends", "postgresql"]
    for words in (install, [*apt, "update"], install):
        if (found := _installed()) is not None:
            return found
        _apt(words)
    found = _installed()
    if found is None:
        msg = "apt-get install postgresql has installed no initdb"
        raise NoPostgresql(msg)
    return found


def _apt(words: list[str]) -> None:
    try:
        subprocess.run(  # noqa: S603 - the package manager
            words,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_INSTALL_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f"PostgreSQL is not installed, and can't be: {error}"
        raise NoPostgresql(msg) from None


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let one of several test processes install, and the others wait for it."""
    import fcntl

    path = Path(tempfile.gettempdir()) / "llmbench-postgresql-install.lock"
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
