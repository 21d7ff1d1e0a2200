"""The time limits of one call: first byte, stall, whole."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from pytest_llmbench.errors import (
    CallError,
    CallTimeout,
    FirstByteTimeout,
    ProtocolFault,
    StallTimeout,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from pytest_llmbench.calls.request import Limits, Residency

_ASK_LONGER: Final = "; the limit is --call-timeout"
_LOOKS_S: Final = 20.0
"""Longer than two looks at what is loaded can take: each has a limit of its own."""


class Deadline:
    """The limits of one call: first byte, stall, whole.

    Used in a running loop, within `scope`, by one call.

    Args:
        look: for a server that loads models on demand, says whether it has the one
            that is asked, ready for this call. Such a server sends nothing before the
            first token, so silence alone tells nothing, and what lies before the
            first byte may be a load: the whole limit counts from there.
        on_grant: is told when a load is granted its time in mid-call, and how many
            seconds the call may now last, counted from its start.
    """

    def __init__(
        self,
        limits: Limits,
        where: str,
        look: Callable[[], Awaitable[Residency]] | None = None,
        on_grant: Callable[[float], None] | None = None,
    ) -> None:
        self._limits = limits
        self._where = where
        self._look = look
        self._on_grant = on_grant
        self._loop = asyncio.get_running_loop()
        self._start = self._last = self._loop.time()
        self._whole = self._start + limits.first_byte_s
        self._scope = asyncio.timeout_at(self._whole)
        self._watch: asyncio.Task[None] | None = None
        self._size = 0
        self.has_begun = False

    @asynccontextmanager
    async def scope(self) -> AsyncIterator[None]:
        """Bound what is done within.

        Raises:
            CallTimeout: a limit has passed.
        """
        timer = None
        if self._look is not None and not self._limits.is_loading:
            self._scope = asyncio.timeout_at(self._whole + _LOOKS_S)
            half_s = self._limits.first_byte_s / 2
            timer = self._loop.call_at(self._start + half_s, self._begin_watch)
        try:
            async with self._scope:
                yield
        except TimeoutError:
            raise self._error() from None
        finally:
            if timer is not None:
                timer.cancel()
            if self._watch is not None:
                self._watch.cancel()

    def extend(self, size: int) -> None:
        """Note an arrival; the first one starts the time of what may have loaded."""
        if not size:
            return
        self._last = self._loop.time()
        if not self.has_begun:
            self.has_begun = True
            begin = self._start if self._look is None else self._last
            self._whole = begin + self._limits.call_s
        self._size += size
        if self._size > self._limits.max_reply_bytes:
            limit = self._limits.max_reply_bytes
            msg = (
                f"{self._where}: the reply passed {limit:,} bytes and was cut off;"
                " --debug-log keeps what came"
            )
            raise ProtocolFault(msg)
        until = min(self._whole, self._stall_at())
        if until != self._scope.when():
            self._scope.reschedule(until)

    def _begin_watch(self) -> None:
        if not self.has_begun:
            self._watch = self._loop.create_task(self._watch_silence())

    async def _watch_silence(self) -> None:
        """Look at half of the limit and at its end; time is up if no load showed."""
        halfway = await self._seen()
        await asyncio.sleep(self._whole - self._loop.time())
        at_limit = None if self.has_begun else await self._seen()
        if self.has_begun:
            return
        if at_limit is not None and not _stayed(halfway, at_limit):
            self._grant_load()
        self._scope.reschedule(self._whole)

    async def _seen(self) -> Residency | None:
        if self._look is None:
            return None
        with suppress(CallError):
            return await self._look()
        return None

    def _grant_load(self) -> None:
        self._limits = replace(self._limits, is_loading=True)
        self._whole = self._start + self._limits.first_byte_s
        if self._on_grant is not None:
            self._on_grant(self._limits.longest_s)

    def _stall_at(self) -> float:
        stall_s = self._limits.stall_s
        return self._whole if stall_s is None else self._last + stall_s

    def _error(self) -> CallTimeout:
        limits, where = self._limits, self._where
        if not self.has_begun:
            load = f" (+ {limits.load_s:g} s for the load)" if limits.is_loading else ""
            msg = f"{where}: no first byte within {limits.call_s:g} s{load}"
            return FirstByteTimeout(msg + _ASK_LONGER)
        since = self._loop.time() - self._last
        if self._stall_at() < self._whole:
            msg = f"{where}: nothing came for {since:.1f} s in mid-reply"
            return StallTimeout(f"{msg}; the limit is stall_timeout")
        begin = "" if self._look is None else " of its first byte"
        return CallTimeout(
            f"{where}: the reply did not end within {limits.call_s:g} s{begin}"
            f" (the last bytes came {since:.1f} s before){_ASK_LONGER}"
        )


def _stayed(before: Residency | None, now: Residency) -> bool:
    """Say whether a model was there all along, and was not loaded for this call.

    Ollama sets `expires_at` when nobody uses a model any more. Until a model has
    been idle once, it is told as "now and the keep-alive time": another time at
    each look. So a model with one and the same time was there before the call.
    """
    if before is None or not (before.is_resident and now.is_resident):
        return False
    return before.expires_at == now.expires_at
