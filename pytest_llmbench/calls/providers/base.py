"""What every wire dialect offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmbench.calls.request import (
        CallRequest,
        ModelFacts,
        Occupancy,
        Residency,
    )
    from pytest_llmbench.checks.reply import Reply


class Provider(Protocol):
    """One server, spoken to in its dialect.

    All methods raise a `CallError` for whatever the server or network does.
    """

    @property
    def where(self) -> str:
        """Name the server for messages and records, without any secret."""
        ...

    @property
    def slots(self) -> int:
        """How many calls may be in flight at once by default."""
        ...

    async def ask(self, request: CallRequest) -> Reply:
        """Send one request and return its complete reply.

        An error carries in `partial` what had come by then.
        """
        ...

    async def facts(self, model: str) -> ModelFacts:
        """Identify the model and its server.

        Raises:
            ModelMissing: the server does not have it.
        """
        ...

    async def residency(self, model: str) -> Residency | None:
        """Say whether the model is loaded; None where the dialect can't."""
        ...

    async def preload(self, request: CallRequest) -> float | None:
        """Load the model; return the load's seconds where the server tells."""
        ...

    async def model_names(self) -> list[str]:
        """List the models the server has."""
        ...

    async def close(self) -> None:
        """Release connections and child processes."""
        ...


@runtime_checkable
class Inspectable(Protocol):
    """A provider whose server says what it holds in memory."""

    async def occupancy(self, models: Sequence[str]) -> Occupancy:
        """Say what the server holds, and how large these models are.

        Raises:
            CallError: the server can't be asked.
        """
        ...
