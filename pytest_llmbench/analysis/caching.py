"""Whether the server's prompt cache made repeats of a prompt look fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import asdict

from pytest_llmbench.analysis.trials import is_answered

if TYPE_CHECKING:
    from pytest_llmbench.analysis.trials import Grid
    from pytest_llmbench.runs.record import Record

SUSPECT_RATIO: Final = 0.5
"""A prefill below this share of the same prompt's run-1 prefill is flagged.

Noise of a warm server is well below a factor of two, and a prefix-cache hit
leaves a few tokens of hundreds to evaluate.
"""


class CacheNote(Struct, frozen=True, kw_only=True):
    """How many trials the prompt cache touched.

    Attributes:
        reported: the server said that it took prompt tokens from its cache.
        suspected: the server says nothing, and prefill was far below run 1's.
        trials: trials with a complete reply.
    """

    reported: int
    suspected: int
    trials: int

    def to_json(self) -> dict[str, int]:
        """Return the counts as plain JSON."""
        return asdict(self)


def cache_note(grid: Grid) -> CacheNote:
    """Count the trials whose prefill came from a cache, or looks like it."""
    trials = [record for record in grid if is_answered(record)]
    return CacheNote(
        reported=sum((_cached_tokens(trial) or 0) > 0 for trial in trials),
        suspected=sum(_is_suspect(grid, trial) for trial in trials),
        trials=len(trials),
    )


def _cached_tokens(record: Record) -> int | None:
    return record.reply.usage.cached_tokens if record.reply else None


def _is_suspect(grid: Grid, trial: Record) -> bool:
    first = grid.cells.get((trial.prompt_id, 1))
    if trial.run == 1 or first is None or _cached_tokens(trial) is not None:
        return False
    prefill_ms, first_ms = trial.timings.prefill_ms, first.timings.prefill_ms
    if prefill_ms is None or first_ms is None:
        return False
    return prefill_ms < SUSPECT_RATIO * first_ms
