"""What is shown of calls apart from their answers: success, time, tokens, money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmbench.analysis.accounting import LIMIT
from pytest_llmbench.analysis.cost import Cost
from pytest_llmbench.report import numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmbench.analysis.cost import JobCost
    from pytest_llmbench.analysis.latency import Latency
    from pytest_llmbench.analysis.slowness import Slowness, SlowWord
    from pytest_llmbench.analysis.spent import Spending
    from pytest_llmbench.analysis.summary import JobSummary

_SLOW: Final[dict[SlowWord, str]] = {
    "start": "slow to start",
    "throughout": "slow throughout",
    "mixed": "mixed",
}

_TOKENS: Final = {
    "prompt_tokens": "in",
    "cached_tokens": "cached",
    "cache_write_tokens": "cache written",
    "output_tokens": "out",
    "reasoning_tokens": "reasoning",
}
"""What each count is called; cached and written are parts of in, reasoning of out."""


def success_facts(job: JobSummary) -> Iterator[tuple[str, str]]:
    """Show how many calls came through, where that is no matter of course."""
    found = job.accounting
    if found.rate is None or (found.rate == 1 and not job.is_online):
        return
    faults = ", ".join(f"{n} {kind}" for kind, n in found.faults.items())
    counts = f"{found.ok} of {found.called}" + (f"; {faults}" if faults else "")
    rate, limit = numbers.percent(found.rate), numbers.percent(LIMIT)
    yield "success", f"{rate} ({counts}), limit {limit}"


def pace_facts(latency: Latency, slowness: Slowness) -> Iterator[tuple[str, str]]:
    """Show the time per output token, and where a reply's time goes."""
    tpot, rate = latency.tpot_ms, latency.client_tokens_per_s
    if tpot.p50 is not None and rate.p50 is not None:
        p95 = "" if tpot.p95 is None else f", p95 {numbers.milliseconds(tpot.p95)}"
        pace = f"p50 {numbers.milliseconds(tpot.p50)}{p95}, {rate.p50:.1f} tokens/s"
        yield "TPOT", f"{pace} by our clock (n={tpot.n})"
    if slowness.start_share is not None:
        share = numbers.percent(slowness.start_share)
        passes = f"{share} of E2E passes before the first token (median)"
        yield "pace", f"{passes}{_verdict(slowness)}"


def _verdict(slowness: Slowness) -> str:
    if slowness.verdict is None or slowness.rank_correlation is None:
        return f"; no verdict: {slowness.reason}"
    rho = f"rank correlation of TTFT and E2E {slowness.rank_correlation:.2f}"
    return f", {rho} (n={slowness.n}): {_SLOW[slowness.verdict]}"


def cost_facts(job: JobSummary) -> Iterator[tuple[str, str]]:
    """Show tokens, and what they cost where they cost anything."""
    tokens = _tokens(job.cost)
    if tokens:
        yield "tokens", tokens
    prices, cost = job.cost.prices, job.cost.total
    if prices is None:
        if job.is_online:
            yield "cost", "not known: no prices are set for this model"
        return
    if prices.is_free or not cost.known + cost.unknown:
        return
    parts = [_amount(cost)]
    per_run = _per_complete_run(job)
    if per_run is not None:
        parts.append(f"{numbers.usd(per_run)} per complete run")
    if job.cost.per_passed_usd is not None:
        parts.append(f"{numbers.usd(job.cost.per_passed_usd)} per passed trial")
    yield "cost", ", ".join(parts)
    replaced = job.cost.replaced
    if replaced.known + replaced.unknown:
        yield "", f"replaced attempts, not in it: {_amount(replaced)}"


def _per_complete_run(job: JobSummary) -> float | None:
    """Return the mean cost of the complete runs; None unless all of it is known."""
    pairs = zip(job.runs, job.cost.runs, strict=True)
    costs = [cost for run, cost in pairs if run.is_complete]
    return sum(costs, Cost()).per(len(costs))


def _tokens(cost: JobCost) -> str:
    """Name each count that is told, and of how many trials."""
    told = {_TOKENS[name]: one for name, one in cost.tokens.items() if one.known}
    counts = {(one.known, one.unknown) for one in told.values()}
    if len(counts) == 1 and not any(unknown for _, unknown in counts):
        shown = (f"{word} {numbers.tokens(one.tokens)}" for word, one in told.items())
        return f"{', '.join(shown)} (n={counts.pop()[0]})"
    return ", ".join(
        f"{word} {numbers.tokens(one.tokens)} (n={one.known}{_unknown(one.unknown)})"
        for word, one in told.items()
    )


def _unknown(count: int) -> str:
    return f", {count} not known" if count else ""


def _amount(cost: Cost) -> str:
    if cost.usd is None:
        return f"not known (n={cost.unknown})"
    return f"{numbers.usd(cost.usd)} (n={cost.known}{_unknown(cost.unknown)})"


def run_notes(
    jobs: Sequence[JobSummary], spending: Spending, run_id: str
) -> Iterator[str]:
    """Say what the run has cost, and how one with too few answers is completed."""
    if not spending.is_free:
        yield from _spending_notes(spending)
    short = [job.spec for job in jobs if not job.accounting.is_enough]
    if short:
        yield (
            f"fewer than {numbers.percent(LIMIT)} of the calls succeeded for"
            f" {'; '.join(short)}. --resume {run_id} asks what is missing"
        )


def _spending_notes(spending: Spending) -> Iterator[str]:
    spent, limit = spending.spent.total, ""
    if spending.max_cost_usd is not None:
        limit = f" of --max-cost {numbers.usd(spending.max_cost_usd)}"
    beside = []
    for word, cost in (
        ("attempts that were replaced", spending.spent.replaced),
        ("warm-up", spending.spent.warmups),
    ):
        if cost.usd or cost.unknown:
            beside.append(f"{word} {_amount(cost)}")
    apart = f"; in it: {', '.join(beside)}" if beside else ""
    unknown = ""
    if spent.unknown:
        calls = numbers.counted(spent.unknown, "call")
        unknown = f", and {calls} of unknown cost"
    yield f"{numbers.usd(spent.usd or 0)} is spent{limit}{unknown}{apart}"
    if spending.over_budget is not None:
        whole = spending.whole_run_usd
        about = numbers.usd(whole) if whole is not None else "an unknown amount"
        yield (
            f"over budget, so not all was asked: the whole run would have cost about"
            f" {about} (an estimate, from what its prompts have cost so far)"
        )
