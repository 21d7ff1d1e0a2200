"""The table over all specs of a run."""

from __future__ import annotations

import pytest
from made_records import make_summary

from pytest_llmbench.policy.decision import decide
from pytest_llmbench.policy.thresholds import PolicyThresholds
from pytest_llmbench.report.lines import WIDTH
from pytest_llmbench.report.overview import (
    OverviewRow,
    overview_lines,
    overview_row,
)

CELLS = ("66.7 %", "36 ms", "1.24 s", "355.9", "100 %", "$0.000124", "PROMOTE")


def names(*rows: tuple[str, ...]) -> list[str]:
    """Return how specs with these names are called in the table."""
    shown = [OverviewRow(names=row, cells=CELLS) for row in rows]
    lines = [line.text for line in overview_lines(shown)][1:-1]
    assert all(len(line) <= WIDTH for line in lines)
    return [line[:23].rstrip() for line in lines]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("a", "x/a"), ("b", "x/b")], ["a", "b"]),
        ([("a", "x/a"), ("a", "y/a")], ["x/a", "y/a"]),
        ([("m" * 30, "x"), ("m" * 30, "y")], ["x", "y"]),
        ([("m" * 30 + "1",), ("m" * 30 + "2",)], ["…" + "m" * 21 + n for n in "12"]),
    ],
)
def test_specs_are_told_apart_by_the_shortest_name(
    rows: list[tuple[str, ...]], expected: list[str]
) -> None:
    """The model's own name will do, unless two share it; then more is said."""
    assert names(*rows) == expected


def test_one_spec_needs_no_table() -> None:
    """There is nothing to compare it with."""
    assert not list(overview_lines([OverviewRow(names=("a",), cells=CELLS)]))


def test_a_row_has_what_was_measured_and_nothing_else() -> None:
    """A cost that nobody knows is `-`, never 0; neither is a time without a reply."""
    summary = make_summary({"P1": "PPF", "P2": "PPP"})
    decision = decide(summary, PolicyThresholds(), None, {})
    row = overview_row(summary, decision.decision)
    assert row.cells[0] == "100 %"
    assert row.cells[-2:] == ("-", decision.decision)
    errors = make_summary({"P1": "EEE"})
    nothing = overview_row(
        errors, decide(errors, PolicyThresholds(), None, {}).decision
    )
    assert nothing.cells[:4] == ("-", "-", "-", "-")
