"""A run's folder: records appended as they come, everything else written whole."""

from __future__ import annotations

import json
import os
import re
import secrets
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Final

from pytest_llmbench.errors import RecordFault, SettingsError
from pytest_llmbench.masking import masked_json, masked_text
from pytest_llmbench.runs.record import record_from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from pytest_llmbench.runs.record import Record

RESULTS: Final = "results.jsonl"
RUN_ID_VARIABLE: Final = "LLMBENCH_RUN_ID"
"""The variable that gives the run its id, so that its caller knows the folder."""

_RUN_ID: Final = re.compile(r"[0-9]{8}T[0-9]{9}Z-[0-9a-f]{6}")
_EXAMPLE_ID: Final = "20261121T095724000Z-c8e9bb"
_CHUNK_BYTES: Final = 64 * 1024


def new_run_id(now: datetime) -> str:
    """Return an id that sorts by time, to the millisecond, and is unique."""
    millisecond = now.microsecond // 1000
    return f"{now:%Y%m%dT%H%M%S}{millisecond:03d}Z-{secrets.token_hex(3)}"


def chosen_run_id(reports: Path) -> str:
    """Return the run id that the caller has chosen; empty if it has chosen none.

    Raises:
        SettingsError: LLMBENCH_RUN_ID is no run id, or there is such a run.
    """
    run_id = os.environ.get(RUN_ID_VARIABLE, "")
    if not run_id:
        return ""
    if not _RUN_ID.fullmatch(run_id):
        msg = (
            f"{RUN_ID_VARIABLE} is {run_id!r}; it takes a start in UTC and six random"
            f" digits, as in {_EXAMPLE_ID}"
        )
        raise SettingsError(msg)
    found = next(reports.glob(f"[0-9]*/{run_id}"), None)
    if found is not None:
        msg = (
            f"{RUN_ID_VARIABLE}: run {run_id} exists already, in {found}; take another"
            f" id, or finish that run with --resume {run_id}"
        )
        raise SettingsError(msg)
    return run_id


class RunFolder:
    """`reports/<YYYY-MM-DD>/<run_id>/`, made when the first trial ends."""

    def __init__(self, path: Path) -> None:
        self.run_id = path.name
        self.path = path
        self._results: IO[str] | None = None
        self._is_whole = False

    @classmethod
    def new(cls, reports: Path, run_id: str, now: datetime) -> RunFolder:
        """Return the folder of a run that begins now."""
        return cls(reports / f"{now:%Y-%m-%d}" / run_id)

    def hold(self) -> IO[str]:
        """Open results.jsonl and keep every other process from writing it.

        The lock is on the open file, so the system lets go of it when this
        process ends, however it ends.

        Raises:
            SettingsError: another process holds it.
        """
        if self._results is not None:
            return self._results
        self.path.mkdir(parents=True, exist_ok=True)
        results = (self.path / RESULTS).open(
            "a", encoding="utf-8", errors="backslashreplace"
        )
        if not try_lock(results):
            results.close()
            msg = (
                f"--resume: run {self.run_id} is being written by another process;"
                " wait until that has ended"
            )
            raise SettingsError(msg)
        self._results = results
        return results

    def append(self, record: Record) -> None:
        """Append one line to results.jsonl and flush it.

        After a `kill -9` the line of every trial is there whose report pytest has
        logged. What such a kill costs is in this process's memory only: calls in
        flight, and replies answered ahead but not yet judged; docs/resume.md says how
        many. A last line that it has cut off makes way for the first new one.
        """
        results = self.hold()
        if not self._is_whole:
            drop_cut_line(self.path / RESULTS)
            self._is_whole = True
        results.write(json_line(record.to_json()))
        results.flush()

    def close(self) -> None:
        """Close results.jsonl and let others write it."""
        if self._results is not None:
            self._results.close()
            self._results = None

    def write_json(self, name: str, data: dict[str, Any]) -> Path:
        """Write a JSON file of this run, whole or not at all."""
        return write_json(self.path / name, data)

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file of this run, whole or not at all."""
        return write_text(self.path / name, text)


def mark_day(run: Path) -> None:
    """Mark the day of a run that went on: its folder's time of change becomes now.

    What has read that day before reads it again.
    """
    with suppress(OSError):
        os.utime(run.parent)


def try_lock(file: IO[str]) -> bool:
    """Lock an open file against other processes; False if one has locked it.

    Where the system or its file system has no such locks, nothing is locked.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def drop_cut_line(path: Path) -> None:
    """Cut a file off behind its last line end: what follows was never whole."""
    with path.open("r+b") as file:
        end = keep = file.seek(0, os.SEEK_END)
        while keep > 0:
            start = max(0, keep - _CHUNK_BYTES)
            file.seek(start)
            found = file.read(keep - start).rfind(b"\n")
            keep = start + found + 1
            if found >= 0:
                break
        if keep < end:
            file.truncate(keep)


def json_line(data: dict[str, Any]) -> str:
    """Return one line of JSON without secrets, its line end included."""
    return masked_json(data) + "\n"


def write_json(path: Path, data: dict[str, Any] | list[Any]) -> Path:
    """Write a JSON file whole or not at all, also when two writers meet.

    Secrets are masked in the values, where no escape of JSON's hides them.
    """
    return _write(path, [masked_json(data, indent=2) + "\n"])


def write_text(path: Path, text: str) -> Path:
    """Write a text file as `write_json` does, secrets masked."""
    return _write(path, [masked_text(text)])


def write_masked(path: Path, pieces: Iterable[str]) -> Path:
    """Write pieces of text, masked already, one after the other, whole or not at all.

    For files too large to be searched anew each time they grow by a line, and for
    pages that hold compressed data, in which a mask would break what it touches.
    """
    return _write(path, pieces)


def _write(path: Path, pieces: Iterable[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}.part")
    try:
        with part.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(pieces)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def read_records(path: Path) -> Iterator[Record]:
    """Read results.jsonl; a last line cut by a crash is left out.

    Raises:
        RecordFault: a line is no record of this schema version; says which.
    """
    with path.open("rb") as lines:  # as bytes: the cut may lie within a character
        for number, line in enumerate(lines, 1):
            if line.endswith(b"\n"):
                yield _record(line, f"{path}:{number}")


def _record(line: bytes, place: str) -> Record:
    try:
        return record_from_json(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        msg = f"{place} is no record ({type(error).__name__}: {error})"
        raise RecordFault(msg) from None
