"""The purse: what is set aside for a call, and what is booked behind it."""

from __future__ import annotations

import asyncio

import pytest

from pytest_llmbench.analysis.cost import Prices
from pytest_llmbench.calls.request import Answer, CallRequest
from pytest_llmbench.checks.reply import Backoff, Reply, Usage
from pytest_llmbench.errors import CallError, OverBudget, RateLimited, StreamTruncated
from pytest_llmbench.prompts.messages import Message
from pytest_llmbench.spending import Purse

PRICES = Prices(in_usd_per_mtok=0.0, out_usd_per_mtok=10.0)
REQUEST = CallRequest(
    model="m",
    messages=(Message(role="user", content="Hi"),),
    options={"num_predict": 100},
)
"""May cost $0.001."""


def answered(*kinds: str, output: int = 10) -> Answer:
    """Make an answer of 10 tokens, for which back-off needed some tries."""
    backoffs = (Backoff(kind=kind, message="", wait_s=0.1, at="") for kind in kinds)
    usage = Usage(prompt_tokens=1, output_tokens=output)
    return Answer(reply=Reply(text="x", usage=usage), backoffs=tuple(backoffs))


def refused(error: CallError, partial: Reply | None = None) -> Answer:
    """Make the answer that an error is."""
    error.partial = partial
    return Answer(error=error)


def asked(max_cost_usd: float, *answers: Answer) -> int:
    """Return how many calls are made of those that come to these answers."""
    purse = Purse(max_cost_usd)
    made = []

    async def pay(answer: Answer) -> None:
        async def call() -> Answer:
            made.append(answer)
            return answer

        found = await purse.pay("q", REQUEST, PRICES, call)
        assert isinstance(found.error, OverBudget) == (found is not answer)

    async def all_of_them() -> None:
        for answer in answers:
            await pay(answer)

    asyncio.run(all_of_them())
    return len(made)


@pytest.mark.parametrize(
    ("first", "calls"),
    [
        (answered(), 3),
        (answered("rate_limited", "busy"), 3),
        (answered("faltered"), 1),
        (refused(RateLimited("x")), 3),
        (refused(StreamTruncated("x")), 2),
        (refused(RateLimited("x"), Reply(text="half")), 2),
    ],
)
def test_what_may_have_been_paid_is_booked(first: Answer, calls: int) -> None:
    """Refusals cost nothing; what broke, or faltered, costs its upper estimate."""
    assert asked(0.00205, first, answered(), answered()) == calls


def test_nothing_is_asked_behind_the_end() -> None:
    """Once there is no room for a call, none follows, however cheap they were."""
    assert asked(0.0010, answered(), answered(), answered()) == 1
