"""The view in 80 columns of plain text; colour is an extra."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from pytest_llmbench.report.context import context_lines
from pytest_llmbench.report.lines import WIDTH, Line, cut, wrapped
from pytest_llmbench.report.overview import overview_lines
from pytest_llmbench.report.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmbench.report.view import GridRow, JobView, PatternView, RunView

_MAX_SPACED: Final = 31
"""Up to sixteen runs stand apart."""
_MAX_RUNS: Final = 36
_MAX_ROWS: Final = 40
_MAX_LABEL: Final = 24
_FILE_LABEL: Final = 10
_BAR: Final = 45
"""Characters of the longest latency bar."""
_INTERVAL: Final = len("95 % interval")
_COLOURS: Final = {"PROMOTE": "green", "HOLD": "yellow", "REJECT": "red"}


def terminal_lines(view: RunView, columns: int = WIDTH) -> list[Line]:
    """Return the summary, job by job, then a table, notes, gate and files.

    Args:
        columns: of the terminal; drawings are left out where it is too narrow.
    """
    slowest_ms = max((job.e2e_ms or 0.0 for job in view.jobs), default=0.0)
    slowest_ms *= columns >= WIDTH
    lines = [line for job in view.jobs for line in _job(job, slowest_ms)]
    lines += overview_lines([job.overview for job in view.jobs])
    for note in view.notes:
        lines += wrapped("note", note)
    for label, path in view.files:
        # A path is never broken: it is there to be copied.
        lines.append(Line(f"{label:<{_FILE_LABEL}}{path}"))
    if view.gate:
        colour = "green" if view.gate_is_met else "red"
        lines += [Line(), Line(view.gate, colour)]
    return lines


def _job(job: JobView, slowest_ms: float) -> Iterator[Line]:
    for part in wrap(job.spec, WIDTH, subsequent_indent="  ", break_on_hyphens=False):
        yield Line(part, "bold")
    yield from _grid(job)
    yield Line()
    yield from context_lines(job.context)
    yield from _patterns(job.patterns)
    yield from _failures(job.rows)
    for label, text in job.facts:
        yield from wrapped(label, text)
        if label == "E2E":
            yield from _latency_bar(job, slowest_ms)
    yield Line()
    if job.gates:
        yield from _gates(job)
    yield from _decision(job)
    yield Line()


def _latency_bar(job: JobView, slowest_ms: float) -> Iterator[Line]:
    """Draw the median reply: the slowest spec's bar is as long as the line has room.

    Args:
        slowest_ms: 0 where there is no room.
    """
    if not slowest_ms or not job.e2e_ms or job.ttft_ms is None:
        return
    width = max(1, round(_BAR * job.e2e_ms / slowest_ms))
    first = min(width, round(width * job.ttft_ms / job.e2e_ms))
    bar = "#" * first + "-" * (width - first)
    yield from wrapped("", f"{bar} (p50; #: TTFT)")


class _Columns(Struct, frozen=True):
    """How wide the grid's columns are; `cells` is what is left for the runs."""

    label: int
    passed: int
    cells: int


def _columns(rows: Sequence[GridRow], runs: int) -> _Columns:
    label = min(max([6, *(len(row.prompt_id) for row in rows)]), _MAX_LABEL)
    passed = max([6, *(len(row.passed) for row in rows)])
    pattern = max([0, *(len(_shown_pattern(row)) for row in rows)])
    room = WIDTH - 2 - (label + 2) - (passed + 2) - (_INTERVAL + 2) - (pattern + 2)
    spaced = 2 * runs - 1
    cells = spaced if spaced <= min(room, _MAX_SPACED) else min(runs, room)
    return _Columns(label, passed, max(cells, len(_runs_head(runs))))


def _grid(job: JobView) -> Iterator[Line]:
    rows = job.rows
    if len(rows) > _MAX_ROWS:
        rows = tuple(row for row in rows if not row.is_stable)[:_MAX_ROWS]
    runs = len(job.run_accuracies)
    columns = _columns(rows, runs)
    head = f"{_runs_head(runs):<{columns.cells}}  {'passed':>{columns.passed}}"
    yield Line(f"  {'prompt':<{columns.label}}  {head}  95 % interval")
    for row in rows:
        yield _grid_line(row, columns)
    if len(rows) < len(job.rows):
        hidden = f"{len(job.rows) - len(rows)} of {len(job.rows)} prompts not shown"
        yield Line(f"  ({hidden}: stable, or beyond {_MAX_ROWS} rows)")
    if runs > columns.cells:
        yield Line(f"  (+: runs {columns.cells}-{runs} not shown; summary.md has them)")
    if runs > 1:
        yield from _accuracies(job.run_accuracies)


def _runs_head(runs: int) -> str:
    return f"runs 1-{runs}" if runs > 1 else "run 1"


def _accuracies(accuracies: Sequence[str]) -> Iterator[Line]:
    shown = " ".join(accuracies[:_MAX_RUNS])
    cut = f", runs 1-{_MAX_RUNS}" if len(accuracies) > _MAX_RUNS else ""
    yield from wrapped("runs", f"{shown}  (accuracy in %{cut})")


def _grid_line(row: GridRow, columns: _Columns) -> Line:
    label = cut(row.prompt_id, columns.label)
    interval = f"{row.interval:>8}"
    text = (
        f"  {label:<{columns.label}}  {_cells(row.cells, columns.cells)}"
        f"  {row.passed:>{columns.passed}}  {interval:<{_INTERVAL}}"
        f"  {_shown_pattern(row)}"
    )
    return Line(text.rstrip(), "" if row.is_stable else "yellow")


def _shown_pattern(row: GridRow) -> str:
    return "" if row.is_stable else row.pattern


def _cells(cells: Sequence[str], width: int) -> str:
    spaced = " ".join(cells)
    if len(spaced) <= min(width, _MAX_SPACED):
        return f"{spaced:<{width}}"
    joined = "".join(cells)
    shown = joined if len(joined) <= width else joined[: width - 1] + "+"
    return f"{shown:<{width}}"


def _patterns(patterns: Sequence[PatternView]) -> Iterator[Line]:
    for pattern in patterns[:_MAX_ROWS]:
        who = ", ".join(pattern.prompt_ids)
        yield from wrapped(pattern.kind, f"{who}: {pattern.evidence}")
    if len(patterns) > _MAX_ROWS:
        yield Line(f"  ({len(patterns) - _MAX_ROWS} more in summary.md)")
    if patterns:
        yield Line()


def _failures(rows: Sequence[GridRow]) -> Iterator[Line]:
    """Name how prompts failed; those that failed alike share a line."""
    groups: dict[str, list[str]] = {}
    for row in rows:
        if row.failures:
            groups.setdefault(row.failures, []).append(row.prompt_id)
    for failures, ids in list(groups.items())[:_MAX_ROWS]:
        each = " each" if len(ids) > 1 else ""
        yield from wrapped("failed as", f"{', '.join(ids)}: {failures}{each}")
    if len(groups) > _MAX_ROWS:
        yield Line(f"  ({len(groups) - _MAX_ROWS} more in summary.md)")
    if groups:
        yield Line()


def _gates(job: JobView) -> Iterator[Line]:
    yield Line(f"  {'gate':<14}{'observed':<14}{'limit':<18}margin")
    for gate in job.gates:
        text = (
            f"  {gate.name:<14}{gate.observed:<14}{gate.limit:<18}{gate.margin:<14}"
            f"{gate.verdict}"
        )
        yield Line(text, "red" if gate.verdict.startswith("fail") else "")


def _decision(job: JobView) -> Iterator[Line]:
    if job.baseline:
        yield from wrapped("  baseline", job.baseline)
    for difference in job.differences:
        yield from wrapped("  differs", difference)
    text = f"{job.decision}: {plain(job.reason)}"
    for part in wrap(text, WIDTH - 4, subsequent_indent="  "):
        yield Line(f"  {part}", _COLOURS.get(job.decision, ""))
