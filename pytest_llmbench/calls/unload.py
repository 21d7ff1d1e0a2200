"""Have a server let go of a model, and see that it has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from pytest_llmbench.calls.providers.base import Unloads
from pytest_llmbench.errors import StillLoaded

if TYPE_CHECKING:
    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.providers.base import Provider

_LOOK_EVERY_S: Final = 0.1

WAIT_S: Final = 30.0
"""How long a model may take to go; Ollama waits up to 5 s for a GPU's memory."""


async def unload(
    provider: Provider, model: str, clock: Clock, wait_s: float = WAIT_S
) -> bool:
    """Unload a model and wait until the server no longer shows it.

    The server answers at once and unloads behind its answer.

    Returns:
        Whether there is anything to unload: a service holds no model of ours.

    Raises:
        StillLoaded: the server shows the model still.
        CallError: the server can't be asked.
    """
    if not provider.has_models_to_load or not isinstance(provider, Unloads):
        return False
    started_ns = clock.now_ns()
    await provider.unload(model)
    while True:
        seen = await provider.residency(model)
        if seen is None or not seen.is_resident:
            return True
        waited_s = (clock.now_ns() - started_ns) / 1e9
        if waited_s > wait_s:
            msg = (
                f"{provider.where}: {model} is still loaded {waited_s:.0f} s after it"
                " was told to go; is somebody else using it?"
            )
            raise StillLoaded(msg)
        await asyncio.sleep(_LOOK_EVERY_S)
