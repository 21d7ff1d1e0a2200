"""Where a slow reply's time goes: before the first token, or throughout."""

from __future__ import annotations

from collections import defaultdict
from math import sqrt
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct, field

from pytest_llmbench.analysis.latency import less_load
from pytest_llmbench.analysis.trials import is_answered

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_llmbench.runs.record import Record

SlowWord = Literal["start", "throughout", "mixed"]
"""Where the time goes, in a word."""

MIN_TRIALS: Final = 10
"""Of fewer trials a rank correlation is chance: its standard error without any
correlation is 1 / sqrt(n - 1), a third at 10."""

HALF: Final = 0.5


class Slowness(Struct, frozen=True, kw_only=True):
    """Time before the first token against the whole, over complete replies.

    Conversations of several replies are left out, whose TTFT is the first one's. So
    are replies without a TTFT.

    Attributes:
        n: trials behind the figures.
        start_share: median of TTFT / E2E, both less load; None where n is 0.
        rank_correlation: Spearman's, of TTFT and E2E; None below `MIN_TRIALS`, or
            where all of either are equal.
        verdict: `start`: at least half of the time passes before the first token,
            and trials that start late end late (correlation at least 0.5).
            `throughout`: less than half, and the correlation is below 0.5.
            `mixed`: the two disagree. None without a correlation.
        reason: why there is no verdict; empty where there is one.
    """

    n: int
    start_share: float | None = None
    rank_correlation: float | None = None
    verdict: SlowWord | None = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain JSON."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


class JobSlowness(Struct, frozen=True, kw_only=True):
    """Where the time goes: over all trials, and prompt by prompt.

    Attributes:
        prompts: by prompt id, in suite order.
    """

    whole: Slowness
    prompts: Mapping[str, Slowness] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return all figures as plain JSON."""
        prompts = [
            {"prompt_id": name, **one.to_json()} for name, one in self.prompts.items()
        ]
        return {**self.whole.to_json(), "prompts": prompts}


def job_slowness(records: Iterable[Record], prompt_ids: Sequence[str]) -> JobSlowness:
    """Say of a job and of each of its prompts where the time goes."""
    by_prompt: defaultdict[str, list[Record]] = defaultdict(list)
    trials = list(records)
    for trial in trials:
        by_prompt[trial.prompt_id].append(trial)
    return JobSlowness(
        whole=slowness(trials),
        prompts={name: slowness(by_prompt[name]) for name in prompt_ids},
    )


def slowness(records: Iterable[Record]) -> Slowness:
    """Say of some trials where the time goes."""
    pairs = [pair for pair in map(_pair, records) if pair is not None]
    if not pairs:
        return Slowness(n=0, reason=f"needs n >= {MIN_TRIALS}, n is 0")
    n, share = len(pairs), median(ttft / e2e for ttft, e2e in pairs)
    if n < MIN_TRIALS:
        reason = f"needs n >= {MIN_TRIALS}, n is {n}"
        return Slowness(n=n, start_share=share, reason=reason)
    rho = spearman([ttft for ttft, _ in pairs], [e2e for _, e2e in pairs])
    if rho is None:
        reason = "all TTFT or all E2E are equal"
        return Slowness(n=n, start_share=share, reason=reason)
    is_late = share >= HALF
    word: SlowWord = "start" if is_late else "throughout"
    verdict = word if is_late == (rho >= HALF) else "mixed"
    return Slowness(n=n, start_share=share, rank_correlation=rho, verdict=verdict)


def _pair(record: Record) -> tuple[float, float] | None:
    """Return TTFT and E2E less load, in ms; None where they don't tell."""
    timings = record.timings
    ttft_ms = less_load(timings.ttft_ms, timings.load_ms)
    e2e_ms = less_load(timings.e2e_ms, timings.load_ms)
    is_single = record.reply is not None and record.reply.parts == 1
    if not is_answered(record) or not is_single or ttft_ms is None or not e2e_ms:
        return None
    return min(ttft_ms, e2e_ms), e2e_ms


def spearman(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation; ties get the mean of their ranks.

    It is Pearson's correlation of the ranks, which holds with ties too. Source:
    C. Spearman, "The Proof and Measurement of Association between Two Things",
    American Journal of Psychology 15 (1904), 72-101.

    >>> spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7])
    0.8207826816681233

    Args:
        ys: as many as xs, pair by pair.

    Returns:
        From -1 to 1; None where all of either are equal, or there is no pair.
    """
    if len(set(xs)) < 2 or len(set(ys)) < 2:  # noqa: PLR2004 - two differ
        return None
    x_ranks, y_ranks = _ranks(xs), _ranks(ys)
    middle = fmean(x_ranks)  # of both
    products = sum(
        (x - middle) * (y - middle) for x, y in zip(x_ranks, y_ranks, strict=True)
    )
    x_square = sum((x - middle) ** 2 for x in x_ranks)
    y_square = sum((y - middle) ** 2 for y in y_ranks)
    return max(-1.0, min(1.0, products / sqrt(x_square * y_square)))


def _ranks(values: Sequence[float]) -> list[float]:
    """Rank values from 1; equal ones share the mean of their places."""
    places: defaultdict[float, list[int]] = defaultdict(list)
    for place, value in enumerate(sorted(values), 1):
        places[value].append(place)
    return [fmean(places[value]) for value in values]
