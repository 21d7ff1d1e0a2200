"""Charts of times, rate and adherence by the length of the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from pytest_llmbench.analysis.context_curve import PER
from pytest_llmbench.analysis.proportion import Proportion
from pytest_llmbench.report import charts, numbers
from pytest_llmbench.report.axes import Axis
from pytest_llmbench.report.charts import Chart, Point, Series, Words
from pytest_llmbench.report.context import fall_text, slope_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmbench.analysis.context_curve import ContextCurve, JobContext
    from pytest_llmbench.analysis.lines import Fit
    from pytest_llmbench.report.charts import Unit

_MAX_SERIES: Final = 12


class _Kind(Struct, frozen=True, kw_only=True):
    """One chart.

    Attributes:
        key: which figure of a length's point it draws.
        fit: which line of the curve goes through it; empty for none.
    """

    key: str
    fit: str = ""
    title: str
    description: str
    unit: Unit


_KINDS: Final = (
    _Kind(
        key="ttft_ms",
        fit="ttft",
        title="TTFT by prompt length",
        description="Median TTFT less model load.",
        unit="ms",
    ),
    _Kind(
        key="prefill_ms",
        fit="prefill",
        title="Prefill by prompt length",
        description="Median of the server's prompt evaluation.",
        unit="ms",
    ),
    _Kind(
        key="e2e_ms",
        fit="e2e",
        title="E2E by prompt length",
        description="Median E2E less model load.",
        unit="ms",
    ),
    _Kind(
        key="output_tokens_per_s",
        title="Tokens per second by prompt length",
        description="Median decode rate.",
        unit="tokens_per_s",
    ),
    _Kind(
        key="adherence",
        title="Constraint adherence by prompt length",
        description="Complete answers for which every expectation holds, with"
        " Wilson's 95 % interval.",
        unit="share",
    ),
)


def context_charts(parts: Sequence[tuple[str, JobContext]]) -> Iterator[Chart]:
    """Yield the charts of some jobs' curves, by the jobs' labels.

    Of several jobs each has a line; of one, each of its prompts, and beside them the
    line that was fitted to the trials of all.
    """
    curves = _curves(parts)[:_MAX_SERIES]
    lengths = [point.tokens for _, curve in curves for point in curve.points]
    for kind in _KINDS:
        series = [
            Series(name=name, points=points)
            for name, curve in curves
            if (points := tuple(_points(curve, kind.key)))
        ]
        if series and len(parts) == 1:
            series += _fitted(parts[0][1].whole, kind)
        if series:
            yield _chart(kind, series, lengths)


def slope_rows(parts: Sequence[tuple[str, JobContext]]) -> Iterator[tuple[str, ...]]:
    """Yield name, slopes of TTFT, prefill and E2E, and where adherence falls."""
    for label, context in parts:
        prompts = context.prompts if len(context.prompts) > 1 else ()
        for curve in (context.whole, *prompts):
            name = f"{label} {curve.prompt_id}" if curve.prompt_id else label
            slopes = map(_slope, (curve.ttft, curve.prefill, curve.e2e))
            fall = fall_text(curve.falls_at) if curve.falls_at else numbers.NONE
            yield name, *slopes, fall


def _slope(line: Fit) -> str:
    return numbers.NONE if line.slope is None else slope_text(line)


def _curves(
    parts: Sequence[tuple[str, JobContext]],
) -> list[tuple[str, ContextCurve]]:
    prompts = parts[0][1].prompts
    if len(parts) > 1 or len(prompts) < 2:  # noqa: PLR2004 - one is the whole
        return [(label, context.whole) for label, context in parts]
    return [(curve.prompt_id, curve) for curve in prompts]


def _points(curve: ContextCurve, key: str) -> Iterator[Point]:
    for point in curve.points:
        figure, length = getattr(point, key), point.counted_tokens or point.tokens
        if isinstance(figure, Proportion):
            if figure.value is not None:
                low, high = figure.low, figure.high
                yield Point(x=length, y=figure.value, low=low, high=high)
        elif figure.p50 is not None:
            yield Point(x=length, y=figure.p50)


def _fitted(curve: ContextCurve, kind: _Kind) -> Iterator[Series]:
    """Yield the line from the shortest to the longest length, where there is one."""
    line: Fit | None = getattr(curve, kind.fit) if kind.fit else None
    if line is None or line.slope is None or line.intercept is None:
        return
    lengths = [p.counted_tokens or p.tokens for p in curve.points if p.n]
    points = tuple(
        Point(x=length, y=line.intercept + line.slope * length / PER)
        for length in (min(lengths), max(lengths))
    )
    name = f"line: {numbers.digits(line.slope)} ms per 1,000 tokens"
    yield Series(name=name, points=points, is_fit=True)


def _chart(kind: _Kind, series: Sequence[Series], lengths: Sequence[float]) -> Chart:
    """Draw one figure: times on a linear axis, where a line is a line."""
    is_log = not kind.fit
    words = Words(
        title=kind.title,
        description=kind.description,
        file_name=f"context_{kind.key.removesuffix('_ms')}",
        x=f"prompt tokens by the server's count{', log scale' * is_log}",
    )
    values = [point.y for one in series for point in one.points]
    y = Axis(low=0.0, high=1.0) if kind.unit == "share" else Axis.of([0.0, *values])
    places = [point.x for one in series for point in one.points]
    x = Axis.over_lengths(places, lengths, is_log=is_log)
    return charts.lines(words, series, y, unit=kind.unit, x=x)
