"""Every number as a reader sees it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.report import numbers


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (None, "-"),
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.5, "50 %"),
        (0.8333, "83.3 %"),
        (0.999, "99.9 %"),
        (0.9996, "99.9 %"),
        (0.0004, "0.1 %"),
        (0.05, "5 %"),
        (1.5, "150 %"),
    ],
)
def test_percent(share: float | None, shown: str) -> None:
    """A tenth where there is one; no rounding to all or nothing."""
    assert numbers.percent(share) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (None, "-"),
        (0.0, "0"),
        (0.001, "1"),
        (0.005, "1"),
        (0.494, "49"),
        (0.75, "75"),
        (0.999, "99"),
        (1.0, "100"),
    ],
)
def test_bare_percent(share: float | None, shown: str) -> None:
    """Whole percent without a sign; no rounding to all or nothing."""
    assert numbers.bare_percent(share) == shown


@given(st.floats(0, 1))
def test_only_all_is_a_hundred_percent(share: float) -> None:
    """A reader who sees 100 or 0 may take it literally."""
    for shown in (numbers.percent(share).removesuffix(" %"),):
        assert (shown == "100") == (share == 1)
        assert (shown == "0") == (share == 0)
    assert (numbers.bare_percent(share) == "100") == (share == 1)
    assert (numbers.bare_percent(share) == "0") == (share == 0)


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (None, None, "-"),
        (0.1, None, "-"),
        (None, 0.1, "-"),
        (0.3589, 0.9178, "36-92 %"),
        (0.0, 1.0, "0-100 %"),
        (0.0, 0.354, "0-35 %"),
    ],
)
def test_interval(low: float | None, high: float | None, shown: str) -> None:
    """Both ends in whole percent, or nothing."""
    assert numbers.interval(low, high) == shown


@pytest.mark.parametrize(
    ("value_ms", "shown"),
    [
        (None, "-"),
        (0.0, "0.0 ms"),
        (0.04, "0.0 ms"),
        (4.26, "4.3 ms"),
        (9.94, "9.9 ms"),
        (9.96, "10 ms"),
        (10.0, "10 ms"),
        (431.2, "431 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (1000.0, "1.00 s"),
        (2310.0, "2.31 s"),
        (3_600_000.0, "3600.00 s"),
    ],
)
def test_milliseconds(value_ms: float | None, shown: str) -> None:
    """Two or three digits, and the unit that fits; no `1000 ms`."""
    assert numbers.milliseconds(value_ms) == shown


@pytest.mark.parametrize(
    ("value_ms", "shown"), [(None, ""), (0.0, "0.00 s"), (431.2, "0.43 s")]
)
def test_seconds(value_ms: float | None, shown: str) -> None:
    """Beside an outcome, what was not measured takes no room."""
    assert numbers.seconds(value_ms) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (0.0127551, "0.0128"), (0.0, "0"), (4, "4"), (1e-05, "1e-05")],
)
def test_small(value: float | None, shown: str) -> None:
    """Three digits that count."""
    assert numbers.small(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (-0.01026, "-0.0103"),
        (4, "+4"),
        (0.0, "+0"),
        (-0.0, "+0"),
        (1.1102230246251565e-16, "+0"),
        (-1.1102230246251565e-14, "+0"),
    ],
)
def test_signed(value: float | None, shown: str) -> None:
    """A margin always has its sign; the noise of floats is none."""
    assert numbers.signed(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "-"), (12, "12"), (10.5, "10.5"), (0, "0")]
)
def test_count(value: float | None, shown: str) -> None:
    """Whole where it is whole."""
    assert numbers.count(value) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 runs"), (1, "1 run"), (7, "7 runs")]
)
def test_counted(number: int, shown: str) -> None:
    """One is singular."""
    assert numbers.counted(number, "run") == shown
