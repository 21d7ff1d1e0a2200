"""Student's t distribution for whole degrees of freedom."""

from __future__ import annotations

import math
from typing import Final

_HALVINGS: Final = 64
"""More than a float's 53 bits: the search ends on neighbouring floats."""


def t_quantile(central: float, degrees: int) -> float:
    """Return t such that a share `central` of Student's t lies within -t and t.

    For a 95 % interval `central` is 0.95. The central share is a finite sum
    (see `central_share`) that rises with t; with t = √n·tan θ, θ is found by
    halving (0, π/2).

    Args:
        degrees: n, at least 1, the degrees of freedom.

    >>> round(t_quantile(0.95, 11), 3)
    2.201
    """
    low, high = 0.0, math.pi / 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _share_within(middle, degrees) < central:
            low = middle
        else:
            high = middle
    return math.sqrt(degrees) * math.tan((low + high) / 2)


def central_share(t: float, degrees: int) -> float:
    """Return the share of Student's t that lies within -t and t.

    With n degrees of freedom and θ = arctan(t / √n), for even n:
    sin θ · (1 + 1/2·cos²θ + 1·3/(2·4)·cos⁴θ + … to cos^(n-2) θ),
    and for odd n:
    2/π · (θ + sin θ · (cos θ + 2/3·cos³θ + … to cos^(n-2) θ)).

    Source: M. Abramowitz and I. A. Stegun, "Handbook of Mathematical
    Functions" (1964), 26.7.3 and 26.7.4.

    >>> round(central_share(1.0, 1), 12)
    0.5
    """
    return _share_within(math.atan(t / math.sqrt(degrees)), degrees)


def _share_within(angle: float, degrees: int) -> float:
    is_odd = degrees % 2 == 1
    cos2 = math.cos(angle) ** 2
    term = math.cos(angle) if is_odd else 1.0
    total = 0.0
    for power in range(1 if is_odd else 0, degrees - 1, 2):
        total += term
        term *= cos2 * (power + 1) / (power + 2)
    inner = math.sin(angle) * total
    return 2 / math.pi * (angle + inner) if is_odd else inner
