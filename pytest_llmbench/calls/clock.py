"""The one clock, read in the transport."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where timestamps come from."""

    def now_ns(self) -> int:
        """Return nanoseconds of a clock that never steps back."""
        ...

    def utc(self) -> datetime:
        """Return the wall-clock time, for people and file names only."""
        ...


class SystemClock:
    """`time.perf_counter_ns` for intervals, UTC for dates."""

    def now_ns(self) -> int:
        """Return `time.perf_counter_ns()`."""
        return time.perf_counter_ns()

    def utc(self) -> datetime:
        """Return the current UTC time."""
        return datetime.now(UTC)


def elapsed_ms(start_ns: int, end_ns: int) -> float:
    """Return an interval in milliseconds.

    >>> elapsed_ms(1_000_000, 3_500_000)
    2.5
    """
    return (end_ns - start_ns) / 1e6
