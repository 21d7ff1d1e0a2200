"""Replaced attempts, counted by trial and by reason."""

from __future__ import annotations

from made_records import make_record

from pytest_llmbench.analysis.retries import retry_count
from pytest_llmbench.runs.record import Attempt

STALLED = Attempt(outcome="timeout", kind="stalled", message="")
SLOW = Attempt(outcome="timeout", kind="timeout", message="")
GONE = Attempt(outcome="error", kind="unreachable", message="")


def test_attempts_are_counted_by_reason() -> None:
    """Every kind of time-out is one reason; the commonest reason stands first."""
    records = [
        make_record("P1", 1, "P", earlier_attempts=(GONE, STALLED)),
        make_record("P2", 1, "T", earlier_attempts=(SLOW,)),
        make_record("P3", 1, "F"),
    ]
    count = retry_count(records)
    assert (count.trials, count.attempts) == (2, 3)
    assert list(count.reasons.items()) == [("timeout", 2), ("unreachable", 1)]


def test_no_retries_are_none() -> None:
    """Without a retry everything is 0 and no reason is named."""
    empty = {"trials": 0, "attempts": 0, "reasons": {}}
    assert retry_count([make_record()]).to_json() == empty
