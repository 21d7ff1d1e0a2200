"""Percentiles that are shown only where there are trials enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import asdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MIN_N_P50: Final = 1
MIN_N_P95: Final = 20
MIN_N_P99: Final = 100


class Percentiles(Struct, frozen=True, kw_only=True):
    """Percentiles of one series, in the series' own unit.

    Attributes:
        n: how many values there are.
        reason_p95: why p95 is None; empty where it is given.
        reason_p99: the same for p99.
    """

    n: int
    p50: float | None
    p95: float | None
    p99: float | None
    reason_p95: str = ""
    reason_p99: str = ""

    def to_json(self) -> dict[str, float | int | str | None]:
        """Return the percentiles as plain JSON."""
        return asdict(self)


def percentiles(values: Iterable[float]) -> Percentiles:
    """Return p50, p95 and p99 by linear interpolation, each where n allows it.

    One value in twenty lies above p95 and one in a hundred above p99: with
    fewer values than that the number would be an invention.

    >>> series = percentiles([3.0, 1.0, 2.0])
    >>> series.p50, series.p95, series.reason_p95
    (2.0, None, 'p95 needs n >= 20, n is 3')
    """
    ordered = sorted(values)
    n = len(ordered)
    return Percentiles(
        n=n,
        p50=percentile(ordered, 50) if n >= MIN_N_P50 else None,
        p95=percentile(ordered, 95) if n >= MIN_N_P95 else None,
        p99=percentile(ordered, 99) if n >= MIN_N_P99 else None,
        reason_p95=_shortage("p95", n, MIN_N_P95),
        reason_p99=_shortage("p99", n, MIN_N_P99),
    )


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Interpolate between the two values beside rank (n-1)·percent/100 + 1.

    Type 7 of R. J. Hyndman and Y. Fan, "Sample Quantiles in Statistical
    Packages", The American Statistician 50 (1996), 361-365: the default of R
    and NumPy, and `statistics.quantiles(method="inclusive")`. The rank is split
    in whole numbers, so that no rounding shifts it.

    Args:
        ordered: at least one value, in rising order.
        percent: from 0 to 100.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 50)
    2.5
    """
    index, rest = divmod((len(ordered) - 1) * percent, 100)
    low = ordered[index]
    return low + (ordered[index + 1] - low) * rest / 100 if rest else low


def _shortage(name: str, n: int, least: int) -> str:
    return f"{name} needs n >= {least}, n is {n}" if n < least else ""
