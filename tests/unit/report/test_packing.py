"""Trials in a page: what counts is there, failures first, within the limit."""

from __future__ import annotations

import base64
import gzip
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import make_plan, make_record, make_reply
from msgspec.structs import replace
from stored_runs import store_jobs, store_run

from pytest_llmbench.commands.stored_run import stored_run
from pytest_llmbench.report.html.packing import Pack, rows
from pytest_llmbench.report.html.visible import LONGEST, visible

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmbench.report.rundata import JobData


def jobs_of(folder: Path) -> list[JobData]:
    """Return the jobs of a stored run."""
    return stored_run(folder).jobs()


def unpacked(piece: str) -> Any:  # noqa: ANN401 - JSON
    """Return what a piece holds."""
    return json.loads(gzip.decompress(base64.b64decode(piece)))


def said(pack: Pack) -> dict[tuple[int, int, int], dict[str, Any]]:
    """Return what a pack has of each trial, by job, prompt and run."""
    return {
        (job, prompt, run): detail
        for (job, _), numbers in pack.details.items()
        for number in numbers
        for prompt, run, detail in unpacked(pack.pieces[number])
    }


def test_all_that_was_said_is_there(tmp_path: Path) -> None:
    """Of a small run each trial has its detail, empty values left out."""
    folder = store_run(tmp_path, {"m:1b": {"P1": "PF", "P2": "T."}})
    pack = Pack()
    pack.add_details(jobs_of(folder))
    found = said(pack)
    assert set(found) == {(0, 0, 1), (0, 0, 2), (0, 1, 1)}
    assert (pack.shown, pack.total) == (3, 3)
    assert found[0, 0, 1]["text"] == "ok"
    assert found[0, 1, 1]["fault"] == {"kind": "timeout", "message": "slow"}
    assert "text" not in found[0, 1, 1]


def test_failed_trials_come_first_where_room_is_short(tmp_path: Path) -> None:
    """What does not fit is passes; outcome and times of all are there anyhow."""
    draw = random.Random(7)  # noqa: S311 - only hard to compress
    grid = {"P1": "P" * 40 + "F" * 5}
    plan = make_plan(grid)
    records = [
        make_record(
            "P1",
            run,
            letter,
            reply=replace(make_reply(), text=draw.randbytes(2_000).hex()),
        )
        for run, letter in enumerate(grid["P1"], 1)
    ]
    jobs = jobs_of(store_jobs(tmp_path, [(plan, records)]))
    pack = Pack(limit=40_000)
    pack.add_details(jobs)
    runs = {run for _, _, run in said(pack)}
    assert {41, 42, 43, 44, 45} <= runs
    assert pack.shown < pack.total == 45
    assert sum(map(len, pack.pieces)) <= 40_000
    assert rows(jobs[0])["outcomes"] == [grid["P1"]]


def test_the_line_that_counts_is_shown(tmp_path: Path) -> None:
    """Of a trial that was stored twice the later answer is there, and only it."""
    plan = make_plan({"P1": "P"})
    first = make_record("P1", letter="E", started_at="a")
    second = make_record(
        "P1", started_at="b", reply=replace(make_reply(), text="second")
    )
    jobs = jobs_of(store_jobs(tmp_path, [(plan, [first, second])]))
    pack = Pack()
    pack.add_details(jobs)
    assert [detail["text"] for detail in said(pack).values()] == ["second"]
    assert pack.shown == 1


def test_rows_have_outcome_time_and_mode_of_each_trial(tmp_path: Path) -> None:
    """Times are less load; what is not there is null."""
    record = make_record("P1", reply=make_reply(load_ms=150.0))
    failed = make_record("P1", 2, "F", failure_mode="wrong_tool")
    plan = make_plan({"P1": "PF."})
    jobs = jobs_of(store_jobs(tmp_path, [(plan, [record, failed])]))
    assert rows(jobs[0]) == {
        "outcomes": ["PF-"],
        "ttft": [[50.0, 200, None]],
        "e2e": [[850, 1000, None]],
        "mode": [[0, 1, 0]],
        "modes": [None, "wrong_tool"],
    }


@pytest.mark.parametrize("text", ["\ud800", "\x00", "\u202e", "\x1b[2J"])
def test_odd_characters_are_written_out(tmp_path: Path, text: str) -> None:
    """What does not print, a browser never gets."""
    reply = replace(make_reply(), text=text)
    pack = Pack()
    pack.add_details(jobs_of(store_run(tmp_path, {"m:1b": {"P1": "F"}}, reply=reply)))
    (detail,) = said(pack).values()
    assert detail["text"].isprintable()
    assert detail["text"].startswith("\\")


@given(st.text(max_size=200), st.integers(min_value=2, max_value=50))
def test_visible_text_prints(text: str, limit: int) -> None:
    """Line ends and tabs stay; all else prints; what was cut is told."""
    shown = visible(text, limit)
    assert shown.replace("\n", "").replace("\t", "").isprintable()
    unix = text.replace("\r\n", "\n")
    assert ("left out here" in shown) >= (len(unix) > limit)


def test_text_up_to_the_limit_is_whole() -> None:
    """Nothing is cut that need not be."""
    text = "x" * LONGEST
    assert visible(text) == text
    assert visible(text + "x") != text + "x"
