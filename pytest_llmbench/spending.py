"""`--max-cost`: no call is made that may pass the budget."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmbench.analysis.budget import Budget, Estimates
from pytest_llmbench.analysis.cost import (
    FREE,
    ZERO,
    Terms,
    amount,
    exact_sum,
    exact_usd,
)
from pytest_llmbench.analysis.spent import spent_on, warmup_usage
from pytest_llmbench.calls.providers import is_local
from pytest_llmbench.calls.request import Answer, WarmupResult
from pytest_llmbench.errors import OverBudget
from pytest_llmbench.prompts.spec import parse_model
from pytest_llmbench.report.numbers import counted
from pytest_llmbench.report.numbers import usd as shown
from pytest_llmbench.runs.record import UNBILLED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping

    from pytest_llmbench.analysis.cost import Prices
    from pytest_llmbench.calls.request import CallRequest
    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.prompts.spec import ModelName
    from pytest_llmbench.resuming import Resumption
    from pytest_llmbench.runs.interrupted import InterruptedRun
    from pytest_llmbench.settings import Settings

_WARM_UP: Final = "warm-up"
_WARM_UP_BYTES: Final = 64
_WARM_UP_TOKENS: Final = 32


class Share(Struct, frozen=True, kw_only=True):
    """This process's part of `--max-cost`.

    Attributes:
        spent_usd: what the run had spent before it went on.
        parts: processes that the rest is shared by.
        is_late: it takes a dead worker's place, whose part is gone with it.
    """

    spent_usd: Decimal = ZERO
    parts: int = 1
    is_late: bool = False


class Purse:
    """Holds the calls of one process to its share of the budget.

    Used in the engine's thread only, `reason` apart.

    Attributes:
        reason: why nothing more is asked; empty while there is room.
    """

    def __init__(self, max_cost_usd: float, share: Share | None = None) -> None:
        self._share = share or Share()
        self._max_usd = Decimal(str(max_cost_usd))
        rest_usd = max(self._max_usd - self._share.spent_usd, ZERO)
        limit_usd = ZERO if self._share.is_late else rest_usd / self._share.parts
        self._budget = Budget(limit_usd)
        self._estimates = Estimates()
        self._waiters: list[asyncio.Future[None]] = []
        self.reason = ""

    async def pay(
        self,
        question: Hashable,
        request: CallRequest,
        prices: Prices,
        call: Callable[[], Awaitable[Answer]],
    ) -> Answer:
        """Make a call if the budget has room for it, else answer `OverBudget`.

        Where only the calls in flight stand in its way, it waits for them: they
        cost less than their upper estimates.

        Args:
            question: equal for calls that ask the same again.
        """
        size = _size(request)
        limit = request.options.get("num_predict")

        def upper_usd() -> Decimal:
            return self._estimates.upper_usd(
                request.model,
                question,
                size,
                limit_tokens=limit if isinstance(limit, int) else 0,
                prices=prices,
            )

        number = await self._hold(upper_usd)
        if number is None:
            return Answer(error=OverBudget(self.reason))
        usd: Decimal | None = None
        try:
            answer = await call()
            usd = _paid(answer, prices)
            self._book_tries(answer, upper_usd())
            if answer.reply is not None:
                usage = answer.reply.usage
                self._estimates.note(request.model, question, size, usage)
        finally:  # a call that was cancelled is booked as well
            self._settle(number, usd)
        return answer

    def _book_tries(self, answer: Answer, upper_usd: Decimal) -> None:
        """Book tries that back-off has repeated and that may have been paid for."""
        for one in answer.backoffs if upper_usd else ():
            if one.kind not in UNBILLED:
                self._budget.settle(self._budget.hold(upper_usd), None)

    async def warm_up(
        self, model: str, prices: Prices, call: Callable[[], Awaitable[WarmupResult]]
    ) -> WarmupResult | None:
        """Warm a model up if the budget has room for it; None if it hasn't."""

        def upper_usd() -> Decimal:
            return self._estimates.upper_usd(
                model,
                (model, _WARM_UP),
                _WARM_UP_BYTES,
                limit_tokens=_WARM_UP_TOKENS,
                prices=prices,
            )

        number = await self._hold(upper_usd)
        if number is None:
            return None
        usd: Decimal | None = None
        try:
            result = await call()
            usd = exact_usd(warmup_usage(result), prices)
        finally:
            self._settle(number, usd)
        return result

    async def _hold(self, upper_usd: Callable[[], Decimal]) -> int | None:
        """Set a call's upper estimate aside; None, for good, if there is no room."""
        while True:
            upper = upper_usd()
            if not upper or (not self.reason and self._budget.has_room(upper)):
                return self._budget.hold(upper)
            if self.reason or self._budget.is_idle:
                self.reason = self.reason or self._why(upper)
                self._wake()
                return None
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def _settle(self, number: int, usd: Decimal | None) -> None:
        self._budget.settle(number, usd)
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():  # as one is whose call was cancelled
                waiter.set_result(None)

    def _why(self, upper_usd: Decimal) -> str:
        share, budget = self._share, self._budget
        told = [f"--max-cost {shown(self._max_usd)}"]
        if share.spent_usd:
            told.append(f"{shown(share.spent_usd)} was spent before the run went on")
        if share.is_late:
            told.append("a worker died, and its share went with it")
            return ", ".join(told)
        if share.parts > 1:
            part = f"1/{share.parts} of the rest, {shown(budget.limit_usd)}"
            told.append(f"this worker's share is {part}")
        spent = f"{shown(budget.spent_usd)} is spent"
        if budget.unknown:
            calls = counted(budget.unknown, "call")
            spent += f" (with the upper estimate of {calls} of unknown cost)"
        told += [spent, f"the next call may cost up to {shown(upper_usd)}"]
        return ", ".join(told)


def purse(
    settings: Settings, resumption: Resumption | None, share: Share
) -> Purse | None:
    """Return what holds this process to `--max-cost`; None without that.

    Args:
        resumption: the run that is finished here; None for a new one.
    """
    if settings.max_cost_usd is None:
        return None
    if resumption is not None:
        spent_usd = _spent_before(settings, resumption.run)
        share = replace(share, spent_usd=spent_usd)
    return Purse(settings.max_cost_usd, share)


def _spent_before(settings: Settings, run: InterruptedRun) -> Decimal:
    """Return what a run has cost before it goes on.

    A call of unknown cost is taken to have filled its output limit.
    """
    records = (*run.records, *run.replaced)
    warmups = [WarmupResult(**one) for one in run.inventory.get("warmups", ())]
    warmups += map(as_warmup, run.inventory.get("calibrations", ()))
    models = {*(one.model for one in records), *(one.model for one in warmups)}
    terms = terms_by_name(settings, models)
    total = ZERO
    for name, one in terms.items():
        own = [record for record in records if record.model == name]
        warm = [warmup for warmup in warmups if warmup.model == name]
        cost = spent_on(own, (), warm, terms).total
        price = one.prices.out_usd_per_mtok if one.prices else 0.0
        unknown = amount(cost.unknown * settings.num_predict, price)
        total = exact_sum((total, cost.usd or ZERO, unknown))
    return total


def as_warmup(calibration: Mapping[str, Any]) -> WarmupResult:
    """Return a calibration as what it costs: a question before the first trial."""
    return WarmupResult(
        model=calibration["model"],
        server=calibration["server"],
        status="success",
        usage=calibration["usage"],
    )


def terms_of(settings: Settings, model: ModelName) -> Terms:
    """Return a model's prices, and whether a service answers for it."""
    is_online = not is_local(settings.target(model))
    prices = settings.prices(model)
    return Terms(prices=prices if is_online or prices else FREE, is_online=is_online)


def terms_by_name(settings: Settings, names: Iterable[str]) -> Mapping[str, Terms]:
    """Return the terms of models by their names as they are stored."""
    wanted = set(names)
    parsed = {name: parse_model(name, settings.aliases) for name in wanted}
    return {name: terms_of(settings, model) for name, model in parsed.items()}


def price_fault(settings: Settings) -> str:
    """Name the models whose cost nobody could know under `--max-cost`."""
    if settings.max_cost_usd is None or settings.replay:
        return ""
    models = (m for m in settings.models if terms_of(settings, m).prices is None)
    names = ", ".join(map(str, models))
    if not names:
        return ""
    return (
        f"--max-cost: no prices for {names}: give each an alias with"
        " price_in_usd_per_mtok and price_out_usd_per_mtok in"
        " [tool.llmbench.models.<alias>], or leave --max-cost out"
    )


def _paid(answer: Answer, prices: Prices) -> Decimal | None:
    """Return what a call has cost; None if that isn't known."""
    error = answer.error
    if answer.reply is not None:
        return exact_usd(answer.reply.usage, prices)
    partial: Reply | None = error.partial if error is not None else None
    if error is not None and partial is None and error.kind in UNBILLED:
        return ZERO
    if partial is None or partial.finish_reason is None:
        return exact_usd(None, prices)
    return exact_usd(partial.usage, prices)


def _size(request: CallRequest) -> int:
    """Return the bytes of what is sent: messages, calls in them, and tools."""
    parts = [message.to_json() for message in request.messages]
    parts += [tool.to_json() for tool in request.tools]
    return len(json.dumps(parts, ensure_ascii=False).encode())
