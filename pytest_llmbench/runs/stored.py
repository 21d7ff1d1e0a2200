"""What earlier runs left behind: summaries, the canonical baseline, evidence."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.runs.folder import drop_cut_line, json_line, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CANONICAL: Final = "canonical.json"
FEEDBACK: Final = "harness_feedback.json"
ROUTING_LOG: Final = "routing_decisions.jsonl"
SCHEMA_VERSION: Final = 1


def newest_summaries(reports: Path) -> Iterator[dict[str, Any]]:
    """Yield the stored summary.json of each run, newest first.

    A run without a readable summary (cut off, or from another version) is
    passed over.
    """
    for run in run_folders(reports):
        summary = read_summary(run)
        # A replay repeats one that counts already.
        if summary is not None and not summary.get("replay_of"):
            yield summary


def read_summary(folder: Path) -> dict[str, Any] | None:
    """Return the summary.json of a run's folder; None if none can be read."""
    summary = _read_json(folder / "summary.json")
    return summary if _is_summary(summary) else None


def run_folders(reports: Path) -> Iterator[Path]:
    """Yield the folder of each run, newest first."""
    if not reports.is_dir():
        return
    days = (d for d in reports.iterdir() if d.is_dir() and d.name[:4].isdecimal())
    for day in sorted(days, reverse=True, key=lambda path: path.name):
        yield from sorted(day.iterdir(), reverse=True, key=lambda path: path.name)


def run_folder(reports: Path, run_id: str) -> Path | None:
    """Return the folder of a run; None if there is none."""
    return next(reports.glob(f"[0-9]*/{run_id}"), None)


def _is_summary(stored: object) -> bool:
    jobs = stored.get("job_summaries") if isinstance(stored, dict) else None
    return isinstance(jobs, list) and all(isinstance(job, dict) for job in jobs)


def stored_jobs(run: Path) -> tuple[dict[str, Any], ...]:
    """Return the job summaries of one run's folder; none where it has no summary."""
    summary = read_summary(run) or {"job_summaries": ()}
    return tuple(summary["job_summaries"])


def newest_job(reports: Path, spec: str) -> dict[str, Any] | None:
    """Return the newest stored job summary of a spec, with its `run_id`."""
    for summary in newest_summaries(reports):
        for job in summary["job_summaries"]:
            if job.get("spec") == spec:
                return {**job, "run_id": summary.get("run_id", "")}
    return None


def read_canonical(reports: Path) -> dict[str, Any]:
    """Return the canonical baseline of each phase; empty if there is none."""
    stored = _read_json(reports / CANONICAL)
    phases = stored.get("phases") if isinstance(stored, dict) else None
    return phases if isinstance(phases, dict) else {}


def update_canonical(reports: Path, changed: dict[str, Any]) -> Path:
    """Put new baselines beside those of other phases, under a lock."""
    reports.mkdir(parents=True, exist_ok=True)
    with locked(reports / ".canonical.lock"):
        phases = {**read_canonical(reports), **changed}
        data = {"schema_version": SCHEMA_VERSION, "phases": phases}
        return write_json(reports / CANONICAL, data)


def write_feedback(reports: Path, feedback: dict[str, Any]) -> Path:
    """Write harness_feedback.json, whole or not at all."""
    data = {"schema_version": SCHEMA_VERSION, **feedback}
    return write_json(reports / FEEDBACK, data)


def append_routing(reports: Path, decision: dict[str, Any]) -> Path:
    """Append one line to routing_decisions.jsonl, whole also when many append at once.

    A last line that a killed writer has cut off makes way for this one.
    """
    reports.mkdir(parents=True, exist_ok=True)
    path = reports / ROUTING_LOG
    line = json_line({"schema_version": SCHEMA_VERSION, **decision})
    with locked(path):
        drop_cut_line(path)
        with path.open("ab") as file:
            file.write(line.encode("utf-8", "backslashreplace"))
    return path


def _read_json(path: Path) -> Any:  # noqa: ANN401 - whatever is stored
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file; where the system has no flock, writes stay atomic."""
    with path.open("a", encoding="utf-8") as file:
        try:
            import fcntl
        except ImportError:
            yield
            return
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
            os.utime(path)
