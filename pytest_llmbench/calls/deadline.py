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

    from pytest_llmbench.calls.request import Limits

_ASK_LONGER: Final = "; the limit is --call-timeout"
_LOOK_S: Final = 10.0
"""Longer than a look at what is loaded can take: it has a limit of its own."""


class Deadline:
    """The limits of one call: first byte, stall, whole.

    Used in a running loop, within `scope`, by one call.

    Args:
        is_loading: asked when no first byte has come in time: says whether the
            server is busy loading the model, which is granted its time. A server
            sends nothing before the first token, so silence alone tells nothing.
    """

    def __init__(
        self,
        limits: Limits,
        where: str,
        is_loading: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._limits = limits
        self._where = where
        self._is_loading = is_loading
        self._loop = asyncio.get_running_loop()
        self._start = self._last = self._loop.time()
        self._whole = self._start + limits.first_byte_s
        self._scope = asyncio.timeout_at(self._whole)
        self._look: asyncio.Task[None] | None = None
        self._size = 0
        self.has_begun = False

    @asynccontextmanager
    async def scope(self) -> AsyncIterator[None]:
        """Bound what is done within.

        Raises:
            CallTimeout: a limit has passed.
        """
        timer = None
        if self._is_loading is not None and not self._limits.is_loading:
            self._scope = asyncio.timeout_at(self._whole + _LOOK_S)
            timer = self._loop.call_at(self._whole, self._look_again)
        try:
            async with self._scope:
                yield
        except TimeoutError:
            raise self._error() from None
        finally:
            if timer is not None:
                timer.cancel()
            if self._look is not None:
                self._look.cancel()

    def extend(self, size: int) -> None:
        """Note an arrival; a load that has ended starts the call's own time."""
        if not size:
            return
        self._last = self._loop.time()
        if not self.has_begun:
            self.has_begun = True
            begin = self._last if self._limits.is_loading else self._start
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

    def _look_again(self) -> None:
        if not self.has_begun:
            self._look = self._loop.create_task(self._grant_load())

    async def _grant_load(self) -> None:
        """Wait on for a load in progress; else the time is up."""
        loads = False
        if self._is_loading is not None:
            with suppress(CallError):
                loads = await self._is_loading()
        if self.has_begun:
            return
        if loads:
            self._limits = replace(self._limits, is_loading=True)
            self._whole = self._start + self._limits.first_byte_s
        self._scope.reschedule(self._whole)

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
        return CallTimeout(
            f"{where}: the reply did not end within {limits.call_s:g} s"
            f" (the last bytes came {since:.1f} s before){_ASK_LONGER}"
        )
