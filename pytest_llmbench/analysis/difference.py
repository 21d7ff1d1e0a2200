"""The difference of two shares, and the mean of several, with 95 % intervals."""

from __future__ import annotations

import math
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Final

from pytest_llmbench.analysis.proportion import Interval, Proportion
from pytest_llmbench.analysis.student import t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

_CENTRAL: Final = 0.95
_MIN_N_SPREAD: Final = 2


def difference_interval(a: Proportion, b: Proportion) -> Interval | None:
    """Return the 95 % interval of b - a, two independent shares; None if one has n = 0.

    With d = b - a and the Wilson intervals (low, high) of both:
    d - √((b - b.low)² + (a.high - a)²) to d + √((b.high - b)² + (a - a.low)²).

    Source: R. G. Newcombe, "Interval estimation for the difference between
    independent proportions: comparison of eleven methods", Statistics in
    Medicine 17 (1998), 873-890, method 10 (hybrid score).

    >>> difference_interval(Proportion(hits=0, n=10), Proportion(hits=10, n=10))
    Interval(low=0.6075093504305242, high=1.0)
    """
    if a.value is None or b.value is None or not a.interval or not b.interval:
        return None
    difference, of_a, of_b = b.value - a.value, a.interval, b.interval
    return Interval(
        low=difference - math.hypot(b.value - of_b.low, of_a.high - a.value),
        high=difference + math.hypot(of_b.high - b.value, a.value - of_a.low),
    )


def t_interval(differences: Sequence[float]) -> Interval | None:
    """Return the paired 95 % interval of the mean: d̄ ± t · s / √n.

    t is Student's 97.5 % point at n - 1 degrees of freedom, s the sample
    standard deviation (n - 1). None below two values, and where all are equal:
    a spread of 0 would claim to be certain.

    Source: Student (W. S. Gosset), "The Probable Error of a Mean", Biometrika
    6 (1908), 1-25.
    """
    n = len(differences)
    if n < _MIN_N_SPREAD or min(differences) == max(differences):
        return None
    half = t_quantile(_CENTRAL, n - 1) * stdev(differences) / math.sqrt(n)
    mean = fmean(differences)
    return Interval(low=mean - half, high=mean + half)


def combined_interval(pairs: Sequence[tuple[Proportion, Proportion]]) -> Interval:
    """Return the 95 % interval of the mean of b - a from each pair's own interval.

    d̄ - √Σ(dᵢ - lowᵢ)² / n to d̄ + √Σ(highᵢ - dᵢ)² / n, with Newcombe's interval
    of each pair. It holds for these prompts only, not for others like them.

    Source: G. Y. Zou and A. Donner, "Construction of confidence limits about
    effect measures: a general approach", Statistics in Medicine 27 (2008),
    1693-1702.

    Args:
        pairs: at least one, each with n > 0 on both sides.
    """
    below, above, differences = [], [], []
    for a, b in pairs:
        interval = difference_interval(a, b)
        if interval is None or a.value is None or b.value is None:
            continue
        difference = b.value - a.value
        differences.append(difference)
        below.append(difference - interval.low)
        above.append(interval.high - difference)
    mean, n = fmean(differences), len(differences)
    return Interval(
        low=mean - math.hypot(*below) / n, high=mean + math.hypot(*above) / n
    )
