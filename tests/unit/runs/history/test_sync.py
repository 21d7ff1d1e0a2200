"""Run folders and the history hold the same runs after each sync."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from made_records import SPEC
from made_runs import made_cycle, made_summary, put_run, run_id

from pytest_llmbench.runs.folder import mark_day, write_json
from pytest_llmbench.runs.history import History

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAYS = 12
"""More than the newest days, which are looked at run by run."""

LONG_AGO_S = 1_000_000_000


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Give a folder with two runs on each of twelve days, settled long ago."""
    for day in range(1, DAYS + 1):
        for number in range(2):
            folder = put_run(tmp_path, run_id(day, number))
            settle(folder.parent)
    return tmp_path


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    """Give a new history."""
    with History.open(f"sqlite:///{tmp_path}/history.db") as opened:
        yield opened


def settle(day: Path, at_s: int = LONG_AGO_S) -> None:
    """Let a day's folder have been changed last at a time."""
    os.utime(day, (at_s, at_s))


def ids(history: History) -> list[str]:
    """Return the ids of the stored runs, oldest first."""
    return [job["run_id"] for job in history.jobs_of_spec(SPEC)]


def test_every_run_is_taken_once(reports: Path, history: History) -> None:
    """A first sync takes all runs, a second finds nothing, in any database."""
    assert history.sync(reports) == 2 * DAYS
    assert history.sync(reports) == 0
    assert len(ids(history)) == 2 * DAYS
    with History.open(f"sqlite:///{reports}/other.db") as other:
        assert other.sync(reports) == 2 * DAYS


def test_no_reports_no_runs(tmp_path: Path, history: History) -> None:
    """No folder, an empty one and a file in its place hold nothing."""
    (tmp_path / "file").touch()
    for name in ("none", "file", "."):
        assert history.sync(tmp_path / name) == 0


def test_old_days_are_passed_over(reports: Path, history: History) -> None:
    """An old day that has not changed is not looked at run by run."""
    history.sync(reports)
    name = run_id(1, 0)
    folder = reports / "2026-11-01" / name
    newer = made_summary(name, {"P1": "PPPP"}, times_resumed=1)
    write_json(folder / "summary.json", newer)
    assert history.sync(reports) == 0
    mark_day(folder)
    assert history.sync(reports) == 1


def test_a_run_that_goes_on_in_the_newest_days_is_seen(
    reports: Path, history: History
) -> None:
    """A newer summary of a recent run replaces the stored one without any mark."""
    history.sync(reports)
    name = run_id(DAYS, 0)
    newer = made_summary(name, {"P1": "PPPP"}, times_resumed=1)
    write_json(reports / "2026-11-12" / name / "summary.json", newer)
    assert history.sync(reports) == 1
    found = {job["run_id"]: job for job in history.jobs_of_spec(SPEC)}
    assert found[name]["n"] == 4
    assert len(found) == 2 * DAYS


def test_a_run_copied_into_an_old_day_is_found(reports: Path, history: History) -> None:
    """A folder that comes from another machine is taken, whatever its day's time."""
    history.sync(reports)
    for number in (7, 8):
        put_run(reports, run_id(3, number))
        settle(reports / "2026-11-03")
        assert history.sync(reports) == 1
    put_run(reports, run_id(1, 9)).parent.rename(reports / "2020-01-01")
    assert history.sync(reports) == 1


def test_a_run_that_replaces_another_in_its_day_is_found(
    reports: Path, history: History
) -> None:
    """With as many entries as before it is the folder's time that tells."""
    history.sync(reports)
    shutil.rmtree(reports / "2026-11-03" / run_id(3, 0))
    put_run(reports, run_id(3, 7))
    assert history.sync(reports) == 1
    assert len(ids(history)) == 2 * DAYS + 1


def test_a_run_that_was_going_on_is_taken_when_it_ends(
    reports: Path, history: History
) -> None:
    """A folder without a summary is looked at again, however old its day."""
    name = run_id(3, 7)
    folder = put_run(reports, name)
    (folder / "summary.json").rename(reports / "kept")
    settle(folder.parent)
    assert history.sync(reports) == 2 * DAYS
    (reports / "kept").rename(folder / "summary.json")
    assert history.sync(reports) == 1
    assert name in ids(history)


def test_a_day_read_while_it_changes_is_read_again(
    reports: Path, history: History
) -> None:
    """A day that changed just before it was read is not trusted to be whole."""
    put_run(reports, run_id(3, 7))
    day = reports / "2026-11-03"
    changed = day.stat()
    history.sync(reports)
    gone = shutil.move(day / run_id(3, 0), reports / "gone")
    put_run(reports, run_id(3, 8))
    os.utime(day, ns=(changed.st_atime_ns, changed.st_mtime_ns))
    assert gone
    assert history.sync(reports) == 1


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '"x"', '{"run_id": "x"}', '{"job_summaries": [{"spec": "m"}]}'],
)
def test_what_is_no_summary_is_passed_over(
    reports: Path, history: History, text: str
) -> None:
    """A corrupt or foreign summary hides no other run; once it is whole it is taken."""
    name = run_id(3, 7)
    path = put_run(reports, name) / "summary.json"
    path.write_text(text, "utf-8")
    settle(path.parent.parent)
    assert history.sync(reports) == 2 * DAYS
    assert history.sync(reports) == 0
    put_run(reports, name)
    mark_day(path.parent)
    assert history.sync(reports) == 1


def test_what_is_passed_over_is_read_once(reports: Path, history: History) -> None:
    """A replay in the newest day is not read at each sync."""
    name = run_id(DAYS, 7)
    replay = {**made_summary(name), "replay_of": "results.jsonl"}
    path = put_run(reports, name, replay) / "summary.json"
    assert history.sync(reports) == 2 * DAYS
    before = path.stat()
    text = path.read_text("utf-8")
    path.write_text(text.replace('"replay_of": "', '"replay_xx": "'), "utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert history.sync(reports) == 0


def test_a_copy_of_a_run_is_the_same_run(reports: Path, history: History) -> None:
    """A run counts once, under whatever names its folder lies in the reports."""
    shutil.copytree(reports / "2026-11-12", reports / "2026-11-12 copy")
    shutil.copytree(
        reports / "2026-11-12" / run_id(DAYS, 0), reports / "2026-11-12" / "copy"
    )
    assert history.sync(reports) == 2 * DAYS
    assert history.sync(reports) == 0


def test_where_and_when_a_run_was(reports: Path, history: History) -> None:
    """A run began when its id says, else when it took notes, else on its day."""
    taken = {"host": {}, "snapshots": {"before": {"taken_at": "2026-11-03T10:00:00Z"}}}
    for name in ("mine", "yours"):
        folder = reports / "2026-11-03" / name
        write_json(folder / "summary.json", made_summary(name, job={"spec": name}))
    write_json(reports / "2026-11-03" / "mine" / "inventory.json", taken)
    history.sync(reports)
    assert history.jobs_of_spec(SPEC)[0]["at"] == "2026-11-01T08:00:00.000+00:00"
    assert history.jobs_of_spec("mine")[0]["at"] == "2026-11-03T10:00:00.000+00:00"
    assert history.jobs_of_spec("yours")[0]["at"] == "2026-11-03T00:00:00.000+00:00"


def test_cycles_come_back_from_their_export(reports: Path, history: History) -> None:
    """A new database takes the exported cycles, in order, and takes none twice."""
    for number in (1, 2):
        history.add_cycle(made_cycle(number))
    history.export(reports)
    assert history.sync(reports) == 2 * DAYS
    assert len(history.cycles()) == 2
    with History.open(f"sqlite:///{reports}/new.db") as new:
        new.sync(reports)
        assert new.cycles() == history.cycles()
        new.add_cycle(made_cycle(3))
        new.export(reports)
    history.sync(reports)
    assert len(history.cycles()) == 3


def test_an_export_that_is_none_is_passed_over(reports: Path, history: History) -> None:
    """What is no list of cycles stops nothing."""
    path = reports / "meta_loop_history.json"
    for text in ("{", '{"a": 1}', '[1, {}, {"at": "soon"}]'):
        path.write_text(text, "utf-8")
        history.sync(reports)
    assert history.cycles() == []
