"""Calls ahead of who takes them, where a key lets them begin one after another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from asking import question, reply_of, target_of
from fake_ollama import FakeModel, FakeOllama, always, says
from msgspec.structs import replace

from pytest_llmbench.calls.lookahead import LookAhead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.keylimits import Wait
    from pytest_llmbench.calls.request import Answer
    from pytest_llmbench.calls.server import Server

MODEL: Final = FakeModel(load_s=0.01, answer=always(says("Hi")))


class Questions:
    """A plan of equal questions to some servers."""

    def __init__(self, count: int, servers: Sequence[Server]) -> None:
        self._count = count
        self._servers = servers

    def reach(self, index: int) -> int:
        """Let all be asked at once."""
        return max(index, self._count)

    def servers(self, index: int) -> Sequence[Server]:
        """Return all of them."""
        del index
        return self._servers

    async def ask(self, index: int, server: Server, queued_ns: int) -> Answer:
        """Ask one."""
        del index
        return await server.ask(question(), queued_ns)


class Impatient:
    """Ends a test that waits for ever, and keeps what it saw."""

    def __init__(self) -> None:
        self.seen: list[Wait] = []
        self._end_s = time.perf_counter() + 20.0

    def look(self, waits: Sequence[Wait], now_ns: int) -> None:
        """Look at the clock."""
        del now_ns
        self.seen += waits
        assert time.perf_counter() < self._end_s, "nobody woke the calls ahead"

    def end(self) -> None:
        """Do nothing."""


def test_calls_go_on_when_a_key_opens(engine: Engine) -> None:
    """Nobody's end wakes the next call where the last one has long ended."""
    engine.watch = watch = Impatient()
    with FakeOllama(MODEL) as server:
        paced = engine.server(replace(target_of(server), rpm=60))
        paced.slots = 4
        ahead = LookAhead(engine, Questions(3, [paced]))
        assert [reply_of(ahead.take(n)).text for n in range(3)] == ["Hi"] * 3
        asked_ns = [one.received_at_ns for one in server.requests_to("/api/chat")]
    assert asked_ns[2] - asked_ns[0] >= 1.99e9
    assert {wait.why for wait in watch.seen} == {"kept to its rate"}


def test_a_slow_key_holds_up_no_other_server(engine: Engine) -> None:
    """Calls are not given to a server whose key does not let them begin."""
    engine.watch = Impatient()
    with FakeOllama(MODEL) as one, FakeOllama(MODEL) as other:
        paced = engine.server(replace(target_of(one), rpm=6))
        free = engine.server(target_of(other))
        paced.slots = free.slots = 4
        ahead = LookAhead(engine, Questions(12, [paced, free]))
        started_s = time.perf_counter()
        for index in range(12):
            reply_of(ahead.take(index))
        assert time.perf_counter() - started_s < 5.0
        assert len(one.requests_to("/api/chat")) == 1
        assert len(other.requests_to("/api/chat")) == 11
