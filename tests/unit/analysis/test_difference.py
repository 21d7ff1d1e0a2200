"""Intervals of differences against published values and their own rules."""

from __future__ import annotations

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.analysis.difference import (
    combined_interval,
    difference_interval,
    t_interval,
)
from pytest_llmbench.analysis.proportion import Proportion

shares = st.integers(1, 300).flatmap(
    lambda n: st.builds(Proportion, hits=st.integers(0, n), n=st.just(n))
)


def share(text: str) -> Proportion:
    """Read `56/70`."""
    hits, n = map(int, text.split("/"))
    return Proportion(hits=hits, n=n)


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [
        # Published values: Newcombe 1998, table II, method 10 (hybrid score).
        ("48/80", "56/70", 0.0524, 0.3339),
        ("3/10", "9/10", 0.1705, 0.8090),
        ("2/7", "6/7", 0.0582, 0.8062),
        ("0/29", "5/56", -0.0381, 0.1926),
        ("0/20", "0/10", -0.1611, 0.2775),
        ("0/10", "0/10", -0.2775, 0.2775),
        ("0/20", "10/10", 0.6791, 1.0),
        ("0/10", "10/10", 0.6075, 1.0),
    ],
)
def test_published_intervals(a: str, b: str, low: float, high: float) -> None:
    """Newcombe's eight examples come out to every published digit."""
    interval = difference_interval(share(a), share(b))
    assert interval is not None
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@given(shares, shares)
def test_the_difference_lies_inside(a: Proportion, b: Proportion) -> None:
    """The interval holds the difference, stays in -1 to 1, and turns with it."""
    interval, turned = difference_interval(a, b), difference_interval(b, a)
    assert interval is not None
    assert turned is not None
    assert a.value is not None
    assert b.value is not None
    assert -1 - 1e-12 <= interval.low <= b.value - a.value <= interval.high <= 1 + 1e-12
    assert (interval.low, interval.high) == (-turned.high, -turned.low)


def test_nothing_has_no_interval() -> None:
    """A side without a judged trial has no difference to anything."""
    nothing, one = Proportion(hits=0, n=0), share("1/2")
    assert difference_interval(nothing, one) is None
    assert difference_interval(one, nothing) is None


def test_students_sleep() -> None:
    """Student's own paired example, 1908: mean 1.58 h, interval 0.70 to 2.46."""
    gained = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    interval = t_interval(gained)
    assert interval is not None
    assert interval.low == pytest.approx(0.7001142, abs=1e-7)
    assert interval.high == pytest.approx(2.4598858, abs=1e-7)


@pytest.mark.parametrize("values", [[], [0.5], [0.5, 0.5], [0.0] * 9])
def test_no_spread_gives_no_t_interval(values: list[float]) -> None:
    """One prompt, or equal differences, show no spread to take it from."""
    assert t_interval(values) is None


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30))
def test_the_mean_lies_inside(values: list[float]) -> None:
    """The paired interval holds the mean and turns with the signs."""
    interval = t_interval(values)
    turned = t_interval([-value for value in values])
    if interval is None or turned is None:
        assert interval is turned is None
        return
    assert interval.low <= fmean(values) <= interval.high
    assert interval.low == pytest.approx(-turned.high)


@given(shares, shares, st.integers(1, 20))
def test_equal_prompts_narrow_the_interval(
    a: Proportion, b: Proportion, n: int
) -> None:
    """The mean of n equal prompts has one prompt's interval over √n."""
    one, many = difference_interval(a, b), combined_interval([(a, b)] * n)
    assert one is not None
    assert a.value is not None
    assert b.value is not None
    difference = b.value - a.value
    assert many.low == pytest.approx(difference - (difference - one.low) / n**0.5)
    assert many.high == pytest.approx(difference + (one.high - difference) / n**0.5)
