"""What calls cost, from token counts and prices; unknown is None and never 0.

Amounts are exact decimals (`Decimal`, from the prices as they are written) and become
floats once, where they are stored or shown: a sum has no error of rounding.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from pytest_llmbench.analysis.calls import is_billed
from pytest_llmbench.runs.record import UNBILLED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_llmbench.checks.reply import Usage
    from pytest_llmbench.runs.record import Record

_DIGITS: Final = 60
"""More than any count of tokens times any price needs."""

_MTOK: Final = 6
"""A price is for ten to this power of tokens."""

ZERO: Final = Decimal(0)


class Prices(Struct, frozen=True, kw_only=True):
    """What a model's tokens cost, in US dollars per million.

    Attributes:
        in_usd_per_mtok: prompt tokens that are neither read from nor put into a
            cache.
        cached_usd_per_mtok: prompt tokens read from the service's cache; None if not
            told: a prompt with such a part has no cost then.
        cache_write_usd_per_mtok: prompt tokens put into the service's cache; None as
            above.
        out_usd_per_mtok: output tokens, thinking included.
    """

    in_usd_per_mtok: float
    out_usd_per_mtok: float
    cached_usd_per_mtok: float | None = None
    cache_write_usd_per_mtok: float | None = None

    @property
    def is_free(self) -> bool:
        """Whether nothing costs anything, whatever the counts."""
        caches = (self.cached_usd_per_mtok, self.cache_write_usd_per_mtok)
        return not any((self.in_usd_per_mtok, self.out_usd_per_mtok, *caches))

    @property
    def dearest_in_usd_per_mtok(self) -> float:
        """The most that a prompt token can cost."""
        caches = (self.cached_usd_per_mtok, self.cache_write_usd_per_mtok)
        return max(self.in_usd_per_mtok, *(price or 0.0 for price in caches))


FREE: Final = Prices(in_usd_per_mtok=0.0, out_usd_per_mtok=0.0)
"""A model of one's own: whatever its counts, nobody is paid."""


class Terms(Struct, frozen=True, kw_only=True):
    """What asking a model means for the user's purse.

    Attributes:
        prices: None if not told.
        is_online: whether a service answers, and no server of the user's own.
    """

    prices: Prices | None = None
    is_online: bool = False


class Cost(Struct, frozen=True, kw_only=True):
    """The cost of some calls or trials.

    Attributes:
        usd: the sum over those whose cost is known; None where none is.
        known: how many these are.
        unknown: how many were, or may have been, paid for without our knowing how
            much.
    """

    usd: Decimal | None = None
    known: int = 0
    unknown: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether there is an amount, and nothing is missing from it."""
        return self.usd is not None and not self.unknown

    def __add__(self, other: Cost) -> Cost:
        """Put two together; what is known of one is not lost by the other."""
        amounts = [one for one in (self.usd, other.usd) if one is not None]
        return Cost(
            usd=exact_sum(amounts) if amounts else None,
            known=self.known + other.known,
            unknown=self.unknown + other.unknown,
        )

    def per(self, count: int) -> float | None:
        """Return the mean over `count` of anything; None unless all is known."""
        if self.usd is None or self.unknown or not count:
            return None
        return float(self.usd / count)

    def to_json(self) -> dict[str, Any]:
        """Return amount and counts as plain JSON."""
        usd = None if self.usd is None else float(self.usd)
        return {"usd": usd, "known": self.known, "unknown": self.unknown}


class TokenSum(Struct, frozen=True, kw_only=True):
    """One count of tokens, summed over trials.

    Attributes:
        tokens: the sum over trials whose count the server gave; None where none is.
        known: how many these are.
        unknown: trials that may have had tokens of this kind, untold.
    """

    tokens: int | None
    known: int
    unknown: int


class JobCost(Struct, frozen=True, kw_only=True):
    """What the trials of one spec took in tokens and money.

    Attributes:
        prices: what the amounts rest on; None if not told, and there is no amount.
        tokens: by the name of the count in `Usage`.
        total: of the trials' last attempts.
        per_passed_usd: total per trial passed; None unless all is known.
        runs: each run's, run 1 first.
        prompts: by prompt id, in suite order.
        per_passed_prompt_usd: by prompt id, its cost per run that it passed.
        replaced: of attempts that a retry or back-off has replaced, in no figure above.
    """

    prices: Prices | None
    tokens: Mapping[str, TokenSum]
    total: Cost
    per_passed_usd: float | None = None
    runs: tuple[Cost, ...] = ()
    prompts: Mapping[str, Cost] = field(default_factory=dict)
    per_passed_prompt_usd: Mapping[str, float | None] = field(default_factory=dict)
    replaced: Cost = Cost()

    def to_json(self) -> dict[str, Any]:
        """Return prices, sums and amounts as plain JSON."""
        names = self.prices.__struct_fields__ if self.prices else ()
        return {
            "prices": {name: getattr(self.prices, name) for name in names} or None,
            "tokens": {
                name: {"sum": one.tokens, "known": one.known, "unknown": one.unknown}
                for name, one in self.tokens.items()
            },
            **self.total.to_json(),
            "per_passed_usd": self.per_passed_usd,
            "runs": [
                {"run": run, **cost.to_json()} for run, cost in enumerate(self.runs, 1)
            ],
            "prompts": [
                {
                    "prompt_id": prompt_id,
                    **cost.to_json(),
                    "per_passed_usd": self.per_passed_prompt_usd[prompt_id],
                }
                for prompt_id, cost in self.prompts.items()
            ],
            "replaced_attempts": self.replaced.to_json(),
        }


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Add amounts up without rounding."""
    with localcontext(Context(prec=_DIGITS)):
        return sum(amounts, ZERO)


def exact_usd(usage: Usage | None, prices: Prices | None) -> Decimal | None:
    """Return what a call with these counts costs, without rounding.

    in * (prompt - cached - written) + cached * cached price + written * write price
    + out * output, each price per million. A part without a price of its own costs
    nothing extra only where it is empty, or untold by a server that has no such
    price.

    Returns:
        None where a count or price that it takes is missing, or where the parts of
        the prompt are more than the whole.
    """
    if prices is None or usage is None:
        return ZERO if prices is not None and prices.is_free else None
    if prices.is_free:
        return ZERO
    cached = _apart(usage.cached_tokens, prices.cached_usd_per_mtok)
    written = _apart(usage.cache_write_tokens, prices.cache_write_usd_per_mtok)
    prompt, output = usage.prompt_tokens, usage.output_tokens
    if prompt is None or output is None or cached is None or written is None:
        return None
    plain = prompt - cached - written
    if plain < 0:
        return None
    return exact_sum((
        amount(plain, prices.in_usd_per_mtok),
        amount(cached, prices.cached_usd_per_mtok or 0.0),
        amount(written, prices.cache_write_usd_per_mtok or 0.0),
        amount(output, prices.out_usd_per_mtok),
    ))


def cost_usd(usage: Usage | None, prices: Prices | None) -> float | None:
    """Return what a call costs: `exact_usd`, rounded once to the nearest float.

    >>> from pytest_llmbench.checks.reply import Usage
    >>> prices = Prices(in_usd_per_mtok=3, out_usd_per_mtok=15)
    >>> cost_usd(Usage(prompt_tokens=1000, output_tokens=200), prices)
    0.006
    >>> cost_usd(Usage(prompt_tokens=1000), prices) is None
    True
    """
    exact = exact_usd(usage, prices)
    return None if exact is None else float(exact)


def amount(tokens: int, usd_per_mtok: float) -> Decimal:
    """Return what tokens cost at a price, taken as it is written.

    >>> amount(3, 0.1)
    Decimal('3E-7')
    """
    with localcontext(Context(prec=_DIGITS)):
        return (tokens * Decimal(str(usd_per_mtok))).scaleb(-_MTOK)


def _apart(count: int | None, price: float | None) -> int | None:
    """Return how many tokens are priced apart; None if that can't be told."""
    if price is None:
        return None if count else 0
    return count


def cost_of(usages: Iterable[Usage | None], prices: Prices | None) -> Cost:
    """Add up what calls cost; one without counts is unknown."""
    exact = [exact_usd(usage, prices) for usage in usages]
    known = [one for one in exact if one is not None]
    return Cost(
        usd=exact_sum(known) if known else None,
        known=len(known),
        unknown=len(exact) - len(known),
    )


def cost_of_trials(records: Iterable[Record], prices: Prices | None) -> Cost:
    """Add up what trials cost; what was refused or never sent has cost nothing."""
    billed = filter(is_billed, records)
    return cost_of((record.whole_usage for record in billed), prices)


def cost_of_replaced(records: Iterable[Record], prices: Prices | None) -> Cost:
    """Add up what attempts cost that a retry or back-off has replaced.

    Of a try that back-off has repeated no counts are kept.
    """
    usages: list[Usage | None] = []
    for record in records:
        attempts = record.earlier_attempts
        usages += [one.usage for one in attempts if one.is_billed]
        usages += [None for one in record.backoffs if one.kind not in UNBILLED]
    return cost_of(usages, prices)


def job_cost(
    records: Sequence[Record],
    prompt_ids: Sequence[str],
    runs: int,
    prices: Prices | None,
) -> JobCost:
    """Sum up one job's tokens and money: in all, per run, per prompt, per pass."""

    def costs(of: Callable[[Record], object]) -> Mapping[object, Cost]:
        return _by(records, of, prices)

    by_run, by_prompt = costs(lambda one: one.run), costs(lambda one: one.prompt_id)
    prompts = {name: by_prompt.get(name, Cost()) for name in prompt_ids}
    passed = [record.prompt_id for record in records if record.outcome == "pass"]
    total = cost_of_trials(records, prices)
    return JobCost(
        prices=prices,
        tokens=_token_sums(records),
        total=total,
        per_passed_usd=total.per(len(passed)),
        runs=tuple(by_run.get(run, Cost()) for run in range(1, runs + 1)),
        prompts=prompts,
        per_passed_prompt_usd={
            name: cost.per(passed.count(name)) for name, cost in prompts.items()
        },
        replaced=cost_of_replaced(records, prices),
    )


def _by(
    records: Iterable[Record], of: Callable[[Record], object], prices: Prices | None
) -> Mapping[object, Cost]:
    groups: defaultdict[object, list[Record]] = defaultdict(list)
    for record in records:
        groups[of(record)].append(record)
    return {key: cost_of_trials(group, prices) for key, group in groups.items()}


def _token_sums(records: Iterable[Record]) -> Mapping[str, TokenSum]:
    from pytest_llmbench.checks.reply import Usage

    usages = [one.whole_usage or Usage() for one in records if is_billed(one)]
    return {
        name: _token_sum([getattr(usage, name) for usage in usages])
        for name in Usage.__struct_fields__
    }


def _token_sum(counts: Sequence[int | None]) -> TokenSum:
    known = [count for count in counts if count is not None]
    return TokenSum(
        tokens=sum(known) if known else None,
        known=len(known),
        unknown=len(counts) - len(known),
    )
