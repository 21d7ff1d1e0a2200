"""Whose turn it is with one key: in line, so many at once, and not before it opens."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pytest

from pytest_llmbench.calls.budget import RunBudget
from pytest_llmbench.calls.clock import SystemClock
from pytest_llmbench.calls.keylimits import PACED, KeyLimiter
from pytest_llmbench.calls.request import Patience
from pytest_llmbench.errors import Busy, Faltered, RateLimited

if TYPE_CHECKING:
    from pytest_llmbench.calls.keylimits import Turn

PATIENCE: Final = Patience(wait_s=2.0, call_s=10.0, run_s=60.0)


def new_limiter() -> KeyLimiter:
    """Return a limiter that waits up to two seconds."""
    clock = SystemClock()
    return KeyLimiter("openai", clock, RunBudget(PATIENCE, clock))


def limited(wait_s: float | None = None) -> RateLimited:
    """Return a refusal."""
    error = RateLimited("slow down")
    error.retry_after_s = wait_s
    return error


async def turns(limiter: KeyLimiter, count: int) -> list[Turn]:
    """Take some turns."""
    return [await limiter.begin() for _ in range(count)]


def test_a_refusal_halves_what_goes_at_once() -> None:
    """Eight in flight become four; their refusals together count as one."""

    async def scene() -> KeyLimiter:
        limiter = new_limiter()
        for turn in await turns(limiter, 8):
            limiter.refused(turn, limited())
            limiter.end(turn)
        return limiter

    limiter = asyncio.run(scene())
    assert limiter.at_once == 4
    assert limiter.admits(3)
    assert not limiter.admits(4)


def test_at_least_one_goes() -> None:
    """However often it is refused, a key is not given up."""

    async def scene() -> int | None:
        limiter = new_limiter()
        for _ in range(3):
            [turn] = await turns(limiter, 1)
            limiter.refused(turn, Busy("queue full"))
            limiter.end(turn)
        return limiter.at_once

    assert asyncio.run(scene()) == 1


def test_a_fault_of_the_service_changes_nothing() -> None:
    """A 500 does not say that there were too many calls."""

    async def scene() -> int | None:
        limiter = new_limiter()
        [turn] = await turns(limiter, 1)
        limiter.refused(turn, Faltered("HTTP 500"))
        return limiter.at_once

    assert asyncio.run(scene()) is None


def test_what_goes_at_once_grows_by_one_after_ten_that_went_well() -> None:
    """It grows slowly, and only where all turns are taken."""

    async def scene() -> list[int | None]:
        limiter, seen = new_limiter(), []
        [turn] = await turns(limiter, 1)
        limiter.refused(turn, limited())
        limiter.end(turn)
        for _ in range(20):
            [turn] = await turns(limiter, 1)
            limiter.went_well()
            limiter.end(turn)
            seen.append(limiter.at_once)
        return seen

    assert asyncio.run(scene()) == [1] * 9 + [2] * 11


def test_a_call_waits_until_a_turn_is_given_back() -> None:
    """No more go at once than may, and the next goes as soon as one ends."""

    async def scene() -> list[str]:
        limiter, told = new_limiter(), []
        first, second = await turns(limiter, 2)
        limiter.refused(first, limited())
        limiter.end(first)

        async def third() -> None:
            await limiter.begin()
            told.append("third begins")

        task = asyncio.create_task(third())
        await asyncio.sleep(0.02)
        told.append("second ends")
        limiter.end(second)
        await task
        return told

    assert asyncio.run(scene()) == ["second ends", "third begins"]


def test_no_call_of_a_key_begins_before_its_wait_is_over() -> None:
    """What one call was told holds for all that share the key, in line."""

    async def scene() -> list[float]:
        limiter = new_limiter()
        [turn] = await turns(limiter, 1)
        limiter.refused(turn, limited(0.2))
        limiter.end(turn)
        started_s, begun = time.perf_counter(), []

        async def call() -> None:
            turn = await limiter.begin()
            begun.append(time.perf_counter() - started_s)
            limiter.end(turn)

        tasks = [asyncio.create_task(call()) for _ in range(3)]
        await asyncio.sleep(0.05)
        [wait] = limiter.waits
        assert (wait.server, wait.why) == ("openai", "rate limited")
        assert not limiter.admits(0)
        assert 0 < limiter.opens_in_s < 0.2
        await asyncio.gather(*tasks)
        assert limiter.waits == []
        return begun

    begun = asyncio.run(scene())
    assert len(begun) == 3
    assert min(begun) >= 0.195


def test_a_key_that_is_closed_for_long_is_not_waited_for() -> None:
    """Calls of a key that opens in an hour end at once, and say why."""

    async def scene() -> str:
        limiter = new_limiter()
        [turn] = await turns(limiter, 1)
        limiter.refused(turn, limited(3600.0))
        limiter.end(turn)
        assert limiter.opens_in_s == 0  # it is let in, to be told
        with pytest.raises(RateLimited) as caught:
            await limiter.begin()
        return str(caught.value)

    told = asyncio.run(scene())
    assert told == "not asked, as another call was told: slow down; 3600 s are left"


def test_a_cancelled_wait_keeps_nobody_out() -> None:
    """An interrupted call leaves the line to those behind it."""

    async def scene() -> bool:
        limiter = new_limiter()
        limiter.pace.limit(rpm=600, tpm=None)
        for turn in await turns(limiter, 10):
            limiter.end(turn)
        first = asyncio.create_task(limiter.begin())
        second = asyncio.create_task(limiter.begin())
        await asyncio.sleep(0.01)
        assert [wait.why for wait in limiter.waits] == [PACED]
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        async with asyncio.timeout(5):
            limiter.end(await second)
        return limiter.waits == []

    assert asyncio.run(scene())
