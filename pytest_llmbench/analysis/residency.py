"""Whether the model was in memory when a run began."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from pytest_llmbench.analysis.evidence import seconds_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_llmbench.analysis.trials import Grid
    from pytest_llmbench.runs.record import Record

LOAD_RATIO: Final = 10
"""A load this many times the later calls' is a load from disk.

Ollama's load time is never 0: a resident model shows some 10 to 150 ms.
"""


class Residency(Struct, frozen=True, kw_only=True):
    """What was seen of the model's loading when one run began.

    Attributes:
        run: counted from 1.
        is_resident: what the server showed before the run's first call; None
            where it could not tell.
        load_ms: the longest load of the run.
        later_load_ms: the median load of all calls of later runs.
    """

    run: int
    is_resident: bool | None = None
    load_ms: float | None = None
    later_load_ms: float | None = None

    @property
    def has_long_load(self) -> bool:
        """Whether the run's load is at least `LOAD_RATIO` times the later ones."""
        if not self.load_ms or self.later_load_ms is None:
            return False
        return self.load_ms >= LOAD_RATIO * self.later_load_ms

    @property
    def was_cold(self) -> bool:
        """Whether the model was seen not resident."""
        return self.is_resident is False or self.has_long_load

    @property
    def text(self) -> str:
        """What speaks for a cold model, or that it was resident."""
        parts = []
        if self.is_resident is not None:
            word = "resident" if self.is_resident else "not resident"
            parts.append(f"model {word} when run {self.run} began")
        if self.has_long_load and self.load_ms and self.later_load_ms is not None:
            load, later = seconds_text(self.load_ms), seconds_text(self.later_load_ms)
            parts.append(f"load {load} against {later} later")
        return "; ".join(parts)


def residency_at(grid: Grid, run: int) -> Residency:
    """Gather what the records say of the model's loading when a run began."""
    trials = sorted(grid.in_run(run), key=lambda record: record.started_at)
    seen = (trial.is_resident for trial in trials if trial.is_resident is not None)
    loads = _loads(trials)
    later = _loads(record for record in grid if record.run > run)
    return Residency(
        run=run,
        is_resident=next(seen, None),
        load_ms=max(loads, default=None),
        later_load_ms=median(later) if later else None,
    )


def _loads(records: Iterable[Record]) -> list[float]:
    loads = (record.timings.load_ms for record in records)
    return [load for load in loads if load is not None]
