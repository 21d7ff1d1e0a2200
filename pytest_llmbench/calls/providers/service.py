"""What online services have in common: a key, no model to load, many calls at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmbench.calls.providers.http import HttpTransport
from pytest_llmbench.calls.providers.keys import sent_headers
from pytest_llmbench.calls.request import ModelFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.request import CallRequest, Residency, Target

SLOTS: Final = 8
"""Calls in flight at once where nothing else is set."""


class Service:
    """One online service; a dialect adds `ask` and what it can tell of models.

    Args:
        name: put before the address in messages.
        url: the dialect's own address, where the target has none.
        headers: the dialect's, keys included; the target's own win.
    """

    slots = SLOTS
    probe_is_a_call = False

    def __init__(
        self,
        target: Target,
        clock: Clock,
        *,
        name: str,
        url: str,
        headers: Mapping[str, str],
    ) -> None:
        sent = {**headers, **sent_headers(target)}
        self.transport = HttpTransport(
            target.base_url or url, clock, name=name, headers=sent
        )
        self.where = self.transport.where

    @property
    def has_models_to_load(self) -> bool:
        """A server of these dialects on this machine may load its model on demand."""
        return self.transport.is_loopback

    @property
    def lost(self) -> int:
        """How many connections have ended."""
        return self.transport.lost

    async def residency(self, model: str) -> Residency | None:
        """Say nothing: a service does not tell what it has loaded."""
        del model
        return None

    async def preload(self, request: CallRequest) -> float | None:
        """Do nothing: there is no model to load."""
        del request
        return None

    async def facts(self, model: str) -> ModelFacts:
        """Name the server; what it runs a service does not tell."""
        del model
        return ModelFacts(server=self.where)

    async def model_names(self) -> list[str]:
        """List nothing, where a dialect has no list of models."""
        return []

    async def close(self) -> None:
        """Close the connections."""
        await self.transport.close()
