"""One asyncio loop in one background thread; pytest's thread waits for replies."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import wait
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from pytest_llmbench.calls.backoff import BackOff
from pytest_llmbench.calls.budget import RunBudget
from pytest_llmbench.calls.clock import Clock, SystemClock
from pytest_llmbench.calls.keylimits import KeyLimiter
from pytest_llmbench.calls.occupancy import occupancies
from pytest_llmbench.calls.providers import is_local, open_provider
from pytest_llmbench.calls.providers.base import TellsHeaders
from pytest_llmbench.calls.request import Answer, Patience, WarmupResult
from pytest_llmbench.calls.server import Server
from pytest_llmbench.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence

    from pytest_llmbench.calls.debuglog import DebugLog
    from pytest_llmbench.calls.keylimits import Wait
    from pytest_llmbench.calls.providers.base import Caller, Provider
    from pytest_llmbench.calls.request import CallRequest, ModelFacts, Occupancy, Target

_T = TypeVar("_T")
_CLOSE_S = 10.0
_LOOK_S = 0.5


class Watch(Protocol):
    """Who looks on while pytest's thread waits for the engine."""

    def look(self, waits: Sequence[Wait], now_ns: int) -> None:
        """See what calls wait for; called twice a second while one waits."""
        ...

    def end(self) -> None:
        """Hear that nobody waits any more."""
        ...


class Engine:
    """Owns every connection of the session.

    The thread starts with the first call and ends with `close`. Methods may be
    called from pytest's thread only; an interrupt there cancels the call.

    Args:
        patience: how long a busy server is waited for; not at all by default.
        shares: among how many processes each key is shared.

    Attributes:
        watch: looks on while pytest's thread waits; None if nobody does.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        debug: DebugLog | None = None,
        patience: Patience | None = None,
        shares: int = 1,
    ) -> None:
        self.clock = clock or SystemClock()
        self.watch: Watch | None = None
        self._shares = shares
        self._budget = RunBudget(patience or Patience(), self.clock)
        self._limiters: dict[object, KeyLimiter] = {}
        self._debug = debug
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._servers: dict[object, Server] = {}

    def server(self, target: Target) -> Server:
        """Return a target's server, opened when it is first needed.

        Raises:
            CallError: no dialect speaks to it.
        """
        limiter = self._limiter(target)
        key = (limiter, target.headers)
        if key not in self._servers:
            provider = open_provider(target, self.clock, self._debug)
            if isinstance(provider, TellsHeaders) and not is_local(target):
                provider.transport.on_headers = partial(self._hear, limiter)
            isolated = partial(self._isolated, provider, target)
            new_backoff = partial(BackOff, limiter, self._budget, self.clock)
            self._servers[key] = Server(
                provider, isolated, self.clock, limiter, new_backoff
            )
        return self._servers[key]

    def _limiter(self, target: Target) -> KeyLimiter:
        """Return what all calls with the target's key have in common."""
        key = (target.provider, target.base_url, target.key_env, target.key_command)
        if key not in self._limiters:
            self._limiters[key] = KeyLimiter(
                target.provider, self.clock, self._budget, self._shares
            )
        limiter = self._limiters[key]
        limiter.pace.limit(target.rpm, target.tpm)
        return limiter

    def _hear(self, limiter: KeyLimiter, headers: Mapping[str, str]) -> None:
        from pytest_llmbench.calls.providers.quota_headers import quotas_of

        quotas = quotas_of(headers, self.clock.utc())
        limiter.pace.hear(quotas, self.clock.now_ns())

    @property
    def waits(self) -> list[Wait]:
        """What calls are waiting for now, but for replies."""
        return [wait for key in list(self._limiters.values()) for wait in key.waits]

    def _isolated(self, provider: Provider, target: Target) -> Caller:
        from pytest_llmbench.calls.isolated import IsolatedCalls

        return IsolatedCalls(provider, target, self.clock, self._debug)

    def ask(self, target: Target, request: CallRequest) -> Answer:
        """Ask once and wait; errors of the call are in the answer."""
        try:
            server = self.server(target)
        except CallError as error:
            return Answer(error=error, started_at=self.clock.utc().isoformat())
        return self.wait(server.ask(request))

    def warm_up(self, target: Target, request: CallRequest) -> WarmupResult:
        """Warm one model and wait; a failure is in the result."""
        try:
            server = self.server(target)
        except CallError as error:
            return WarmupResult(
                model=target.model,
                server=target.provider,
                status="failed",
                detail=str(error),
            )
        return self.wait(server.warm_up(request))

    def unload(self, target: Target) -> bool:
        """Have a model's server let go of it, and wait until it has.

        Returns:
            Whether the server holds models at all; services don't.

        Raises:
            CallError: it is still loaded, or the server can't be asked.
        """
        return self.wait(self.server(target).unload(target.model))

    def facts(self, target: Target) -> ModelFacts:
        """Identify a model and its server.

        Raises:
            CallError: the server can't be reached or lacks the model.
        """
        server = self.server(target)
        return self.wait(server.patiently(lambda: server.provider.facts(target.model)))

    def model_names(self, target: Target) -> list[str]:
        """List the models of a server.

        Raises:
            CallError: the server can't be reached.
        """
        return self.wait(self.server(target).provider.model_names())

    def occupancies(self, targets: Iterable[Target]) -> list[Occupancy]:
        """Look at each server once; those that can't be asked are left out."""
        asked: dict[Provider, list[str]] = {}
        for target in targets:
            with suppress(CallError):
                provider = self.server(target).provider
                asked.setdefault(provider, []).append(target.model)
        return self.wait(occupancies(asked))

    def wait(self, work: Coroutine[object, object, _T]) -> _T:
        """Do some work in the loop and return its result."""
        future = asyncio.run_coroutine_threadsafe(work, self._running_loop())
        try:
            if self.watch is not None:
                self.look_until(lambda look_s: bool(wait([future], look_s).done))
            return future.result()
        except BaseException:  # Ctrl-C: the call in flight must not go on
            future.cancel()
            raise

    def look_until(self, is_done: Callable[[float | None], bool]) -> None:
        """Wait in pytest's thread until something is done, and let `watch` look on.

        Args:
            is_done: waits so many seconds at most, or without a limit, and tells.
        """
        if self.watch is None:
            is_done(None)
            return
        try:
            while not is_done(_LOOK_S):
                self.watch.look(self.waits, self.clock.now_ns())
        finally:
            self.watch.end()

    def post(self, callback: Callable[[], None]) -> None:
        """Have the loop call back soon."""
        self._running_loop().call_soon_threadsafe(callback)

    def close(self) -> None:
        """End connections, child processes and the thread; harmless when repeated."""
        try:
            if self._loop is not None and self._thread is not None:
                self._end(self._loop, self._thread)
        finally:
            if self._debug:
                self._debug.close()

    def _end(self, loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
        try:
            self.wait(self._close_providers())
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_CLOSE_S)
            loop.close()
            self._loop = self._thread = None

    async def _close_providers(self) -> None:
        await _end_calls()
        providers = [server.provider for server in self._servers.values()]
        self._servers.clear()
        ends = await asyncio.gather(
            *(provider.close() for provider in providers), return_exceptions=True
        )
        await asyncio.get_running_loop().shutdown_default_executor()
        for error in ends:
            if error is not None:
                raise error

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._loop.run_forever, name="llmbench-engine", daemon=True
            )
            self._thread.start()
        return self._loop


async def _end_calls() -> None:
    """Let calls that an interrupt has cancelled close their connections."""
    calls = asyncio.all_tasks() - {asyncio.current_task()}
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
