"""A share of trials with its 95 % interval."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

from msgspec import Struct

Z_95: Final = 1.959963984540054
"""The 97.5 % point of the standard normal distribution."""


class Interval(Struct, frozen=True, kw_only=True):
    """A range that should hold the true value; both ends belong to it."""

    low: float
    high: float


class Proportion(Struct, frozen=True, kw_only=True):
    """`hits` of `n` trials; without a trial there is no value.

    >>> Proportion(hits=3, n=4).value
    0.75
    >>> Proportion(hits=0, n=0).value is None
    True
    """

    hits: int
    n: int

    @property
    def ratio(self) -> Fraction | None:
        """The exact share."""
        return Fraction(self.hits, self.n) if self.n else None

    @property
    def value(self) -> float | None:
        """The share, from 0 to 1."""
        return self.hits / self.n if self.n else None

    @property
    def interval(self) -> Interval | None:
        """The Wilson 95 % interval."""
        return wilson_interval(self.hits, self.n)

    @property
    def low(self) -> float | None:
        """The lower end of the Wilson 95 % interval."""
        return self.interval.low if self.interval else None

    @property
    def high(self) -> float | None:
        """The upper end of the Wilson 95 % interval."""
        return self.interval.high if self.interval else None

    def to_json(self) -> dict[str, float | int | None]:
        """Return value, counts and interval as plain JSON."""
        return {
            "value": self.value,
            "hits": self.hits,
            "n": self.n,
            "low": self.low,
            "high": self.high,
        }


def wilson_interval(hits: int, n: int) -> Interval | None:
    """Return the Wilson score interval of a share at 95 %, None for n = 0.

    With p = hits / n and z = 1.959963984540054:
    (p + z²/2n ± z·√(p(1-p)/n + z²/4n²)) / (1 + z²/n).

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and
    Statistical Inference", J. Am. Stat. Assoc. 22 (1927), 209-212. It takes
    trials as independent. Repeats of one prompt are not quite so, hence over
    several prompts the true interval is wider.

    >>> wilson_interval(0, 10)
    Interval(low=0.0, high=0.2775327998628892)
    """
    return score_interval(hits / n, n, Z_95) if n else None


def score_interval(share: float, n: float, z: float) -> Interval:
    """Return the score interval of a share of n trials at the normal's point z.

    Args:
        n: above 0; not whole where it is an effective number.
    """
    z2 = z**2
    scale = 1 + z2 / n
    centre = (share + z2 / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / scale
    # At the borders the formula gives exactly 0 and 1; rounding would not.
    return Interval(
        low=0.0 if share == 0 else centre - half,
        high=1.0 if share == 1 else centre + half,
    )
