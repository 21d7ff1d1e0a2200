"""Percentiles by linear interpolation."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.analysis.percentiles import percentile, percentiles

values = st.floats(min_value=0, max_value=1e7, allow_subnormal=False)
series = st.lists(values, min_size=1, max_size=150)


@given(st.lists(values, min_size=2, max_size=150), st.integers(1, 99))
def test_agrees_with_statistics(data: list[float], percent: int) -> None:
    """The result is that of the standard library's inclusive method."""
    expected = statistics.quantiles(data, n=100, method="inclusive")[percent - 1]
    assert percentile(sorted(data), percent) == pytest.approx(expected, rel=1e-12)


@given(series)
def test_p50_is_the_median(data: list[float]) -> None:
    """The fiftieth percentile is the median."""
    found = percentiles(data).p50
    assert found == pytest.approx(statistics.median(data), rel=1e-12)


@given(series, st.integers(0, 100))
def test_lies_between_min_and_max(data: list[float], percent: int) -> None:
    """No percentile leaves the range of the values."""
    assert min(data) <= percentile(sorted(data), percent) <= max(data)


@given(series)
def test_ends_are_min_and_max(data: list[float]) -> None:
    """Percentile 0 is the least value and percentile 100 the greatest."""
    assert percentile(sorted(data), 0) == min(data)
    assert percentile(sorted(data), 100) == max(data)


@given(st.lists(values, min_size=100, max_size=150))
def test_percentiles_rise(data: list[float]) -> None:
    """A higher percentile is never a lower number."""
    found = percentiles(data)
    assert found.p50 is not None
    assert found.p95 is not None
    assert found.p99 is not None
    assert found.p50 <= found.p95 <= found.p99


@given(st.data())
def test_order_is_free(data: st.DataObject) -> None:
    """The order in which values came does not matter."""
    given_values = data.draw(series)
    shuffled = data.draw(st.permutations(given_values))
    assert percentiles(given_values) == percentiles(shuffled)


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=120),
    st.integers(0, 100),
    st.integers(1, 50),
    st.integers(-1000, 1000),
)
def test_scales_and_shifts(
    data: list[int], percent: int, factor: int, shift: int
) -> None:
    """Scaling and shifting the values scales and shifts the percentile."""
    ordered = sorted(map(float, data))
    moved = [value * factor + shift for value in ordered]
    expected = percentile(ordered, percent) * factor + shift
    assert percentile(moved, percent) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("n", "has_p50", "has_p95", "has_p99"),
    [
        (0, False, False, False),
        (1, True, False, False),
        (19, True, False, False),
        (20, True, True, False),
        (99, True, True, False),
        (100, True, True, True),
    ],
)
def test_shown_only_with_values_enough(
    n: int,
    has_p50: bool,  # noqa: FBT001 - a table of what is shown
    has_p95: bool,  # noqa: FBT001 - a table of what is shown
    has_p99: bool,  # noqa: FBT001 - a table of what is shown
) -> None:
    """A percentile without values enough is None and says why."""
    found = percentiles(float(value) for value in range(n))
    assert found.n == n
    assert (found.p50 is not None) == has_p50
    assert (found.p95 is not None) == has_p95
    assert (found.p99 is not None) == has_p99
    assert found.reason_p95 == ("" if has_p95 else f"p95 needs n >= 20, n is {n}")
    assert found.reason_p99 == ("" if has_p99 else f"p99 needs n >= 100, n is {n}")


def test_exact_numbers() -> None:
    """Twenty-one and 101 equally spaced values put the percentiles on values."""
    of_21 = percentiles(float(value) for value in range(21))
    of_101 = percentiles(float(value) for value in range(101))
    assert (of_21.p50, of_21.p95) == (10.0, 19.0)
    assert (of_101.p50, of_101.p95, of_101.p99) == (50.0, 95.0, 99.0)
    assert of_21.to_json()["p99"] is None
