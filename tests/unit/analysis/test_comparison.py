"""Two results held against each other."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import make_record, make_records

from pytest_llmbench.analysis.comparison import (
    JobEvidence,
    PromptEvidence,
    compare,
    job_evidence,
    verdict_of,
)
from pytest_llmbench.analysis.difference import difference_interval
from pytest_llmbench.analysis.proportion import Interval, Proportion


def side(grid: dict[str, str], label: str = "A", **changes: object) -> JobEvidence:
    """Make one side from a grid of letters; changes are the records' fields."""
    return job_evidence(label, make_records(grid, **changes))


def test_pairs_are_prompts() -> None:
    """Each prompt has both shares, the difference and Newcombe's interval."""
    found = compare(
        side({"P1": "PPPP", "P2": "PFFF"}), side({"P1": "PPFF", "P2": "P..."})
    )
    first, second = found.prompts
    assert (first.prompt_id, first.a, first.b) == (
        "P1",
        Proportion(hits=4, n=4),
        Proportion(hits=2, n=4),
    )
    assert [first.difference, second.difference] == [-0.5, 0.75]
    assert first.interval == difference_interval(first.a, first.b)
    assert (found.mean_a, found.mean_b, found.difference) == (0.625, 0.75, 0.125)


def test_the_mean_has_students_interval() -> None:
    """Differences -0.25, 0, -0.5: mean and s are 0.25, t(2) is 4.303."""
    a = side({"P1": "PPPP", "P2": "PPFF", "P3": "PPPP"})
    b = side({"P1": "PPPF", "P2": "FFPP", "P3": "PPFF"})
    found = compare(a, b)
    assert found.interval_method == "student_t"
    assert found.interval is not None
    assert found.difference == -0.25
    half = 4.302653 * 0.25 / 3**0.5
    assert found.interval.low == pytest.approx(-0.25 - half, abs=1e-5)
    assert found.interval.high == pytest.approx(-0.25 + half, abs=1e-5)
    assert found.verdict == "no difference shown"
    assert found.chance is not None
    assert (found.chance.p_value, found.chance.differing) == (0.5, 2)


def test_the_interval_stays_where_differences_can_be() -> None:
    """Two prompts have a wide interval, but none beyond -1 and 1."""
    found = compare(side({"P1": "P", "P2": "P"}), side({"P1": "P", "P2": "F"}))
    assert found.interval == Interval(low=-1.0, high=1.0)
    assert found.interval_method == "student_t"


def test_without_a_spread_the_trials_give_the_interval() -> None:
    """One prompt, or all the same, never looks certain for want of a spread."""
    one = compare(side({"P1": "PPPP"}), side({"P1": "FFFF"}))
    assert one.interval_method == "newcombe_combined"
    assert one.interval == one.prompts[0].interval
    assert one.verdict == "worse"
    equal = compare(side({"P1": "P", "P2": "P"}), side({"P1": "P", "P2": "P"}))
    assert equal.interval is not None
    assert equal.interval.low < 0 < equal.interval.high
    assert equal.verdict == "no difference shown"


def test_a_clear_loss_is_worse_and_a_clear_gain_better() -> None:
    """Six prompts that all lose, not all by the same, show a difference."""
    good = {f"P{n}": "PPPP" for n in range(6)}
    bad = {**dict.fromkeys(good, "FFFF"), "P0": "FFFP"}
    loss, gain = compare(side(good), side(bad)), compare(side(bad), side(good))
    assert (loss.verdict, gain.verdict) == ("worse", "better")
    assert loss.chance == gain.chance
    assert loss.chance is not None
    assert loss.chance.p_value == 2 / 64


def test_what_is_not_common_is_named() -> None:
    """Prompts of one side, of another wording, or unjudged are left out."""
    a = side({"P1": "PP", "P2": "PP", "P3": "PP", "P4": "PP"})
    changed = make_records({"P3": "FF"}, prompt_hash="other")
    others = make_records({"P1": "PF", "P4": "EE", "P5": "PP"})
    found = compare(a, job_evidence("B", [*changed, *others]))
    assert [prompt.prompt_id for prompt in found.prompts] == ["P1"]
    assert {left.prompt_id: left.reason for left in found.left_out} == {
        "P2": "only in A",
        "P3": "question changed",
        "P4": "not judged in both",
        "P5": "only in B",
    }
    assert found.to_json()["left_out"]["question changed"] == [
        {"suite": "atomic", "prompt_id": "P3"}
    ]


def test_nothing_in_common_has_no_number() -> None:
    """Where no prompt is shared there is no difference, not a difference of 0."""
    found = compare(side({"P1": "P"}), side({"P2": "P..."}))
    assert found.prompts == ()
    assert (found.difference, found.interval, found.chance) == (None, None, None)
    assert found.interval_method is None
    assert found.verdict == "no difference shown"


def test_one_id_in_two_suites_is_two_prompts() -> None:
    """An id is unique in its suite only."""
    records = [*make_records({"P1": "PP"}), *make_records({"P1": "FF"}, suite="more")]
    evidence = job_evidence("A", records)
    assert [(p.suite, p.share.hits) for p in evidence.prompts] == [
        ("atomic", 2),
        ("more", 0),
    ]


def test_a_trial_counts_once_and_the_newest_question_holds() -> None:
    """A trial run again counts by its last line, an old wording not at all."""
    records = [
        make_record("P1", 1, "F", prompt_hash="old"),
        make_record("P1", 1, "E"),
        make_record("P1", 1, "P"),
        make_record("P1", 2, "F"),
        make_record("P1", 2, "S"),
    ]
    (prompt,) = job_evidence("A", records).prompts
    assert prompt.share == Proportion(hits=1, n=2)
    assert prompt.prompt_hash == "hash-P1"


def test_failure_modes_are_those_of_the_compared_prompts() -> None:
    """What the sides failed by is counted over the common prompts only."""
    a = side({"P1": "FF", "P2": "FF"}, failure_mode="wrong_tool")
    b = side({"P1": "PF"}, failure_mode="empty")
    found = compare(a, b)
    assert (found.failure_modes_a, found.failure_modes_b) == (
        {"wrong_tool": 2},
        {"empty": 1},
    )


def test_limits_of_the_verdict() -> None:
    """An interval that touches 0 shows nothing."""
    assert verdict_of(None) == "no difference shown"
    assert verdict_of(Interval(low=0.0, high=0.5)) == "no difference shown"
    assert verdict_of(Interval(low=-0.5, high=0.0)) == "no difference shown"
    assert verdict_of(Interval(low=1e-9, high=0.5)) == "better"
    assert verdict_of(Interval(low=-0.5, high=-1e-9)) == "worse"


SIDES = st.dictionaries(
    st.sampled_from([f"P{n}" for n in range(30)]),
    st.tuples(
        st.integers(0, 9).flatmap(
            lambda n: st.builds(Proportion, hits=st.integers(0, n), n=st.just(n))
        ),
        st.sampled_from(["h", "h", "h", "i"]),
    ),
).map(
    lambda rows: JobEvidence(
        label="side",
        prompts=tuple(
            PromptEvidence(suite="s", prompt_id=key, prompt_hash=text, share=share)
            for key, (share, text) in rows.items()
        ),
    )
)
TURNED = {"better": "worse", "worse": "better"}


@given(SIDES, SIDES)
def test_turning_the_sides_turns_the_result(a: JobEvidence, b: JobEvidence) -> None:
    """compare(a, b) is the negative of compare(b, a), interval and verdict too."""
    there, back = compare(a, b), compare(b, a)
    assert there.chance == back.chance
    assert TURNED.get(there.verdict, there.verdict) == back.verdict
    rows = {prompt.prompt_id: prompt for prompt in back.prompts}
    assert {p.prompt_id: -p.difference for p in there.prompts} == {
        key: row.difference for key, row in rows.items()
    }
    if there.difference is None or back.difference is None:
        assert there.difference is back.difference is None
        return
    assert there.difference == -back.difference
    assert there.interval is not None
    assert back.interval is not None
    assert there.interval.low == pytest.approx(-back.interval.high)
    assert there.interval.high == pytest.approx(-back.interval.low)


@given(SIDES, SIDES)
def test_the_difference_lies_in_its_interval(a: JobEvidence, b: JobEvidence) -> None:
    """Every interval holds what it is about, and all of it is plain JSON."""
    found = compare(a, b)
    for prompt in found.prompts:
        assert prompt.interval is not None
        assert prompt.interval.low <= prompt.difference <= prompt.interval.high
    if found.difference is not None:
        assert found.interval is not None
        slack = 1e-12
        assert found.interval.low <= found.difference + slack
        assert found.difference <= found.interval.high + slack
    json.dumps(found.to_json(), allow_nan=False)
    ids = {prompt.prompt_id for side in (a, b) for prompt in side.prompts}
    assert len(found.prompts) + len(found.left_out) == len(ids)


@given(SIDES)
def test_a_side_is_no_better_than_itself(a: JobEvidence) -> None:
    """Equal results show no difference and a chance of 1."""
    found = compare(a, a)
    assert found.verdict == "no difference shown"
    assert found.difference in {None, 0.0}
    assert found.chance is None or found.chance.p_value == 1.0
