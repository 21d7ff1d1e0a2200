"""What is shown of calls: success, pace, tokens, money."""

from __future__ import annotations

from decimal import Decimal

import pytest
from made_records import make_plan, make_record, make_records, make_reply
from msgspec.structs import replace

from pytest_llmbench.analysis.cost import FREE, Cost, Prices, Terms
from pytest_llmbench.analysis.spent import Spending, Spent
from pytest_llmbench.analysis.summary import JobSummary, summarise
from pytest_llmbench.checks.reply import Usage
from pytest_llmbench.report.calls import (
    cost_facts,
    pace_facts,
    run_notes,
    success_facts,
)
from pytest_llmbench.runs.record import Attempt, Fault

PRICES = Prices(in_usd_per_mtok=1.0, out_usd_per_mtok=10.0)
USAGE = Usage(prompt_tokens=1000, output_tokens=100)
REPLY = replace(make_reply(), usage=USAGE)
ONLINE = Terms(prices=PRICES, is_online=True)


def job(grid: dict[str, str], terms: Terms = ONLINE, **changes: object) -> JobSummary:
    """Sum up a grid of letters whose replies have counts."""
    records = [
        replace(one, reply=one.reply and REPLY, **changes) for one in make_records(grid)
    ]
    return summarise(records, make_plan(grid), terms)


def test_success_is_shown_where_it_tells_something() -> None:
    """Below 100 %, and for a service always."""
    limited = make_record("P1", 20, "E", fault=Fault(kind="rate_limited", message=""))
    grid = {"P1": "P" * 19 + "E"}
    records = [*make_records({"P1": "P" * 19}), limited]
    found = dict(success_facts(summarise(records, make_plan(grid))))
    assert found["success"] == "95 % (19 of 20; 1 rate_limited), limit 90 %"
    whole = {"P1": "PF"}
    assert dict(success_facts(job(whole)))["success"] == "100 % (2 of 2), limit 90 %"
    assert not dict(success_facts(job(whole, Terms())))
    assert not dict(success_facts(job({"P1": "SS"})))


def test_tokens_and_money() -> None:
    """Sums with their n; what is unknown is counted, and spoils no sum."""
    assert dict(cost_facts(job({"P1": "PP"}))) == {
        "tokens": "in 2,000, out 200 (n=2)",
        "cost": "$0.004 (n=2), $0.002 per complete run, $0.002 per passed trial",
    }
    found = dict(cost_facts(job({"P1": "PT"})))
    assert found["tokens"] == "in 1,000 (n=1, 1 not known), out 100 (n=1, 1 not known)"
    assert found["cost"] == "$0.002 (n=1, 1 not known)"


def test_a_cost_that_is_not_known_is_no_zero() -> None:
    """Where no trial has counts the line says so, with how many."""
    assert dict(cost_facts(job({"P1": "TT"})))["cost"] == "not known (n=2)"


def test_a_model_without_prices() -> None:
    """A service's cost is not known; one's own model has no line at all."""
    told = dict(cost_facts(job({"P1": "P"}, Terms(is_online=True))))
    assert told["cost"] == "not known: no prices are set for this model"
    assert set(dict(cost_facts(job({"P1": "P"}, Terms(prices=FREE))))) == {"tokens"}


def test_replaced_attempts_have_a_line_of_their_own() -> None:
    """What they took is known, or not, and is in no other sum."""
    slow = Attempt(outcome="timeout", kind="stalled", message="")
    attempts = (slow, replace(slow, usage=USAGE))
    found = dict(cost_facts(job({"P1": "P"}, earlier_attempts=attempts)))
    assert found["cost"].startswith("$0.002 (n=1), ")
    assert found[""] == "replaced attempts, not in it: $0.002 (n=1, 1 not known)"


def test_pace_has_a_verdict_from_ten_on() -> None:
    """Before that it says how many are needed."""
    few = job({"P1": "PPP"}, Terms())
    shown = dict(pace_facts(few.latency, few.slowness.whole))
    assert shown["TPOT"] == "p50 8.1 ms, 123.7 tokens/s by our clock (n=3)"
    assert shown["pace"] == (
        "20 % of E2E passes before the first token (median); no verdict: needs n >= 10,"
        " n is 3"
    )
    records = [
        make_record("P1", n, reply=make_reply(ttft_ms=99.0 * n, e2e_ms=100.0 * n))
        for n in range(1, 11)
    ]
    late = summarise(records, make_plan({"P1": "P" * 10}))
    assert dict(pace_facts(late.latency, late.slowness.whole))["pace"] == (
        "99 % of E2E passes before the first token (median), rank correlation of TTFT"
        " and E2E 1.00 (n=10): slow to start"
    )


@pytest.mark.parametrize(
    ("whole", "about"), [(0.3, "$0.3"), (None, "an unknown amount")]
)
def test_a_run_over_budget_says_what_it_would_have_cost(
    whole: float | None, about: str
) -> None:
    """As an estimate; what it has cost stands before, with its parts."""
    trials = Cost(usd=Decimal("0.02"), known=9, unknown=1)
    warm = Cost(usd=Decimal("0.01"), known=1)
    found = Spending(
        spent=Spent(trials=trials, warmups=warm),
        max_cost_usd=0.05,
        over_budget="why",
        whole_run_usd=whole,
    )
    spent, estimate = run_notes([job({"P1": "P"})], found, "r1")
    assert spent == (
        "$0.03 is spent of --max-cost $0.05, and 1 call of unknown cost; in it:"
        " warm-up $0.01 (n=1)"
    )
    assert f"would have cost about {about} (an estimate" in estimate


def test_too_few_answers_can_be_completed() -> None:
    """Below the limit the run says how."""
    (note,) = run_notes(
        [job({"P1": "PE"})], Spending(spent=Spent(), is_free=True), "r1"
    )
    assert note.endswith("--resume r1 asks what is missing")
