"""A run's folder: lines at once, files whole or not at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_records import make_record
from made_values import built

from pytest_llmbench.checks.reply import Reply, Timings, ToolCall, Usage
from pytest_llmbench.checks.verdict import CheckResult
from pytest_llmbench.errors import SettingsError
from pytest_llmbench.runs.folder import (
    RESULTS,
    RunFolder,
    drop_cut_line,
    json_line,
    new_run_id,
    read_records,
    write_json,
    write_text,
)
from pytest_llmbench.runs.record import Fault, Record, record_from_json

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 21, 9, 5, 7, tzinfo=UTC)

TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2)
    ),
    max_leaves=4,
)
MS = st.none() | st.floats(0, 1e9)
CALLS = built(
    ToolCall,
    name=TEXT,
    arguments=st.none() | st.dictionaries(TEXT, JSON, max_size=2),
    raw=TEXT,
    id=TEXT,
)
REPLIES = built(
    Reply,
    text=TEXT,
    thinking=TEXT,
    tool_calls=st.lists(CALLS, max_size=2).map(tuple),
    finish_reason=st.none() | TEXT,
    usage=built(Usage, output_tokens=st.none() | st.integers(0)),
    timings=built(Timings, ttft_ms=MS, e2e_ms=MS),
)
CHECKS = built(CheckResult, name=TEXT, passed=st.booleans(), got=TEXT, why=TEXT)
RECORDS = built(
    Record,
    trial_id=TEXT,
    suite=TEXT,
    phase=TEXT,
    model=TEXT,
    variant=TEXT,
    spec=TEXT,
    run=st.integers(1),
    prompt_id=TEXT,
    prompt_hash=TEXT,
    outcome=st.sampled_from(["pass", "fail", "timeout", "error", "skipped"]),
    checks=st.lists(CHECKS, max_size=2).map(tuple),
    behaviour=st.sampled_from([None, "abstained", "malformed"]),
    wrong_tools=st.lists(TEXT, max_size=2).map(tuple),
    reply=st.none() | REPLIES,
    fault=st.none() | built(Fault, kind=TEXT, message=TEXT),
    seed=st.none() | st.integers(0, 2**31 - 1),
    is_resident=st.none() | st.booleans(),
)


def stored(folder: RunFolder) -> list[Record]:
    """Read what stands in the folder's results now."""
    return list(read_records(folder.path / RESULTS))


@given(records=st.lists(RECORDS, min_size=1, max_size=3))
@example(records=[make_record(reply=Reply(text="\ud83d\ude00 \udc00 \\\ud800"))])
@example(records=[make_record(reply=Reply(text="\r\n\x00\x1a\x85\u2028\ufeff"))])
@settings(max_examples=60, deadline=None)
def test_any_record_survives_the_file(
    records: list[Record], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever a model writes, half surrogate pairs too, is read back.

    Two halves of a pair that meet become their character, as everywhere in JSON.
    """
    folder = RunFolder.new(tmp_path_factory.mktemp("run"), "r", NOW)
    for record in records:
        folder.append(record)
    folder.close()
    expected = [record_from_json(json.loads(json.dumps(r.to_json()))) for r in records]
    assert stored(folder) == expected


def test_lines_can_be_read_before_the_end(tmp_path: Path) -> None:
    """Each record is on its way to the disk as soon as its trial is over."""
    folder = RunFolder.new(tmp_path, "r1", NOW)
    assert not folder.path.exists()
    for count in range(1, 4):
        folder.append(make_record(run=count))
        assert [record.run for record in stored(folder)] == list(range(1, count + 1))
    folder.close()
    folder.close()
    assert folder.path == tmp_path / "2026-11-21" / "r1"


def test_a_closed_folder_is_continued(tmp_path: Path) -> None:
    """A record after closing is appended: nothing written gets lost."""
    path = RunFolder.new(tmp_path, "r1", NOW).path
    first, second = RunFolder(path), RunFolder(path)
    for run, folder in ((1, first), (2, first), (3, second)):
        folder.append(make_record(run=run))
        folder.close()
    assert [record.run for record in stored(first)] == [1, 2, 3]


@pytest.mark.parametrize("cut", [1, 2, 5, 60])
def test_a_cut_last_line_is_left_out(tmp_path: Path, cut: int) -> None:
    """A kill in mid-write costs the last line only, even within a character."""
    folder = RunFolder.new(tmp_path, "r1", NOW)
    folder.append(make_record(run=1))
    folder.append(make_record(run=2, worker="é" * 40))
    folder.close()
    data = (folder.path / RESULTS).read_bytes()
    (folder.path / RESULTS).write_bytes(data[:-cut])
    assert [record.run for record in stored(folder)] == [1]


@pytest.mark.parametrize("cut", [1, 2, 5, 60])
def test_a_cut_last_line_makes_way(tmp_path: Path, cut: int) -> None:
    """The next record takes the place of what a kill has left of one."""
    folder = RunFolder.new(tmp_path, "r1", NOW)
    folder.append(make_record(run=1))
    folder.append(make_record(run=2, worker="é" * 40))
    folder.close()
    path = folder.path / RESULTS
    path.write_bytes(path.read_bytes()[:-cut])
    later = RunFolder(folder.path)
    later.append(make_record(run=3))
    later.close()
    assert [record.run for record in stored(later)] == [1, 3]
    assert path.read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("keep", [b"", b"whole\n", b"a\n\nb\n"])
@pytest.mark.parametrize("size", [0, 1, 64 * 1024 - 1, 64 * 1024, 200_000])
def test_only_what_lies_behind_the_last_line_end_goes(
    tmp_path: Path, keep: bytes, size: int
) -> None:
    """However long the cut line is, whole lines stay to the byte."""
    path = tmp_path / "f"
    path.write_bytes(keep + b"x" * size)
    drop_cut_line(path)
    assert path.read_bytes() == keep


def test_only_one_writes_a_run(tmp_path: Path) -> None:
    """A second holder is refused until the first has closed, or is dead."""
    first = RunFolder.new(tmp_path, "r1", NOW)
    first.append(make_record(run=1))
    second = RunFolder(first.path)
    with pytest.raises(SettingsError, match="r1 is being written by another process"):
        second.append(make_record(run=2))
    assert [record.run for record in stored(first)] == [1]
    first.close()
    second.append(make_record(run=2))
    second.close()
    assert [record.run for record in stored(first)] == [1, 2]


def test_a_line_is_one_line() -> None:
    """Nothing within a record ends a line of the file."""
    line = json_line(make_record(worker="a\nb\r\u2028\x85").to_json())
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert "\r" not in line


@pytest.mark.parametrize("data", [{}, {"a": "é\ud800"}, [1, {"b": None}]])
def test_json_files_are_whole_and_alone(tmp_path: Path, data: object) -> None:
    """A written file reads back, and leaves no part of itself beside it."""
    path = tmp_path / "deep" / "er" / "summary.json"
    for _ in range(2):
        assert write_json(path, data) == path  # type: ignore[arg-type] # JSON
        assert json.loads(path.read_text("utf-8")) == data
        assert [entry.name for entry in path.parent.iterdir()] == ["summary.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """What can't be written leaves what was there, and no part of the new."""
    path = write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    with pytest.raises(TypeError):
        write_text(path, 7)  # type: ignore[arg-type] # on purpose
    assert json.loads(path.read_text("utf-8")) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_file_in_the_way_leaves_no_part(tmp_path: Path) -> None:
    """Where the name belongs to a folder, nothing is left lying beside it."""
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OSError, match=r"a\.json"):
        write_json(tmp_path / "a.json", {})
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_no_file_holds_a_secret(tmp_path: Path) -> None:
    """Records, JSON and text are masked as they are written."""
    key = "sk-planted-31415926"
    told = {"a": [f"line\n{key}"]}
    assert json.loads(json_line(told)) == {"a": ["line\n***"]}
    written = write_json(tmp_path / "a.json", told).read_text()
    assert json.loads(written) == {"a": ["line\n***"]}
    assert write_text(tmp_path / "a.md", f"of {key}.").read_text() == "of ***."


def test_the_folder_writes_below_itself(tmp_path: Path) -> None:
    """Files of a run stand beside its results."""
    folder = RunFolder.new(tmp_path, "r1", NOW)
    assert folder.write_json("a.json", {}) == folder.path / "a.json"
    assert folder.write_text("a.md", "é\ud800").read_bytes() == b"\xc3\xa9\\ud800"


def test_run_ids_sort_by_time() -> None:
    """Ids begin with the second they were made in, and differ within it."""
    later = NOW.replace(second=8)
    ids = [new_run_id(NOW), new_run_id(NOW), new_run_id(later)]
    assert ids[2] == max(ids)
    assert len(set(ids)) == 3
    assert ids[0].startswith("20261121T090507000Z-")
