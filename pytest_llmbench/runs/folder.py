"""A run's folder: records appended as they come, everything else written whole."""

from __future__ import annotations

import json
import os
import secrets
from typing import IO, TYPE_CHECKING, Any, Final

from pytest_llmbench.runs.record import record_from_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from pytest_llmbench.runs.record import Record

RESULTS: Final = "results.jsonl"


def new_run_id(now: datetime) -> str:
    """Return an id that sorts by time, to the millisecond, and is unique."""
    millisecond = now.microsecond // 1000
    return f"{now:%Y%m%dT%H%M%S}{millisecond:03d}Z-{secrets.token_hex(3)}"


class RunFolder:
    """`reports/<YYYY-MM-DD>/<run_id>/`, made when the first trial ends."""

    def __init__(self, reports: Path, run_id: str, now: datetime) -> None:
        self.run_id = run_id
        self.path = reports / f"{now:%Y-%m-%d}" / run_id
        self._results: IO[str] | None = None

    def append(self, record: Record) -> None:
        """Append one line to results.jsonl and flush it.

        After a `kill -9` every line before the call in flight is there.
        """
        if self._results is None:
            self.path.mkdir(parents=True, exist_ok=True)
            self._results = (self.path / RESULTS).open(
                "a", encoding="utf-8", errors="backslashreplace"
            )
        self._results.write(json_line(record.to_json()))
        self._results.flush()

    def close(self) -> None:
        """Close results.jsonl."""
        if self._results is not None:
            self._results.close()
            self._results = None

    def write_json(self, name: str, data: dict[str, Any]) -> Path:
        """Write a JSON file of this run, whole or not at all."""
        return write_json(self.path / name, data)

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file of this run, whole or not at all."""
        return write_text(self.path / name, text)


def json_line(data: dict[str, Any]) -> str:
    """Return one line of JSON, its line end included."""
    return json.dumps(data, ensure_ascii=False) + "\n"


def write_json(path: Path, data: dict[str, Any] | list[Any]) -> Path:
    """Write a JSON file whole or not at all, also when two writers meet."""
    return write_text(path, json.dumps(data, ensure_ascii=False, indent=2) + "\n")


def write_text(path: Path, text: str) -> Path:
    """Write a text file whole or not at all, also when two writers meet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}.part")
    try:
        part.write_text(text, encoding="utf-8", errors="backslashreplace")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def read_records(path: Path) -> Iterator[Record]:
    """Read results.jsonl; a last line cut by a crash is left out."""
    with path.open("rb") as lines:  # as bytes: the cut may lie within a character
        for line in lines:
            if line.endswith(b"\n"):
                yield record_from_json(json.loads(line))
