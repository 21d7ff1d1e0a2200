"""Which calls came through, whatever their answers were worth."""

from __future__ import annotations

import pytest
from made_records import make_record, make_records

from pytest_llmbench.analysis.accounting import accounting
from pytest_llmbench.runs.record import Fault


def test_answers_are_ok_right_or_wrong() -> None:
    """Passes, failures and time-outs are judged; errors are told apart by kind."""
    limited = Fault(kind="rate_limited", message="")
    records = [
        *make_records({"P1": "PFTS"}),
        make_record("P2", 1, "E", fault=limited),
        make_record("P3", 1, "E", fault=Fault(kind="faltered", message="")),
        make_record("P4", 1, "E", fault=Fault(kind="fixture", message="")),
    ]
    found = accounting(records)
    assert (found.called, found.ok, found.rate_limited) == (5, 3, 1)
    assert found.faults == {"rate_limited": 1, "faltered": 1}
    assert found.rate == 0.6
    assert not found.is_enough
    assert found.to_json()["error"] == 1


@pytest.mark.parametrize(("row", "is_enough"), [("P" * 9 + "E", True), ("PPPE", False)])
def test_ninety_percent_is_enough(row: str, is_enough: bool) -> None:  # noqa: FBT001
    """The limit itself is reached."""
    assert accounting(make_records({"P1": row})).is_enough is is_enough


def test_nothing_called_is_no_failure() -> None:
    """Without a call there is no rate."""
    found = accounting(make_records({"P1": "SS"}))
    assert (found.called, found.rate, found.is_enough) == (0, None, True)
