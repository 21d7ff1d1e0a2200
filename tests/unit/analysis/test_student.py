"""Student's t against printed tables and its own definition."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.analysis.proportion import Z_95
from pytest_llmbench.analysis.student import central_share, t_quantile


@pytest.mark.parametrize(
    ("degrees", "at_95", "at_99"),
    [
        # Printed tables: two-sided 5 % and 1 % points.
        (1, 12.706, 63.657),
        (2, 4.303, 9.925),
        (3, 3.182, 5.841),
        (4, 2.776, 4.604),
        (5, 2.571, 4.032),
        (6, 2.447, 3.707),
        (7, 2.365, 3.499),
        (10, 2.228, 3.169),
        (11, 2.201, 3.106),
        (20, 2.086, 2.845),
        (29, 2.045, 2.756),
        (30, 2.042, 2.750),
        (60, 2.000, 2.660),
        (120, 1.980, 2.617),
    ],
)
def test_printed_tables(degrees: int, at_95: float, at_99: float) -> None:
    """The quantiles agree with printed tables to every printed digit."""
    assert round(t_quantile(0.95, degrees), 3) == at_95
    assert round(t_quantile(0.99, degrees), 3) == at_99


def test_closed_forms() -> None:
    """One and two degrees have a formula: tan, and a root."""
    assert t_quantile(0.95, 1) == pytest.approx(math.tan(0.475 * math.pi))
    assert t_quantile(0.95, 2) == pytest.approx(0.95 * math.sqrt(2 / (1 - 0.95**2)))


def test_many_degrees_are_normal() -> None:
    """With many prompts the quantile becomes the normal one."""
    assert t_quantile(0.95, 10_001) == pytest.approx(Z_95, abs=3e-4)


@given(st.floats(0.01, 0.999), st.integers(1, 300))
def test_the_quantile_undoes_the_share(central: float, degrees: int) -> None:
    """Between -t and t lies just the share that was asked for."""
    t = t_quantile(central, degrees)
    assert central_share(t, degrees) == pytest.approx(central, abs=1e-9)


@given(st.floats(0.01, 0.999), st.integers(1, 300))
def test_more_degrees_need_less(central: float, degrees: int) -> None:
    """The more prompts, the narrower the interval."""
    assert t_quantile(central, degrees + 1) < t_quantile(central, degrees)
