"""One key at one service: whose turn it is, how many at once, and when not at all."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, nullcontext, suppress
from itertools import count
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from pytest_llmbench.calls.keypace import Pace
from pytest_llmbench.errors import Busy, Faltered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmbench.calls.budget import RunBudget
    from pytest_llmbench.calls.clock import Clock

_GROW_AFTER: Final = 10
"""Calls that went well with all turns taken before one more goes at once."""

PACED: Final = "kept to its rate"


class Turn(Struct, kw_only=True):
    """One request that may be sent now.

    Attributes:
        tokens: what its prompt was reckoned at.
        put_aside: tokens taken from the key's rate for it.
        used_tokens: what it took, set by who sends it; None if not known.
    """

    started_ns: int
    tokens: float
    put_aside: float
    used_tokens: float | None = None


class Wait(Struct, frozen=True, kw_only=True):
    """A wait in progress.

    Attributes:
        server: the provider's word.
        why: in words.
        until_ns: when it ends, by the engine's clock.
    """

    server: str
    why: str
    until_ns: int


class KeyLimiter:
    """What all calls with one key have in common; used in the engine's thread.

    How many go at once follows additive increase, multiplicative decrease (Chiu and
    Jain, 1989): half of it after a refusal, one more after ten calls that went well.
    Refusals of calls that began before the last cut count as that one's.

    Args:
        server: the provider's word, for who watches the waits.
        budget: how long calls may wait for the key to open again.
        shares: among how many processes the key is shared.

    Attributes:
        at_once: turns that may be taken at once; None until the first refusal.
        pace: how fast turns are given.
    """

    def __init__(
        self,
        server: str,
        clock: Clock,
        budget: RunBudget,
        shares: int = 1,
    ) -> None:
        self.server = server
        self.at_once: int | None = None
        self.pace = Pace(shares)
        self._clock = clock
        self._budget = budget
        self._taken = 0
        self._well = 0
        self._cut_at_ns = self._closed_until_ns = 0
        self._refusal: Busy | None = None
        self._line = asyncio.Lock()
        self._changed = asyncio.Event()
        self._waits: dict[int, Wait] = {}
        self._numbers = count()
        self._held: Wait | None = None

    @property
    def is_limiting(self) -> bool:
        """Whether turns have to be waited for at times."""
        return self.at_once is not None or self.pace.is_limiting

    def admits(self, busy: int) -> bool:
        """Whether one more call than `busy` would get its turn soon."""
        is_full = self.at_once is not None and busy >= self.at_once
        return not is_full and self.opens_in_s <= 0

    @property
    def opens_in_s(self) -> float:
        """Seconds until a turn may be given; 0 if now, or if it would be refused."""
        now_ns = self._clock.now_ns()
        closed_s = self._closed_s(now_ns)
        if closed_s > self._budget.longest_s:
            return 0.0
        return max(closed_s, self.pace.opens_in_s(now_ns))

    @property
    def waits(self) -> list[Wait]:
        """What is waited for now; may be read from any thread."""
        held = self._held
        waits = list(self._waits.values())
        if held is not None and held.until_ns > self._clock.now_ns():
            waits.append(held)
        return waits

    def hold(self, wait_s: float) -> None:
        """Show that calls are not begun for so long."""
        until_ns = self._clock.now_ns() + int(wait_s * 1e9)
        why = self._why(self._closed_s(self._clock.now_ns()))
        self._held = Wait(server=self.server, why=why, until_ns=until_ns)

    @contextmanager
    def waiting(self, why: str, wait_s: float) -> Iterator[None]:
        """Show a wait to whoever looks at `waits`."""
        number, until_ns = next(self._numbers), self._clock.now_ns() + int(wait_s * 1e9)
        self._waits[number] = Wait(server=self.server, why=why, until_ns=until_ns)
        try:
            yield
        finally:
            del self._waits[number]

    async def begin(self, tokens: float = 0.0) -> Turn:
        """Wait in line for a turn; who takes one gives it back with `end`.

        Args:
            tokens: of the prompt, as far as they can be reckoned.

        Raises:
            Busy: the service has asked for a longer wait than there is patience.
        """
        async with self._line:
            await self._opened(tokens)
            self._taken += 1
            now_ns = self._clock.now_ns()
            put_aside = self.pace.begin(now_ns, tokens)
        return Turn(started_ns=now_ns, tokens=tokens, put_aside=put_aside)

    def end(self, turn: Turn) -> None:
        """Give a turn back."""
        self._taken -= 1
        if turn.used_tokens is not None:
            self.pace.settle(turn.put_aside, turn.tokens, turn.used_tokens)
        self._changed.set()

    def went_well(self) -> None:
        """Note an answer; to be told before the turn's end."""
        if self.at_once is None or self._taken < self.at_once:
            return
        self._well += 1
        if self._well >= _GROW_AFTER:
            self._well = 0
            self.at_once += 1

    def refused(self, turn: Turn, error: Busy) -> None:
        """Note a refusal; to be told before the turn's end."""
        now_ns = self._clock.now_ns()
        if not isinstance(error, Faltered) and turn.started_ns >= self._cut_at_ns:
            self._cut_at_ns, self._well = now_ns, 0
            self.at_once = max(1, self._taken // 2)
        if error.retry_after_s and self._budget.patience.call_s:
            until_ns = now_ns + int(error.retry_after_s * 1e9)
            if until_ns > self._closed_until_ns:
                self._closed_until_ns, self._refusal = until_ns, error

    async def _opened(self, tokens: float) -> None:
        while True:
            now_ns = self._clock.now_ns()
            closed_s = self._closed_s(now_ns)
            if closed_s > self._budget.longest_s:
                raise self._closed(closed_s)
            wait_s = max(closed_s, self.pace.opens_in_s(now_ns, tokens))
            is_full = self.at_once is not None and self._taken >= self.at_once
            if wait_s <= 0 and not is_full:
                return
            self._changed.clear()
            if wait_s <= 0:
                await self._changed.wait()
                continue
            counted = self._budget.waiting() if closed_s > 0 else nullcontext()
            with counted, self.waiting(self._why(closed_s), wait_s):
                await self._changed_within(wait_s)

    async def _changed_within(self, wait_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._changed.wait()

    def _why(self, closed_s: float) -> str:
        return word_of(self._refusal) if closed_s > 0 and self._refusal else PACED

    def _closed_s(self, now_ns: int) -> float:
        return max(0.0, (self._closed_until_ns - now_ns) / 1e9)

    def _closed(self, left_s: float) -> Busy:
        """Return the refusal that closed the key, for a call that is not sent."""
        refusal = self._refusal or Busy("")
        msg = f"not asked, as another call was told: {refusal}; {left_s:.0f} s are left"
        error = type(refusal)(msg)
        error.retry_after_s = left_s
        return error


def word_of(error: Busy) -> str:
    """Return a refusal's kind as people read it.

    >>> word_of(Busy(""))
    'busy'
    """
    return error.kind.replace("_", " ")
