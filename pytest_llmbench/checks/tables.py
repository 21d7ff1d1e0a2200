"""Expectations about CSV: only CSV means only CSV."""

from __future__ import annotations

import csv
from io import StringIO
from itertools import zip_longest
from typing import TYPE_CHECKING, Final, final

from msgspec import Struct
from typing_extensions import override

from pytest_llmbench.checks.compare import first_difference, kind, plain_faults
from pytest_llmbench.checks.expectation import (
    Expectation,
    held,
    text_list_faults,
    texts_of,
)
from pytest_llmbench.checks.fences import FENCE
from pytest_llmbench.checks.ranges import count_faults, counted
from pytest_llmbench.checks.shown import SHORT_LIMIT, one_line, shown_value
from pytest_llmbench.prompts.wording import did_you_mean
from pytest_llmbench.prompts.yamlmarks import plain_scalar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.checks.verdict import CheckResult
    from pytest_llmbench.prompts.suite import Json, Prompt

_KEYS: Final = ("header", "rows", "separator")
_SEPARATORS: Final = (",", ";", "\t", "|")


@final
class Csv(Expectation):
    """The whole text is CSV with the header and the rows given."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        wanted = expected if isinstance(expected, dict) else {}
        table = _read_table(reply.text, str(wanted.get("separator", ",")))
        why = one_line(table.why or _table_why(wanted, table.rows))
        shown = f"only CSV: {shown_value(wanted)}"
        return held("csv", why, expected=shown, got=shown_value(reply.text))

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        if not isinstance(expected, dict) or not {"header", "rows"} & expected.keys():
            return ["must be a mapping with header, rows or both"]
        return list(_table_faults(expected))


class _Table(Struct, frozen=True, kw_only=True):
    """A text read as CSV.

    Attributes:
        rows: blank lines left out, blanks around cells dropped.
        why: what keeps the text from being a table; empty if it is one.
    """

    rows: Sequence[Sequence[str]] = ()
    why: str = ""


def _read_table(text: str, separator: str) -> _Table:
    if not text.strip():
        return _Table(why="there is no text")
    if FENCE in text:
        return _Table(why="a code fence stands in the text")
    source = StringIO(text.strip("\r\n"), newline="")
    reader = csv.reader(source, delimiter=separator, skipinitialspace=True, strict=True)
    try:
        rows = [[cell.strip() for cell in row] for row in reader if row]
    except csv.Error as error:
        return _Table(why=f"no valid CSV: line {reader.line_num}: {error}")
    rows = [row for row in rows if row != [""]]
    width = len(rows[0]) if rows else 0
    for number, row in enumerate(rows, 1):
        if len(row) != width:
            cells = counted(len(row), "cell")
            return _Table(why=f"line {number} has {cells}, and the first has {width}")
    return _Table(rows=rows, why="" if rows else "there is no row")


def _table_why(wanted: dict[str, Json], rows: Sequence[Sequence[str]]) -> str:
    if "header" in wanted:
        header = [name.strip() for name in texts_of(wanted["header"])]
        if list(rows[0]) != header:
            shown = shown_value(list(rows[0]), SHORT_LIMIT)
            return f"the header is {shown}, not {shown_value(header, SHORT_LIMIT)}"
        rows = rows[1:]
    return _rows_why(wanted.get("rows"), rows)


def _rows_why(wanted: Json, rows: Sequence[Sequence[str]]) -> str:
    if wanted is None:
        return ""
    count = len(wanted) if isinstance(wanted, list) else wanted
    if len(rows) != count:
        return f"the table has {counted(len(rows), 'row')}, not {count}"
    lists = wanted if isinstance(wanted, list) else []
    pairs = zip(lists, rows, strict=False)
    for number, (cells, row) in enumerate(pairs, 1):
        if why := _row_why(cells, row):
            return f"row {number}: {why}"
    return ""


def _row_why(wanted: Json, row: Sequence[str]) -> str:
    cells = wanted if isinstance(wanted, list) else []
    if len(cells) != len(row):
        return f"it has {counted(len(row), 'cell')}, not {len(cells)}"
    for number, (cell, got) in enumerate(zip_longest(cells, row), 1):
        # A text is compared as it stands; a number by its value.
        read = got if isinstance(cell, str) else plain_scalar(got)
        expected = cell.strip() if isinstance(cell, str) else cell
        if first_difference(expected, read):
            shown = shown_value(got, SHORT_LIMIT)
            return f"cell {number} is {shown}, not {shown_value(cell, SHORT_LIMIT)}"
    return ""


def _table_faults(expected: dict[str, Json]) -> Iterator[str]:
    for key in expected:
        if key not in _KEYS:
            yield f"unknown key {key!r}{did_you_mean(key, _KEYS)}"
    if "header" in expected:
        yield from (f"header {fault}" for fault in text_list_faults(expected["header"]))
    if "rows" in expected:
        yield from (f"rows {fault}" for fault in _rows_faults(expected["rows"]))
    rows = [expected.get("header"), *_cells(expected.get("rows"))]
    if len({len(row) for row in rows if isinstance(row, list)}) > 1:
        yield "header and rows must all have the same number of cells"
    if expected.get("separator", ",") not in _SEPARATORS:
        yield "separator must be one of , ; | or a tab"


def _rows_faults(rows: Json) -> Iterator[str]:
    if not isinstance(rows, list):
        yield from count_faults(rows)
    elif not rows or not all(isinstance(row, list) and row for row in rows):
        yield "must be a number, or a list of lists of cells"
    elif any(kind(c) in {"array", "object"} for row in rows for c in _cells(row)):
        yield "must hold cells that are texts, numbers, true, false or null"
    else:
        yield from plain_faults(rows)


def _cells(row: Json) -> list[Json]:
    """Return a list as it is, and nothing of anything else."""
    return row if isinstance(row, list) else []
