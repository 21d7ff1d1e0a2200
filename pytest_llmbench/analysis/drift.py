"""Whether replies grow slower while a run goes on, and what a cold model costs."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import asdict

from pytest_llmbench.analysis.latency import less_load
from pytest_llmbench.analysis.percentiles import Percentiles, percentiles
from pytest_llmbench.analysis.trials import is_answered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_llmbench.runs.record import Record

MIN_TRIALS: Final = 10
"""Of fewer trials a drift is chance."""

_COLD_LOAD_MS: Final = 1000.0
"""Ollama tells some 10 to 150 ms of load for a model that is there."""


class Drift(Struct, frozen=True, kw_only=True):
    """How E2E changes from a run's first trial to its last.

    Each trial's E2E, less load, is taken as a share of its prompt's median over the
    runs, so that a long prompt at the end is no drift.

    Attributes:
        n: trials behind the figures.
        duration_s: from the first trial's start to the last one's.
        change: of E2E over that time, as a share: 0.04 is 4 % slower at the end.
        low: lower end of its 95 % interval.
        high: upper end.
        reason: why there is no change or no interval; empty where there are.
    """

    n: int
    duration_s: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    @property
    def is_real(self) -> bool:
        """Whether the interval leaves no change out."""
        return None not in {self.low, self.high} and not (
            (self.low or 0.0) <= 0.0 <= (self.high or 0.0)
        )

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain JSON."""
        return asdict(self)


class TrialShare(Struct, frozen=True, kw_only=True):
    """One trial's E2E, less load, by the median of its prompt.

    Attributes:
        at_s: when it began, in seconds since 1970.
        run: counted from 1.
    """

    at_s: float
    run: int
    share: float


class Warmth(Struct, frozen=True, kw_only=True):
    """Trials that found their model in memory, or not; times in ms, less load.

    Attributes:
        ttft_ms: to the first delta.
        e2e_ms: to the last byte.
        load_ms: the load itself, as the server gave it.
    """

    trials: int
    ttft_ms: Percentiles
    e2e_ms: Percentiles
    load_ms: Percentiles

    def to_json(self) -> dict[str, Any]:
        """Return the series as plain JSON."""
        return {
            "trials": self.trials,
            "ttft_ms": self.ttft_ms.to_json(),
            "e2e_ms": self.e2e_ms.to_json(),
            "load_ms": self.load_ms.to_json(),
        }


class WarmAndCold(Struct, frozen=True, kw_only=True):
    """Warm trials against cold ones; those of which neither is known are in none."""

    warm: Warmth
    cold: Warmth

    def to_json(self) -> dict[str, Any]:
        """Return both as plain JSON."""
        return {"warm": self.warm.to_json(), "cold": self.cold.to_json()}


def drift(records: Iterable[Record]) -> Drift:
    """Say how E2E changes while a run goes on.

    The line is Theil and Sen's (`analysis.lines`) through `shares_of_median`.
    """
    shares = [(one.at_s, one.share) for one in shares_of_median(records)]
    n = len(shares)
    if n < MIN_TRIALS:
        return Drift(n=n, reason=f"needs n >= {MIN_TRIALS} repeats, n is {n}")
    from pytest_llmbench.analysis.lines import Point, fit  # not for every small run

    first, last = min(shares)[0], max(shares)[0]
    line = fit([Point(at_s - first, share, at_s) for at_s, share in shares])
    return _over(line.slope, (line.low, line.high), n, last - first)


def shares_of_median(records: Iterable[Record]) -> list[TrialShare]:
    """Return each complete reply's E2E as a share of its prompt's median.

    A prompt that was answered once is its own median and shows nothing: it is left
    out.
    """
    by_prompt: defaultdict[str, list[tuple[float, float, int]]] = defaultdict(list)
    for record in records:
        e2e_ms = less_load(record.timings.e2e_ms, record.timings.load_ms)
        at_s = _moment(record.started_at)
        if is_answered(record) and e2e_ms and at_s is not None:
            by_prompt[record.prompt_id].append((at_s, e2e_ms, record.run))
    found = []
    for trials in by_prompt.values():
        middle_ms = median(e2e_ms for _, e2e_ms, _ in trials)
        found += [
            TrialShare(at_s=at_s, run=run, share=e2e_ms / middle_ms)
            for at_s, e2e_ms, run in trials
            if len(trials) > 1
        ]
    return found


def _moment(text: str) -> float | None:
    """Return seconds since 1970 of a time as ISO 8601; None if it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _over(
    slope: float | None,
    ends: tuple[float | None, float | None],
    n: int,
    duration_s: float,
) -> Drift:
    if slope is None:
        return Drift(n=n, duration_s=duration_s, reason="all began at one time")
    low, high = (None if end is None else end * duration_s for end in ends)
    reason = "" if low is not None else f"an interval needs more trials than {n}"
    change = slope * duration_s
    return Drift(
        n=n, duration_s=duration_s, change=change, low=low, high=high, reason=reason
    )


def warm_and_cold(records: Iterable[Record]) -> WarmAndCold:
    """Hold trials that found their model loaded against those that did not."""
    answered = [record for record in records if is_answered(record)]
    cold = [record for record in answered if _is_cold(record)]
    warm = [r for r in answered if not _is_cold(r) and r.is_resident is not None]
    return WarmAndCold(warm=_warmth(warm), cold=_warmth(cold))


def _is_cold(record: Record) -> bool:
    load_ms = record.timings.load_ms or 0.0
    return record.is_resident is False or load_ms >= _COLD_LOAD_MS


def _warmth(records: Sequence[Record]) -> Warmth:
    times = [record.timings for record in records]
    ttft = (less_load(t.ttft_ms, t.load_ms) for t in times)
    e2e = (less_load(t.e2e_ms, t.load_ms) for t in times)
    return Warmth(
        trials=len(records),
        ttft_ms=percentiles(value for value in ttft if value is not None),
        e2e_ms=percentiles(value for value in e2e if value is not None),
        load_ms=percentiles(t.load_ms for t in times if t.load_ms is not None),
    )
