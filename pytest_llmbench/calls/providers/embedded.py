"""The embedded engine: OpenAI's dialect over loopback, its process on demand."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from pytest_llmbench.calls.clock import elapsed_ms
from pytest_llmbench.calls.embedded.process import EmbeddedServer
from pytest_llmbench.calls.providers.running_engine import NAME, RunningEngine
from pytest_llmbench.calls.request import ModelFacts, Occupancy, Residency
from pytest_llmbench.errors import (
    CallError,
    ModelMissing,
    StreamTruncated,
    Unreachable,
)
from pytest_llmbench.prompts.spec import EMBEDDED_MODEL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.debuglog import WireLog
    from pytest_llmbench.calls.request import CallRequest
    from pytest_llmbench.checks.reply import Reply

_DYING_S: Final = 0.2
"""The connections of a dying engine break some milliseconds before it is gone."""


class EmbeddedProvider:
    """A llama.cpp child process with the package's own small model."""

    slots = 1
    probe_is_a_call = False
    has_models_to_load = True
    lost = 0
    where = NAME

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._server = EmbeddedServer()
        self._running: RunningEngine | None = None
        self.debug: WireLog | None = None

    async def ask(self, request: CallRequest) -> Reply:
        """Send one chat completion, starting the engine if it does not run.

        A start inside the call counts as load: it is in `load_ms`, and in TTFT
        and E2E too, as with a server that loads on demand.
        """
        return await self.ask_by(request, self._call)

    async def ask_by(
        self,
        request: CallRequest,
        call: Callable[[str, CallRequest], Awaitable[Reply]],
    ) -> Reply:
        """Do what `ask` does, but leave the call itself to `call`."""
        load_s = await self._ensure_started(request.limits.load_s)
        load_ms = (load_s or 0.0) * 1e3
        named = replace(
            request,
            model=self._server.model_name,
            limits=replace(request.limits, is_loading=False),  # it has loaded
        )
        try:
            reply = await call(self._server.url, named)
        except CallError as error:
            error.partial = error.partial and _after_load(error.partial, load_ms)
            death = await self._death_behind(error)
            if death is None:
                raise
            raise death from None
        return _after_load(reply, load_ms)

    async def facts(self, model: str) -> ModelFacts:
        """Identify model file and engine; nothing has to run for it."""
        if model != EMBEDDED_MODEL:
            msg = (
                f"the embedded engine has no model {model!r}\n"
                f"  it has: {EMBEDDED_MODEL} (write --model embedded)"
            )
            raise ModelMissing(msg)
        server = self._server
        return ModelFacts(
            server=self.where,
            server_version=f"xllamacpp {server.engine_version or 'not installed'}",
            digest=f"sha256:{server.digest}",
            quantization="Q8_0",
            parameter_size="2.8M",
            capabilities=("completion", "tools"),
            context_length=server.context_length,
        )

    async def residency(self, model: str) -> Residency | None:  # noqa: ARG002 - one model
        """Say whether the process runs: it serves nothing before it has loaded."""
        running = self._server.is_running
        context = self._server.context_length if running else None
        return Residency(is_resident=running, context_length=context)

    async def occupancy(self, models: Sequence[str]) -> Occupancy:
        """Read the size of the one model's file; nothing has to run for it."""
        path = self._server.gguf
        size = path.stat().st_size if path.is_file() else None
        known = size is not None and EMBEDDED_MODEL in models
        return Occupancy(
            server=self.where,
            is_local=True,
            is_child=True,
            sizes_bytes={EMBEDDED_MODEL: size or 0} if known else {},
        )

    async def preload(self, request: CallRequest) -> float | None:
        """Start the engine; return its load time, None if it ran already."""
        return await self._ensure_started(request.limits.load_s)

    async def unload(self, model: str) -> None:  # noqa: ARG002 - one model
        """End the process; the next call starts it again."""
        await self.close()

    async def model_names(self) -> list[str]:
        """Return the one model there is."""
        return [EMBEDDED_MODEL]

    async def close(self) -> None:
        """Close the connection and end the process."""
        await self._disconnect()
        await asyncio.to_thread(self._server.stop)

    async def _call(self, url: str, request: CallRequest) -> Reply:
        if self._running is None:
            self._running = RunningEngine(url, self._clock)
        self._running.transport.debug = self.debug
        return await self._running.ask(request)

    async def _death_behind(self, error: CallError) -> CallError | None:
        """Return the engine's death if that is why a call failed."""
        if not isinstance(error, StreamTruncated | Unreachable):
            return None
        death = await asyncio.to_thread(self._server.death, _DYING_S)
        if death is not None:
            death.partial = error.partial
        return death

    async def _ensure_started(self, timeout_s: float) -> float | None:
        if self._server.is_running:
            return None
        started_ns = self._clock.now_ns()
        await self._disconnect()
        await asyncio.to_thread(self._server.start, timeout_s)
        return elapsed_ms(started_ns, self._clock.now_ns()) / 1e3

    async def _disconnect(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            await running.close()


def _after_load(reply: Reply, load_ms: float) -> Reply:
    """Put the engine's start before a call's own times, as a load inside them."""

    def later(interval_ms: float | None) -> float | None:
        return None if interval_ms is None else interval_ms + load_ms

    timings = replace(
        reply.timings,
        ttft_ms=later(reply.timings.ttft_ms),
        ttfc_ms=later(reply.timings.ttfc_ms),
        e2e_ms=later(reply.timings.e2e_ms),
        load_ms=load_ms,
    )
    return replace(reply, timings=timings)
