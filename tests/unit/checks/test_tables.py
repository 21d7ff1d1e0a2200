"""CSV: read whole, compared cell by cell, and nothing around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.checks.reply import Reply
from pytest_llmbench.checks.tables import Csv
from pytest_llmbench.prompts.suite import Prompt

if TYPE_CHECKING:
    from pytest_llmbench.prompts.suite import Json

PROMPT = Prompt(id="P1", text="As CSV.")
HEADER: Json = ["name", "age"]


def why(expected: Json, text: str) -> str:
    """Judge a text, and return why it fails."""
    assert Csv().faults(expected, PROMPT) == []
    result = Csv().check(expected, Reply(text=text), PROMPT)
    assert result.passed == (not result.why)
    return result.why


@pytest.mark.parametrize(
    ("expected", "text", "reason"),
    [
        ({"header": HEADER}, "name,age\nAnn,31", ""),
        ({"header": HEADER}, "name,age", ""),
        ({"header": HEADER}, ' name , "age"\r\nAnn, 31\r\n', ""),
        ({"header": HEADER}, "age,name", 'the header is ["age", "name"]'),
        ({"header": HEADER}, "Name,age", 'the header is ["Name", "age"]'),
        ({"header": HEADER, "rows": 1}, "name,age\nAnn,31", ""),
        ({"header": HEADER, "rows": 1}, "name,age\n\nAnn,31\n\n", ""),
        ({"header": HEADER, "rows": 2}, "name,age\nAnn,31", "the table has 1 row, not"),
        ({"header": HEADER, "rows": 1}, "name,age\na,1\nb,2", "the table has 2 rows"),
        ({"rows": 2}, "name,age\nAnn,31", ""),
        ({"rows": [["Ann", 31]]}, "Ann,31", ""),
        ({"rows": [["Ann", 31]]}, "Ann,31.0", ""),
        ({"rows": [["Ann", "31"]]}, "Ann,31.0", 'row 1: cell 2 is "31.0", not "31"'),
        ({"rows": [["Ann", 31]]}, "Ann,32", 'row 1: cell 2 is "32", not 31'),
        ({"rows": [["Ann", 31]]}, "Ann", "row 1: it has 1 cell, not 2"),
        ({"rows": [["a"], ["b"]]}, "a\nc", 'row 2: cell 1 is "c", not "b"'),
        ({"rows": [["a", None]]}, "a,", ""),
        ({"rows": [["a", None]]}, "a,x", 'row 1: cell 2 is "x", not null'),
        ({"rows": [[True]]}, "true", ""),
        ({"rows": [[True]]}, "1", 'row 1: cell 1 is "1", not true'),
        ({"rows": [["a, b", "c"]]}, '"a, b",c', ""),
        ({"rows": [["a", "b"]], "separator": ";"}, "a;b", ""),
        ({"rows": [["a", "b"]], "separator": "\t"}, "a\tb", ""),
        ({"rows": 2}, "a,b\nc", "line 2 has 1 cell, and the first has 2"),
        ({"rows": 1}, "", "there is no text"),
        ({"rows": 1}, '""', "there is no row"),
        ({"rows": 1}, "```\na\n```", "a code fence stands in the text"),
        ({"rows": 1}, 'a,"b', "no valid CSV: line 1"),
        ({"rows": 1}, "x" * 200_000, "no valid CSV: line"),
    ],
)
def test_tables(expected: Json, text: str, reason: str) -> None:
    """Each table passes or fails, and says where."""
    found = why(expected, text)
    assert found.startswith(reason)
    assert bool(found) == bool(reason)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("a,b", "must be a mapping with header, rows or both"),
        ({}, "must be a mapping with header, rows or both"),
        ({"separator": ";"}, "must be a mapping with header, rows or both"),
        ({"rows": 1, "row": 1}, "unknown key 'row'; did you mean 'rows'?"),
        ({"header": []}, "header must not be an empty list"),
        ({"header": [1]}, "header must hold texts only"),
        ({"rows": 0}, "rows must be from 1 to 100,000, not 0"),
        ({"rows": []}, "rows must be a number, or a list of lists of cells"),
        ({"rows": [[]]}, "rows must be a number, or a list of lists of cells"),
        ({"rows": ["a"]}, "rows must be a number, or a list of lists of cells"),
        ({"rows": [[["a"]]]}, "rows must hold cells that are texts, numbers"),
        ({"rows": [["a"], ["b", "c"]]}, "header and rows must all have the same"),
        ({"header": ["a"], "rows": [["b", "c"]]}, "header and rows must all have"),
        ({"rows": 1, "separator": "::"}, "separator must be one of"),
    ],
)
def test_unusable_values_are_faults(value: Json, fault: str) -> None:
    """A table that no reply can match is a fault of the suite."""
    (found,) = Csv().faults(value, PROMPT)
    assert found.startswith(fault)


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4))
def test_what_is_written_as_csv_is_read_back(rows: list[tuple[str, str]]) -> None:
    """Quoted as CSV asks, any cells match themselves."""
    lines = (
        ",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows
    )
    text = "\n".join(lines)
    if "```" not in text:
        assert not why({"rows": [list(row) for row in rows]}, text)
