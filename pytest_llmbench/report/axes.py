"""A chart's axis: where values lie on it, and which of them are written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

_TICKS: Final = 5
_WIDE: Final = 12.0
"""Times whose largest is more than this many times the least need a log axis."""

_LEAST_GAP: Final = 0.09
"""Of the axis; a number of six digits has room in it."""

_ROUND: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


class Axis(Struct, frozen=True, kw_only=True):
    """A range of values, linear or logarithmic.

    Attributes:
        low, high: its ends; `low` is above 0 on a logarithmic axis.
        at: the only values that are written; any round ones if empty.
    """

    low: float
    high: float
    is_log: bool = False
    at: tuple[float, ...] = ()

    @classmethod
    def of(cls, values: Sequence[float]) -> Axis:
        """Return a linear axis that holds values, its ends round.

        >>> Axis.of([0.0, 87.0]).high
        100.0
        """
        low, high = min(values, default=0.0), max(values, default=1.0)
        high = high if high > low else low + 1.0
        step = _step(high - low)
        return cls(
            low=math.floor(low / step) * step, high=math.ceil(high / step) * step
        )

    @classmethod
    def over_times(cls, values: Sequence[float]) -> Axis:
        """Return an axis for times: from 0, or logarithmic where they lie far apart.

        >>> Axis.over_times([3.0, 900.0]).is_log, Axis.over_times([80.0, 90.0]).low
        (True, 0.0)
        """
        known = [value for value in values if value > 0]
        if not known or max(known) <= _WIDE * min(known):
            return cls.of([0.0, *values])
        low = 10.0 ** math.floor(math.log10(min(known)))
        return cls(low=low, high=max(known) * 1.1, is_log=True)

    @classmethod
    def over_counts(cls, values: Sequence[float]) -> Axis:
        """Return an axis for whole numbers, such as runs; few are all written."""
        low, high = min(values, default=1.0), max([*values, 2.0])
        at: tuple[float, ...] = ()
        if high - low < 2 * _TICKS:
            at = tuple(map(float, range(round(low), round(high) + 1)))
        return cls(low=low, high=high, at=at)

    @classmethod
    def over_lengths(
        cls, values: Sequence[float], at: Sequence[float], *, is_log: bool
    ) -> Axis:
        """Return an axis for prompts' lengths; a linear one begins at 0.

        Args:
            at: the lengths that are written; values lie on or near them.
        """
        known = sorted({value for value in (*values, *at) if value > 0})
        if not known:
            return cls.of([0.0])
        low, high = known[0], known[-1] if known[-1] > known[0] else known[0] * 2
        return cls(
            low=low * 0.9 if is_log else 0.0,
            high=high * (1.1 if is_log else 1.02),
            is_log=is_log,
            at=tuple(sorted({value for value in at if value > 0})),
        )

    def place(self, value: float) -> float:
        """Return where a value lies: 0 at the low end, 1 at the high; never beyond.

        >>> Axis(low=1.0, high=100.0, is_log=True).place(10.0)
        0.5
        """
        low, high = self.low, self.high
        if self.is_log:
            low, high = math.log(low), math.log(high)
            value = math.log(max(value, self.low))
        return min(1.0, max(0.0, (value - low) / (high - low)))

    def ticks(self) -> tuple[float, ...]:
        """Return the values that are written, in rising order.

        >>> Axis(low=0.0, high=100.0).ticks()
        (0.0, 20.0, 40.0, 60.0, 80.0, 100.0)
        >>> Axis(low=1.0, high=600.0, is_log=True).ticks()
        (1.0, 10.0, 100.0)
        """
        if self.at:
            return self._apart(_thinned(self.at))
        if self.is_log:
            first, last = math.log10(self.low), math.log10(self.high)
            powers = range(math.ceil(first - 1e-9), math.floor(last) + 1)
            places = [10.0**power for power in powers]
            if len(places) < 3:  # noqa: PLR2004 - too few to read a value by
                fine = (
                    m * 10.0**p
                    for p in range(math.floor(first), powers.stop)
                    for m in (1, 2, 5)
                )
                places = [one for one in fine if self.low <= one <= self.high]
            return _thinned(places)
        step = _step(self.high - self.low)
        count = round((self.high - self.low) / step)
        found = (math.ceil(self.low / step) * step + n * step for n in range(count + 1))
        return tuple(round(one, 10) for one in found if one <= self.high + step / 1e6)

    def _apart(self, values: Sequence[float]) -> tuple[float, ...]:
        """Leave out what lies too near the next one to be written beside it."""
        kept: list[float] = []
        for value in reversed(values):
            if not kept or self.place(kept[0]) - self.place(value) >= _LEAST_GAP:
                kept.insert(0, value)
        return tuple(kept)


def _step(span: float) -> float:
    """Return the round step that cuts a span into about five.

    >>> _step(87.0), _step(7.0)
    (20.0, 1.0)
    """
    rough = span / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return power * min(_ROUND, key=lambda one: abs(one - rough / power))


def _thinned(values: Sequence[float]) -> tuple[float, ...]:
    """Leave every other value out until there is room for all."""
    while len(values) > 2 * _TICKS:
        values = values[::2]
    return tuple(values)
