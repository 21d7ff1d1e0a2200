"""Two tests of a series against the chance that its order means nothing."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_EXACT: Final = 40
"""Values up to which every order of them is counted in Mann and Kendall's test."""

MAX_HALVES: Final = 16
"""Values up to which every choice of a half is counted; there are 12,870 of 16."""

_FINEST: Final = 10**6
"""Values are taken as fractions with denominators up to this, so that ties are ties."""


class TestResult(Struct, frozen=True, kw_only=True):
    """A test's statistic and its two-sided p value.

    Attributes:
        statistic: above 0 where the values rise.
        method: `exact` over all orders, or the `normal` approximation.
    """

    __test__ = False  # no test of pytest's

    name: Literal["mann-kendall", "halves"]
    statistic: float
    p_value: float
    method: Literal["exact", "normal"]

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


def mann_kendall(values: Sequence[float]) -> TestResult:
    """Test whether values rise or fall over time, by however much.

    S is the number of pairs that rise less the number of pairs that fall. p is the
    share of all orders of the values whose S is at least as far from 0. With ties
    the orders are those of a multiset, whose inversions are counted by the
    q-multinomial coefficient. Above 40 values S is taken as normal, with
    σ² = (n(n-1)(2n+5) - Σ t(t-1)(2t+5)) / 18 over ties of t values, and 1 taken off
    |S| for continuity.

    Sources: H. B. Mann, "Nonparametric tests against trend", Econometrica 13 (1945),
    245-259; M. G. Kendall, "Rank Correlation Methods" (4th ed., 1975), sections 4.8
    and 5.3; P. A. MacMahon, "Combinatory Analysis" I (1915) for the inversions.

    >>> mann_kendall([1, 2, 3, 4, 5]).p_value == 2 / 120
    True
    """
    ties = Counter(values).values()
    score = _score(values)
    is_exact = len(values) <= MAX_EXACT
    return TestResult(
        name="mann-kendall",
        statistic=score,
        p_value=(_exact if is_exact else _normal)(score, len(values), list(ties)),
        method="exact" if is_exact else "normal",
    )


def _score(values: Sequence[float]) -> int:
    """Return the pairs that rise less those that fall.

    >>> _score([1, 3, 2, 2])
    1
    """
    score, earlier = 0, list[float]()
    for value in values:
        lower = bisect_left(earlier, value)
        upper = bisect_right(earlier, value)
        score += lower - (len(earlier) - upper)
        earlier.insert(lower, value)
    return score


def _exact(score: int, n: int, ties: Iterable[int]) -> float:
    """Return the share of orders with |S| as large: S = pairs - 2 · inversions."""
    orders = _inversions(n, ties)
    pairs = len(orders) - 1
    hits = sum(
        many
        for inversions, many in enumerate(orders)
        if abs(pairs - 2 * inversions) >= abs(score)
    )
    return float(Fraction(hits, sum(orders)))


def _inversions(n: int, ties: Iterable[int]) -> list[int]:
    """Return how many orders of a multiset have 0, 1, 2… inversions.

    The q-multinomial coefficient [n]! / Π [t]!, where [n]! is the product over k up
    to n of (1 + q + … + q^(k-1)) = (1 - q^k) / (1 - q).

    >>> _inversions(3, [2, 1])
    [1, 1, 1]
    """
    found = [1]
    for k in range(2, n + 1):
        found = _times(found, k)
    for count in ties:
        for k in range(2, count + 1):
            found = _divided(found, k)
    return found


def _times(polynomial: Sequence[int], k: int) -> list[int]:
    """Multiply by 1 + q + … + q^(k-1): each coefficient is a sum of k neighbours."""
    product, window = [], 0
    for index in range(len(polynomial) + k - 1):
        window += polynomial[index] if index < len(polynomial) else 0
        window -= polynomial[index - k] if index >= k else 0
        product.append(window)
    return product


def _divided(polynomial: Sequence[int], k: int) -> list[int]:
    """Divide by 1 + q + … + q^(k-1), which goes without remainder."""
    quotient: list[int] = []
    for index in range(len(polynomial) - k + 1):
        taken = sum(quotient[max(0, index - k + 1) : index])
        quotient.append(polynomial[index] - taken)
    return quotient


def _normal(score: int, n: int, ties: Iterable[int]) -> float:
    tied = sum(t * (t - 1) * (2 * t + 5) for t in ties)
    variance = (n * (n - 1) * (2 * n + 5) - tied) / 18
    if not score or not variance:
        return 1.0
    return math.erfc((abs(score) - 1) / math.sqrt(2 * variance))


def halves_test(values: Sequence[float]) -> TestResult:
    """Test whether the newer half of the values has another mean than the older.

    The statistic is the newer mean less the older one. p is the share of all ways to
    choose as many newer values whose mean is at least as far from what is expected.
    Above 16 values the sum of the newer half is taken as normal, with the variance
    that sampling m of n without replacement gives: m (n - m) s² / n, s² over n - 1.
    The middle of an odd number of values is in the older half.

    Source: E. J. G. Pitman, "Significance tests which may be applied to samples from
    any populations", Supplement to the Journal of the Royal Statistical Society 4
    (1937), 119-130.

    >>> halves_test([1, 1, 1, 0, 0, 0]).p_value == 2 / 20
    True
    """
    exact = [Fraction(value).limit_denominator(_FINEST) for value in values]
    n = len(exact)
    newer = exact[(n + 1) // 2 :]
    m = len(newer)
    expected = sum(exact, Fraction()) * m / n
    off = sum(newer, Fraction()) - expected
    is_exact = n <= MAX_HALVES
    find = _exact_halves if is_exact else _normal_halves
    return TestResult(
        name="halves",
        statistic=float(off * n / (m * (n - m))),
        p_value=find(exact, m, expected, abs(off)),
        method="exact" if is_exact else "normal",
    )


def _exact_halves(
    values: Sequence[Fraction], m: int, expected: Fraction, off: Fraction
) -> float:
    scale = math.lcm(*(value.denominator for value in (*values, expected, off)))
    whole = [int(value * scale) for value in values]
    middle, reached = int(expected * scale), int(off * scale)
    sums = [abs(sum(part) - middle) for part in combinations(whole, m)]
    return sum(far >= reached for far in sums) / len(sums)


def _normal_halves(
    values: Sequence[Fraction], m: int, expected: Fraction, off: Fraction
) -> float:
    n = len(values)
    mean = expected / m
    squares = float(sum((value - mean) ** 2 for value in values))
    if not squares:
        return 1.0
    variance = m * (n - m) * squares / (n * (n - 1))
    return math.erfc(float(off) / math.sqrt(2 * variance))
