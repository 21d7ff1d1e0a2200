"""A busy server is asked again: when it says so, or after a growing random wait."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from pytest_llmbench.calls.keylimits import word_of
from pytest_llmbench.checks.reply import Backoff
from pytest_llmbench.errors import Busy, Faltered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenacity import RetryCallState

    from pytest_llmbench.calls.budget import RunBudget
    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.keylimits import KeyLimiter, Turn

_T = TypeVar("_T")
_FIRST_S: Final = 1.0
"""The first wait is between 0 and this."""

_SHORT_S: Final = 0.1
"""A service that asks for less gets a random wait where that is longer: it would
be asked in a circle."""

MAX_FALTERED: Final = 4
"""How often a fault is asked again: one that comes each time is no busy hour."""


class BackOff:
    """Takes one call through a server's refusals; made anew for each call.

    The wait is the server's own word, else exponential with full jitter, uniform
    between 0 and min(cap, 1 s * 2^n) for n = 0, 1, … (M. Brooker, "Exponential
    Backoff And Jitter", AWS Architecture Blog, 2015).

    Attributes:
        backoffs: the refusals behind which the server was asked again.
    """

    def __init__(self, limiter: KeyLimiter, budget: RunBudget, clock: Clock) -> None:
        self.backoffs: list[Backoff] = []
        self._limiter = limiter
        self._budget = budget
        self._patience = budget.patience
        self._clock = clock
        self._open: tuple[Busy, int, str] | None = None
        self._why = ""

    @property
    def waited_s(self) -> float:
        """Seconds waited so far."""
        return sum(one.wait_s for one in self.backoffs)

    async def run(
        self, attempt: Callable[[Turn], Awaitable[_T]], tokens: float = 0.0
    ) -> _T:
        """Make an attempt, again and again while the server refuses it.

        Args:
            attempt: is told its turn; raises `Busy` if nothing of a reply came.
            tokens: of the prompt; see `KeyLimiter.begin`.

        Raises:
            Busy: the last refusal; it says which limit ended the waiting.
        """
        try:
            return await self._once(attempt, tokens)
        except Busy as error:
            refusals = [error]
        if not self._patience.call_s:
            raise refusals[0]
        # Imported by the first refusal: it takes 15 ms, and a call 60 us through it.
        from tenacity import AsyncRetrying, retry_if_exception_type

        async def asked() -> _T:
            if refusals:
                raise refusals.pop()
            return await self._once(attempt, tokens)

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Busy),
            wait=self._wait_s,
            stop=self._has_to_stop,
            sleep=self._sleep,
            retry_error_callback=self._give_up,
        )
        return await retrying(asked)

    async def _once(
        self, attempt: Callable[[Turn], Awaitable[_T]], tokens: float
    ) -> _T:
        turn = await self._limiter.begin(tokens)
        self._note_wait(turn)
        try:
            result = await attempt(turn)
        except Busy as error:
            self._open = (error, self._clock.now_ns(), self._clock.utc().isoformat())
            self._limiter.refused(turn, error)
            raise
        else:
            self._limiter.went_well()
            return result
        finally:
            self._limiter.end(turn)

    def _note_wait(self, turn: Turn) -> None:
        if self._open is None:
            return
        (error, refused_ns, at), self._open = self._open, None
        wait_s = (turn.started_ns - refused_ns) / 1e9
        found = Backoff(kind=error.kind, message=str(error), wait_s=wait_s, at=at)
        self.backoffs.append(found)

    def _wait_s(self, state: RetryCallState) -> float:
        from tenacity import wait_random_exponential

        told_s = _refusal(state).retry_after_s
        if told_s is not None and told_s >= _SHORT_S:
            return told_s
        jitter = wait_random_exponential(_FIRST_S, max=self._patience.wait_s)
        return max(jitter(state), told_s or 0.0)

    def _has_to_stop(self, state: RetryCallState) -> bool:
        self._why = self._limit_passed(_refusal(state), state.upcoming_sleep)
        return bool(self._why)

    def _limit_passed(self, error: Busy, wait_s: float) -> str:
        """Say which limit another wait would pass; empty if none."""
        limits = self._patience
        if wait_s > limits.wait_s:
            return f"one wait may take {limits.wait_s:g} s (backoff_wait)"
        if self.waited_s + wait_s > limits.call_s:
            return f"a call may wait {limits.call_s:g} s in all (backoff_call)"
        if wait_s > self._budget.left_s:
            return f"a run may wait {limits.run_s:g} s in all (backoff_run)"
        if isinstance(error, Faltered) and len(self.backoffs) >= MAX_FALTERED:
            return f"it was asked {MAX_FALTERED + 1} times"
        return ""

    async def _sleep(self, wait_s: float) -> None:
        why = word_of(self._open[0]) if self._open else ""
        with self._budget.waiting(), self._limiter.waiting(why, wait_s):
            await asyncio.sleep(wait_s)

    def _give_up(self, state: RetryCallState) -> None:
        """Raise the last refusal, with the reason why it is the last."""
        error = _refusal(state)
        last = type(error)(f"{error}; not asked again: {self._why}")
        last.retry_after_s, last.partial = error.retry_after_s, error.partial
        raise last from None


def _refusal(state: RetryCallState) -> Busy:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, Busy) else Busy("")


def is_refused(error: object) -> bool:
    """Whether a server refused a call for now, before any part of a reply came."""
    if not isinstance(error, Busy):
        return False
    return error.partial is None or not error.partial.deltas
