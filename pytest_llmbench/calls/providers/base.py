"""What every wire dialect offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from pytest_llmbench.calls.request import (
        CallRequest,
        ModelFacts,
        Occupancy,
        Residency,
    )
    from pytest_llmbench.checks.reply import Reply


class Caller(Protocol):
    """One server as far as a call needs it.

    All methods raise a `CallError` for whatever the server or network does.
    """

    @property
    def where(self) -> str:
        """Name the server for messages and records, without any secret."""
        ...

    async def ask(self, request: CallRequest) -> Reply:
        """Send one request and return its complete reply.

        An error carries in `partial` what had come by then.
        """
        ...

    async def residency(self, model: str) -> Residency | None:
        """Say whether the model is loaded; None where the dialect can't."""
        ...

    async def close(self) -> None:
        """Release connections and child processes."""
        ...


class Provider(Caller, Protocol):
    """One server, spoken to in its dialect."""

    @property
    def probe_is_a_call(self) -> bool:
        """Whether asking for residency costs a request of its own."""
        ...

    @property
    def has_models_to_load(self) -> bool:
        """Whether a model may have to be loaded; else nothing is warmed."""
        ...

    @property
    def slots(self) -> int:
        """How many calls may be in flight at once by default."""
        ...

    @property
    def lost(self) -> int:
        """How many connections have ended; a new number may be a new server."""
        ...

    async def facts(self, model: str) -> ModelFacts:
        """Identify the model and its server.

        Raises:
            ModelMissing: the server does not have it.
        """
        ...

    async def preload(self, request: CallRequest) -> float | None:
        """Load the model; return the load's seconds where the server tells."""
        ...

    async def model_names(self) -> list[str]:
        """List the models the server has."""
        ...


@runtime_checkable
class StartsItsServer(Protocol):
    """A provider whose server is a child of this process, started on demand."""

    async def ask_by(
        self,
        request: CallRequest,
        call: Callable[[str, CallRequest], Awaitable[Reply]],
    ) -> Reply:
        """Do what `ask` does, but leave the call itself to `call`.

        Args:
            call: gets the running server's address and the request, and returns
                the complete reply; its clock starts when it is called.
        """
        ...


class Hearing(Protocol):
    """Connections that tell each answer's headers, names in lower case."""

    on_headers: Callable[[Mapping[str, str]], None] | None


@runtime_checkable
class TellsHeaders(Protocol):
    """A provider whose answers have headers that tell of limits."""

    @property
    def transport(self) -> Hearing:
        """The connections."""
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


@runtime_checkable
class Unloads(Protocol):
    """A provider whose server can be told to let go of a model."""

    async def unload(self, model: str) -> None:
        """Ask the server to unload a model; it may go on doing so afterwards.

        Raises:
            CallError: the server can't be asked, or refuses.
        """
        ...
