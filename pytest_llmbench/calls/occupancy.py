"""What the servers hold before the run asks them anything."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from pytest_llmbench.calls.providers.base import Inspectable
from pytest_llmbench.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmbench.calls.providers.base import Provider
    from pytest_llmbench.calls.request import Occupancy

_AT_ONCE: Final = 8
_LOOK_S: Final = 6.0
"""Ollama may hold `/api/ps` back for 5 s while it recovers VRAM."""


async def occupancies(
    asked: Mapping[Provider, Sequence[str]], look_s: float = _LOOK_S
) -> list[Occupancy]:
    """Ask each server once, up to eight at a time.

    A server that can't tell, or gives no answer in `look_s`, is left out: whether it
    can be asked at all is found out elsewhere.

    Args:
        asked: by provider, the names of the models that the run will ask there.
    """
    slots = asyncio.Semaphore(_AT_ONCE)

    async def look(provider: Provider, models: Sequence[str]) -> Occupancy | None:
        if not isinstance(provider, Inspectable):
            return None
        try:
            async with slots, asyncio.timeout(look_s):
                return await provider.occupancy(models)
        except (CallError, TimeoutError):
            return None

    found = await asyncio.gather(*(look(one, names) for one, names in asked.items()))
    return [occupancy for occupancy in found if occupancy is not None]
