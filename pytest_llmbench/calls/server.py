"""One server as a session knows it: its dialect, its slots, what it had loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmbench.calls.ask import ask
from pytest_llmbench.calls.warmup import warm_up
from pytest_llmbench.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.providers.base import Caller, Provider
    from pytest_llmbench.calls.request import (
        Answer,
        CallRequest,
        Residency,
        WarmupResult,
    )

_FRESH_NS: Final = 5 * 10**9
"""A model that was at work less than five seconds ago is there: no probe needed."""


class Server:
    """Asks one server; used in the engine's thread only.

    Args:
        isolated: makes the same provider's calls in child processes.

    Attributes:
        slots: calls in flight at once; the dialect's default until it is set.
        busy: slots taken.
        is_down: whether the last call found nobody there.
    """

    def __init__(
        self, provider: Provider, isolated: Callable[[], Caller], clock: Clock
    ) -> None:
        self.provider = provider
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
        return self.busy < self.slots

    async def ask(self, request: CallRequest, queued_ns: int = 0) -> Answer:
        """Ask once; errors of the call are in the answer.

        What is loaded is asked before the call, where that costs a call of its
        own only if the model has not just been at work, or a connection has ended
        since: a server that was restarted has nothing loaded.

        Args:
            queued_ns: when the call could have begun; 0 for now.
        """
        queued_ns = queued_ns or self._clock.now_ns()
        known = self._fresh(request)
        caller = self._isolating() if request.isolate else self.provider
        answer = await ask(
            caller, request, self._clock, queued_ns=queued_ns, known=known
        )
        self._note(request, answer)
        return answer

    def _isolating(self) -> Caller:
        if self._isolated is None:
            self._isolated = self._new_isolated()
        return self._isolated

    async def warm_up(self, request: CallRequest) -> WarmupResult:
        """Warm one model; a failure is in the result."""
        self._seen.pop(request.model, None)
        return await warm_up(self.provider, request, self._clock)

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
