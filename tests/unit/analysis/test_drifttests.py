"""The drift tests' p values are those of the tables, and of every order counted."""

from __future__ import annotations

import math
import random
from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.analysis import drifttests
from pytest_llmbench.analysis.drifttests import halves_test, mann_kendall

SHARES = st.lists(st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 2 / 3, 1.0]), min_size=2)


@pytest.mark.parametrize(
    ("n", "score", "one_sided"),
    [(4, 6, 0.042), (5, 8, 0.042), (8, 16, 0.031), (9, 18, 0.038), (10, 23, 0.023)],
)
def test_the_tables(n: int, score: int, one_sided: float) -> None:
    """Without ties the p values are those of Kendall's table 1, doubled."""
    values = list(range(n))
    drops = (n * (n - 1) // 2 - score) // 2
    for first in range(n - 1):  # swaps of neighbours make one falling pair each
        for at in range(n - 1 - first):
            if drops:
                values[at], values[at + 1] = values[at + 1], values[at]
                drops -= 1
    found = mann_kendall(values)
    assert found.statistic == score
    assert found.method == "exact"
    assert found.p_value == pytest.approx(2 * one_sided, abs=0.001)


@given(SHARES.filter(lambda values: len(values) <= 6))
def test_every_order_is_counted(values: list[float]) -> None:
    """With ties, too, p is the share of all orders with a score as far from 0."""

    def score(order: tuple[float, ...]) -> int:
        pairs = combinations(order, 2)
        return sum((b > a) - (b < a) for a, b in pairs)

    scores = [abs(score(order)) for order in permutations(values)]
    far = sum(each >= abs(score(tuple(values))) for each in scores)
    found = mann_kendall(values)
    assert found.statistic == score(tuple(values))
    assert found.p_value == pytest.approx(far / len(scores), abs=1e-12)


@given(SHARES.filter(lambda values: len(values) <= 9))
def test_every_half_is_counted(values: list[float]) -> None:
    """The p of halves is the share of all choices of newer values as far off."""
    n = len(values)
    m = n // 2
    expected = sum(values) * m / n
    sums = [abs(sum(part) - expected) for part in combinations(values, m)]
    seen = abs(sum(values[n - m :]) - expected)
    far = sum(each >= seen - 1e-9 for each in sums)
    assert halves_test(values).p_value == pytest.approx(far / len(sums))


@given(SHARES)
def test_time_turned_round(values: list[float]) -> None:
    """Read backwards the score has the other sign and the same chance."""
    forth, back = mann_kendall(values), mann_kendall(values[::-1])
    assert forth.statistic == -back.statistic
    assert forth.p_value == pytest.approx(back.p_value)
    assert 0 <= forth.p_value <= 1


@pytest.mark.parametrize("n", [30, 40])
def test_the_approximations_are_near(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limits p is nearly what counting gives, for rare scores, too."""
    draw = random.Random(n)  # noqa: S311 - no secret
    for slope in (0.0, 0.01, 0.02):
        values = [round(draw.random() + slope * at, 1) for at in range(n)]
        exact = mann_kendall(values)
        monkeypatch.setattr(drifttests, "MAX_EXACT", 0)
        normal = mann_kendall(values)
        monkeypatch.undo()
        assert (exact.method, normal.method) == ("exact", "normal")
        assert normal.p_value == pytest.approx(exact.p_value, abs=0.005)


def test_halves_by_the_normal_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    """The approximation for halves is near to counting where both can be done."""
    draw = random.Random(5)  # noqa: S311 - no secret
    for step in (0.0, 0.2, 0.4):
        values = [draw.random() + step * (at >= 8) for at in range(16)]
        exact = halves_test(values)
        monkeypatch.setattr(drifttests, "MAX_HALVES", 0)
        assert halves_test(values).p_value == pytest.approx(exact.p_value, abs=0.03)
        monkeypatch.undo()


def test_values_that_do_not_move() -> None:
    """Equal values show nothing, however many there are."""
    for n in (2, 5, 41, 200):
        for test in (mann_kendall([0.5] * n), halves_test([0.5] * n)):
            assert (test.statistic, test.p_value) == (0, 1.0)


def test_false_alarms_are_as_rare_as_said() -> None:
    """Of series without any drift at most about 5 % have p <= 0.05."""
    draw = random.Random(7)  # noqa: S311 - no secret
    alarms = 0
    for _ in range(400):
        values = [round(draw.random(), 1) for _ in range(10)]
        alarms += mann_kendall(values).p_value <= 0.05
    assert alarms / 400 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)
