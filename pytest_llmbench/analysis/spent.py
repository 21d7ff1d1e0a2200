"""What a run has cost, and what all of it would have cost."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from pytest_llmbench.analysis.cost import (
    ZERO,
    Cost,
    cost_of,
    cost_of_replaced,
    cost_of_trials,
    exact_sum,
    exact_usd,
)
from pytest_llmbench.checks.reply import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from pytest_llmbench.analysis.cost import Prices, Terms
    from pytest_llmbench.analysis.summary import JobPlan, JobSummary
    from pytest_llmbench.calls.request import WarmupResult
    from pytest_llmbench.runs.record import Record


class Spent(Struct, frozen=True, kw_only=True):
    """What a run has cost.

    Attributes:
        trials: the trials that are in the results.
        replaced: what they took the place of: retries' earlier attempts, and errors
            and skips of a run that went on.
        warmups: questions asked before the first trial.
    """

    trials: Cost = Cost()
    replaced: Cost = Cost()
    warmups: Cost = Cost()

    @property
    def total(self) -> Cost:
        """All of it."""
        return self.trials + self.replaced + self.warmups


class Spending(Struct, frozen=True, kw_only=True):
    """What a run has cost against what it may.

    Attributes:
        max_cost_usd: `--max-cost`; None without it.
        over_budget: why it kept trials from being asked; None where it did not.
        whole_run_usd: an estimate of what all planned trials cost; None where too
            little is known.
        is_free: whether no model of the run has a price above 0.
    """

    spent: Spent
    max_cost_usd: float | None = None
    over_budget: str | None = None
    whole_run_usd: float | None = None
    is_free: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return `spending` of summary.json."""
        return {
            "max_cost_usd": self.max_cost_usd,
            **self.spent.total.to_json(),
            "trials": self.spent.trials.to_json(),
            "replaced": self.spent.replaced.to_json(),
            "warmups": self.spent.warmups.to_json(),
            "over_budget": self.over_budget,
            "whole_run_usd": self.whole_run_usd,
        }


def spending(
    jobs: Sequence[JobSummary],
    records: Sequence[Record],
    spent: Spent,
    terms: Mapping[str, Terms],
    max_cost_usd: float | None,
) -> Spending:
    """Hold what a run has cost against what it may.

    Args:
        records: of its trials, one each.
    """
    reasons = (job.over_budget for job in jobs if job.over_budget is not None)
    prices = [one.prices for one in terms.values()]
    return Spending(
        spent=spent,
        max_cost_usd=max_cost_usd,
        over_budget=next(reasons, None),
        whole_run_usd=whole_run_usd(records, [job.plan for job in jobs], terms),
        is_free=all(one is None or one.is_free for one in prices),
    )


def spent_on(
    records: Iterable[Record],
    replaced: Iterable[Record],
    warmups: Iterable[WarmupResult],
    terms: Mapping[str, Terms],
) -> Spent:
    """Add up what a run has cost, in its trials and beside them.

    Args:
        replaced: records that others have taken the place of.
        terms: by the models' names.
    """
    trials, beside = Cost(), Cost()
    for record in records:
        prices = terms[record.model].prices
        trials += cost_of_trials([record], prices)
        beside += cost_of_replaced([record], prices)
    for record in replaced:
        beside += cost_of_trials([record], terms[record.model].prices)
    warm = (
        cost_of([warmup_usage(warmup)], terms[warmup.model].prices)
        for warmup in warmups
        if warmup.status not in {"skipped", "failed"}
    )
    return Spent(trials=trials, replaced=beside, warmups=sum(warm, Cost()))


def warmup_usage(warmup: WarmupResult) -> Usage | None:
    """Return what a warm-up's question took; None if that isn't known."""
    return None if warmup.usage is None else Usage(**warmup.usage)


def whole_run_usd(
    records: Iterable[Record], plans: Iterable[JobPlan], terms: Mapping[str, Terms]
) -> float | None:
    """Estimate what all planned trials cost.

    A trial that was not asked, or whose cost isn't known, is taken to cost the mean
    of its prompt's others in its job; else of its job's; else what its prompt took of
    other models, at its own prices.

    Returns:
        None where none of these is known for some prompt.
    """
    by_prompt: defaultdict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        by_prompt[record.suite, record.prompt_id].append(record)
    parts = [_planned_usd(plan, by_prompt, terms[plan.model].prices) for plan in plans]
    known = [part for part in parts if part is not None]
    return float(exact_sum(known)) if known and len(known) == len(parts) else None


def _planned_usd(
    plan: JobPlan,
    by_prompt: Mapping[tuple[str, str], Sequence[Record]],
    prices: Prices | None,
) -> Decimal | None:
    asked = {name: by_prompt.get((plan.suite, name), ()) for name in plan.prompt_ids}
    own = {
        name: _known([one for one in records if plan.has(one)], prices)
        for name, records in asked.items()
    }
    of_job = [usd for amounts in own.values() for usd in amounts]
    total = ZERO
    for name, amounts in own.items():
        alike = amounts or of_job or _known(asked[name], prices)
        if not alike:
            return None
        missing = plan.runs - len(amounts)
        mean = exact_sum(alike) / len(alike)
        total = exact_sum((total, *amounts, missing * mean))
    return total


def _known(records: Sequence[Record], prices: Prices | None) -> list[Decimal]:
    amounts = (exact_usd(one.whole_usage, prices) for one in records)
    return [usd for usd in amounts if usd is not None]
