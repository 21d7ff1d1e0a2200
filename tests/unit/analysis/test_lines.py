"""Lines through points of known lines, with outliers, bends and too few points."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.analysis.lines import MOST_POINTS, Point, fit

LENGTHS = (2.0, 8.0, 32.0)


def points(
    slope: float,
    *,
    repeats: int = 5,
    noise: float = 0.0,
    square: float = 0.0,
    seed: int = 1,
) -> list[Point]:
    """Make points of 100 + slope·x + square·x² with normal noise."""
    random = Random(seed)  # noqa: S311 - data of a test
    return [
        Point(x, 100 + slope * x + square * x * x + random.gauss(0, noise), x)
        for x in LENGTHS
        for _ in range(repeats)
    ]


def test_a_line_is_found_exactly() -> None:
    """Without noise slope, intercept and both ends of the interval are the truth."""
    found = fit(points(50.0))
    assert (found.slope, found.low, found.high) == pytest.approx((50.0, 50.0, 50.0))
    assert found.intercept == pytest.approx(100.0)
    assert (found.shape, found.n, found.reason) == ("linear", 15, "")


def test_outliers_do_not_move_it() -> None:
    """A fifth of the trials ten times too slow leaves the slope where it is."""
    spoilt = points(50.0, repeats=10, noise=1.0)
    for index in range(0, 30, 5):
        spoilt[index] = Point(
            spoilt[index].x, spoilt[index].y * 10, spoilt[index].group
        )
    assert fit(spoilt).slope == pytest.approx(50.0, rel=0.03)


def test_the_interval_holds_the_truth() -> None:
    """Of 200 samples about 95 % have an interval with the true slope in it."""
    hits = 0
    for seed in range(200):
        found = fit(points(50.0, repeats=6, noise=20.0, seed=seed))
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 50.0 <= found.high
    assert 180 <= hits <= 200


@pytest.mark.parametrize(
    ("square", "shape"), [(1.5, "worse"), (-0.5, "better"), (0.0, "linear")]
)
def test_a_bend_is_named(square: float, shape: str) -> None:
    """A quadratic term makes it worse or better than linear."""
    found = fit(points(50.0, noise=2.0, square=square))
    assert found.shape == shape
    assert found.bend is not None
    assert (found.bend > 1.2) == (shape == "worse")


def test_a_bend_too_small_to_matter_is_a_line() -> None:
    """A quadratic term that is certain, and changes the slope by 6 %, is no bend."""
    found = fit(points(50.0, noise=0.01, square=0.05))
    assert found.p_bend == pytest.approx(0.0, abs=0.01)
    assert found.shape == "linear"


def test_what_takes_more_points() -> None:
    """One length has no slope, two no shape, a trial each no interval."""
    assert fit([]).reason == "a line needs 2 lengths, there is 0"
    assert fit(points(50.0)[:5]).reason == "a line needs 2 lengths, there is 1"
    two = fit(points(50.0)[:10])
    assert two.slope == pytest.approx(50.0)
    assert two.shape is None
    assert two.reason == "a bend needs 3 lengths and 4 trials"
    single = fit(points(50.0, repeats=1))
    assert single.slope == pytest.approx(50.0)
    assert single.low is None
    assert single.reason == "an interval needs more points than 3"


def test_many_points_are_thinned() -> None:
    """84,000 trials take as long as 300, and say the same."""
    found = fit(points(50.0, repeats=28_000, noise=20.0))
    assert found.n == 84_000
    assert found.slope == pytest.approx(50.0, rel=0.02)
    assert MOST_POINTS < 1000


@given(
    values=st.lists(
        st.tuples(st.sampled_from(LENGTHS), st.floats(0, 1e6), st.floats(-0.02, 0.02)),
        max_size=12,
    )
)
def test_any_points_have_a_fit(values: list[tuple[float, float, float]]) -> None:
    """Whatever was measured, the figures are finite and in order."""
    found = fit([Point(x + off, y, x) for x, y, off in values])
    if found.low is not None and found.high is not None and found.slope is not None:
        assert found.low <= found.slope <= found.high
    assert found.p_bend is None or 0 <= found.p_bend <= 1
    assert found.bend is None or 0 <= found.bend <= 1000
