"""What a candidate teaches of its knob."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_cycles import COLD, WARM, make_cycle, make_effect, make_job
from made_records import MAIN_EXAMPLE, make_records
from msgspec.structs import replace

from pytest_llmbench.analysis.comparison import compare, job_evidence
from pytest_llmbench.policy.discovery import Candidate, Knob
from pytest_llmbench.policy.learning import (
    cold_starts,
    effect,
    expected,
    gains,
    ranked,
)
from pytest_llmbench.prompts.spec import parse_spec

BASELINE = parse_spec(COLD)
WARMED = Candidate(spec=WARM, knob="warm_up", before="0", to="1")


def move(knob: Knob, **changes: Any) -> Candidate:  # noqa: ANN401 - fields
    """Make a candidate that turns one knob from 0 to 1."""
    one = Candidate(spec=knob, knob=knob, before="0", to="1")
    return replace(one, **changes)


def sentence(grid: dict[str, str], candidate: Candidate = WARMED) -> str:
    """Return what is learned where the baseline failed as the grid says."""
    right = {name: "P" * len(row) for name, row in grid.items()}
    a, b = job_evidence("a", make_records(grid)), job_evidence("b", make_records(right))
    found = effect(candidate, compare(a, b), 7, (1000.0, 900.0))
    assert found is not None
    assert found.to_json()["text"] == found.text
    return found.text


def test_the_sentence_has_points_interval_and_n() -> None:
    """The main example: 3 of 12 prompts fail 2 of 7 runs; 3/12 * 2/7 is 7.1 points."""
    assert sentence(MAIN_EXAMPLE) == (
        "warm-up improved accuracy by 7.1 points (95 % interval -1.1 to +15.4,"
        " n = 12 prompts, 7 runs); the interval includes 0; p50 1000 -> 900 ms"
    )


def test_a_certain_gain_is_not_doubted() -> None:
    """Where the interval excludes 0, nothing is said of it."""
    grid = {f"P{number}": "FFFFFFP" for number in range(1, 9)}
    text = sentence(grid, Candidate(spec="x", knob="timeout", before="60", to="120"))
    assert text.startswith("timeout 60 -> 120 s improved accuracy by 85.7 points (95 %")
    assert "includes 0" not in text


def test_no_difference_is_said_plainly() -> None:
    """Equal results: accuracy stayed as it was, with the interval beside it."""
    text = sentence(
        {"P1": "PPP"}, Candidate(spec="x", knob="variant", before="a", to="b")
    )
    assert text.startswith("b instead of a left accuracy as it was (95 % interval -")


def test_nothing_common_teaches_nothing() -> None:
    """Without a prompt judged on both sides there is no effect."""
    a = job_evidence("a", make_records({"P1": "E"}))
    b = job_evidence("b", make_records({"P1": "P"}))
    assert effect(WARMED, compare(a, b), 0, (None, None)) is None


def test_a_cold_start_is_learned_with_its_evidence() -> None:
    """The prompts that share the evidence stand in one entry."""
    (entry,) = cold_starts([make_job(MAIN_EXAMPLE)])
    assert entry["prompt_ids"] == ["P6", "P7", "P9"]
    assert entry["text"].startswith("cold start in P6, P7, P9: ")
    assert not list(cold_starts([make_job({"P1": "PPP"})]))


def test_cures_lead_then_given_then_the_best_expected() -> None:
    """Ranked by what past cycles learned; equals keep the order of discovery."""
    learned = gains(
        [
            make_cycle({}, learned=[make_effect(0.1, 0.02, knob="retries")]),
            make_cycle({}, learned=[make_effect(-0.1, 0.02, knob="timeout")]),
        ],
        BASELINE,
    )
    pool = [
        move("timeout"),
        move("isolation"),
        move("variant"),
        move("retries"),
        move("timeout", spec="given", is_given=True),
        move("warm_up", is_cure=True),
    ]
    order = [one.spec for one in ranked(pool, learned)]
    assert order == ["warm_up", "given", "retries", "isolation", "variant", "timeout"]


def test_only_the_same_model_and_phase_teach() -> None:
    """Another model's cycles say nothing of this one's knobs; other flags do."""
    cycle = make_cycle({}, learned=[make_effect(0.1, 0.02)])
    assert gains([cycle], BASELINE).of(WARMED) > 0
    assert gains([cycle], parse_spec(WARM)).of(WARMED) > 0
    assert not gains([cycle], parse_spec("m:2b atomic native_api")).of(WARMED)
    assert not gains([cycle], parse_spec("m:1b extended native_api")).of(WARMED)


def test_a_move_never_made_takes_its_knobs_gain() -> None:
    """0 -> 1 is known; 1 -> 2 takes the knob's; an unknown knob 0."""
    learned = gains(
        [make_cycle({}, learned=[make_effect(0.1, 0.02, knob="retries")])], BASELINE
    )
    assert learned.of(move("retries", before="1", to="2")) == learned.by_knob["retries"]
    assert not learned.of(move("timeout"))
    assert not learned.of(Candidate(spec="x"))


@given(
    st.lists(
        st.tuples(st.floats(-1, 1), st.none() | st.floats(0.001, 1)), max_size=5
    ).map(lambda pairs: [make_effect(mean, width) for mean, width in pairs])
)
def test_the_expected_gain_is_drawn_to_0(effects: list[dict[str, Any]]) -> None:
    """It lies between 0 and the furthest effect, and is 0 without an interval."""
    measured = [one["difference"] for one in effects if one["low"] is not None]
    low, high = min([0.0, *measured]), max([0.0, *measured])
    assert low - 1e-9 <= expected(effects) <= high + 1e-9


def test_a_wide_interval_weighs_little() -> None:
    """A gain known to a point counts, one known to 50 points hardly does."""
    assert expected([make_effect(0.1, 0.01)]) == pytest.approx(0.1, abs=0.002)
    assert expected([make_effect(0.1, 0.5)]) < 0.005
