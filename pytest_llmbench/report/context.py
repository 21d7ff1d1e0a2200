"""What is shown of prompts' lengths: a table by length, slopes, what was counted."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from pytest_llmbench.report import numbers
from pytest_llmbench.report.lines import Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_llmbench.analysis.context_curve import (
        ContextCurve,
        Fall,
        JobContext,
        LengthPoint,
    )
    from pytest_llmbench.analysis.drift import Drift, WarmAndCold
    from pytest_llmbench.analysis.fitting import Beyond
    from pytest_llmbench.analysis.lines import Fit
    from pytest_llmbench.analysis.percentiles import Percentiles
    from pytest_llmbench.analysis.proportion import Proportion

HEAD: Final = (
    *("prompt", "length", "counted", "n", "TTFT p50", "TTFT p95", "prefill p50"),
    *("E2E p50", "E2E p95", "tokens/s", "adherence", "drifted"),
)
"""Columns of the table in summary.md; times are less load, the rate is the decode's."""

_SHORT: Final = ("length", "counted", "n", "TTFT", "prefill", "E2E", "tok/s")
_SHORT_CELLS: Final = (1, 2, 3, 4, 6, 7, 9, 10)
_WIDTHS: Final = (9, 9, 5, 9, 9, 9, 7)
_ALL: Final = "all"
_SHAPES: Final[Mapping[str | None, str]] = {
    "linear": ", linear",
    "worse": ", worse than linear",
    "better": ", better than linear",
    None: "",
}


class ContextView(Struct, frozen=True, kw_only=True):
    """Latency and adherence by length as text cells; see `HEAD`.

    Attributes:
        whole: one row per length, over all prompts.
        rows: these, and each prompt's where there are several.
    """

    whole: tuple[tuple[str, ...], ...]
    rows: tuple[tuple[str, ...], ...]


def context_view(context: JobContext | None) -> ContextView | None:
    """Turn a job's curves into text cells; None where there are none."""
    if context is None:
        return None
    whole = tuple(_cells(_ALL, point) for point in context.whole.points)
    curves = context.prompts if len(context.prompts) > 1 else ()
    rows = [_cells(c.prompt_id, point) for c in curves for point in c.points]
    return ContextView(whole=whole, rows=(*whole, *rows))


def context_lines(view: ContextView | None) -> Iterator[Line]:
    """Lay the table over all prompts out in 80 columns."""
    if view is None:
        return
    yield Line(_laid_out((*_SHORT, "adherence")))
    for row in view.whole:
        yield Line(_laid_out([row[place] for place in _SHORT_CELLS]))
    yield Line()


def _laid_out(cells: Sequence[str]) -> str:
    shown = (f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=False))
    return f"{''.join(shown)}  {cells[-1]}"


def _cells(name: str, point: LengthPoint) -> tuple[str, ...]:
    counted = point.counted_tokens
    rate = point.output_tokens_per_s.p50
    return (
        name,
        f"{point.tokens:,}",
        numbers.NONE if counted is None else f"{counted:,.0f}",
        str(point.n),
        _ms(point.ttft_ms.p50),
        _ms(point.ttft_ms.p95),
        _ms(point.prefill_ms.p50),
        _ms(point.e2e_ms.p50),
        _ms(point.e2e_ms.p95),
        numbers.NONE if rate is None else f"{rate:.1f}",
        _adherence(point),
        _share(point.drifted) if point.n else numbers.NONE,
    )


def _adherence(point: LengthPoint) -> str:
    if point.n:
        return _share(point.adherence)
    told = (f"{count} {word}" for word, count in point.outcomes.items())
    return ", ".join(told) or numbers.NONE


def _share(share: Proportion) -> str:
    ends = numbers.interval(share.low, share.high)
    return f"{numbers.percent(share.value)} ({ends})"


def _ms(value: float | None) -> str:
    return numbers.milliseconds(value)


def context_facts(context: JobContext | None) -> Iterator[tuple[str, str]]:
    """Show how times grow by length, and where adherence falls."""
    if context is None:
        return
    for word, line in (
        ("TTFT by length", context.whole.ttft),
        ("prefill", context.whole.prefill),
        ("E2E by length", context.whole.e2e),
    ):
        if line.slope is not None:
            yield word, slope_text(line)
    for curve in context.prompts:
        yield from _fall(curve)


def beyond_facts(fit: str, beyond: Mapping[str, Beyond]) -> Iterator[tuple[str, str]]:
    """Say which prompts the model has no room for, and why."""
    if not fit:
        return
    yield "fit", fit
    names: defaultdict[str, list[str]] = defaultdict(list)
    for prompt_id, one in beyond.items():
        names[one.reason].append(prompt_id)
    for reason, ids in names.items():
        yield "beyond context", f"skipped {', '.join(ids)}: {reason}"


def slope_text(line: Fit) -> str:
    """Show a slope with its interval, and whether it is one all along."""
    ends = "no interval"
    if line.low is not None and line.high is not None:
        low, high = numbers.digits(line.low), numbers.digits(line.high)
        ends = f"95 %: {low} to {high}"
    slope = numbers.digits(line.slope)
    shape = _SHAPES[line.shape]
    return f"{slope} ms per 1,000 tokens ({ends}, n={line.n}){shape}"


def _fall(curve: ContextCurve) -> Iterator[tuple[str, str]]:
    if curve.falls_at is not None:
        yield "adherence", f"{curve.prompt_id} {fall_text(curve.falls_at)}"


def fall_text(fall: Fall) -> str:
    """Say from which length on adherence is low, and how sure that is."""
    from pytest_llmbench.analysis.context_curve import ENOUGH  # loaded by now

    limit = numbers.percent(ENOUGH)
    share = fall.adherence
    doubt = "" if fall.is_certain else f"; {limit} is in its interval"
    told = f"below {limit} from {fall.tokens:,} tokens on"
    counts = f"{share.hits}/{share.n}, {numbers.interval(share.low, share.high)}"
    return f"{told}: {counts}{doubt}"


def course_facts(drift: Drift, warmth: WarmAndCold) -> Iterator[tuple[str, str]]:
    """Show what the run's course did to latency, where it did anything."""
    if drift.is_real:
        yield "drift", f"E2E {drift_text(drift)}"
    if warmth.cold.trials and warmth.warm.trials:
        cold, warm = _series(warmth.cold.ttft_ms), _series(warmth.warm.ttft_ms)
        yield "cold, warm", f"TTFT p50 {cold} after a load, {warm} without; load apart"


def drift_text(drift: Drift) -> str:
    """Show by how much E2E changes over a run; why that is not known, if it isn't."""
    if drift.change is None or drift.duration_s is None:
        return drift.reason
    over = f"over {drift.duration_s:.0f} s (n={drift.n})"
    word = "rises" if drift.change > 0 else "falls"
    change = f"{word} by {numbers.percent(abs(drift.change))}"
    if drift.low is None or drift.high is None:
        return f"{change} {over}: {drift.reason}"
    if not drift.is_real:
        low, high = (f"{numbers.points(end)} %" for end in (drift.low, drift.high))
        return f"no change shown: {low} to {high} {over}"
    ends = sorted((drift.low, drift.high), key=abs)
    shown = " to ".join(numbers.percent(abs(end)) for end in ends)
    return f"{change} ({shown}) {over}"


def _series(series: Percentiles) -> str:
    return f"{numbers.milliseconds(series.p50)} (n={series.n})"


def context_notes(
    calibrations: Iterable[Mapping[str, Any]], contexts: Iterable[JobContext | None]
) -> Iterator[str]:
    """Say what was asked to see what models count, and which lengths were missed."""
    by_model: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for one in calibrations:
        by_model[one["model"]].append(one)
    for model, calls in by_model.items():
        told = numbers.counted(len(calls), "small call")
        silent = any(call["counted_tokens"] is None for call in calls)
        lost = "; its server counts nothing, so lengths are a guess" if silent else ""
        yield f"{told} showed what {model} counts; they are no trials{lost}"
    for context in contexts:
        yield from _missed(context)


def _missed(context: JobContext | None) -> Iterator[str]:
    for curve in context.prompts if context else ():
        for point in curve.points:
            if point.is_reached is False and point.counted_tokens is not None:
                name = f"{curve.prompt_id} at {point.tokens:,} tokens"
                yield f"{name}: the server counted {point.counted_tokens:,.0f}"
