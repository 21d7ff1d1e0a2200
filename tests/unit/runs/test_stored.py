"""What earlier runs left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmbench.runs.folder import write_json, write_text
from pytest_llmbench.runs.stored import (
    CANONICAL,
    newest_job,
    newest_summaries,
    read_canonical,
    update_canonical,
)

if TYPE_CHECKING:
    from pathlib import Path


def store(reports: Path, day: str, run_id: str, **specs: float) -> None:
    """Store the summary of a run with one job per spec."""
    jobs = [{"spec": spec, "accuracy": value} for spec, value in specs.items()]
    data = {"run_id": run_id, "job_summaries": jobs}
    write_json(reports / day / run_id / "summary.json", data)


def run_ids(reports: Path) -> list[str]:
    """Return the ids of the stored runs in the order found."""
    return [summary["run_id"] for summary in newest_summaries(reports)]


def test_nothing_stored(tmp_path: Path) -> None:
    """No reports folder, an empty one, or a file in its place: no runs."""
    assert run_ids(tmp_path / "none") == []
    assert run_ids(tmp_path) == []
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert run_ids(tmp_path / "file") == []
    assert newest_job(tmp_path, "m") is None
    assert read_canonical(tmp_path) == {}


def test_newest_first(tmp_path: Path) -> None:
    """Days and ids are in the order of time, whatever order the disk has."""
    store(tmp_path, "2026-11-20", "20261120T230000000Z-ff")
    store(tmp_path, "2026-11-21", "20261121T080000000Z-aa")
    store(tmp_path, "2025-12-31", "20251231T080000Z-zz")
    store(tmp_path, "2026-11-21", "20261121T090000000Z-00")
    assert run_ids(tmp_path) == [
        "20261121T090000000Z-00",
        "20261121T080000000Z-aa",
        "20261120T230000000Z-ff",
        "20251231T080000Z-zz",
    ]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "null",
        "[]",
        '"job_summaries"',
        "{}",
        '{"job_summaries": null}',
        '{"job_summaries": {"a": 1}}',
        '{"job_summaries": [null]}',
        "[" * 100_000,
    ],
)
def test_what_is_no_summary_is_passed_over(tmp_path: Path, content: str) -> None:
    """A run cut off, or another program's file, hides no other run."""
    store(tmp_path, "2026-11-20", "r1", m=1.0)
    write_text(tmp_path / "2026-11-21" / "r2" / "summary.json", content)
    assert run_ids(tmp_path) == ["r1"]
    assert newest_job(tmp_path, "m") == {"spec": "m", "accuracy": 1.0, "run_id": "r1"}


def test_other_things_in_the_folder_are_passed_over(tmp_path: Path) -> None:
    """Files beside runs, empty runs and folders of another kind are no runs."""
    store(tmp_path, "2026-11-20", "r1")
    store(tmp_path, "archive", "r0")
    (tmp_path / "2026-11-20" / "notes.txt").write_text("x", encoding="utf-8")
    (tmp_path / "2026-11-20" / "r2").mkdir()
    (tmp_path / "2026-11-21.zip").write_bytes(b"")
    (tmp_path / "2026-11-20" / "r3").mkdir()
    (tmp_path / "2026-11-20" / "r3" / "summary.json").write_bytes(b"\xff")
    assert run_ids(tmp_path) == ["r1"]


def test_the_newest_job_of_a_spec(tmp_path: Path) -> None:
    """The newest run that has the spec counts, and its id comes along."""
    store(tmp_path, "2026-11-20", "r1", a=0.1, b=0.2)
    store(tmp_path, "2026-11-21", "r2", b=0.3)
    assert newest_job(tmp_path, "a") == {"spec": "a", "accuracy": 0.1, "run_id": "r1"}
    assert newest_job(tmp_path, "b") == {"spec": "b", "accuracy": 0.3, "run_id": "r2"}
    assert newest_job(tmp_path, "c") is None


def test_a_new_baseline_keeps_those_of_other_phases(tmp_path: Path) -> None:
    """One phase's promotion is none of the others' business."""
    reports = tmp_path / "reports"
    update_canonical(reports, {"atomic": {"spec": "a"}, "format": {"spec": "f"}})
    path = update_canonical(reports, {"atomic": {"spec": "b"}})
    assert path == reports / CANONICAL
    assert read_canonical(reports) == {"atomic": {"spec": "b"}, "format": {"spec": "f"}}
    assert json.loads(path.read_text("utf-8"))["schema_version"] == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"phases": []}', "{"])
def test_a_broken_canonical_is_none(tmp_path: Path, content: str) -> None:
    """A file that can't be read is as good as no baseline, and is replaced."""
    write_text(tmp_path / CANONICAL, content)
    assert read_canonical(tmp_path) == {}
    update_canonical(tmp_path, {"atomic": {"spec": "a"}})
    assert read_canonical(tmp_path) == {"atomic": {"spec": "a"}}


_UPDATER = """
import sys
from pathlib import Path
from pytest_llmbench.runs.stored import update_canonical
for number in range(25):
    update_canonical(Path(sys.argv[1]), {f"{sys.argv[2]}-{number}": {}})
"""


def test_processes_that_update_at_once_lose_nothing(tmp_path: Path) -> None:
    """Four sessions that promote at the same time all find their baseline kept."""
    command = [sys.executable, "-c", _UPDATER, str(tmp_path)]
    running = [
        subprocess.Popen([*command, str(number)])  # noqa: S603 - our own code
        for number in range(4)
    ]
    assert [process.wait(timeout=60) for process in running] == [0] * 4
    phases: dict[str, Any] = read_canonical(tmp_path)
    assert set(phases) == {f"{who}-{n}" for who in range(4) for n in range(25)}
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {CANONICAL, ".canonical.lock"}
