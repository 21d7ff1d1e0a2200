"""An embedded engine that runs already: its calls, and nothing of its process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmbench.calls.providers.http import HttpTransport
from pytest_llmbench.calls.providers.openai import ask_chat
from pytest_llmbench.calls.request import Residency

if TYPE_CHECKING:
    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.request import CallRequest
    from pytest_llmbench.checks.reply import Reply

NAME: Final = "the embedded engine"

_EXTRA: Final = {"cache_prompt": False}
"""The engine's prompt cache would make repeats of a prompt look fast."""

_PROBE_S: Final = 5.0


class RunningEngine:
    """A llama.cpp server on loopback that somebody else has started."""

    def __init__(self, url: str, clock: Clock) -> None:
        # The server closes after every streamed reply: never reuse.
        self.transport = HttpTransport(url, clock, name=NAME, keep_alive=False)
        self.where = self.transport.where

    async def ask(self, request: CallRequest) -> Reply:
        """Send one chat completion and return its complete reply."""
        return await ask_chat(self.transport, request, extra=_EXTRA)

    async def residency(self, model: str) -> Residency | None:  # noqa: ARG002 - one model
        """Make sure that the server answers: it does so only once it has loaded."""
        await self.transport.json("GET", "/health", timeout_s=_PROBE_S)
        return Residency(is_resident=True)

    async def close(self) -> None:
        """Close the connections."""
        await self.transport.close()
