"""The view in 80 columns of plain text; colour is an extra."""

from __future__ import annotations

import re
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmbench.report.view import GridRow, JobView, RunView

WIDTH: Final = 80
_SPACED_RUNS: Final = 16
_MAX_RUNS: Final = 36
_MAX_ROWS: Final = 40
_LABEL: Final = 15
_UNIT_SPACE: Final = re.compile(r"(?<=[0-9]) (?=(?:s|ms|%)(?![a-z]))")
_KEEP: Final = "\N{NO-BREAK SPACE}"
"""Stands between a number and its unit while lines are broken."""
_COLOURS: Final = {"PROMOTE": "green", "HOLD": "yellow", "REJECT": "red"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `colour` is a markup word of pytest's terminal, or empty."""

    text: str = ""
    colour: str = ""


def terminal_lines(view: RunView) -> list[Line]:
    """Return the summary, job by job, then notes, gate and files."""
    lines = [line for job in view.jobs for line in _job(job)]
    for note in view.notes:
        lines += _wrapped("note", note)
    for label, path in view.files:
        lines.append(Line(f"{label:<{_LABEL}}{path}"))
    if view.gate:
        colour = "green" if view.gate_is_met else "red"
        lines += [Line(), Line(view.gate, colour)]
    return lines


def _job(job: JobView) -> Iterator[Line]:
    yield Line(job.spec, "bold")
    yield from _grid(job)
    yield Line()
    for pattern in job.patterns:
        who = ", ".join(pattern.prompt_ids)
        yield from _wrapped(pattern.kind, f"{who}: {pattern.evidence}")
    if job.patterns:
        yield Line()
    for label, text in job.facts:
        yield from _wrapped(label, text)
    yield Line()
    yield from _gates(job)
    yield from _decision(job)
    yield Line()


def _grid(job: JobView) -> Iterator[Line]:
    rows = job.rows
    hidden = 0
    if len(rows) > _MAX_ROWS:
        rows = tuple(row for row in rows if not row.is_stable)[:_MAX_ROWS]
        hidden = len(job.rows) - len(rows)
    width = max([6, *(len(row.prompt_id) for row in rows)])
    runs = len(job.run_accuracies)
    head = f"runs 1-{runs}" if runs > 1 else "run 1"
    cells = max(len(_cells(tuple("P" * runs))), len(head))
    yield Line(f"  {'prompt':<{width}}  {head:<{cells}}  passed  95 % interval")
    for row in rows:
        yield _grid_line(row, width, cells)
    if hidden:
        yield Line(f"  ({hidden} more prompts, stable or beyond {_MAX_ROWS} rows)")
    if runs > 1:
        accuracies = " ".join(job.run_accuracies[:_MAX_RUNS])
        yield from _wrapped("  runs", f"{accuracies}  (accuracy in %)")


def _grid_line(row: GridRow, width: int, cells: int) -> Line:
    pattern = "" if row.is_stable else row.pattern
    text = (
        f"  {row.prompt_id:<{width}}  {_cells(row.cells):<{cells}}"
        f"  {row.passed:>6}  {row.interval:>8}       {pattern}"
    )
    return Line(text.rstrip(), "" if row.is_stable else "yellow")


def _cells(cells: Sequence[str]) -> str:
    if len(cells) <= _SPACED_RUNS:
        return " ".join(cells)
    shown = "".join(cells[:_MAX_RUNS])
    return shown + "+" if len(cells) > _MAX_RUNS else shown


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
        yield from _wrapped("  baseline", job.baseline)
    for difference in job.differences:
        yield from _wrapped("  differs", difference)
    text = f"{job.decision}: {job.reason}"
    for part in wrap(text, WIDTH - 4, subsequent_indent="  "):
        yield Line(f"  {part}", _COLOURS.get(job.decision, ""))


def _wrapped(label: str, text: str) -> Iterator[Line]:
    head = f"  {label.strip():<{_LABEL}}"
    indent = " " * len(head)
    parts = wrap(_UNIT_SPACE.sub(_KEEP, text), WIDTH - len(head)) or [""]
    for number, part in enumerate(parts):
        start = indent if number else head
        yield Line(f"{start}{part.replace(_KEEP, ' ')}")
