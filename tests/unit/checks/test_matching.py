"""One-to-one matching of entries and calls."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.checks.matching import unmatched_row

SQUARES = st.integers(0, 5).flatmap(
    lambda size: st.lists(
        st.lists(st.booleans(), min_size=size, max_size=size),
        min_size=size,
        max_size=size,
    )
)


@given(fits=SQUARES)
def test_a_pairing_is_found_exactly_if_one_exists(fits: list[list[bool]]) -> None:
    """The matching must agree with trying every order."""
    size = len(fits)
    exists = any(
        all(fits[row][column] for row, column in enumerate(order))
        for order in permutations(range(size))
    )
    assert (unmatched_row(fits) is None) == exists


@pytest.mark.parametrize(
    ("fits", "row"),
    [
        ([], None),
        ([[False]], 0),
        ([[True, True], [False, False]], 1),
        ([[True, True, False], [True, False, False], [False, True, True]], None),
        ([[True, False, False], [True, False, False], [True, True, True]], 1),
    ],
)
def test_the_row_left_over_is_named(fits: list[list[bool]], row: int | None) -> None:
    """The first row that finds no column must be returned."""
    assert unmatched_row(fits) == row
