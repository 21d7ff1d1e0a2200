"""One table over all specs of a run: what a reader compares them by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from pytest_llmbench.report import numbers
from pytest_llmbench.report.lines import WIDTH, Line, cut
from pytest_llmbench.report.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmbench.analysis.summary import JobSummary

HEAD: Final = (
    *("spec", "accuracy", "TTFT", "E2E", "tokens/s", "success", "cost", "decision"),
)
"""Times are medians, less load; the rate is the median by our own clock."""

_SHORT: Final = ("spec", "acc.", "TTFT", "E2E", "tok/s", "ok", "cost", "decision")
_WIDTHS: Final = (6, 7, 7, 7, 5, 9)
"""Characters of each column between the first and the last."""

_LAST: Final = len("decision")


class OverviewRow(Struct, frozen=True, kw_only=True):
    """One spec in the table, each cell as text; see `HEAD`.

    Attributes:
        names: ways to name the spec, the shortest first.
    """

    names: tuple[str, ...]
    cells: tuple[str, ...]


def overview_row(job: JobSummary, decision: str) -> OverviewRow:
    """Return the row of one spec; all times and rates are by our own clock.

    Args:
        decision: its word.
    """
    latency, rate = job.latency, job.latency.client_tokens_per_s.p50
    cells = (
        numbers.percent(job.accuracy),
        numbers.milliseconds(latency.ttft_ms.p50),
        numbers.milliseconds(latency.e2e_ms.p50),
        numbers.NONE if rate is None else f"{rate:.1f}",
        numbers.percent(job.accounting.rate),
        _cost(job),
        decision,
    )
    model = job.model.rpartition("/")[2]
    names = (model, job.model, f"{job.model} / {job.phase}", job.spec)
    return OverviewRow(names=names, cells=cells)


def overview_lines(rows: Sequence[OverviewRow]) -> Iterator[Line]:
    """Lay the table out in 80 columns; one spec alone needs none."""
    if len(rows) < 2:  # noqa: PLR2004 - a comparison takes two
        return
    room = WIDTH - sum(width + 1 for width in _WIDTHS) - 2 - _LAST
    yield Line(_laid_out(_SHORT[0], _SHORT[1:], room), "bold")
    for name, row in zip(_names(rows, room), rows, strict=True):
        yield Line(_laid_out(name, row.cells, room))
    yield Line()


def _names(rows: Sequence[OverviewRow], room: int) -> list[str]:
    """Name each spec in the shortest way that tells all apart."""
    for kind in zip(*(row.names for row in rows), strict=True):
        shown = [cut(plain(name), room) for name in kind]
        if len(set(shown)) == len(rows):
            return shown
    # Even cut specs look alike: their ends differ.
    return [_end(plain(row.names[-1]), room) for row in rows]


def _end(text: str, room: int) -> str:
    return text if len(text) <= room else "…" + text[1 - room :]


def _laid_out(name: str, cells: Sequence[str], room: int) -> str:
    shown = (
        f"{cell:>{width}}" for cell, width in zip(cells[:-1], _WIDTHS, strict=True)
    )
    return f"{name:<{room}} {' '.join(shown)}  {cells[-1]}".rstrip()


def _cost(job: JobSummary) -> str:
    prices, total = job.cost.prices, job.cost.total
    if prices is not None and prices.is_free:
        return "free"
    return numbers.usd(total.usd) if total.is_whole else numbers.NONE
