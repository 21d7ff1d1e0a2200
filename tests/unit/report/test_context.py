"""The table by length and what is said beside it."""

from __future__ import annotations

from made_records import SPEC, make_plan, make_record, make_reply
from msgspec.structs import replace

from pytest_llmbench.analysis.drift import Drift
from pytest_llmbench.analysis.summary import JobSummary, summarise
from pytest_llmbench.report.context import (
    context_facts,
    context_lines,
    context_notes,
    context_view,
    course_facts,
)

GRID = {"L1:2048": "PPPPP", "L1:8192": "PPPFF", "L1:32768": "SSSSS", "L2:2048": "PPPPP"}


def job() -> JobSummary:
    """Sum up two prompts, the longest length skipped; 100 ms per 1,000 tokens."""
    records = []
    for name, row in GRID.items():
        for run, letter in enumerate(row, 1):
            counted = int(name.partition(":")[2]) - 100 * (name == "L2:2048")
            reply = make_reply(ttft_ms=counted / 10, e2e_ms=counted / 5, prefill_ms=9.0)
            reply = replace(reply, usage=replace(reply.usage, prompt_tokens=counted))
            records.append(
                make_record(name, run, letter, reply=None if letter == "S" else reply)
            )
    return summarise(records, make_plan(GRID))


def test_the_table_has_a_row_per_length() -> None:
    """Over all prompts, in 80 columns; a skipped length says so."""
    lines = [line.text for line in context_lines(context_view(job().context))]
    assert lines[0].split() == [
        *("length", "counted", "n", "TTFT", "prefill", "E2E", "tok/s", "adherence"),
    ]
    assert lines[1].split()[:3] == ["2,048", "1,998", "10"]
    assert lines[3].endswith("5 skipped")
    assert max(map(len, lines)) <= 80


def test_the_page_has_each_prompts_rows() -> None:
    """summary.md has all prompts together, then one by one, with p95 from 20 on."""
    view = context_view(job().context)
    assert view is not None
    names = [row[0] for row in view.rows]
    assert names == ["all"] * 3 + ["L1"] * 3 + ["L2"]
    assert context_view(None) is None
    assert list(context_lines(None)) == []


def test_slopes_and_falls_are_said() -> None:
    """The slope comes with interval and n; the fall with counts and doubt."""
    facts = dict(context_facts(job().context))
    assert facts["TTFT by length"].startswith("100 ms per 1,000 tokens (95 %: 100 to")
    assert facts["adherence"] == (
        "L1 below 80 % from 8,192 tokens on: 3/5, 23-88 %; 80 % is in its interval"
    )
    assert list(context_facts(None)) == []


def test_what_was_calibrated_and_missed_is_noted() -> None:
    """Calls are counted by model; a length that was missed is named with its count."""
    call = {"model": "m:1b", "counted_tokens": 12}
    silent = {"model": "n", "counted_tokens": None}
    notes = list(context_notes([call, call, silent], [job().context, None]))
    assert notes[0] == "2 small calls showed what m:1b counts; they are no trials"
    assert "lengths are a guess" in notes[1]
    assert notes[2] == "L2 at 2,048 tokens: the server counted 1,948"
    assert len(notes) == 3


def test_the_course_of_a_run_is_said_where_it_matters() -> None:
    """A drift whose interval holds 0 is not shown, nor a run without a load."""
    drift = Drift(n=40, duration_s=100.0, change=0.2, low=0.1, high=0.3)
    warmth = job().warmth
    assert list(course_facts(drift, warmth)) == [
        ("drift", "E2E rises by 20 % (10 % to 30 %) over 100 s (n=40)")
    ]
    faster = Drift(n=40, duration_s=100.0, change=-0.2, low=-0.3, high=-0.1)
    assert "falls by 20 % (10 % to 30 %)" in dict(course_facts(faster, warmth))["drift"]
    unsure = Drift(n=40, duration_s=100.0, change=0.2, low=-0.1, high=0.3)
    assert list(course_facts(unsure, warmth)) == []
    mixed = [
        make_record("P1", 1, is_resident=False),
        make_record("P1", 2, is_resident=True),
    ]
    summary = summarise(mixed, make_plan({"P1": "PP"}, spec=SPEC))
    told = dict(course_facts(summary.drift, summary.warmth))
    assert told["cold, warm"].startswith("TTFT p50 200 ms (n=1) after a load")
