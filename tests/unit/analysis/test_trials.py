"""Trials laid out by prompt and run."""

from __future__ import annotations

import pytest
from made_records import make_record, make_records

from pytest_llmbench.analysis.trials import behaviour_of, is_answered, lay_out
from pytest_llmbench.checks.reply import Reply
from pytest_llmbench.runs.record import Fault


def test_later_line_of_a_trial_holds() -> None:
    """A trial that was run again counts once, as its later record says."""
    records = [make_record(letter="F"), make_record(letter="P")]
    assert lay_out(records, ("P1",), 1).outcomes("P1") == ("pass",)


def test_skip_never_hides_an_answer() -> None:
    """A skip stored after an answer leaves the answer in place."""
    records = [make_record(letter="F"), make_record(letter="S")]
    assert lay_out(records, ("P1",), 1).outcomes("P1") == ("fail",)
    assert lay_out(records[1:], ("P1",), 1).outcomes("P1") == ("skipped",)


def test_unplanned_trials_are_left_out() -> None:
    """Other prompts and runs outside the plan are not in the grid."""
    records = make_records({"P1": "PPP", "P2": "PPP"})
    grid = lay_out(records, ("P1",), 2)
    assert [(trial.prompt_id, trial.run) for trial in grid] == [("P1", 1), ("P1", 2)]
    assert not list(lay_out([make_record(run=0)], ("P1",), 2))


def test_goes_run_by_run_in_suite_order() -> None:
    """The grid gives trials in the order of measurement, however they came."""
    records = make_records({"P2": "PF", "P1": "PP"})
    grid = lay_out(reversed(records), ("P2", "P1"), 2)
    found = [(trial.run, trial.prompt_id) for trial in grid]
    assert found == [(1, "P2"), (1, "P1"), (2, "P2"), (2, "P1")]
    assert grid.outcomes("P2") == ("pass", "fail")


@pytest.mark.parametrize(
    ("letter", "stored", "expected"),
    [
        ("P", "abstained", "abstained"),
        ("F", "called_wrong", "called_wrong"),
        ("F", "no_reply", "no_reply"),
        ("T", "abstained", "no_reply"),
        ("T", None, "no_reply"),
        ("E", "called_right", "no_reply"),
        ("F", None, "no_reply"),
    ],
)
def test_behaviour_needs_a_complete_reply(
    letter: str, stored: str | None, expected: str
) -> None:
    """Only a complete reply shows a behaviour; all else is `no_reply`."""
    record = make_record(letter=letter, behaviour=stored, expects_no_tool=True)
    assert behaviour_of(record) == expected


def test_rejected_call_is_malformed() -> None:
    """A tool call the server could not read is a malformed attempt."""
    fault = Fault(kind="malformed_call", message="bad JSON")
    record = make_record(letter="F", reply=None, fault=fault, expects_tool=True)
    assert behaviour_of(record) == "malformed"


def test_no_tools_no_behaviour() -> None:
    """A prompt that offers no tools shows no behaviour towards them."""
    assert behaviour_of(make_record(letter="T")) is None


def test_answered_needs_reply_time_and_outcome() -> None:
    """Latency is taken from passed and failed trials with a timed reply."""
    assert is_answered(make_record(letter="P"))
    assert is_answered(make_record(letter="F"))
    assert not is_answered(make_record(letter="F", reply=None))
    assert not is_answered(make_record(letter="P", reply=Reply(text="x")))
    partial = make_record(letter="P").reply
    assert not is_answered(make_record(letter="T", reply=partial))
    assert not is_answered(make_record(letter="E", reply=partial))
