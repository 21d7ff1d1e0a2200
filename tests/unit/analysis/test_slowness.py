"""Rank correlation, and where a reply's time goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import make_record, make_reply
from msgspec.structs import replace

from pytest_llmbench.analysis.slowness import job_slowness, slowness, spearman

if TYPE_CHECKING:
    from pytest_llmbench.runs.record import Record

VALUES = st.lists(
    st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=20
)


@pytest.mark.parametrize(
    ("xs", "ys", "rho"),
    [
        ([1, 2, 3], [4, 5, 6], 1.0),
        ([1, 2, 3], [6, 5, 4], -1.0),
        ([1, 2, 3, 4, 5], [5, 6, 7, 8, 7], 0.8207826816681233),  # as scipy
        (
            [106, 100, 86, 101, 99, 103, 97, 113, 112, 110],
            [7, 27, 2, 50, 28, 29, 20, 12, 6, 17],
            -29 / 165,
        ),
        ([1, 1, 2, 2], [1, 2, 1, 2], 0.0),
        ([1, 2, 2, 3], [1, 3, 2, 4], 0.9486832980505139),
    ],
)
def test_known_correlations(xs: list[float], ys: list[float], rho: float) -> None:
    """Textbook values, with and without ties."""
    assert spearman(xs, ys) == pytest.approx(rho, abs=1e-12)


@pytest.mark.parametrize(("xs", "ys"), [([], []), ([1], [2]), ([1, 1], [1, 2])])
def test_what_has_no_order_has_no_correlation(xs: list[float], ys: list[float]) -> None:
    """No pair, one pair, or one value throughout."""
    assert spearman(xs, ys) is None
    assert spearman(ys, xs) is None


@given(VALUES)
def test_only_ranks_count(pairs: list[tuple[int, int]]) -> None:
    """It lies in -1..1, knows no sides, and any rising scale leaves it."""
    xs, ys = [x for x, _ in pairs], [y for _, y in pairs]
    rho = spearman(xs, ys)
    assert rho == spearman(ys, xs)
    if rho is not None:
        assert -1 <= rho <= 1
        assert spearman([x**3 for x in xs], [2 * y + 1 for y in ys]) == rho
        opposite = spearman(xs, [-y for y in ys])
        assert opposite == pytest.approx(-rho, abs=1e-12)


def trials(*pairs: tuple[float, float], prompt_id: str = "P1") -> list[Record]:
    """Make trials of TTFT and E2E in ms, with a load of 50 ms on top."""
    return [
        make_record(
            prompt_id,
            run,
            reply=make_reply(ttft_ms=ttft + 50, e2e_ms=e2e + 50, load_ms=50.0),
        )
        for run, (ttft, e2e) in enumerate(pairs, 1)
    ]


LATE = [(100.0 * n, 100.0 * n + 20) for n in range(1, 11)]
EVEN = [(10.0 + n % 2, 500.0 + n) for n in range(10)]


def test_slow_to_start() -> None:
    """Most of the time before the first token, and late starts end late."""
    found = slowness(trials(*LATE))
    assert (found.n, found.verdict, found.rank_correlation) == (10, "start", 1.0)
    assert found.start_share == pytest.approx((500 / 520 + 600 / 620) / 2)


def test_slow_throughout() -> None:
    """Tokens take the time, whatever the start."""
    found = slowness(trials(*EVEN))
    assert found.verdict == "throughout"
    assert found.start_share is not None
    assert found.start_share < 0.5


def test_figures_that_disagree_are_mixed() -> None:
    """A late start that decides nothing, or an early one that decides all."""
    early = [(10.0 * n, 100.0 * n) for n in range(1, 11)]
    assert slowness(trials(*early)).verdict == "mixed"
    late = [(500.0 + (n * 7) % 10, 600.0 - n) for n in range(10)]
    assert slowness(trials(*late)).verdict == "mixed"


def test_few_trials_have_a_share_and_no_verdict() -> None:
    """Below ten the reason says how many there are."""
    found = slowness(trials(*LATE[:9]))
    assert found.start_share is not None
    assert (found.rank_correlation, found.verdict) == (None, None)
    assert found.reason == "needs n >= 10, n is 9"
    assert slowness([]).start_share is None
    alike = slowness(trials(*[(10.0, 20.0)] * 10))
    assert (alike.verdict, alike.reason) == (None, "all TTFT or all E2E are equal")


def test_conversations_and_broken_replies_are_left_out() -> None:
    """Several replies have several first tokens; a time-out has no end."""
    (one,) = trials((10, 100))
    assert one.reply is not None
    talk = replace(one, reply=replace(one.reply, parts=2))
    late = replace(one, outcome="timeout")
    silent = replace(one, reply=make_reply(ttft_ms=None))
    assert slowness([one, talk, late, silent]).n == 1


def test_each_prompt_has_its_own() -> None:
    """A job's prompts are told apart, in suite order."""
    records = [*trials(*LATE), *trials(*EVEN, prompt_id="P2")]
    found = job_slowness(records, ("P2", "P1", "P3"))
    assert found.whole.n == 20
    words = {name: one.verdict for name, one in found.prompts.items()}
    assert list(words) == ["P2", "P1", "P3"]
    assert words == {"P2": "throughout", "P1": "start", "P3": None}
