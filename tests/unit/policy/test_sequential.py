"""The anytime-valid test behind `--runs auto`; its error rates are simulated apart."""

from __future__ import annotations

import json
import math
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.policy.sequential import BETS, SequentialTest

runs_of_differences = st.lists(st.lists(st.sampled_from([-1, 0, 1]), max_size=6))


def wealth(differences: list[int], margin: float, sign: int) -> float:
    """Multiply it out, as the docstring says."""
    greatest = 1 / (1 - sign * margin)
    return fmean(
        math.prod(1 + sign * part * greatest * (d + margin) for d in differences)
        for part in BETS
    )


@given(runs_of_differences, st.floats(0, 0.5))
def test_the_wealths_are_the_formula(runs: list[list[int]], margin: float) -> None:
    """Both wealths are the mean over the grid of the products over all pairs."""
    test = SequentialTest(margin, 0.05)
    for run in runs:
        test.add_run(run)
    flat = [difference for run in runs for difference in run]
    found = test.to_json()
    assert found["wealth_not_worse"] == pytest.approx(wealth(flat, margin, 1))
    assert found["wealth_worse"] == pytest.approx(wealth(flat, margin, -1))
    assert (test.runs, test.pairs) == (len(runs), len(flat))


@given(runs_of_differences)
def test_a_verdict_stays(runs: list[list[int]]) -> None:
    """What was certain once is not taken back by later runs."""
    test = SequentialTest(0.05, 0.3)
    first = None
    for run in runs:
        test.add_run(run)
        first = first or test.verdict
        assert test.verdict == first


def test_the_first_verdict_counts() -> None:
    """A candidate that was certainly worse is not saved by what comes after."""
    test = SequentialTest(0.05, 0.05)
    test.add_run([-1] * 12)
    test.add_run([1] * 48)
    assert test.p_not_worse <= test.alpha
    assert test.verdict == "worse"


def test_it_looks_after_whole_runs_only() -> None:
    """A wealth that was high within a run, and is not at its end, decides nothing."""
    together = SequentialTest(0.05, 0.05)
    together.add_run([1] * 12 + [-1] * 12)
    apart = SequentialTest(0.05, 0.05)
    apart.add_run([1] * 12)
    apart.add_run([-1] * 12)
    assert (together.verdict, apart.verdict) == (None, "not_worse")


def test_it_stops_at_one_over_alpha() -> None:
    """The verdict comes with the first wealth of 1 / alpha or more, not before."""
    test = SequentialTest(0.05, 0.05)
    while test.verdict is None:
        assert test.to_json()["wealth_not_worse"] < 20
        test.add_run([0] * 12)
    assert test.to_json()["wealth_not_worse"] >= 20
    assert test.p_not_worse <= 0.05
    assert test.runs == 8


def test_mirrored_differences_are_worse() -> None:
    """Losing prompts run by run is `worse`, and its own p value says so."""
    test = SequentialTest(0.05, 0.05)
    for _ in range(10):
        test.add_run([-1] * 4 + [0] * 8)
    assert test.verdict == "worse"
    assert test.p_worse <= 0.05 < test.p_not_worse
    assert test.difference == pytest.approx(-1 / 3)


def test_nothing_is_certain_of_nothing() -> None:
    """No run, and runs without a pair, leave both wealths at 1."""
    test = SequentialTest(0.05, 0.05)
    for _ in range(20):
        test.add_run([])
    assert (test.verdict, test.difference, test.runs) == (None, None, 20)
    assert (test.p_not_worse, test.p_worse) == (1.0, 1.0)
    assert test.more_runs(100) is None


def test_it_guesses_how_many_runs_are_missing() -> None:
    """Where each run is like the last, the guess comes true."""
    test = SequentialTest(0.05, 0.05)
    for _ in range(6):
        test.add_run([0] * 12)
    assert test.more_runs(100) == 2
    assert test.more_runs(1) is None


def test_its_json_is_plain() -> None:
    """All that the file tells, no infinity even after very many runs."""
    test = SequentialTest(0.05, 0.05)
    for _ in range(500):
        test.add_run([1] * 12)
    stored = json.loads(json.dumps(test.to_json(), allow_nan=False))
    assert stored["verdict"] == "not_worse"
    assert (stored["runs"], stored["pairs"]) == (500, 6000)
    assert (stored["margin"], stored["alpha"], stored["difference"]) == (0.05, 0.05, 1)


@pytest.mark.parametrize(
    ("margin", "alpha", "fault"),
    [
        (1.0, 0.05, "margin must be from 0 to below 1, not 1.0"),
        (-0.1, 0.05, "margin must be from 0 to below 1, not -0.1"),
        (0.05, 0.0, "alpha must be above 0 and below 1, not 0.0"),
        (0.05, 1.0, "alpha must be above 0 and below 1, not 1.0"),
    ],
)
def test_limits_out_of_range(margin: float, alpha: float, fault: str) -> None:
    """A margin or an alpha that makes no test is refused."""
    with pytest.raises(ValueError, match="^" + fault.replace(".", r"\.")):
        SequentialTest(margin, alpha)


def test_other_differences_are_refused() -> None:
    """A difference is of one trial each: -1, 0 or 1."""
    with pytest.raises(ValueError, match="differences must be -1, 0 or 1"):
        SequentialTest(0.05, 0.05).add_run([0, 2])
