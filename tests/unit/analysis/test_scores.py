"""Scores of tool use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import make_record

from pytest_llmbench.analysis.proportion import Proportion
from pytest_llmbench.analysis.scores import (
    category_shares,
    restraint,
    scores,
    tool_tier,
)

if TYPE_CHECKING:
    from pytest_llmbench.runs.record import Record


def quiet(letter: str = "P", behaviour: str | None = "abstained") -> Record:
    """Make a trial of a restraint prompt."""
    return make_record(letter=letter, behaviour=behaviour, expects_no_tool=True)


def calling(letter: str = "P", behaviour: str | None = "called_right") -> Record:
    """Make a trial of a prompt that expects a tool."""
    return make_record(letter=letter, behaviour=behaviour, expects_tool=True)


def avoiding(**changes: object) -> Record:
    """Make a trial in the category of wrong tools."""
    fields: dict[str, Any] = {
        "category": "wrong_tool",
        "behaviour": "called_right",
        "expects_tool": True,
    }
    fields.update(changes)
    return make_record(**fields)


def test_restraint_counts_who_held_still() -> None:
    """Every judged restraint trial is in the denominator, errors in neither."""
    trials = [
        quiet(),
        # Held still, yet failed another expectation: restraint all the same.
        quiet("F", "abstained"),
        quiet("F", "called_wrong"),
        quiet("F", "malformed"),
        quiet("F", "no_reply"),
        quiet("T", None),
        quiet("E", None),
        quiet("S", None),
        calling(),
    ]
    assert restraint(trials) == Proportion(hits=2, n=6)


def test_no_prompt_and_nothing_judged_are_two_things() -> None:
    """Without a restraint prompt there is no score; with errors only, n is 0."""
    assert restraint([calling()]) is None
    assert restraint([quiet("E", None)]) == Proportion(hits=0, n=0)
    assert scores([]).restraint is None


def test_action_counts_right_calls_of_any_category() -> None:
    """Right calls of judged trials whose prompt expects a tool."""
    trials = [
        calling(),
        calling("F", "called_right"),
        calling("F", "called_wrong"),
        calling("F", "abstained"),
        calling("T", None),
        calling("E", None),
        avoiding(),
        quiet(),
    ]
    assert scores(trials).action == Proportion(hits=3, n=6)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Proportion(hits=1, n=1)),
        ({"behaviour": "abstained"}, Proportion(hits=1, n=1)),
        ({"letter": "F", "behaviour": "called_wrong"}, Proportion(hits=1, n=1)),
        ({"letter": "F", "wrong_tools": ("mail",)}, Proportion(hits=0, n=1)),
        ({"letter": "F", "behaviour": "malformed"}, Proportion(hits=0, n=1)),
        ({"letter": "F", "behaviour": "no_reply"}, Proportion(hits=0, n=1)),
        ({"letter": "T", "behaviour": None}, Proportion(hits=0, n=1)),
        ({"letter": "E", "behaviour": None}, Proportion(hits=0, n=0)),
        ({"category": "action"}, None),
    ],
)
def test_wrong_tool_avoidance(
    changes: dict[str, Any], expected: Proportion | None
) -> None:
    """A complete answer without an unexpected tool earns; nothing else does."""
    assert scores([avoiding(**changes)]).wrong_tool_avoidance == expected


def test_agent_score_is_the_weighted_sum() -> None:
    """0.4 action + 0.3 restraint + 0.3 avoidance, exactly."""
    trials = [
        *[calling()] * 2,
        avoiding(),
        avoiding(letter="F", behaviour="called_wrong", wrong_tools=("x",)),
        *[quiet()] * 4,
        quiet("F", "called_wrong"),
    ]
    found = scores(trials)
    assert found.action == Proportion(hits=3, n=4)
    assert found.restraint == Proportion(hits=4, n=5)
    assert found.wrong_tool_avoidance == Proportion(hits=1, n=2)
    assert found.agent == 0.69  # 0.30 + 0.24 + 0.15
    assert found.to_json()["restraint"]["value"] == 0.8


@pytest.mark.parametrize(
    "trials",
    [
        [calling(), avoiding()],
        [quiet(), calling()],
        [quiet()],
        [quiet("E", None), avoiding()],
        [],
    ],
)
def test_agent_score_needs_all_three(trials: list[Record]) -> None:
    """Without one of the three scores there is no agent score."""
    found = scores(trials)
    assert found.agent is None
    assert (found.to_json()["action"] is None) == (found.action is None)


def test_perfect_and_hopeless() -> None:
    """All right gives exactly 1, all wrong exactly 0."""
    good = scores([quiet(), avoiding()])
    bad = scores([
        quiet("F", "called_wrong"),
        avoiding(letter="F", behaviour="called_wrong", wrong_tools=("x",)),
    ])
    assert (good.agent, bad.agent) == (1.0, 0.0)


def test_behaviours_are_kept_apart() -> None:
    """Each tried trial with tools is one of five; skips and plain prompts none."""
    trials = [
        quiet(),
        quiet("F", "malformed"),
        calling(),
        calling("F", "called_wrong"),
        calling("T", None),
        calling("E", None),
        calling("S", None),
        make_record(),
    ]
    assert scores(trials).behaviours == {
        "called_right": 1,
        "called_wrong": 1,
        "abstained": 1,
        "malformed": 1,
        "no_reply": 2,
    }


@pytest.mark.parametrize(
    ("phase", "hits", "n", "tier"),
    [
        ("tool_use", 801, 1000, 1),
        ("tool_use", 800, 1000, 1),
        ("tool_use", 799, 1000, 2),
        ("tool_use", 501, 1000, 2),
        ("tool_use", 500, 1000, 2),
        ("tool_use", 499, 1000, 3),
        ("tool_use", 0, 1000, 3),
        ("tool_use", 0, 0, None),
        ("atomic", 1000, 1000, None),
    ],
)
def test_tiers(phase: str, hits: int, n: int, tier: int | None) -> None:
    """Tier 1 starts at 80 %, tier 2 at 50 %, and only tool use has tiers."""
    assert tool_tier(phase, Proportion(hits=hits, n=n)) == tier


@given(
    st.lists(
        st.builds(
            make_record,
            letter=st.sampled_from("PFTES"),
            behaviour=st.sampled_from([
                "called_right",
                "called_wrong",
                "abstained",
                "malformed",
                "no_reply",
            ]),
            expects_tool=st.booleans(),
            expects_no_tool=st.booleans(),
            category=st.sampled_from(["wrong_tool", "action"]),
        )
    ),
    st.data(),
)
def test_scores_are_shares_and_order_free(
    trials: list[Record], data: st.DataObject
) -> None:
    """Every score lies from 0 to 1 and does not depend on order."""
    found = scores(trials)
    assert found == scores(data.draw(st.permutations(trials)))
    parts = (found.action, found.restraint, found.wrong_tool_avoidance, found.success)
    for part in parts:
        assert part is None or 0 <= part.hits <= part.n <= len(trials)
    assert found.agent is None or 0 <= found.agent <= 1
    ends = found.agent_interval
    assert (ends is None) == (found.agent is None)
    assert ends is None or 0 <= ends.low <= (found.agent or 0.0) <= ends.high <= 1
    tried = sum(trial.outcome != "skipped" for trial in trials)
    assert sum(found.behaviours.values()) == tried


def test_the_agent_score_has_the_weighted_ends() -> None:
    """Its interval is 0.4, 0.3 and 0.3 of the three scores' own."""
    found = scores([calling(), quiet(), avoiding()])
    assert found.agent == 1.0
    assert found.action is not None
    assert found.restraint is not None
    assert found.wrong_tool_avoidance is not None
    lows = [found.action.low, found.restraint.low, found.wrong_tool_avoidance.low]
    low = sum(
        weight * (end or 0.0) for weight, end in zip((0.4, 0.3, 0.3), lows, strict=True)
    )
    assert found.to_json()["agent"] == {
        "value": 1.0,
        "low": pytest.approx(low),
        "high": 1.0,
    }
    assert scores([calling(), quiet()]).to_json()["agent"] is None


def test_categories_count_judged_trials() -> None:
    """Each category has passed of judged trials; without a name it has no score."""
    trials = [
        make_record(letter="P", category="format"),
        make_record(letter="T", category="format"),
        make_record(letter="E", category="format"),
        make_record(letter="F", category="action"),
        make_record(letter="E", category="down"),
        make_record(letter="P"),
    ]
    found = category_shares(trials)
    assert list(found) == ["format", "action", "down"]
    assert found["format"] == Proportion(hits=1, n=2)
    assert found["action"] == Proportion(hits=0, n=1)
    assert found["down"] == Proportion(hits=0, n=0)
