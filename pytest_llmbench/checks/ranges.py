"""How many of something a reply must have: a number, or bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from pytest_llmbench.checks.shown import shown_value

if TYPE_CHECKING:
    from pytest_llmbench.prompts.suite import Json

MAX_COUNT: Final = 100_000
"""The largest number that a suite can ask for."""

_BOUNDS: Final = frozenset({"min", "max"})


class Range(Struct, frozen=True, kw_only=True):
    """A range of counts, both ends in it; `most` is None where it is open."""

    least: int
    most: int | None

    def miss(self, count: int, noun: str) -> str:
        """Say how a count misses the range, or '' if it lies in it.

        >>> Range(least=2, most=4).miss(5, "line"), Range(least=2, most=4).miss(4, "")
        ('1 line too many', '')
        """
        if count < self.least:
            return f"{counted(self.least - count, noun)} too few"
        if self.most is not None and count > self.most:
            return f"{counted(count - self.most, noun)} too many"
        return ""

    def shown(self, noun: str) -> str:
        """Show the range in words.

        Args:
            noun: what is counted, one of it.

        >>> Range(least=2, most=4).shown("line"), Range(least=1, most=1).shown("word")
        ('2 to 4 lines', 'exactly 1 word')
        >>> Range(least=2, most=None).shown("row"), Range(least=0, most=5).shown("row")
        ('at least 2 rows', 'at most 5 rows')
        """
        if self.most is None:
            return f"at least {counted(self.least, noun)}"
        if self.least == self.most:
            return f"exactly {counted(self.most, noun)}"
        if not self.least:
            return f"at most {counted(self.most, noun)}"
        return f"{self.least:,} to {counted(self.most, noun)}"


def counted(count: int, noun: str) -> str:
    """Show a count of something.

    >>> counted(1, "line"), counted(2000, "word")
    ('1 line', '2,000 words')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def range_of(expected: Json) -> Range:
    """Return the range that a value without faults states; at least 1 by default.

    >>> range_of(3), range_of({"max": 3})
    (Range(least=3, most=3), Range(least=1, most=3))
    """
    if isinstance(expected, dict):
        least, most = expected.get("min", 1), expected.get("max")
        return Range(least=_whole(least), most=None if most is None else _whole(most))
    return Range(least=_whole(expected), most=_whole(expected))


def _whole(value: Json) -> int:
    return value if isinstance(value, int) else 0


def range_faults(expected: Json) -> list[str]:
    """Return what is wrong with a number or a mapping of min and max.

    >>> range_faults(3), range_faults({"min": 2})
    ([], [])
    >>> range_faults({"min": 3, "max": 2})
    ['min is 3, more than max, which is 2']
    """
    if not isinstance(expected, dict):
        return count_faults(expected)
    if not expected or not expected.keys() <= _BOUNDS:
        return ["must be a number, or a mapping with min, max or both"]
    for key, value in expected.items():
        if faults := count_faults(value):
            return [f"{key} {fault}" for fault in faults]
    bounds = range_of(expected)
    if bounds.most is not None and bounds.least > bounds.most:
        return [f"min is {bounds.least}, more than max, which is {bounds.most}"]
    return []


def count_faults(expected: Json) -> list[str]:
    """Return what is wrong with a count, which is a whole number from 1.

    >>> count_faults(1), count_faults(0), count_faults(True)
    ([], ['must be from 1 to 100,000, not 0'], ['must be a whole number'])
    """
    if isinstance(expected, bool) or not isinstance(expected, int):
        return ["must be a whole number"]
    if 1 <= expected <= MAX_COUNT:
        return []
    return [f"must be from 1 to {MAX_COUNT:,}, not {shown_value(expected)}"]
