"""The chance of paired differences, were there no effect."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.analysis.signflip import MAX_EXACT, sign_flip_chance

differences = st.lists(
    st.builds(Fraction, st.integers(-5, 5), st.integers(5, 8)), max_size=8
)


def by_hand(values: list[Fraction]) -> float:
    """Go over all sign flips one by one."""
    whole = [int(value * 840) for value in values]  # 840 = 5 * 6 * 7 * 8
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, whole, strict=True)))
        for signs in product((1, -1), repeat=len(whole))
    ]
    return sum(total >= abs(sum(whole)) for total in sums) / len(sums)


def test_darwins_maize() -> None:
    """Fisher's own example: 863 of 32,768 flips reach the sum on each side."""
    eighths = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    chance = sign_flip_chance([Fraction(value, 8) for value in eighths])
    assert chance.p_value == 2 * 863 / 32_768
    assert (chance.method, chance.differing) == ("exact", 15)


@pytest.mark.parametrize(
    ("values", "p_value"),
    [
        ([], 1.0),
        ([Fraction(0)], 1.0),
        ([Fraction(1)], 1.0),
        ([Fraction(1)] * 2, 0.5),
        ([Fraction(1)] * 5, 0.0625),
        ([Fraction(-1)] * 6, 0.03125),
        ([Fraction(1), Fraction(-1)], 1.0),
    ],
)
def test_small_cases(values: list[Fraction], p_value: float) -> None:
    """Few prompts cannot show much, whatever they show."""
    assert sign_flip_chance(values).p_value == p_value


@given(differences)
def test_it_counts_every_flip(values: list[Fraction]) -> None:
    """Two halves joined give what all flips one by one give."""
    assert sign_flip_chance(values).p_value == by_hand(values)


@given(differences, st.permutations(range(8)))
def test_sign_order_and_zeros_do_not_matter(
    values: list[Fraction], order: list[int]
) -> None:
    """The other side's chance is the same, and equal prompts say nothing."""
    found = sign_flip_chance(values)
    shuffled = [values[index] for index in order if index < len(values)]
    assert sign_flip_chance([-value for value in shuffled]) == found
    assert sign_flip_chance([*values, Fraction(0)]) == found
    assert 0 < found.p_value <= 1


def test_many_prompts_take_the_normal_approximation() -> None:
    """Above the limit the method is said, and both methods agree near it."""
    values = [Fraction(n % 7 - 2, 7) for n in range(40)]
    above = sign_flip_chance(values)
    assert above.method == "normal"
    assert above.differing == sum(map(bool, values)) > MAX_EXACT
    total, squares = sum(values), sum(value * value for value in values)
    z = float(total) / math.sqrt(squares)
    assert above.p_value == pytest.approx(math.erfc(z / math.sqrt(2)))
    twenty = [Fraction(1, 7)] * 14 + [Fraction(-1, 7)] * 6
    exact = sign_flip_chance(twenty)
    assert (exact.method, exact.differing) == ("exact", MAX_EXACT)
    assert exact.p_value == pytest.approx(0.1153, abs=5e-5)
    assert sign_flip_chance([*twenty, Fraction(1, 7)]).method == "normal"
