"""From run folders into the history, without a look at each folder each time.

A day's folder is passed over where its time of change and its number of entries are
what they were, and all its runs had a summary then. Whatever is put into it later, by
this machine or by copying, changes these. What changes within a run's folder does not:
so a run that goes on marks its day (`runs.folder.mark_day`), and the newest days are
always looked at, run by run.
"""

from __future__ import annotations

import json
import os
import platform
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field
from sqlalchemy import delete, insert, select

from pytest_llmbench.runs.history.rows import (
    RunRows,
    plain,
    run_rows,
    unpacked,
    utc_text,
)
from pytest_llmbench.runs.history.tables import runs, seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from pytest_llmbench.runs.history.database import Database
    from pytest_llmbench.runs.history.store import History

EXPORT: Final = "meta_loop_history.json"
_SUMMARY: Final = "summary.json"
_NEWEST_DAYS: Final = 7
_BATCH: Final = 200
_SETTLED_NS: Final = 2_000_000_000
"""A folder that was changed just before it was read may change again unseen."""

_RUN_ID: Final = re.compile(r"\d{8}T\d{9}Z")


class _Day(Struct, frozen=True, kw_only=True):
    """What was seen of a day's folder.

    Attributes:
        mtime_ns: its time of change; 0 where that was too fresh to be trusted.
        left_out: by name, the stamp of each summary that is not for the history (a
            replay, of another program, a copy); empty where there is none yet.
    """

    mtime_ns: int
    entries: int
    left_out: Mapping[str, str] = field(default_factory=dict)


def sync(history: History, database: Database, reports: Path) -> int:
    """Add what the run folders hold and the history lacks; return how many runs."""
    with database.told():
        if not reports.is_dir():
            return 0
        place = plain(f"{platform.node()}:{reports.resolve()}")
        before = _seen(database, place)
        _sync_cycles(history, reports, place, before.get(EXPORT))
        writer = _Writer(history)
        for index, day in enumerate(_days_newest_first(reports)):
            last = before.get(day.name)
            if index < _NEWEST_DAYS or not _is_unchanged(day, last):
                _sync_day(writer, database, place, _Visit(day, last))
        writer.flush()
        return writer.added


class _Writer:
    """Stores runs some at a time: other writers get their turn, the disk its rest."""

    def __init__(self, history: History) -> None:
        self.added = 0
        self._history = history
        self._runs: list[RunRows] = []
        self._seen: list[dict[str, Any]] = []

    def add_run(self, rows: RunRows) -> None:
        """Store a run, now or soon."""
        self._runs.append(rows)
        self._flush_many()

    def add_seen(self, row: dict[str, Any]) -> None:
        """Remember what was seen, with or after all runs that were given before."""
        self._seen.append(row)
        self._flush_many()

    def flush(self) -> None:
        """Store what is waiting, all or nothing of it."""
        if self._runs or self._seen:
            self.added += self._history.add_rows(self._runs, self._seen)
        self._runs, self._seen = [], []

    def _flush_many(self) -> None:
        if max(len(self._runs), len(self._seen)) >= _BATCH:
            self.flush()


def _seen(database: Database, place: str) -> dict[str, _Day]:
    asked = select(seen.c.name, seen.c.mtime_ns, seen.c.entries, seen.c.left_out)
    with database.reading() as connection:
        rows = connection.execute(asked.where(seen.c.place == place)).all()
    return {
        name: _Day(mtime_ns=mtime_ns, entries=entries, left_out=json.loads(left_out))
        for name, mtime_ns, entries, left_out in rows
    }


def _days_newest_first(reports: Path) -> list[Path]:
    with os.scandir(reports) as entries:
        names = [e.name for e in entries if e.name[:4].isdecimal() and e.is_dir()]
    return [reports / name for name in sorted(names, reverse=True)]


def _is_unchanged(day: Path, before: _Day | None) -> bool:
    """Whether nothing can have come into a day's folder since it was looked at."""
    if before is None or before.mtime_ns != day.stat().st_mtime_ns:
        return False
    if before.entries != len(os.listdir(day)):  # noqa: PTH208 - half of the time
        return False
    waiting = (name for name, stamp in before.left_out.items() if not stamp)
    return not any(_stamp(day / name) for name in waiting)


class _Visit:
    """One look at each run of a day's folder."""

    def __init__(self, day: Path, before: _Day | None) -> None:
        self._before = before
        changed_ns = day.stat().st_mtime_ns  # before the names are read
        names = [path.name for path in day.iterdir()]
        is_settled = time.time_ns() - changed_ns > _SETTLED_NS
        self._mtime_ns = changed_ns if is_settled else 0
        self._entries = len(names)
        stamps = ((name, _stamp(day / name)) for name in sorted(names))
        self._stamps = {name: stamp for name, stamp in stamps if stamp is not None}
        self._left_out = {name: "" for name, stamp in self._stamps.items() if not stamp}
        self.day = day

    def news(self, known: Mapping[str, tuple[str, int, int]]) -> Iterator[RunRows]:
        """Read what is not known: new runs, and those that went on.

        Args:
            known: stamp and rank of stored runs by id.
        """
        left_out = self._before.left_out if self._before else {}
        for name, stamp in self._stamps.items():
            stored = known.get(plain(name))
            if not stamp or (stored and stored[0] == stamp):
                continue
            rows = None if left_out.get(name) == stamp else read_run(self.day / name)
            is_new = rows is not None and (stored is None or rows.rank > stored[1:])
            if rows is None or not is_new or rows.run_id != name:
                self._left_out[name] = stamp
            if rows is not None and is_new:
                yield rows

    def known_names(self) -> list[str]:
        """Return the ids under which its runs may be stored."""
        return [plain(name) for name, stamp in self._stamps.items() if stamp]

    def row(self, place: str) -> dict[str, Any] | None:
        """Return what to remember of it; None if that is known already."""
        now = _Day(
            mtime_ns=self._mtime_ns, entries=self._entries, left_out=self._left_out
        )
        return None if now == self._before else _row(place, self.day.name, now)


def _sync_day(writer: _Writer, database: Database, place: str, visit: _Visit) -> None:
    """Store the news of a day, and what it was like."""
    for rows in visit.news(_known(database, visit.known_names())):
        writer.add_run(rows)
    row = visit.row(place)
    if row is not None:
        writer.add_seen(row)


def _known(database: Database, ids: Sequence[str]) -> dict[str, tuple[str, int, int]]:
    found = {}
    columns = (runs.c.run_id, runs.c.stamp, runs.c.times_resumed)
    asked = select(*columns, runs.c.recorded_trials)
    with database.reading() as connection:
        for start in range(0, len(ids), _BATCH):
            part = runs.c.run_id.in_(ids[start : start + _BATCH])
            for run_id, *rest in connection.execute(asked.where(part)):
                found[run_id] = tuple(rest)
    return found


def _stamp(folder: Path) -> str | None:
    """Return what changes with a run's summary; empty without one, None: no folder."""
    try:
        found = (folder / _SUMMARY).stat()
    except NotADirectoryError:
        return None
    except OSError:
        return ""
    return f"{found.st_mtime_ns}:{found.st_size}"


def read_run(folder: Path) -> RunRows | None:
    """Read a run's folder; None where it holds nothing for the history."""
    stamp = _stamp(folder)
    summary = _read_json(folder / _SUMMARY)
    inventory = _read_json(folder / "inventory.json")
    host = _inner(inventory, "host", "host")
    if not isinstance(summary, dict):
        return None
    try:
        return run_rows(
            summary,
            at=_began(str(summary.get("run_id")), folder, inventory),
            folder=f"{folder.parent.name}/{folder.name}",
            host=host if isinstance(host, str) else "",
            stamp=stamp or "",
        )
    except ValueError:
        return None


def _began(run_id: str, folder: Path, inventory: object) -> str:
    """Return when a run began: by its id, what it took down first, or its day."""
    if _RUN_ID.match(run_id):
        told = f"{run_id[:15]}.{run_id[15:18]}+00:00"
    else:
        told = str(_inner(inventory, "snapshots", "before", "taken_at"))
    for text in (told, folder.parent.name):
        try:
            return utc_text(text)
        except ValueError:
            continue
    written_s = (folder / _SUMMARY).stat().st_mtime
    return datetime.fromtimestamp(written_s, UTC).isoformat()


def _inner(data: object, *keys: str) -> object:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _sync_cycles(
    history: History, reports: Path, place: str, before: _Day | None
) -> None:
    """Take back the cycles of an export that the database lacks."""
    path = reports / EXPORT
    try:
        found = path.stat()
    except OSError:
        return
    now = _Day(mtime_ns=found.st_mtime_ns, entries=found.st_size)
    if now == before:
        return
    stored = _read_json(path)
    cycles = stored if isinstance(stored, list) else []
    history.add_cycles(each for each in cycles if _is_cycle(each))
    history.add_rows([], [_row(place, EXPORT, now)])


def _is_cycle(stored: object) -> bool:
    try:
        return isinstance(stored, dict) and bool(utc_text(str(stored["at"])))
    except (KeyError, ValueError):
        return False


def _read_json(path: Path) -> Any:  # noqa: ANN401 - whatever is stored
    try:
        return unpacked(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _row(place: str, name: str, day: _Day) -> dict[str, Any]:
    return {
        "place": place,
        "name": plain(name),
        "mtime_ns": day.mtime_ns,
        "entries": day.entries,
        "left_out": json.dumps(dict(day.left_out)),
    }


def remember(connection: Connection, row: Mapping[str, Any]) -> None:
    """Store what was seen of one day, in the place of what had been seen before."""
    own = (seen.c.place == row["place"], seen.c.name == row["name"])
    connection.execute(delete(seen).where(*own))
    connection.execute(insert(seen), dict(row))
