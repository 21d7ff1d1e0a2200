"""Straight lines through points, robust against outliers, and whether they bend."""

from __future__ import annotations

import math
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct
from msgspec.structs import asdict

from pytest_llmbench.analysis.proportion import Z_95
from pytest_llmbench.analysis.student import central_share

if TYPE_CHECKING:
    from collections.abc import Sequence

Shape = Literal["linear", "worse", "better"]
"""How a value grows: as a line, faster at the long end, or slower there."""

MOST_POINTS: Final = 300
"""More are thinned: every pair of points is looked at."""

BEND: Final = 1.2
"""A curve whose slope at the long end is less than this many times the one at the
short end (or more than its inverse) is a line for all that matters."""

_SIGNIFICANT: Final = 0.05
_COEFFICIENTS: Final = 3


class Point(Struct, frozen=True):
    """One trial.

    Attributes:
        group: points of one group are repeats: no slope is taken between them.
    """

    x: float
    y: float
    group: float


class Fit(Struct, frozen=True, kw_only=True):
    """A line through points, and whether they follow one.

    Attributes:
        n: points.
        slope: of y by x; None where there are not two groups.
        low: lower end of the slope's 95 % interval; None where n allows none.
        high: upper end.
        intercept: y at x = 0.
        shape: None below three groups or four points.
        p_bend: chance of such a quadratic term in points of a line.
        bend: slope at the longest x by the slope at the shortest, of the quadratic.
        reason: why there is no slope, no interval or no shape; empty where all are.
    """

    n: int
    slope: float | None = None
    low: float | None = None
    high: float | None = None
    intercept: float | None = None
    shape: Shape | None = None
    p_bend: float | None = None
    bend: float | None = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain JSON."""
        return asdict(self)


def fit(points: Sequence[Point]) -> Fit:
    """Lay a line through points by Theil and Sen, and test it for a bend.

    The slope is the median of the slopes of all pairs of different groups: up to 29 %
    of the points may lie anywhere. Its interval is Sen's: of N slopes in order, those
    of rank (N - C) / 2 and (N + C) / 2 + 1, with C = z·√V and V the variance of
    Kendall's S, groups as ties.

    Source: P. K. Sen, "Estimates of the Regression Coefficient Based on Kendall's
    Tau", Journal of the American Statistical Association 63 (1968), 1379-1389.
    """
    n = len(points)
    groups = len({point.group for point in points})
    if groups < 2:  # noqa: PLR2004 - a line takes two
        return Fit(n=n, reason=f"a line needs 2 lengths, there is {groups}")
    kept = _thinned(points)
    slopes = _slopes(kept)
    slope = median(slopes)
    low, high = _interval(slopes, kept)
    shape = _bent(points, groups)
    reason = "" if low is not None else f"an interval needs more points than {n}"
    return Fit(
        n=n,
        slope=slope,
        low=low,
        high=high,
        intercept=median(point.y - slope * point.x for point in kept),
        shape=shape.word if shape else None,
        p_bend=shape.p_value if shape else None,
        bend=shape.ratio if shape else None,
        reason=reason or ("" if shape else "a bend needs 3 lengths and 4 trials"),
    )


def _thinned(points: Sequence[Point]) -> list[Point]:
    """Keep evenly chosen points, group by group in order of y, where there are many."""
    step = math.ceil(len(points) / MOST_POINTS)
    ordered = sorted(points, key=lambda p: (p.group, p.y, p.x))
    return ordered[(step - 1) // 2 :: step]


def _slopes(points: Sequence[Point]) -> list[float]:
    return sorted(
        (b.y - a.y) / (b.x - a.x)
        for number, a in enumerate(points)
        for b in points[number + 1 :]
        if a.group != b.group and a.x != b.x
    )


def _interval(
    slopes: Sequence[float], points: Sequence[Point]
) -> tuple[float | None, float | None]:
    n = len(points)
    members = groupby(sorted(p.group for p in points))
    ties = [len(list(group)) for _, group in members]
    variance = (_kendall(n) - sum(map(_kendall, ties))) / 18
    reach = Z_95 * math.sqrt(variance)
    lower = math.floor((len(slopes) - reach) / 2) - 1
    upper = math.ceil((len(slopes) + reach) / 2)
    if lower < 0 or upper >= len(slopes):
        return None, None
    return slopes[lower], slopes[upper]


def _kendall(n: int) -> int:
    return n * (n - 1) * (2 * n + 5)


class _Bend(Struct, frozen=True, kw_only=True):
    word: Shape
    p_value: float
    ratio: float


def _bent(points: Sequence[Point], groups: int) -> _Bend | None:
    """Test the quadratic term of a least-squares parabola by Student's t.

    Tiny terms of quiet data are real and matter to nobody: `BEND` says which do.
    """
    degrees = len(points) - _COEFFICIENTS
    if groups < _COEFFICIENTS or degrees < 1:
        return None
    xs = [point.x for point in points]
    least, width = min(xs), max(xs) - min(xs)
    us = [(x - least) / width for x in xs]
    solved = _parabola(us, [point.y for point in points])
    if solved is None:
        return None
    linear, square, p_value = solved
    first, last = linear, linear + 2 * square
    ratio = last / first if first > 0 else math.inf if last > 0 else 1.0
    ratio = max(ratio, 0.0)
    is_real = p_value < _SIGNIFICANT
    word: Shape = "linear"
    if is_real and ratio >= BEND:
        word = "worse"
    elif is_real and ratio <= 1 / BEND:
        word = "better"
    return _Bend(word=word, p_value=p_value, ratio=min(ratio, _MOST_BEND))


_MOST_BEND: Final = 1000.0
"""Stands for a slope that begins at nothing: JSON has no infinity."""


def _parabola(
    us: Sequence[float], ys: Sequence[float]
) -> tuple[float, float, float] | None:
    """Return the linear and the quadratic term, and the p-value of the latter.

    The quadratic's column is made orthogonal to the others, so that its coefficient
    and its error stand alone.
    """
    n = len(us)
    u_mean = sum(us) / n
    line = [u - u_mean for u in us]
    line_square = sum(v * v for v in line)
    squares = [u * u for u in us]
    s_mean = sum(squares) / n
    tilt = sum(v * s for v, s in zip(line, squares, strict=True)) / line_square
    bow = [s - s_mean - tilt * v for s, v in zip(squares, line, strict=True)]
    bow_square = sum(b * b for b in bow)
    if bow_square < _SMALL:
        return None
    y_mean = sum(ys) / n
    straight = sum(v * y for v, y in zip(line, ys, strict=True)) / line_square
    square = sum(b * y for b, y in zip(bow, ys, strict=True)) / bow_square
    rest = sum(
        (y - y_mean - straight * v - square * b) ** 2
        for y, v, b in zip(ys, line, bow, strict=True)
    )
    scale = sum((y - y_mean) ** 2 for y in ys)
    degrees = n - _COEFFICIENTS
    if rest <= scale * _SMALL:
        p_value = 0.0 if square * square * bow_square > scale * _SMALL else 1.0
    else:
        t = abs(square) * math.sqrt(bow_square) / math.sqrt(rest / degrees)
        p_value = max(0.0, 1 - central_share(t, degrees))
    return straight - tilt * square, square, p_value


_SMALL: Final = 1e-12
"""A share of the whole that rounding alone may leave."""
