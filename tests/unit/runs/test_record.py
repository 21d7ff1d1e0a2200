"""The stored trial: what is written is what is read."""

from __future__ import annotations

import json

import pytest
from made_records import make_record

from pytest_llmbench.checks.reply import Backoff, Reply, Timings, ToolCall, Usage
from pytest_llmbench.checks.verdict import CheckResult
from pytest_llmbench.runs.record import (
    SCHEMA_VERSION,
    Fault,
    record_from_json,
    reply_from_json,
)

FULL = make_record(
    category="action",
    checks=(CheckResult(name="tools", passed=False, expected="f", got="g", why="no"),),
    behaviour="called_wrong",
    expects_tool=True,
    wrong_tools=("g",),
    reply=Reply(
        text="é\n\u2028",
        thinking="hm",
        tool_calls=(
            ToolCall(name="g", arguments={"a": [1, None, {"b": 0.5}]}, id="1"),
            ToolCall(name="h", arguments=None, raw="{", channel="text:hermes"),
        ),
        finish_reason="stop",
        usage=Usage(prompt_tokens=9, cached_tokens=0, output_tokens=2),
        timings=Timings(ttft_ms=0.5, e2e_ms=10.0, queue_ms=0.0),
        deltas=3,
    ),
    fault=Fault(kind="busy", message="later"),
    attempts=2,
    seed=2**31 - 1,
    started_at="2026-11-21T09:00:00+00:00",
    is_resident=False,
    worker="gw1",
    backoffs=(Backoff(kind="busy", message="later", wait_s=1.5, at="2026-11-21"),),
)


@pytest.mark.parametrize("record", [FULL, *(make_record(letter=x) for x in "PFTES")])
def test_a_record_survives_storage(record: object) -> None:
    """Every field comes back as it was, to the type."""
    data = record.to_json()  # type: ignore[attr-defined] # a Record
    assert record_from_json(json.loads(json.dumps(data))) == record


def test_a_line_names_its_schema() -> None:
    """Readers of another version can tell."""
    assert FULL.to_json()["schema_version"] == SCHEMA_VERSION


def test_writing_leaves_the_record_alone() -> None:
    """The JSON is a copy: changing it changes no record."""
    data = FULL.to_json()
    data["reply"]["tool_calls"][0]["arguments"]["a"].clear()
    assert FULL.reply is not None
    assert FULL.reply.tool_calls[0].arguments == {"a": [1, None, {"b": 0.5}]}


def test_nothing_carried_is_stored() -> None:
    """What a reply carries for the next request is written to no line."""
    reply = Reply(text="ok", carried=({"encrypted_content": "abc"},))
    record = make_record(reply=reply)
    assert "carried" not in record.to_json()["reply"]
    assert record.slim().reply == Reply(timings=reply.timings)


def test_a_line_without_a_reply_has_no_times() -> None:
    """Where nothing came, nothing was measured: null, never 0."""
    assert make_record(letter="E").timings == Timings()
    assert FULL.timings.e2e_ms == 10.0


@pytest.mark.parametrize("change", [{"checks": None}, {"unknown": 1}, {"fault": {}}])
def test_what_is_no_record_is_refused(change: dict[str, object]) -> None:
    """A line of another shape is no record, and is not taken for one."""
    with pytest.raises((KeyError, TypeError)):
        record_from_json({**FULL.to_json(), **change})


def test_a_missing_field_is_refused() -> None:
    """A line that lacks a field of this version is no record."""
    data = FULL.to_json()
    del data["checks"]
    with pytest.raises(KeyError):
        record_from_json(data)
    with pytest.raises(KeyError):
        reply_from_json({})
