"""Latency and adherence against the length of the prompt, as the server counts it."""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from pytest_llmbench.analysis.failures import failure_modes
from pytest_llmbench.analysis.latency import decode_rate, less_load
from pytest_llmbench.analysis.lines import Fit, Point, fit
from pytest_llmbench.analysis.percentiles import Percentiles, percentiles
from pytest_llmbench.analysis.proportion import Proportion
from pytest_llmbench.analysis.trials import is_answered
from pytest_llmbench.prompts.context import TOLERANCE, split_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_llmbench.checks.verdict import FailureMode
    from pytest_llmbench.runs.record import Outcome, Record

ENOUGH: Final = 0.8
"""Adherence below this share of answers has fallen."""

FORM_MODES: Final = frozenset({"format_drift", "truncated", "empty"})
"""Failure modes of answers that have not kept their form."""

PER: Final = 1000
"""Slopes are in ms per so many tokens."""


class LengthPoint(Struct, frozen=True, kw_only=True):
    """All trials of one length; times are in ms, less load.

    Attributes:
        tokens: the length in the suite file.
        counted_tokens: the median of the server's counts; None if it told none.
        n: complete replies.
        outcomes: trials per outcome, those that there are.
        prefill_ms: prompt evaluation, as the server gave it.
        prefill_tokens_per_s: of these, and of counted tokens.
        output_tokens_per_s: decode rate, (tokens - 1) / decode time.
        adherence: complete answers for which every expectation holds.
        in_form: those that failed, if at all, by content and not by form.
        drifted: right content in a wrong form: prose or a fence around it.
        failure_modes: failed trials by mode, the commonest first.
    """

    tokens: int
    counted_tokens: float | None
    n: int
    outcomes: Mapping[Outcome, int]
    ttft_ms: Percentiles
    prefill_ms: Percentiles
    e2e_ms: Percentiles
    prefill_tokens_per_s: Percentiles
    output_tokens_per_s: Percentiles
    adherence: Proportion
    in_form: Proportion
    drifted: Proportion
    failure_modes: Mapping[FailureMode, int]

    @property
    def is_reached(self) -> bool | None:
        """Whether the server counted what was asked for; None if it told nothing."""
        if self.counted_tokens is None:
            return None
        return abs(self.counted_tokens - self.tokens) <= TOLERANCE * self.tokens

    def to_json(self) -> dict[str, Any]:
        """Return the point as plain JSON."""
        return {
            "tokens": self.tokens,
            "counted_tokens": self.counted_tokens,
            "is_reached": self.is_reached,
            "n": self.n,
            "outcomes": dict(self.outcomes),
            "ttft_ms": self.ttft_ms.to_json(),
            "prefill_ms": self.prefill_ms.to_json(),
            "e2e_ms": self.e2e_ms.to_json(),
            "prefill_tokens_per_s": self.prefill_tokens_per_s.to_json(),
            "output_tokens_per_s": self.output_tokens_per_s.to_json(),
            "adherence": self.adherence.to_json(),
            "in_form": self.in_form.to_json(),
            "drifted": self.drifted.to_json(),
            "failure_modes": dict(self.failure_modes),
        }


class Fall(Struct, frozen=True, kw_only=True):
    """The shortest length at which adherence is below `ENOUGH`.

    Attributes:
        is_certain: the whole interval lies below.
    """

    tokens: int
    adherence: Proportion
    is_certain: bool

    def to_json(self) -> dict[str, Any]:
        """Return the fall as plain JSON."""
        return {
            "tokens": self.tokens,
            "adherence": self.adherence.to_json(),
            "is_certain": self.is_certain,
        }


class ContextCurve(Struct, frozen=True, kw_only=True):
    """One prompt over its lengths, or all prompts together.

    Attributes:
        prompt_id: as in the suite file; empty for all together.
        points: the shortest length first.
        ttft: TTFT in ms by 1,000 counted tokens, less load.
        prefill: the same of the server's prompt evaluation.
        e2e: the same to the last byte.
        falls_at: None where adherence stays.
    """

    prompt_id: str
    points: tuple[LengthPoint, ...]
    ttft: Fit
    prefill: Fit
    e2e: Fit
    falls_at: Fall | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the curve as plain JSON."""
        return {
            "prompt_id": self.prompt_id,
            "points": [point.to_json() for point in self.points],
            "ttft": self.ttft.to_json(),
            "prefill": self.prefill.to_json(),
            "e2e": self.e2e.to_json(),
            "falls_at": self.falls_at and self.falls_at.to_json(),
        }


class JobContext(Struct, frozen=True, kw_only=True):
    """What the lengths of a job's prompts show.

    Attributes:
        prompts: in suite order.
    """

    whole: ContextCurve
    prompts: tuple[ContextCurve, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return all curves as plain JSON."""
        prompts = [curve.to_json() for curve in self.prompts]
        return {**self.whole.to_json(), "prompts": prompts}


def job_context(
    records: Iterable[Record], prompt_ids: Sequence[str]
) -> JobContext | None:
    """Return the curves of a job's prompts; None where none has lengths.

    Args:
        prompt_ids: the planned prompts; lengths are read from them.
    """
    by_prompt: defaultdict[str, list[tuple[int, Record]]] = defaultdict(list)
    lengths: defaultdict[str, list[int]] = defaultdict(list)
    for prompt_id in prompt_ids:
        name, tokens = split_id(prompt_id)
        if tokens is not None:
            lengths[name].append(tokens)
    for record in records:
        name, tokens = split_id(record.prompt_id)
        if tokens is not None:
            by_prompt[name].append((tokens, record))
    if not lengths:
        return None
    every = sorted({tokens for group in lengths.values() for tokens in group})
    together = [pair for name in lengths for pair in by_prompt[name]]
    return JobContext(
        whole=_curve("", together, every),
        prompts=tuple(
            _curve(name, by_prompt[name], sorted(group))
            for name, group in lengths.items()
        ),
    )


def _curve(
    prompt_id: str, trials: Sequence[tuple[int, Record]], lengths: Sequence[int]
) -> ContextCurve:
    points = tuple(
        _point(tokens, [record for length, record in trials if length == tokens])
        for tokens in lengths
    )
    return ContextCurve(
        prompt_id=prompt_id,
        points=points,
        ttft=_fit(trials, lambda r: less_load(r.timings.ttft_ms, r.timings.load_ms)),
        prefill=_fit(trials, lambda r: r.timings.prefill_ms),
        e2e=_fit(trials, lambda r: less_load(r.timings.e2e_ms, r.timings.load_ms)),
        falls_at=_fall(points),
    )


def _fit(
    trials: Iterable[tuple[int, Record]], value: Callable[[Record], float | None]
) -> Fit:
    """Fit a value of complete replies by thousands of counted tokens."""
    points = [
        Point(counted / PER, y, tokens)
        for tokens, record in trials
        if is_answered(record)
        and (counted := _counted(record))
        and (y := value(record)) is not None
    ]
    return fit(points)


def _point(tokens: int, records: Sequence[Record]) -> LengthPoint:
    answered = [record for record in records if is_answered(record)]
    counts = [count for record in answered if (count := _counted(record))]
    rates = (decode_rate(record.reply) for record in answered if record.reply)
    modes = failure_modes(records)
    times = [record.timings for record in answered]
    return LengthPoint(
        tokens=tokens,
        counted_tokens=median(counts) if counts else None,
        n=len(answered),
        outcomes=dict(Counter(record.outcome for record in records)),
        ttft_ms=_given(less_load(t.ttft_ms, t.load_ms) for t in times),
        prefill_ms=_given(t.prefill_ms for t in times),
        e2e_ms=_given(less_load(t.e2e_ms, t.load_ms) for t in times),
        prefill_tokens_per_s=_given(map(_prefill_rate, answered)),
        output_tokens_per_s=percentiles(r.tokens_per_s for r in rates if r),
        adherence=_share(answered, lambda record: record.outcome == "pass"),
        in_form=_share(answered, lambda record: record.failure_mode not in FORM_MODES),
        drifted=_share(answered, lambda r: r.failure_mode == "format_drift"),
        failure_modes=modes,
    )


def _share(records: Sequence[Record], holds: Callable[[Record], bool]) -> Proportion:
    return Proportion(hits=sum(map(holds, records)), n=len(records))


def _fall(points: Iterable[LengthPoint]) -> Fall | None:
    for point in points:
        share = point.adherence
        if share.value is not None and share.value < ENOUGH:
            high = share.high
            is_certain = high is not None and high < ENOUGH
            return Fall(tokens=point.tokens, adherence=share, is_certain=is_certain)
    return None


def _counted(record: Record) -> int | None:
    """Return what the server counted; cut prompts are no answers and not asked for."""
    return record.reply.usage.prompt_tokens if record.reply else None


def _prefill_rate(record: Record) -> float | None:
    counted, prefill_ms = _counted(record), record.timings.prefill_ms
    return counted / (prefill_ms / PER) if counted and prefill_ms else None


def _given(values: Iterable[float | None]) -> Percentiles:
    return percentiles(value for value in values if value is not None)
