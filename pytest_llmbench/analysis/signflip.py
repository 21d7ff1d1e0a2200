"""How likely paired differences as large as these are, if there is no effect."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

MAX_EXACT: Final = 20
"""Above this many differing pairs the normal approximation is taken."""


class Chance(Struct, frozen=True, kw_only=True):
    """A two-sided p value and how it was found.

    Attributes:
        method: `exact` over all sign flips, or the `normal` approximation.
        differing: pairs that differ; the others say nothing.
    """

    p_value: float
    method: Literal["exact", "normal"]
    differing: int

    def to_json(self) -> dict[str, Any]:
        """Return value, method and count as plain JSON."""
        return {
            "p_value": self.p_value,
            "method": self.method,
            "differing": self.differing,
        }


def sign_flip_chance(differences: Sequence[Fraction]) -> Chance:
    """Return the p value of the sign-flip permutation test, two-sided.

    If A and B were equal, each difference could as well have had the other
    sign. p is the share of all 2^k ways to sign the k differences that give a
    sum at least as far from 0 as the one seen. Above 20 differing pairs:
    p = erfc(|Σd| / √(2·Σd²)), as the sum is then near to normal.

    Source: R. A. Fisher, "The Design of Experiments" (1935), section 21.

    >>> from fractions import Fraction
    >>> sign_flip_chance([Fraction(1, 7)] * 6).p_value
    0.03125
    """
    differing = [difference for difference in differences if difference]
    k = len(differing)
    p_value = _exact(differing) if k <= MAX_EXACT else _normal(differing)
    return Chance(
        p_value=p_value, method="exact" if k <= MAX_EXACT else "normal", differing=k
    )


def _exact(differences: Sequence[Fraction]) -> float:
    """Count the flips that reach the sum; whole numbers, so ties are ties."""
    scale = math.lcm(*(difference.denominator for difference in differences))
    whole = [int(difference * scale) for difference in differences]
    reached = abs(sum(whole))
    half = len(whole) // 2
    # Each half has at most 1024 sums; every sum of all is one of each.
    left, right = _signed_sums(whole[:half]), sorted(_signed_sums(whole[half:]))
    hits = sum(_far(right, reached, offset) for offset in left)
    return hits / (1 << len(whole))


def _signed_sums(values: Sequence[int]) -> list[int]:
    sums = [0]
    for value in values:
        sums = [total + sign for total in sums for sign in (value, -value)]
    return sums


def _far(ordered: Sequence[int], reached: int, offset: int) -> int:
    """Count the x for which |x + offset| is at least `reached`."""
    if not reached:
        return len(ordered)
    below = bisect_right(ordered, -reached - offset)
    return below + len(ordered) - bisect_left(ordered, reached - offset)


def _normal(differences: Sequence[Fraction]) -> float:
    total = abs(float(sum(differences)))
    squares = float(sum(difference * difference for difference in differences))
    return math.erfc(total / math.sqrt(2 * squares))
