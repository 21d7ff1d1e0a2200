"""The embedded engine: OpenAI's dialect over loopback, its process on demand."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_llmbench.calls.clock import elapsed_ms
from pytest_llmbench.calls.embedded.process import EmbeddedServer
from pytest_llmbench.calls.providers.http import HttpTransport
from pytest_llmbench.calls.providers.openai import ask_chat
from pytest_llmbench.calls.request import ModelFacts, Occupancy, Residency
from pytest_llmbench.errors import ModelMissing, StreamTruncated, Unreachable
from pytest_llmbench.prompts.spec import EMBEDDED_MODEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.debuglog import DebugLog
    from pytest_llmbench.calls.request import CallRequest
    from pytest_llmbench.checks.reply import Reply

_EXTRA = {"cache_prompt": False}
"""The engine's prompt cache would make repeats of a prompt look fast."""

_DYING_S: Final = 0.2
"""The connections of a dying engine break some milliseconds before it is gone."""


class EmbeddedProvider:
    """A llama.cpp child process with the package's own small model."""

    slots = 1
    where = "the embedded engine"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._server = EmbeddedServer()
        self._transport: HttpTransport | None = None
        self.debug: DebugLog | None = None

    async def ask(self, request: CallRequest) -> Reply:
        """Send one chat completion, starting the engine if it does not run.

        A start inside the call counts as load: it is in `load_ms`, and in TTFT
        and E2E too, as with a server that loads on demand.
        """
        start_ns = self._clock.now_ns()
        load_s = await self._ensure_started(request.limits.load_s)
        named = replace(
            request,
            model=self._server.model_name,
            limits=replace(request.limits, is_loading=False),  # it has loaded
        )
        try:
            transport = self._connected()
            reply = await ask_chat(transport, named, extra=_EXTRA, start_ns=start_ns)
        except (StreamTruncated, Unreachable) as error:
            death = await asyncio.to_thread(self._server.death, _DYING_S)
            if death is None:
                raise
            death.partial = error.partial
            raise death from None
        load_ms = None if load_s is None else load_s * 1e3
        return replace(reply, timings=replace(reply.timings, load_ms=load_ms or 0.0))

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

    async def model_names(self) -> list[str]:
        """Return the one model there is."""
        return [EMBEDDED_MODEL]

    async def close(self) -> None:
        """Close the connection and end the process."""
        await self._disconnect()
        await asyncio.to_thread(self._server.stop)

    async def _ensure_started(self, timeout_s: float) -> float | None:
        if self._server.is_running:
            return None
        started_ns = self._clock.now_ns()
        await self._disconnect()
        await asyncio.to_thread(self._server.start, timeout_s)
        self._connected()
        return elapsed_ms(started_ns, self._clock.now_ns()) / 1e3

    async def _disconnect(self) -> None:
        if self._transport is not None:
            await self._transport.close()
            self._transport = None

    def _connected(self) -> HttpTransport:
        url = self._server.url
        if self._transport is None:
            # The server closes after every streamed reply: never reuse.
            self._transport = HttpTransport(
                url, self._clock, name=self.where, keep_alive=False
            )
        self._transport.debug = self.debug
        return self._transport
