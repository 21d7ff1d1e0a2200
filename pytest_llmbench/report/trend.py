"""A spec over time, in 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.report import numbers
from pytest_llmbench.report.lines import WIDTH, cut
from pytest_llmbench.report.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmbench.analysis.trend import Drift, Metric, Trend, TrendPoint

MAX_POINTS: Final = 20
"""Older ones are counted, not shown; the tests take them all."""

_MAX_CHANGED: Final = 10
NAMES: Final[Mapping[Metric, str]] = {
    "accuracy": "accuracy",
    "variance": "variance",
    "latency_p50_ms": "E2E p50",
}
_TESTS: Final = {
    "mann-kendall": "Mann and Kendall's test",
    "halves": "older against newer half",
}


def trend_lines(trend: Trend) -> list[str]:
    """Return the table of the newest runs, what changed in between, and the drifts."""
    shown = trend.points[-MAX_POINTS:]
    older = len(trend.points) - len(shown)
    lines = [plain(trend.spec), f"  suite {plain(trend.suite)}", ""]
    lines.append(
        "  began (UTC)       runs  accuracy  variance   E2E p50   E2E p95  decision"
    )
    if older:
        lines.append(f"  … {numbers.counted(older, 'older run')} of it")
    lines += [_row(point) for point in shown]
    changes = [point for point in shown if point.changed]
    lines += ["", *_changes(changes)] if changes else [""]
    return [*lines, *(line for drift in trend.drifts for line in drift_lines(drift))]


def _row(point: TrendPoint) -> str:
    mark = "*" if point.changed else " "
    return (
        f"{mark} {point.at[:16].replace('T', ' ')}  {point.runs:>4}"
        f"  {numbers.percent(point.accuracy):>8}"
        f"  {numbers.small(point.variance):>8}"
        f"  {numbers.milliseconds(point.latency_p50_ms):>8}"
        f"  {numbers.milliseconds(point.latency_p95_ms):>8}"
        f"  {plain(point.decision or numbers.NONE)}"
    ).rstrip()


def _changes(points: Sequence[TrendPoint]) -> Iterator[str]:
    """Say what the marked runs were measured under that the runs before were not."""
    yield "* measured under other conditions than the run before:"
    for point in points[-_MAX_CHANGED:]:
        head = f"  {point.at[:16].replace('T', ' ')}  "
        yield head + cut(plain(", ".join(point.changed)), WIDTH - len(head))


def drift_lines(drift: Drift) -> list[str]:
    """Return a metric's verdict: which way, how sure, by which tests."""
    name = f"  {NAMES[drift.metric]:<8}  "
    tests = [
        f"{_TESTS[test.name]} p = {test.p_value:.2g}{_how(test.method)}"
        for test in (drift.monotone, drift.halves)
        if test is not None
    ]
    return [
        f"{name}{drift_text(drift)}",
        *(f"{'':<12}{line}" for line in tests),
    ]


def drift_text(drift: Drift) -> str:
    """Return a metric's verdict in one line."""
    if drift.p_value is None:
        return f"no verdict: needs 5 runs, {drift.n} have it"
    word = f"drifts to the {drift.direction}" if drift.direction else "no drift shown"
    means = f"{_shown(drift, drift.older)} -> {_shown(drift, drift.newer)}"
    return f"{word}: {means} (halves of {drift.n} runs), p = {drift.p_value:.2g}"


def _how(method: str) -> str:
    return "" if method == "exact" else " (normal approximation)"


def _shown(drift: Drift, value: float | None) -> str:
    if drift.metric == "accuracy":
        return numbers.percent(value)
    if drift.metric == "variance":
        return numbers.small(value)
    return numbers.milliseconds(value)


def history_lines(
    name: str, counts: tuple[int, int], specs: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Return what a history holds: runs, cycles, and each spec with its newest run.

    Args:
        name: the database, for readers.
        counts: stored runs and cycles.
    """
    runs, cycles = counts
    held = f"{numbers.counted(runs, 'run')}, {numbers.counted(cycles, 'cycle')}"
    lines = [f"{plain(name)}: {held}"]
    if specs:
        lines += ["", "  stored  newest (UTC)      spec"]
    return lines + [
        f"  {each['jobs']:>6}  {each['at'][:16].replace('T', ' ')}"
        f"  {plain(each['spec'])}"
        for each in specs
    ]
