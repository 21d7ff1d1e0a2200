"""Isolated calls: each made in a child process that is killed hard at its limit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from pytest_llmbench.calls.clock import elapsed_ms
from pytest_llmbench.calls.handover import Begun, Finished, Granted, Job, Received, Sent
from pytest_llmbench.calls.isolated_process import CallProcess
from pytest_llmbench.calls.providers.base import StartsItsServer
from pytest_llmbench.errors import CallError, CallTimeout, IsolationFailed

if TYPE_CHECKING:
    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.debuglog import WireLog
    from pytest_llmbench.calls.handover import Message
    from pytest_llmbench.calls.providers.base import Provider
    from pytest_llmbench.calls.request import CallRequest, Limits, Residency, Target
    from pytest_llmbench.checks.reply import Reply

START_S: Final = 30.0
"""From spawning a child until it is about to send: the machine's time, not the
model's. It holds one look at residency, which may take 8 s."""

HAND_OVER_S: Final = 10.0
"""Granted on top of the call's own limits: for what a dialect asks after a refusal
(8 s at most), and for handing the reply over."""


class IsolatedCalls:
    """A provider whose calls are made in child processes, one for each call.

    Residency is asked in this process, and a server that belongs to the provider
    is started here: the rules of measurement see no difference.

    Args:
        log: is told what the children send and receive.
    """

    def __init__(
        self, provider: Provider, target: Target, clock: Clock, log: WireLog | None
    ) -> None:
        self.where = provider.where
        self._provider = provider
        self._target = target
        self._clock = clock
        self._log = log

    async def residency(self, model: str) -> Residency | None:
        """Ask the provider itself."""
        return await self._provider.residency(model)

    async def ask(self, request: CallRequest) -> Reply:
        """Make one call in a child process and return its complete reply.

        Its times are read in the child, by the same rules. `isolation_ms` is what
        passed here between spawning the child and having its answer, less the
        call itself.

        Raises:
            IsolationFailed: the child could not start, or died.
            CallTimeout: its own limits did not end it, so it was killed.
            CallError: whatever the call has raised in the child.
        """
        if isinstance(self._provider, StartsItsServer):
            return await self._provider.ask_by(request, self._ask_at)
        return await self._ask_at(self._target.base_url, request)

    async def close(self) -> None:
        """Do nothing: the children end with their calls, the provider goes on."""

    async def _ask_at(self, base_url: str, request: CallRequest) -> Reply:
        target = replace(self._target, base_url=base_url)
        job = Job(target=target, request=request, is_logged=self._log is not None)
        started_ns = self._clock.now_ns()
        try:
            child = CallProcess(job)
        except OSError as error:
            why = error.strerror or error
            msg = f"{self.where}: no child process for the call: {why}"
            raise IsolationFailed(msg) from error
        try:
            finished = await self._finished(child, request.limits)
            wall_ms = elapsed_ms(started_ns, self._clock.now_ns())
        except BaseException:  # a limit, Ctrl-C, the engine's end
            child.kill()
            child.end()
            raise
        # Aside, for other calls may be timed by this loop.
        how = await asyncio.to_thread(child.end)
        if finished is None:
            msg = f"{self.where}: the child process of the call died: {how}"
            raise IsolationFailed(msg)
        return _outcome(finished, wall_ms)

    async def _finished(self, child: CallProcess, limits: Limits) -> Finished | None:
        """Wait for the call's end under both limits; None if the child died.

        Raises:
            IsolationFailed: the child was not ready in time.
            CallTimeout: the call did not end in time.
        """
        try:
            async with asyncio.timeout(START_S):
                message = await self._news(child)
        except TimeoutError:
            msg = (
                f"{self.where}: the child process of the call was not ready within"
                f" {START_S:g} s and was killed; is this machine overloaded?"
            )
            raise IsolationFailed(msg) from None
        if isinstance(message, Begun):
            message = await self._ended(child, limits)
        return message if isinstance(message, Finished) else None

    async def _ended(
        self, child: CallProcess, limits: Limits
    ) -> Begun | Finished | None:
        """Wait for the end of a call that has begun, as long as it may last.

        Raises:
            CallTimeout: as for `_finished`.
        """
        begun_s = asyncio.get_running_loop().time()
        limit_s = limits.longest_s + HAND_OVER_S
        try:
            async with asyncio.timeout(limit_s) as scope:
                while isinstance(message := await self._news(child), Granted):
                    limit_s = message.longest_s + HAND_OVER_S
                    scope.reschedule(begun_s + limit_s)
        except TimeoutError:
            msg = (
                f"{self.where}: the child process of the call did not end within"
                f" {limit_s:g} s, its limits included, and was killed"
            )
            raise CallTimeout(msg) from None
        return message

    async def _news(self, child: CallProcess) -> Begun | Granted | Finished | None:
        """Return the next message that is not for the log alone."""
        while True:
            message = await child.receive()
            if message is None or isinstance(message, Begun | Granted | Finished):
                return message
            self._note(message)

    def _note(self, message: Message) -> None:
        if self._log is None:
            return
        if isinstance(message, Sent):
            self._log.request(message.url, message.body)
        elif isinstance(message, Received):
            self._log.line(message.line)


def _outcome(finished: Finished, wall_ms: float) -> Reply:
    if finished.reply is not None:
        return _with_cost(finished.reply, wall_ms, finished.call_ms)
    error = finished.error or CallError("the call ended without reply and error")
    if error.partial is not None:
        error.partial = _with_cost(error.partial, wall_ms, finished.call_ms)
    raise error


def _with_cost(reply: Reply, wall_ms: float, call_ms: float) -> Reply:
    timings = reply.timings
    took_ms = call_ms if timings.e2e_ms is None else timings.e2e_ms
    isolation_ms = max(0.0, wall_ms - took_ms)
    return replace(reply, timings=replace(timings, isolation_ms=isolation_ms))
