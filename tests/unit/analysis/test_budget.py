"""The budget: spent, in flight and next together stay within it."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.analysis.budget import OUTPUT_TOKENS, Budget, Estimates
from pytest_llmbench.analysis.cost import Prices
from pytest_llmbench.checks.reply import Usage

PRICES = Prices(in_usd_per_mtok=1, cached_usd_per_mtok=0.1, out_usd_per_mtok=10)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 100)), max_size=40),
    st.integers(0, 200),
)
def test_no_order_of_calls_passes_it(calls: list[tuple[int, int]], limit: int) -> None:
    """Calls that keep to their estimates never bring the sum above the limit."""
    budget, held = Budget(Decimal(limit)), dict[int, Decimal]()
    for upper, percent in calls:
        if budget.has_room(Decimal(upper)):
            held[budget.hold(Decimal(upper))] = Decimal(upper)
        elif held:
            number, most = held.popitem()
            is_known = percent % 2
            budget.settle(number, most * percent / 100 if is_known else None)
        assert budget.spent_usd + budget.held_usd <= limit
    assert budget.is_idle == (not held)


def test_an_unknown_cost_is_its_estimate() -> None:
    """A call that broke counts as if it had cost what was set aside."""
    budget = Budget(Decimal(1))
    budget.settle(budget.hold(Decimal("0.25")), None)
    assert (budget.spent_usd, budget.unknown) == (Decimal("0.25"), 1)


def upper(estimates: Estimates, question: str = "q", limit: int = 100) -> Decimal:
    """Return the estimate for 300 bytes to one model."""
    return estimates.upper_usd("m", question, 300, limit_tokens=limit, prices=PRICES)


def test_a_first_call_is_taken_by_its_size() -> None:
    """A third of its bytes, at the dearest price; the output limit behind it."""
    assert upper(Estimates()) == Decimal("0.0001") + Decimal("0.001")
    expected = Decimal("0.0001") + OUTPUT_TOKENS * Decimal("0.00001")
    assert upper(Estimates(), limit=-1) == expected


def test_later_calls_are_taken_by_what_came_before() -> None:
    """The same prompt's tokens; of others, what the model adds; its longest answer."""
    estimates = Estimates()
    seen = Usage(prompt_tokens=150, output_tokens=30)
    estimates.note("m", "q", 300, seen)
    assert upper(estimates) == Decimal("0.00015") + Decimal("0.001")
    assert upper(estimates, "other") == Decimal("0.00015") + Decimal("0.001")
    estimates.note("m", "q", 300, Usage(prompt_tokens=90, output_tokens=120))
    assert upper(estimates) == Decimal("0.00015") + Decimal("0.0012")
    estimates.note("m", "q", 300, Usage())
    assert upper(estimates) == Decimal("0.00015") + Decimal("0.0012")
