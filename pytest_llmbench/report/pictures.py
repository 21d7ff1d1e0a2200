"""Which charts there are of a run; each is None where there is nothing to draw."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec.structs import replace

from pytest_llmbench.analysis.drift import shares_of_median
from pytest_llmbench.analysis.proportion import Proportion
from pytest_llmbench.report import charts, numbers
from pytest_llmbench.report.axes import Axis
from pytest_llmbench.report.charts import Bar, Chart, Point, Row, Series, Words
from pytest_llmbench.report.contextcurve import context_charts
from pytest_llmbench.report.rundata import JobData, e2e_ms, ttft_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_llmbench.analysis.context_curve import JobContext
    from pytest_llmbench.analysis.trend import Trend, TrendPoint
    from pytest_llmbench.runs.record import Record

_T = TypeVar("_T")

_MAX_POINTS: Final = 60
"""More runs than these are drawn in groups of as many runs each."""
_MAX_SERIES: Final = 12
_MAX_PAST: Final = 50
"""Stored runs in a drawing; older ones are in the tests for drift all the same."""
_WHOLE: Final = Axis(low=0.0, high=1.0)


def run_charts(jobs: Sequence[JobData]) -> Iterator[Chart]:
    """Yield every chart of one or more runs that has anything to show."""
    found = (
        accuracy(jobs),
        latency("TTFT", ttft_ms, jobs),
        latency("E2E", e2e_ms, jobs),
        shares(jobs),
        drift(jobs),
        *context(jobs),
    )
    yield from (chart for chart in found if chart is not None)


def accuracy(jobs: Sequence[JobData]) -> Chart | None:
    """Draw the accuracy of each run, each spec a line; intervals for one spec."""
    drawn = [job for job in jobs if job.summary.n][:_MAX_SERIES]
    series = [
        Series(name=job.label, points=tuple(_accuracies(job, len(drawn) == 1)))
        for job in drawn
    ]
    if not series:
        return None
    words = Words(
        title="Accuracy, run by run",
        description="Share of judged trials that passed, per run"
        + (", with Wilson's 95 % interval." if len(drawn) == 1 else ", per spec."),
        file_name="accuracy",
        x="run",
    )
    x = Axis.over_counts(_places(series))
    return charts.lines(words, series, _WHOLE, unit="share", x=x)


def _accuracies(job: JobData, has_ends: bool) -> Iterator[Point]:  # noqa: FBT001 - one fact
    runs = [run for run in job.summary.runs if run.share.n]
    for group in _groups(runs):
        share = Proportion(
            hits=sum(run.share.hits for run in group),
            n=sum(run.share.n for run in group),
        )
        ends = (share.low, share.high) if has_ends else (None, None)
        yield Point(x=group[0].run, y=share.value or 0.0, low=ends[0], high=ends[1])


def latency(
    word: str, of: Callable[[Record], float | None], jobs: Sequence[JobData]
) -> Chart | None:
    """Draw the distribution of one time over complete replies, spec by spec."""
    rows = []
    for job in jobs:
        times = tuple(t for t in map(of, job.answered()) if t is not None)
        series = getattr(job.summary.latency, f"{word.lower()}_ms")
        if times:
            rows.append(
                Row(name=job.label, values=times, p50=series.p50, p95=series.p95)
            )
    if not rows:
        return None
    words = Words(
        title=f"{word}, spec by spec",
        description=f"Histogram of {word} less model load over complete replies; the"
        " height grows with the root of the count. Solid: p50; dashed: p95.",
        file_name=word.lower(),
        x=f"{word}, model load set aside",
    )
    return charts.distributions(words, rows)


def shares(jobs: Sequence[JobData]) -> Chart | None:
    """Draw where the time of a reply goes: load, first token, the rest."""
    bars = []
    for job in jobs:
        found = job.summary.latency
        if found.ttft_ms.p50 is not None and found.e2e_ms.p50 is not None:
            first = min(found.ttft_ms.p50, found.e2e_ms.p50)
            bars.append(Bar(name=job.label, parts=(first, found.e2e_ms.p50 - first)))
    if not bars:
        return None
    words = Words(
        title="Where the time goes",
        description="Medians over complete replies, model load set aside.",
        file_name="time_parts",
        x="time of a reply",
    )
    return charts.stacked(words, ("until the first token", "from there on"), bars)


def drift(jobs: Sequence[JobData]) -> Chart | None:
    """Draw E2E run by run: does the model get slower as it goes on?"""
    series = []
    for job in jobs[:_MAX_SERIES]:
        points = tuple(_medians(job))
        if len(points) > 1:
            series.append(Series(name=job.label, points=points))
    if not series:
        return None
    words = Words(
        title="E2E over the run's length",
        description="Each complete reply's E2E, model load set aside, by the median of"
        " its prompt; the median of each run.",
        file_name="drift",
        x="run",
    )
    values = [point.y for one in series for point in one.points]
    x = Axis.over_counts(_places(series))
    return charts.lines(words, series, Axis.of([0.0, *values]), unit="share", x=x)


def _medians(job: JobData) -> Iterator[Point]:
    by_run: defaultdict[int, list[float]] = defaultdict(list)
    for one in shares_of_median(job.grid):
        by_run[one.run].append(one.share)
    for group in _groups(list(range(1, job.grid.runs + 1))):
        shares = [share for run in group for share in by_run[run]]
        if shares:
            yield Point(x=group[0], y=median(shares))


def past(name: str, trend: Trend | None) -> Chart | None:
    """Draw a spec's accuracy over its stored runs, oldest first, decisions marked."""
    known = [p for p in trend.points if p.accuracy is not None] if trend else []
    shown = known[-_MAX_PAST:]
    if len(shown) < 2:  # noqa: PLR2004 - the run itself is no history
        return None
    points = tuple(
        Point(x=number, y=one.accuracy or 0.0, mark=one.decision or "")
        for number, one in enumerate(shown, 1)
    )
    older = f" of {len(known)}, the newest {len(shown)}" if known != shown else ""
    words = Words(
        title=f"{name}: accuracy over time",
        description=f"Median accuracy of each stored run{older}, oldest first. The"
        " letter is the decision: P PROMOTE, H HOLD, R REJECT; none where it was the"
        " baseline.",
        file_name="history",
        x="stored run, oldest first",
    )
    x = Axis.over_counts([point.x for point in points])
    series = [Series(name="accuracy", points=points)]
    drawn = charts.lines(words, series, _WHOLE, unit="share", x=x)
    head = ("run", "accuracy", "variance", "E2E p50", "decision", "other conditions")
    return replace(drawn, head=head, rows=tuple(map(_past_row, shown)))


def _past_row(one: TrendPoint) -> tuple[str, ...]:
    return (
        one.run_id,
        numbers.percent(one.accuracy),
        numbers.small(one.variance),
        numbers.milliseconds(one.latency_p50_ms),
        one.decision or numbers.NONE,
        ", ".join(one.changed),
    )


def context(jobs: Sequence[JobData]) -> list[Chart]:
    """Draw the curves of the jobs whose prompts have lengths."""
    parts = context_parts(jobs)
    return list(context_charts(parts)) if parts else []


def context_parts(jobs: Sequence[JobData]) -> list[tuple[str, JobContext]]:
    """Return label and curves of each job whose prompts have lengths."""
    found = ((job.label, job.summary.context) for job in jobs)
    return [(label, context) for label, context in found if context is not None]


def _groups(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    size = -(-len(items) // _MAX_POINTS) or 1
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _places(series: Sequence[Series]) -> list[float]:
    return [point.x for one in series for point in one.points]
