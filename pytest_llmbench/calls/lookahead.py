"""Calls in flight ahead of the one thread that takes their results in order.

pytest runs its items one by one; the calls behind them overlap. The plan is known
once items are collected: while pytest judges one trial, the next ones are asked, as
many at once as their servers have slots, and no further ahead than a fixed window.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.server import Server

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)
_AHEAD: Final = 4
"""Results that may wait to be taken, per slot; room for slow and fast calls to mix."""


class Plan(Protocol[_T_co]):
    """What will be asked, in the order in which it is taken."""

    def reach(self, index: int) -> int:
        """Return behind which index nothing may be asked while this one waits."""
        ...

    def servers(self, index: int) -> Sequence[Server]:
        """Return who may be asked; the same for all within one reach."""
        ...

    def ask(
        self, index: int, server: Server, queued_ns: int
    ) -> Coroutine[Any, Any, _T_co]:
        """Ask; never raises but for a fault of the program."""
        ...


class _Raised(Struct, frozen=True):
    """A fault of the program, to be raised where the result is taken."""

    error: BaseException


class LookAhead(Generic[_T]):
    """Runs a plan ahead of its taker.

    `take`, `skip_to` and `close` belong to pytest's thread, all that begins with
    an underscore and touches `_next` to the engine's.

    Args:
        is_strict: ask nothing ahead but what fills the slots, so that a stop at the
            first failure costs no call beyond those in flight.
    """

    def __init__(
        self, engine: Engine, plan: Plan[_T], *, is_strict: bool = False
    ) -> None:
        self._engine = engine
        self._plan = plan
        self._ahead = 0 if is_strict else _AHEAD
        self._results: SimpleQueue[tuple[int, _T | _Raised]] = SimpleQueue()
        self._finished: dict[int, _T | _Raised] = {}
        self._pending: set[int] = set()
        self._urgent: deque[tuple[int, int]] = deque()
        self._servers: Sequence[Server] = ()
        self._next = self._end = self._floor = 0
        self._is_starved = True
        self._is_used = self._is_closed = False
        self._tasks: dict[int, asyncio.Task[_T]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def take(self, index: int) -> _T:
        """Return one result, waiting for it; asked anew if it was taken before."""
        self._floor = index
        if index not in self._pending:
            end = max(self._plan.reach(index), index + 1)
            servers = self._plan.servers(index)
            self._is_used = True
            self._engine.post(lambda: self._demand(index, end, servers))
        while index not in self._finished:
            self._engine.look_until(self._has_received)
        result = self._finished.pop(index)
        self._pending.discard(index)
        self._floor = index + 1
        if self._is_starved and self._has_room():
            self._engine.post(self._refill)
        if isinstance(result, _Raised):
            raise result.error
        return result

    def _has_received(self, timeout_s: float | None) -> bool:
        try:
            number, found = self._results.get(timeout=timeout_s)
        except Empty:
            return False
        self._finished[number] = found
        return True

    def drop(self, is_unwanted: Callable[[int], bool]) -> None:
        """End calls in flight that nobody will take any more.

        Args:
            is_unwanted: tells them by their index.
        """
        self._engine.post(lambda: self._cancel(is_unwanted))

    def close(self) -> dict[int, _T]:
        """End calls in flight; return what was finished and never taken."""
        self._is_closed = True
        if self._is_used:
            self._engine.wait(self._stopped())
            while not self._results.empty():
                number, found = self._results.get()
                self._finished[number] = found
        self._pending.clear()
        finished = self._finished.items()
        return {n: found for n, found in finished if not isinstance(found, _Raised)}

    def _has_room(self) -> bool:
        """Whether enough may be asked for the loop to be woken for it."""
        room = min(self._end, self._floor + self._window()) - self._next
        return room > 0 and room >= min(self._end - self._next, self._window() // 2)

    def _window(self) -> int:
        slots = sum(server.slots for server in self._servers)
        return slots * (1 + self._ahead)

    def _demand(self, index: int, end: int, servers: Sequence[Server]) -> None:
        """Ask what is waited for at once, and go on behind it."""
        if index in self._pending:
            return
        self._pending.add(index)
        self._urgent.append((index, self._engine.clock.now_ns()))
        if index >= self._next:
            self._next, self._end, self._servers = index + 1, end, servers
        self._refill()

    def _refill(self) -> None:
        given: set[Server] = set()
        while not self._is_closed:
            limit = min(self._end, self._floor + self._window())
            self._is_starved = not self._urgent and self._next >= limit
            server = self._free_server(given)
            if self._is_starved:
                return
            if server is None:
                self._refill_later(given)
                return
            if server.limiter.is_limiting:  # how many more, the call's begin shows
                given.add(server)
            if self._urgent:
                index, queued_ns = self._urgent.popleft()
            else:
                index, queued_ns = self._next, self._engine.clock.now_ns()
                self._next += 1
                self._pending.add(index)
            server.busy += 1
            work = self._plan.ask(index, server, queued_ns)
            task = asyncio.get_running_loop().create_task(work)
            self._tasks[index] = task
            task.add_done_callback(partial(self._ended, index, server))

    def _free_server(self, given: set[Server]) -> Server | None:
        """Return the server with most free slots, None if none has any.

        One that has died refuses at once and would be free for every call: it is
        passed over while another is there.

        Args:
            given: those that get no other call now.
        """
        there = [server for server in self._servers if not server.is_down]
        asked = there or self._servers
        free = [one for one in asked if one.has_free_slot and one not in given]
        return max(free, key=lambda server: server.slots - server.busy, default=None)

    def _refill_later(self, given: set[Server]) -> None:
        """Come back when a key lets calls begin: no end of a call may do so.

        Args:
            given: servers that got a call just now, which begins before we are back.
        """
        loop = asyncio.get_running_loop()
        if given:
            loop.call_soon(self._refill)
            return
        if self._timer is not None:
            self._timer.cancel()
        waits = [wait_s for server in self._servers if (wait_s := server.hold()) > 0]
        if waits:
            self._timer = loop.call_later(min(waits), self._refill)

    def _ended(self, index: int, server: Server, task: asyncio.Task[_T]) -> None:
        server.busy -= 1
        del self._tasks[index]
        if not task.cancelled():
            error = task.exception()
            found = task.result() if error is None else _Raised(error)
            self._results.put((index, found))
        self._refill()

    def _cancel(self, is_unwanted: Callable[[int], bool]) -> None:
        for index, task in self._tasks.items():
            if is_unwanted(index):
                task.cancel()
                self._pending.discard(index)

    async def _stopped(self) -> None:
        tasks = list(self._tasks.values())
        self._cancel(lambda _index: True)
        await asyncio.gather(*tasks, return_exceptions=True)
