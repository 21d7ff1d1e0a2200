"""Axes: places within the plot, ticks that a reader can name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.report.axes import Axis

FINITE = st.just(0.0) | st.floats(min_value=1e-6, max_value=1e9)


@given(st.lists(FINITE, max_size=30), FINITE)
def test_every_value_has_a_place_within_the_axis(
    values: list[float], other: float
) -> None:
    """From 0 to 1, in order, whatever the axis was made for."""
    for axis in (
        Axis.of(values),
        Axis.over_times(values),
        Axis.over_lengths(values, values[:3], is_log=True),
        Axis.over_lengths(values, values[:3], is_log=False),
    ):
        places = [axis.place(value) for value in sorted([*values, other])]
        assert all(0 <= place <= 1 for place in places)
        assert places == sorted(places)


@given(st.lists(FINITE, min_size=1, max_size=30))
def test_ticks_rise_within_the_axis(values: list[float]) -> None:
    """A dozen at most, none twice, none beyond an end."""
    whole = [float(round(value)) for value in values]
    for axis in (Axis.of(values), Axis.over_times(values), Axis.over_counts(whole)):
        ticks = axis.ticks()
        assert 1 <= len(ticks) <= 12
        assert list(ticks) == sorted(set(ticks))
        span = axis.high - axis.low
        assert all(axis.low - span / 1e6 <= t <= axis.high + span / 1e6 for t in ticks)


def lengths(at: list[float], *, is_log: bool) -> Axis:
    """Return an axis for lengths that the server counted a little beside."""
    return Axis.over_lengths([one - 3 for one in at], at, is_log=is_log)


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (Axis.of([0, 0.48]), (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)),
        (Axis.of([0, 1234]), (0.0, 250.0, 500.0, 750.0, 1000.0, 1250.0)),
        (Axis.over_times([5.0, 4000.0]), (1.0, 10.0, 100.0, 1000.0)),
        (Axis.over_counts([1, 2, 3]), (1.0, 2.0, 3.0)),
        (lengths([2048, 8192, 32768], is_log=True), (2048, 8192, 32768)),
        (lengths([2048, 8192, 32768], is_log=False), (2048, 8192, 32768)),
        (lengths([512, 1024, 2048, 8192], is_log=False), (1024, 2048, 8192)),
        (lengths([], is_log=True), (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
    ],
)
def test_ticks_are_round(axis: Axis, ticks: tuple[float, ...]) -> None:
    """What is written at an axis is what a person would write."""
    assert axis.ticks() == ticks
