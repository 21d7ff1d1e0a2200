"""When a spec is given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import SPEC, make_record, make_records, make_summary

from pytest_llmbench.analysis.failfast import GIVEN_UP, FailFast, given_up_reason
from pytest_llmbench.policy.decision import decide
from pytest_llmbench.policy.thresholds import PolicyThresholds
from pytest_llmbench.runs.record import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_llmbench.runs.record import Record


def given_up_after(records: Iterable[Record], streak: int = 3) -> int | None:
    """Return how many records it took to give the spec up; None if all did not."""
    fail_fast = FailFast(streak)
    for count, record in enumerate(records, 1):
        fail_fast.note(record)
        if fail_fast.reason(SPEC):
            return count
    return None


@pytest.mark.parametrize(
    ("grid", "streak", "after"),
    [
        ({"P1": "EEEE"}, 3, 3),
        ({"P1": "TTTT"}, 3, 3),
        ({"P1": "ETEP"}, 3, 3),
        ({"P1": "EEPEEP"}, 3, None),
        ({"P1": "EEFEEF"}, 3, None),
        ({"P1": "EP", "P2": "EP", "P3": "EP"}, 3, 3),
        ({"P1": "PE", "P2": "PE", "P3": "EE"}, 3, 5),
        ({"P1": "E"}, 1, 1),
        ({"P1": "EEEE"}, 5, None),
        ({"P1": "ESESE"}, 3, 5),
        ({"P1": "FFF"}, 9, 3),
        ({"P1": "TFT"}, 9, 3),
        ({"P1": "PFFF"}, 9, None),
        ({"P1": "FFPFFF"}, 9, None),
        ({"P1": "FEFEF"}, 9, 5),
        ({"P1": "FF", "P2": "FF"}, 9, None),
        ({"P1": "PPP", "P2": "FFF"}, 9, 6),
        ({"P1": "EEEE", "P2": "FFFF"}, 0, None),
    ],
)
def test_what_gives_a_spec_up(
    grid: dict[str, str], streak: int, after: int | None
) -> None:
    """Errors and time-outs in a row do, and a prompt's first three runs."""
    assert given_up_after(make_records(grid), streak) == after


def test_specs_are_watched_apart() -> None:
    """One spec's errors are neither another's, nor broken by its answers."""
    fail_fast = FailFast(2)
    for run in (1, 2):
        fail_fast.note(make_record(run=run, letter="E"))
        fail_fast.note(make_record(run=run, letter="P", spec="other"))
    assert fail_fast.reason(SPEC)
    assert not fail_fast.reason("other")


def test_suites_of_one_spec_have_their_own_prompts() -> None:
    """The same prompt id in two suites is two prompts; errors are of the spec."""
    records = [make_record(run=r, letter="F", suite=s) for r in (1, 2) for s in "ab"]
    assert given_up_after(records, 9) is None
    errors = [make_record(run=1, letter="E", suite=suite) for suite in "abc"]
    assert given_up_after([*errors[:2], errors[0]], 9) is None


def test_a_trial_that_is_run_again_counts_once() -> None:
    """An error makes way for the next attempt; a judged attempt stands."""
    error, answer = make_record(run=1, letter="E"), make_record(run=1)
    assert given_up_after([error, error, error]) is None
    later = [make_record(run=run, letter="E") for run in (2, 3)]
    assert given_up_after([error, answer, *later]) is None
    late = make_record(run=1, letter="T")
    assert given_up_after([late, answer, *later]) == 4


def test_an_attempt_to_be_retried_waits_for_the_retry() -> None:
    """What the retry comes to counts; without one, the attempt itself does."""
    fail_fast = FailFast(2)
    for run in (1, 2, 3):
        late = make_record(run=run, letter="T")
        fail_fast.note(late, is_to_retry=True)
        fail_fast.note(make_record(run=run, letter="P"))
    assert not fail_fast.reason(SPEC)
    for run in (4, 5):
        fail_fast.note(make_record(run=run, letter="E"), is_to_retry=True)
    assert not fail_fast.reason(SPEC)
    fail_fast.note(make_record(run=6, letter="P"))
    assert "P1 run 4 (timeout), P1 run 5 (timeout)" in fail_fast.reason(SPEC)


def test_the_reason_names_the_evidence() -> None:
    """Prompts, runs and what each came to are in it."""
    fail_fast = FailFast(3)
    for record in make_records({"P1": "E", "P2": "T", "P3": "E"}):
        fail_fast.note(record)
    assert fail_fast.reason(SPEC) == (
        "3 trials in a row ended in error or time-out:"
        " P1 run 1 (timeout), P2 run 1 (timeout), P3 run 1 (timeout)"
    )
    fail_fast = FailFast(3)
    for record in make_records({"P1": "FFF"}, failure_mode="wrong_answer"):
        fail_fast.note(record)
    assert fail_fast.reason(SPEC) == (
        "P1 failed its first 3 runs (run 1: wrong_answer, run 2: wrong_answer,"
        " run 3: wrong_answer)"
    )


def test_a_long_row_is_named_in_part() -> None:
    """Of a row of a hundred five are named and the rest counted."""
    fail_fast = FailFast(100)
    for run in range(1, 101):
        fail_fast.note(make_record(run=run, letter="E"))
    assert fail_fast.reason(SPEC).endswith("P1 run 5 (timeout), and 95 more")


@given(letters=st.text("PFTES", max_size=12), streak=st.integers(1, 4))
def test_once_given_up_it_stays_so(letters: str, streak: int) -> None:
    """The reason never changes once there is one, and needs a failed trial."""
    fail_fast = FailFast(streak)
    seen = ""
    for run, letter in enumerate(letters, 1):
        fail_fast.note(make_record(run=run, letter=letter))
        reason = fail_fast.reason(SPEC)
        assert not seen or reason == seen
        seen = reason
    assert not seen or set(letters) & set("FTE")


def test_a_spec_given_up_is_never_promoted() -> None:
    """All that ran passed, and still the decision is HOLD, with the reason."""
    fault = Fault(kind=GIVEN_UP, message="the server died")
    grid = {"P1": "PPPPSS", "P2": "PPPPSS"}
    records = make_records(grid)
    assert given_up_reason(records) is None
    summary = make_summary(grid, fault=fault)
    assert summary.given_up == "the server died"
    decision = decide(summary, PolicyThresholds(), None, {})
    assert decision.decision == "HOLD"
    assert decision.reason == "8 of 12 trials ran: given up, the server died"
