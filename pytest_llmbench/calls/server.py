"""One server as a session knows it: its dialect, its slots, what it had loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from msgspec.structs import replace

from pytest_llmbench.calls.ask import ask
from pytest_llmbench.calls.backoff import is_refused
from pytest_llmbench.calls.request import Answer
from pytest_llmbench.calls.unload import unload
from pytest_llmbench.calls.warmup import warm_up
from pytest_llmbench.errors import Busy, Unreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_llmbench.calls.backoff import BackOff
    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.keylimits import KeyLimiter, Turn
    from pytest_llmbench.calls.providers.base import Caller, Provider
    from pytest_llmbench.calls.request import CallRequest, Residency, WarmupResult

_T = TypeVar("_T")
_CHARS_PER_TOKEN: Final = 4
_FRESH_NS: Final = 5 * 10**9
"""A model that was at work less than five seconds ago is there: no probe needed."""


class Server:
    """Asks one server; used in the engine's thread only.

    Args:
        isolated: makes the same provider's calls in child processes.
        limiter: what all calls with its key have in common.
        new_backoff: makes what takes one call through refusals.

    Attributes:
        slots: calls in flight at once; the dialect's default until it is set.
        busy: slots taken.
        is_down: whether the last call found nobody there.
    """

    def __init__(
        self,
        provider: Provider,
        isolated: Callable[[], Caller],
        clock: Clock,
        limiter: KeyLimiter,
        new_backoff: Callable[[], BackOff],
    ) -> None:
        self.provider = provider
        self.limiter = limiter
        self._new_backoff = new_backoff
        self._new_isolated = isolated
        self._isolated: Caller | None = None
        self.slots = provider.slots
        self.busy = 0
        self.is_down = False
        self._clock = clock
        self._seen: dict[str, tuple[Residency, int]] = {}
        self._lost = 0

    @property
    def has_free_slot(self) -> bool:
        """Whether another call may begin."""
        return self.busy < self.slots and self.limiter.admits(self.busy)

    def hold(self) -> float:
        """Note that a call is kept back.

        Returns:
            The seconds until its key lets it begin; 0 if slots are what it lacks.
        """
        wait_s = self.limiter.opens_in_s if self.busy < self.slots else 0.0
        if wait_s > 0:
            self.limiter.hold(wait_s)
        return wait_s

    async def ask(self, request: CallRequest, queued_ns: int = 0) -> Answer:
        """Ask once; errors of the call are in the answer.

        What is loaded is asked before the call, where that costs a call of its
        own only if the model has not just been at work, or a connection has ended
        since: a server that was restarted has nothing loaded.

        Args:
            queued_ns: when the call could have begun; 0 for now.
        """
        queued_ns = queued_ns or self._clock.now_ns()
        backoff = self._new_backoff()
        last = Answer(server=self.provider.where)
        queue_ns: int | None = None

        async def once(turn: Turn) -> Answer:
            nonlocal last, queue_ns
            if queue_ns is None:
                queue_ns = turn.started_ns - queued_ns
            began_ns = self._clock.now_ns() - queue_ns
            last = await self._asked(request, began_ns, backoff.waited_s * 1e3)
            turn.used_tokens = _tokens_of(last)
            if last.error is not None and is_refused(last.error):
                raise last.error
            return last

        try:
            answer = await backoff.run(once, self._prompt_tokens(request))
        except Busy as error:
            answer = replace(last, error=error)
        return replace(answer, backoffs=tuple(backoff.backoffs))

    async def _asked(
        self, request: CallRequest, queued_ns: int, backoff_ms: float
    ) -> Answer:
        caller = self._isolating() if request.isolate else self.provider
        answer = await ask(
            caller,
            request,
            self._clock,
            queued_ns=queued_ns,
            known=self._fresh(request),
            backoff_ms=backoff_ms,
        )
        self._note(request, answer)
        return answer

    async def patiently(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Do what asks the server, again while it is busy.

        Raises:
            CallError: whatever the work raises.
        """
        return await self._new_backoff().run(lambda _turn: work())

    def _prompt_tokens(self, request: CallRequest) -> float:
        """Reckon a prompt's tokens, four characters each, where they count."""
        if not self.limiter.pace.counts_tokens:
            return 0.0
        chars = sum(len(message.content) for message in request.messages)
        chars += sum(len(str(tool.to_json())) for tool in request.tools)
        return chars / _CHARS_PER_TOKEN

    def _isolating(self) -> Caller:
        if self._isolated is None:
            self._isolated = self._new_isolated()
        return self._isolated

    async def warm_up(self, request: CallRequest) -> WarmupResult:
        """Warm one model; a failure is in the result."""
        self._seen.pop(request.model, None)
        return await warm_up(self.provider, request, self._clock, self.patiently)

    async def unload(self, model: str) -> bool:
        """Unload a model; see `calls.unload.unload`.

        Raises:
            CallError: it is still there, or the server can't be asked.
        """
        self._seen.pop(model, None)
        return await self.patiently(lambda: unload(self.provider, model, self._clock))

    def _fresh(self, request: CallRequest) -> Residency | None:
        if self.provider.lost != self._lost:
            self._seen.clear()
        seen = self._seen.get(request.model)
        if seen is None or not self.provider.probe_is_a_call:
            return None
        residency, at_ns = seen
        age_ns = self._clock.now_ns() - at_ns
        is_fresh = age_ns < min(_FRESH_NS, request.keep_alive_s * 1e9 / 2)
        is_there = residency.serves(request.options.get("num_ctx"))
        return residency if is_fresh and is_there else None

    def _note(self, request: CallRequest, answer: Answer) -> None:
        """Remember a model seen at work; an error puts all in doubt."""
        self._lost = self.provider.lost
        self.is_down = isinstance(answer.error, Unreachable)
        seen = answer.residency
        if answer.reply is None:
            self._seen.clear()
        elif seen is not None and seen.serves(request.options.get("num_ctx")):
            self._seen[request.model] = (seen, self._clock.now_ns())


def _tokens_of(answer: Answer) -> int | None:
    """Return what a call took, prompt and reply; None if not told."""
    if answer.reply is None:
        return None
    usage = answer.reply.usage
    if usage.prompt_tokens is None or usage.output_tokens is None:
        return None
    return usage.prompt_tokens + usage.output_tokens
