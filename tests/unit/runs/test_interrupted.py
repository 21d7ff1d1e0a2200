"""A stored run that is to be finished."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from made_records import SPEC, make_record

from pytest_llmbench.errors import SettingsError
from pytest_llmbench.runs.folder import RESULTS, RunFolder, write_json
from pytest_llmbench.runs.interrupted import find_run, key_of, read_run

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmbench.runs.record import Record

NOW = datetime(2026, 11, 21, 9, 5, 7, tzinfo=UTC)
PLAN = {
    "spec": SPEC,
    "suite": "atomic",
    "prompt_ids": ["P1", "P2"],
    "runs": 2,
    "prompt_hashes": {},
}
WHOLE = [make_record(p, r) for r in (1, 2) for p in ("P1", "P2")]


def store(reports: Path, run_id: str, *records: Record, **settings: object) -> Path:
    """Store a run; return its folder."""
    folder = RunFolder.new(reports, run_id, NOW)
    config = {"schema_version": 1, "settings": {"runs": 2, **settings}, "plans": [PLAN]}
    folder.write_json("config.json", config)
    for record in records:
        folder.append(record)
    folder.close()
    return folder.path


def test_judged_trials_are_finished(tmp_path: Path) -> None:
    """Pass, fail and timeout are; errors, skips and what is missing are not."""
    records = [make_record("P1", run, letter) for run, letter in enumerate("PFTES", 1)]
    run = read_run(store(tmp_path, "r1", *records))
    assert [key_of(r)[3] for r in run.finished().values()] == [1, 2, 3]
    assert len(run.records) == 5
    assert run.finished()[SPEC, "atomic", "P1", 2].outcome == "fail"


@pytest.mark.parametrize(
    ("letters", "held"),
    [("EP", "pass"), ("ES", "error"), ("SE", "error"), ("FS", "fail"), ("FE", "fail")],
)
def test_of_several_lines_one_holds(tmp_path: Path, letters: str, held: str) -> None:
    """The later one does, but nothing hides a judged answer, and a skip nothing."""
    lines = [make_record(letter=letter) for letter in letters]
    (record,) = read_run(store(tmp_path, "r1", *lines)).records
    assert record.outcome == held


def test_a_run_is_complete_when_every_planned_trial_is(tmp_path: Path) -> None:
    """One trial less, or one that erred, and it is not."""
    assert read_run(store(tmp_path, "r1", *WHOLE)).is_complete()
    assert not read_run(store(tmp_path, "r2", *WHOLE[:3])).is_complete()
    erred = make_record("P2", 2, "E")
    assert not read_run(store(tmp_path, "r3", *WHOLE[:3], erred)).is_complete()
    assert not read_run(store(tmp_path, "r4")).is_complete()


def test_last_is_the_newest_that_can_go_on(tmp_path: Path) -> None:
    """Complete runs, replays and folders without a config are passed over."""
    store(tmp_path, "r1", *WHOLE[:1])
    store(tmp_path, "r2", *WHOLE[:2])
    store(tmp_path, "r3", *WHOLE)
    store(tmp_path, "r4", *WHOLE[:1], replay="x.jsonl")
    (store(tmp_path, "r5", *WHOLE[:1]) / "config.json").unlink()
    assert find_run(tmp_path, "last").run_id == "r2"


def test_an_id_may_be_short_but_not_ambiguous(tmp_path: Path) -> None:
    """A whole id wins over longer ones that begin with it."""
    for run_id in ("r1", "r12", "q1"):
        store(tmp_path, run_id, *WHOLE[:1])
    assert find_run(tmp_path, "q").run_id == "q1"
    assert find_run(tmp_path, "r1").run_id == "r1"
    with pytest.raises(SettingsError, match=r"--resume r: 2 runs begin so: r12, r1$"):
        find_run(tmp_path, "r")
    with pytest.raises(SettingsError, match=r"did you mean q1\?; the newest runs: r12"):
        find_run(tmp_path, "q1x")


def test_many_runs_are_not_all_named(tmp_path: Path) -> None:
    """Five are; the rest is counted."""
    for number in range(8):
        store(tmp_path, f"r{number}")
    with pytest.raises(SettingsError, match=r"r7, r6, r5, r4, r3, and 3 more$"):
        find_run(tmp_path, "r")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (b"{", r"config\.json cannot be read"),
        (b"\xff", r"config\.json cannot be read"),
        (b"[]", r"config\.json holds no object"),
        (b'{"schema_version": 2}', r"config\.json is of another version"),
        (b'{"schema_version": 1, "settings": {}}', r"is of another version"),
        (
            b'{"schema_version": 1, "settings": {}, "plans": [{}]}',
            r"is of another version",
        ),
    ],
)
def test_a_wrong_config_is_named(tmp_path: Path, config: bytes, words: str) -> None:
    """One clear error, whatever stands in the file."""
    path = store(tmp_path, "r1", *WHOLE)
    (path / "config.json").write_bytes(config)
    with pytest.raises(SettingsError, match=words):
        read_run(path)


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"[1]\n", b"\xff\n", b"[" * 9999])
def test_a_wrong_line_is_named(tmp_path: Path, line: bytes) -> None:
    """File and line are in the message, and the file stays as it is."""
    path = store(tmp_path, "r1", WHOLE[0]) / RESULTS
    data = path.read_bytes() + line.rstrip(b"\n") + b"\n" + path.read_bytes()
    path.write_bytes(data)
    with pytest.raises(SettingsError, match=rf"{RESULTS}:2 is no record"):
        read_run(path.parent)
    assert path.read_bytes() == data


def test_a_run_without_records_can_go_on(tmp_path: Path) -> None:
    """Killed between config.json and the first record, all of it is left."""
    run = read_run(store(tmp_path, "r1"))
    assert (run.records, run.inventory, run.has_summary) == ((), {}, False)


def test_what_is_known_of_models_is_read(tmp_path: Path) -> None:
    """The inventory of an interrupted run is there for comparison."""
    path = store(tmp_path, "r1", *WHOLE)
    inventory: dict[str, Any] = {"models": [{"model": "m:1b", "digest": "d"}]}
    write_json(path / "inventory.json", inventory)
    write_json(path / "summary.json", {})
    run = read_run(path)
    assert (run.inventory, run.has_summary) == (inventory, True)
