"""Do a thing once for all processes of a run on one machine."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Once:
    """Results that the processes of one run share, in a folder of temporary files.

    The folder goes when the last process that has joined leaves. Where the system
    has no flock, or no folder can be made, each process does everything itself.

    Args:
        token: what the processes of a run have in common and nobody else has.
    """

    def __init__(self, token: str) -> None:
        self._path = Path(tempfile.gettempdir()) / f"llmbench-{token}"
        self._presence: IO[bytes] | None = None

    def join(self) -> None:
        """Keep the folder for as long as this process may need it."""
        try:
            import fcntl

            self._path.mkdir(mode=0o700, exist_ok=True)
            self._presence = (self._path / "present").open("ab")
            fcntl.flock(self._presence, fcntl.LOCK_SH)
        except (ImportError, OSError):
            self.leave()

    def leave(self) -> None:
        """Remove the folder if nobody else has joined; harmless when repeated."""
        if self._presence is None:
            return
        try:
            import fcntl

            fcntl.flock(self._presence, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(self._path, ignore_errors=True)
        except (ImportError, OSError):
            pass  # another process is there still
        finally:
            self._presence.close()
            self._presence = None

    def sweep(self) -> None:
        """Remove what processes that were killed have left."""
        if self._path.exists():
            self.join()
            self.leave()

    def do(self, key: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the work's result: an earlier one if there is one.

        Others wait while one works. If that one dies its lock goes with it, and the
        next does the work.

        Args:
            work: gives plain JSON; what it raises is raised here, and not kept.
        """
        file = self._opened(key)
        if file is None:
            return work()
        with file, _locked(file):
            known = _read(file)
            if known is not None:
                return known
            result = work()
            file.seek(0)
            file.truncate()
            file.write(json.dumps(result).encode())
            return result

    def _opened(self, key: str) -> IO[bytes] | None:
        if self._presence is None:
            return None
        name = hashlib.sha256(key.encode()).hexdigest()[:32]
        try:
            return (self._path / name).open("a+b")
        except OSError:
            return None


@contextmanager
def _locked(file: IO[bytes]) -> Iterator[None]:
    import fcntl

    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        file.flush()
        fcntl.flock(file, fcntl.LOCK_UN)


def _read(file: IO[bytes]) -> dict[str, Any] | None:
    """Return what the file holds; None where a writer has died over it."""
    file.seek(0)
    try:
        data = json.loads(file.read())
    except ValueError:
        return None
    return data if isinstance(data, dict) else None
