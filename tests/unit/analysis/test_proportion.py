"""Shares and their Wilson intervals."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.analysis.proportion import Z_95, Proportion, wilson_interval

counts = st.integers(1, 2000).flatmap(
    lambda n: st.tuples(st.integers(0, n), st.just(n))
)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        # Published values: Newcombe 1998, table I, method 3 (score interval).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # The main example's P6, worked out with 40 decimal digits.
        (5, 7, 0.3589, 0.9178),
    ],
)
def test_published_intervals(hits: int, n: int, low: float, high: float) -> None:
    """The interval agrees with published tables to four digits."""
    interval = wilson_interval(hits, n)
    assert interval is not None
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


def test_z_is_the_normal_quantile() -> None:
    """The constant is the 97.5 % point of the standard normal distribution."""
    assert pytest.approx(NormalDist().inv_cdf(0.975), abs=1e-14) == Z_95


@given(counts)
def test_ends_solve_the_score_equation(pair: tuple[int, int]) -> None:
    """At both ends the share lies z standard errors of the end away."""
    hits, n = pair
    interval = wilson_interval(hits, n)
    assert interval is not None
    assert 0 <= interval.low <= hits / n <= interval.high <= 1
    for end in (interval.low, interval.high):
        distance = abs(hits / n - end)
        assert distance == pytest.approx(
            Z_95 * math.sqrt(end * (1 - end) / n), abs=1e-9
        )


@given(counts)
def test_interval_mirrors(pair: tuple[int, int]) -> None:
    """Counting failures instead of passes mirrors the interval."""
    hits, n = pair
    one, other = wilson_interval(hits, n), wilson_interval(n - hits, n)
    assert one is not None
    assert other is not None
    assert one.low == pytest.approx(1 - other.high, abs=1e-12)


def test_borders_are_exact() -> None:
    """No hit gives a low end of 0 and only hits a high end of 1, unrounded."""
    for n in range(1, 300):
        none, every = Proportion(hits=0, n=n), Proportion(hits=n, n=n)
        assert none.low == 0.0
        assert every.high == 1.0


def test_nothing_has_no_value() -> None:
    """Without a trial there is neither value nor interval."""
    nothing = Proportion(hits=0, n=0)
    assert wilson_interval(0, 0) is None
    assert nothing.to_json() == {
        "value": None,
        "hits": 0,
        "n": 0,
        "low": None,
        "high": None,
    }
    assert nothing.ratio is None
