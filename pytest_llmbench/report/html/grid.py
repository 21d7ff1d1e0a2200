"""The grid of prompts by runs as buttons; many runs share a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from pytest_llmbench.report import numbers
from pytest_llmbench.report.view import LETTERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmbench.analysis.prompt_summary import PromptSummary
    from pytest_llmbench.report.rundata import JobData
    from pytest_llmbench.report.view import GridRow

MAX_COLUMNS: Final = 40
"""Up to as many runs have a column each."""

_COLUMNS: Final = 25
_MAX_CELLS: Final = 4_000
_MIN_ROWS: Final = 12


class GridCell(Struct, frozen=True, kw_only=True):
    """One button.

    Attributes:
        said: what a screen reader says.
        kind: a class of the style sheet: an outcome's letter, or `q0` to `q4`.
        place: job, prompt (from 0), first and last run, for the page's script.
    """

    text: str
    said: str
    kind: str
    place: str


class PageRow(Struct, frozen=True, kw_only=True):
    """One prompt: the row of the view, with buttons for its runs."""

    row: GridRow
    cells: tuple[GridCell, ...]


class PageGrid(Struct, frozen=True, kw_only=True):
    """The grid of one job.

    Attributes:
        columns: first and last run of each; equal where it stands for one.
        rows: those that are there at once; those that are not stable come first
            where not all are.
        hidden: how many rows are not there at once.
        job: the job's number on the page.
    """

    columns: tuple[tuple[int, int], ...]
    rows: tuple[PageRow, ...]
    hidden: int
    job: int


def page_grid(job: JobData, number: int, jobs: int) -> PageGrid:
    """Lay out one job's grid.

    Args:
        number: the job's place on the page, from 0.
        jobs: how many jobs share the page's room.
    """
    spans = list(_spans(job.grid.runs))
    room = max(_MIN_ROWS, _MAX_CELLS // (len(spans) * jobs or 1))
    rows = list(enumerate(zip(job.view.rows, job.summary.prompts, strict=True)))
    chosen = rows
    if len(rows) > room:
        # A sort keeps the order among equals.
        chosen = sorted(rows, key=lambda one: one[1][0].is_stable)[:room]
    return PageGrid(
        columns=tuple(spans),
        rows=tuple(
            PageRow(row=row, cells=tuple(_cells(prompt, f"{number},{place}", spans)))
            for place, (row, prompt) in chosen
        ),
        hidden=len(rows) - len(chosen),
        job=number,
    )


def _spans(runs: int) -> Iterator[tuple[int, int]]:
    size = 1 if runs <= MAX_COLUMNS else -(-runs // _COLUMNS)
    for first in range(1, runs + 1, size):
        yield first, min(first + size - 1, runs)


def _cells(
    prompt: PromptSummary, place: str, spans: Sequence[tuple[int, int]]
) -> Iterator[GridCell]:
    for first, last in spans:
        where = f"{place},{first},{last}"
        outcomes = prompt.outcomes[first - 1 : last]
        if first == last:
            outcome = outcomes[0]
            said = f"{prompt.prompt_id} run {first}: {outcome or 'no record'}"
            kind = {"-": "x"}.get(LETTERS[outcome], LETTERS[outcome])
            yield GridCell(text=LETTERS[outcome], said=said, kind=kind, place=where)
            continue
        judged = sum(outcome in {"pass", "fail", "timeout"} for outcome in outcomes)
        share = outcomes.count("pass") / judged if judged else None
        text = numbers.bare_percent(share)
        said = f"{prompt.prompt_id} runs {first} to {last}: {text} % of {judged} passed"
        yield GridCell(text=text, said=said, kind=_quarter(share), place=where)


def _quarter(share: float | None) -> str:
    """Return the shade of a share: q4 only where all passed, q0 where none did."""
    if share is None:
        return "x"
    if share in {0.0, 1.0}:
        return "q4" if share else "q0"
    return f"q{1 + int(share * 3 - 1e-9)}"
