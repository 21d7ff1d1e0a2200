"""What is asked of the history, and what is put into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from sqlalchemy import delete, func, insert, select, update

from pytest_llmbench.runs.folder import write_json
from pytest_llmbench.runs.history import syncing
from pytest_llmbench.runs.history.address import read_address
from pytest_llmbench.runs.history.database import Database
from pytest_llmbench.runs.history.rows import (
    RunRows,
    fingerprint,
    packed,
    plain,
    run_rows,
    unpacked,
    utc_text,
)
from pytest_llmbench.runs.history.tables import cycles, jobs, runs
from pytest_llmbench.runs.history.versioning import bring_up_to_date

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    from sqlalchemy import Connection, Select

SCHEMA_VERSION: Final = 1
_NEWEST_FIRST: Final = (jobs.c.at.desc(), jobs.c.run_id.desc(), jobs.c.position.desc())
_OLDEST_FIRST: Final = (jobs.c.at, jobs.c.run_id, jobs.c.position)
_JOB: Final = (
    jobs.c.run_id,
    jobs.c.at,
    jobs.c.decision,
    jobs.c.code,
    jobs.c.baseline_spec,
    jobs.c.comparability,
    jobs.c.judged_runs,
    jobs.c.summary,
)


class History:
    """The stored runs and cycles of one database.

    Every method raises `SettingsError`, with one clear message, where the database
    can't be read or written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, url: str) -> History:
        """Open a database, create or upgrade its tables.

        Args:
            url: `sqlite:///FILE`, or `postgresql://USER:PASSWORD@HOST/DATABASE`.

        Raises:
            SettingsError: the URL is none, the driver is missing, the database can't
                be reached, or was written by a newer version.
        """
        database = Database(read_address(url))
        try:
            bring_up_to_date(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    @property
    def shown(self) -> str:
        """The database's name for readers, without a password."""
        return self._database.address.shown

    def add_run(
        self, summary: Mapping[str, Any], *, at: str, folder: str, host: str = ""
    ) -> bool:
        """Store what a run came to, unless it is known.

        A run that was resumed takes the place of what it had been before. A replay
        repeats what is known and is passed over.

        Args:
            summary: the content of summary.json.
            at: when the run began, as ISO 8601.
            folder: where its files are, for readers.

        Returns:
            Whether anything was stored.

        Raises:
            ValueError: it is no summary of a run, or `at` is no time.
        """
        rows = run_rows(summary, at=at, folder=folder, host=host)
        return rows is not None and bool(self.add_rows([rows]))

    def add_folder(self, folder: Path) -> bool:
        """Store the run whose files are in a folder; return whether that was news."""
        rows = syncing.read_run(folder)
        return rows is not None and bool(self.add_rows([rows]))

    def add_rows(
        self,
        found: Iterable[RunRows],
        seen: Iterable[Mapping[str, Any]] = (),
    ) -> int:
        """Store runs, and what was seen of their folders, in one transaction.

        Returns:
            How many of the runs were news.
        """
        with self._database.writing() as connection:
            added = sum(_add(connection, rows) for rows in found)
            for row in seen:
                syncing.remember(connection, row)
        return added

    def sync(self, reports: Path) -> int:
        """Add the runs and cycles that a reports folder has and the history lacks.

        Returns:
            How many runs were added, or were replaced by their newer summary.
        """
        return syncing.sync(self, self._database, reports)

    def newest_jobs(self, runs: int = 8) -> list[dict[str, Any]]:
        """Return the newest job summaries of each model and phase, newest last.

        As many of each as it takes to cover this many judged runs; where nothing was
        ever judged, the newest. Each is the entry of summary.json, less its
        `slowness`, `cache`, `accounting` and a few values that follow from others,
        with `run_id`, `at`, `judged_runs`, `decision`, `code`, `baseline_spec` and
        `comparability_hash` beside.
        """
        with self._database.reading() as connection:
            groups = connection.execute(select(jobs.c.model, jobs.c.phase).distinct())
            found = [
                row
                for model, phase in groups.all()
                for row in _newest(connection, model, phase, runs)
            ]
        found.sort(key=lambda row: (row.at, row.run_id))
        return [_job(row) for row in found]

    def jobs_of_spec(self, spec: str) -> list[dict[str, Any]]:
        """Return every stored job summary of a spec, oldest first.

        Args:
            spec: in its canonical spelling.
        """
        asked = select(*_JOB).where(jobs.c.spec == plain(spec)).order_by(*_OLDEST_FIRST)
        with self._database.reading() as connection:
            return [_job(row) for row in connection.execute(asked).all()]

    def specs(self) -> list[dict[str, Any]]:
        """Return each spec with its `jobs` (how many) and the newest one's `at`."""
        asked = (
            select(jobs.c.spec, func.count().label("jobs"), func.max(jobs.c.at))
            .group_by(jobs.c.spec)
            .order_by(jobs.c.spec)
        )
        with self._database.reading() as connection:
            rows = connection.execute(asked).all()
        return [{"spec": spec, "jobs": count, "at": at} for spec, count, at in rows]

    def run_count(self) -> int:
        """Return how many runs are stored."""
        with self._database.reading() as connection:
            asked = select(func.count()).select_from(runs)
            return int(connection.execute(asked).scalar_one())

    def add_cycle(self, cycle: Mapping[str, Any]) -> int:
        """Store a cycle of a loop; return its index, counted from 1.

        Of processes that come at once each gets an index of its own, without gaps.

        Raises:
            ValueError: `at` is no time.
        """
        with self._database.writing() as connection:
            return _add_cycle(connection, cycle)

    def add_cycles(self, found: Iterable[Mapping[str, Any]]) -> int:
        """Store the cycles of an export that are not known; return how many."""
        with self._database.writing() as connection:
            known = set(connection.execute(select(cycles.c.fingerprint)).scalars())
            news = [each for each in found if _cycle_hash(each) not in known]
            for cycle in news:
                _add_cycle(connection, cycle)
        return len(news)

    def cycles(self) -> list[dict[str, Any]]:
        """Return every cycle with its `cycle_index`, oldest first."""
        asked = select(cycles.c.cycle_index, cycles.c.data)
        with self._database.reading() as connection:
            rows = connection.execute(asked.order_by(cycles.c.cycle_index)).all()
        return [{"cycle_index": index, **unpacked(data)} for index, data in rows]

    def export(self, reports: Path) -> Path:
        """Write every cycle into meta_loop_history.json, whole or not at all."""
        data = [{"schema_version": SCHEMA_VERSION, **each} for each in self.cycles()]
        with self._database.told():
            return write_json(reports / syncing.EXPORT, data)


def _add(connection: Connection, rows: RunRows) -> bool:
    """Store a run, unless it is stored already as it is or as it came to be later."""
    asked = select(runs.c.times_resumed, runs.c.recorded_trials)
    found = connection.execute(asked.where(runs.c.run_id == rows.run_id)).first()
    if found is not None and rows.rank <= tuple(found):
        return False
    if found is None:
        connection.execute(insert(runs), rows.run)
    else:
        own = runs.c.run_id == rows.run_id
        connection.execute(update(runs).where(own).values(rows.run))
        connection.execute(delete(jobs).where(jobs.c.run_id == rows.run_id))
    if rows.jobs:
        connection.execute(insert(jobs), rows.jobs)
    return True


def _newest(connection: Connection, model: str, phase: str, wanted: int) -> list[Any]:
    """Return the newest jobs of one group, newest first, as far as they are needed."""

    def asked(most: int) -> Select[Any]:
        own = (jobs.c.model == model, jobs.c.phase == phase)
        return select(*_JOB).where(*own).order_by(*_NEWEST_FIRST).limit(most)

    kept, covered = [], 0
    with connection.execute(asked(wanted).where(jobs.c.judged_runs > 0)) as judged:
        while covered < wanted and (row := judged.fetchone()):
            kept.append(row)
            covered += row.judged_runs
    return kept or list(connection.execute(asked(1)).all())


def _job(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row
    names = ("run_id", "at", "judged_runs", "decision", "code", "baseline_spec")
    return {
        **unpacked(row.summary),
        **{name: getattr(row, name) for name in names},
        "comparability_hash": row.comparability,
    }


def _add_cycle(connection: Connection, cycle: Mapping[str, Any]) -> int:
    data = {
        k: v for k, v in cycle.items() if k not in {"cycle_index", "schema_version"}
    }
    last = connection.execute(select(func.max(cycles.c.cycle_index))).scalar() or 0
    new = data.get("new_canonical")
    row = {
        "cycle_index": last + 1,
        "at": utc_text(str(data["at"])),
        "loop_id": plain(str(data.get("loop_id") or "")),
        "run_id": plain(str(data.get("run_id") or "")),
        "baseline": plain(str(data.get("baseline") or "")),
        "new_canonical": None if new is None else plain(str(new)),
        "interrupted": bool(data.get("interrupted")),
        "fingerprint": _cycle_hash(cycle),
        "data": packed(data),
    }
    connection.execute(insert(cycles), row)
    return int(last) + 1


def _cycle_hash(cycle: Mapping[str, Any]) -> str:
    """Return a hash of a cycle, without its index, as it looks once stored."""
    data = {
        k: v for k, v in cycle.items() if k not in {"cycle_index", "schema_version"}
    }
    return fingerprint(unpacked(packed(data)))
