"""What calls cost: exact, and None wherever something is missing."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import make_plan, make_record, make_reply
from made_values import built
from msgspec.structs import replace

from pytest_llmbench.analysis.cost import (
    FREE,
    Cost,
    Prices,
    Terms,
    cost_of,
    cost_usd,
    exact_usd,
    job_cost,
)
from pytest_llmbench.analysis.spent import spent_on, whole_run_usd
from pytest_llmbench.analysis.summary import summarise
from pytest_llmbench.calls.request import WarmupResult
from pytest_llmbench.checks.reply import Backoff, Usage
from pytest_llmbench.runs.record import Attempt, Fault, Record

if TYPE_CHECKING:
    from random import Random

PRICES = Prices(
    in_usd_per_mtok=3.0,
    cached_usd_per_mtok=0.3,
    cache_write_usd_per_mtok=3.75,
    out_usd_per_mtok=15.0,
)
PLAIN = Prices(in_usd_per_mtok=1.0, out_usd_per_mtok=10.0)
COUNTS = st.integers(0, 10**12)
MONEY = st.decimals(0, 10**5, places=6).map(float)
USAGES = built(
    Usage,
    prompt_tokens=COUNTS | st.none(),
    cached_tokens=COUNTS | st.none(),
    cache_write_tokens=COUNTS | st.none(),
    output_tokens=COUNTS | st.none(),
)
ANY_PRICES = built(
    Prices,
    in_usd_per_mtok=MONEY,
    cached_usd_per_mtok=MONEY | st.none(),
    cache_write_usd_per_mtok=MONEY | st.none(),
    out_usd_per_mtok=MONEY,
)


def used(prompt: int | None, output: int | None, **counts: int | None) -> Usage:
    """Make the counts of a call."""
    return Usage(prompt_tokens=prompt, output_tokens=output, **counts)


def charged(letter: str = "P", usage: Usage | None = None, **changes: object) -> Record:
    """Make a trial whose reply has these counts."""
    reply = replace(make_reply(), usage=usage or used(1000, 100))
    fields: dict[str, Any] = {"reply": reply, **changes}
    return make_record(letter=letter, **fields)


def test_each_part_has_its_price() -> None:
    """The cached and the written part are priced apart; thinking is output."""
    usage = used(
        1000, 200, cached_tokens=600, cache_write_tokens=100, reasoning_tokens=150
    )
    expected = (300 * 3 + 600 * 0.3 + 100 * 3.75 + 200 * 15) / 1e6
    assert cost_usd(usage, PRICES) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("usage", "prices"),
    [
        (None, PLAIN),
        (used(None, 1), PLAIN),
        (used(1, None), PLAIN),
        (used(1, 1), None),
        (used(9, 1, cached_tokens=5), PLAIN),
        (used(9, 1, cache_write_tokens=5), PLAIN),
        (used(9, 1, cache_write_tokens=0), PRICES),
        (used(9, 1, cached_tokens=0), PRICES),
        (used(9, 1, cached_tokens=5, cache_write_tokens=5), PRICES),
    ],
)
def test_what_is_missing_is_never_0(usage: Usage | None, prices: Prices | None) -> None:
    """A count or a price that is needed, or a part above the whole: no cost."""
    assert cost_usd(usage, prices) is None


def test_an_empty_part_needs_no_price() -> None:
    """A service that tells of caches which were not used has a cost all the same."""
    usage = used(1000, 0, cached_tokens=0, cache_write_tokens=0)
    assert cost_usd(usage, PLAIN) == 0.001
    assert cost_usd(used(1000, 0), PLAIN) == 0.001


def test_what_is_free_costs_nothing() -> None:
    """A model of one's own costs 0, even where it tells no counts."""
    assert FREE.is_free
    assert cost_usd(None, FREE) == cost_usd(used(None, 5), FREE) == 0.0


@given(USAGES, ANY_PRICES)
def test_cost_is_exact(usage: Usage, prices: Prices) -> None:
    """It is the fraction that counts and written prices make, or None."""
    found = exact_usd(usage, prices)
    if found is None or prices.is_free:
        assert found is None or found == 0
        return
    cached, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    plain = (usage.prompt_tokens or 0) - cached - written
    parts = (
        (plain, prices.in_usd_per_mtok),
        (cached, prices.cached_usd_per_mtok),
        (written, prices.cache_write_usd_per_mtok),
        (usage.output_tokens or 0, prices.out_usd_per_mtok),
    )
    expected = sum(n * Fraction(str(price or 0.0)) for n, price in parts) / 10**6
    assert plain >= 0
    assert Fraction(found) == expected


@given(st.lists(USAGES, max_size=6), ANY_PRICES, st.randoms(use_true_random=False))
def test_sums_know_no_order(
    usages: list[Usage], prices: Prices, random: Random
) -> None:
    """Any order and any grouping gives the same sum, to the last digit."""
    whole = cost_of(usages, prices)
    assert whole.known + whole.unknown == len(usages)
    assert (whole.usd is None) == (whole.known == 0)
    random.shuffle(usages)
    parts = cost_of(usages[:2], prices) + cost_of(usages[2:], prices)
    assert parts == whole


@given(COUNTS, COUNTS, st.integers(0, 10**6), ANY_PRICES)
def test_more_tokens_never_cost_less(
    prompt: int, output: int, more: int, prices: Prices
) -> None:
    """Cost rises with either count; a cheaper price never makes it dearer."""
    prices = replace(prices, cached_usd_per_mtok=None, cache_write_usd_per_mtok=None)
    base = exact_usd(used(prompt, output), prices)
    assert base is not None
    for usage in (used(prompt + more, output), used(prompt, output + more)):
        found = exact_usd(usage, prices)
        assert found is not None
        assert found >= base


def test_a_job_is_summed_up_three_ways() -> None:
    """Runs and prompts each make the total; unknown ones are counted."""
    records = [
        charged(prompt_id="P1", run=1),
        charged("F", used(2000, 100), prompt_id="P2", run=1),
        charged(prompt_id="P1", run=2),
        make_record("P2", 2, "T"),
    ]
    found = job_cost(records, ("P1", "P2"), 2, PLAIN)
    assert found.total == Cost(usd=Decimal("0.007"), known=3, unknown=1)
    assert found.per_passed_usd is None
    assert found.per_passed_prompt_usd == {"P1": 0.002, "P2": None}
    assert [one.unknown for one in found.runs] == [0, 1]
    assert found.prompts["P1"] == Cost(usd=Decimal("0.004"), known=2)
    assert found.tokens["prompt_tokens"].tokens == 4000
    assert found.tokens["cached_tokens"].tokens is None
    assert found.tokens["output_tokens"].unknown == 1
    known = job_cost(records[:3], ("P1", "P2"), 2, PLAIN)
    assert known.per_passed_usd == 0.0035


@pytest.mark.parametrize(
    ("letter", "kind", "count"),
    [
        ("E", "rate_limited", 0),
        ("E", "quota", 0),
        ("E", "unauthorised", 0),
        ("E", "fixture", 0),
        ("S", "over_budget", 0),
        ("E", "faltered", 1),
        ("E", "stream_truncated", 1),
        ("T", "first_byte_timeout", 1),
    ],
)
def test_a_refused_call_costs_nothing(letter: str, kind: str, count: int) -> None:
    """What broke may have been answered on the other side, and is unknown."""
    record = make_record(letter=letter, fault=Fault(kind=kind, message=""))
    assert job_cost([record], ("P1",), 1, PLAIN).total == Cost(unknown=count)


def test_counts_of_a_broken_reply_are_not_its_cost() -> None:
    """A stream may tell its prompt first, and its output never."""
    reply = replace(make_reply(), usage=used(1000, 1), finish_reason=None)
    fault = Fault(kind="stream_truncated", message="")
    record = make_record(letter="E", reply=reply, fault=fault)
    assert job_cost([record], ("P1",), 1, PLAIN).total == Cost(unknown=1)
    late = replace(reply, finish_reason="stop")
    record = make_record(
        letter="T", reply=late, fault=Fault(kind="timeout", message="")
    )
    assert job_cost([record], ("P1",), 1, PLAIN).total.known == 1


def test_what_was_replaced_is_apart() -> None:
    """Earlier attempts, replaced records and warm-ups are in the run's sum only."""
    slow = Attempt(outcome="timeout", kind="stalled", message="")
    late = replace(slow, usage=used(1000, 0))
    refused = replace(slow, outcome="error", kind="rate_limited")
    tries = [
        Backoff(kind=kind, message="", wait_s=1.0, at="")
        for kind in ("rate_limited", "busy", "faltered")
    ]
    record = charged(earlier_attempts=(slow, late, refused), backoffs=tuple(tries))
    found = job_cost([record], ("P1",), 1, PLAIN)
    assert found.total == Cost(usd=Decimal("0.002"), known=1)
    assert found.replaced == Cost(usd=Decimal("0.001"), known=1, unknown=2)
    warm = WarmupResult(
        model="m:1b",
        server="s",
        status="success",
        usage={"prompt_tokens": 100, "output_tokens": 0},
    )
    off = replace(warm, status="skipped", usage=None)
    spent = spent_on([record], [charged()], [warm, off], {"m:1b": Terms(prices=PLAIN)})
    assert spent.warmups == Cost(usd=Decimal("0.0001"), known=1)
    assert spent.total == Cost(usd=Decimal("0.0051"), known=4, unknown=2)


def test_the_whole_run_is_estimated_from_its_prompts() -> None:
    """Missing trials cost their prompt's mean, else the job's, else another model's."""
    grid = {"P1": "PP", "P2": ".."}
    plan = make_plan(grid)
    other = make_plan(grid, model="n:1b", spec="n:1b / atomic")
    terms = {"m:1b": Terms(prices=PLAIN), "n:1b": Terms(prices=PRICES)}
    records = [charged(prompt_id="P1", run=1)]
    assert whole_run_usd(records, [plan], terms) == 0.008
    usage = used(1000, 100, cached_tokens=0, cache_write_tokens=0)
    records = [charged(prompt_id=name, usage=usage) for name in ("P1", "P2")]
    assert whole_run_usd(records, [plan, other], terms) == 0.008 + 4 * 0.0045
    assert whole_run_usd([], [plan], terms) is None


def test_terms_reach_the_summary() -> None:
    """A job's prices and amounts are in its JSON."""
    terms = Terms(prices=PLAIN, is_online=True)
    job = summarise([charged()], make_plan({"P1": "P"}), terms)
    assert job.is_online
    data = job.to_json()["cost"]
    assert (data["usd"], data["known"], data["unknown"]) == (0.002, 1, 0)
    assert data["prices"]["out_usd_per_mtok"] == 10.0
    assert data["prompts"] == [
        {"prompt_id": "P1", "usd": 0.002, "known": 1, "unknown": 0}
        | {"per_passed_usd": 0.002}
    ]
