"""Looking ahead ends with its taker, whenever an interrupt comes."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
from asking import target_of
from fake_ollama import FakeOllama

from pytest_llmbench.calls.lookahead import LookAhead

if TYPE_CHECKING:
    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.server import Server


class Counting:
    """A plan of three that only notes what is asked."""

    def __init__(self, server: Server) -> None:
        self.asked: list[int] = []
        self._servers = [server]

    def reach(self, _index: int) -> int:
        """Allow all three."""
        return 3

    def servers(self, _index: int) -> list[Server]:
        """Name the one server."""
        return self._servers

    async def ask(self, index: int, _server: Server, _queued_ns: int) -> int:
        """Answer with the number."""
        self.asked.append(index)
        return index


def test_an_interrupt_before_the_loop_has_begun_asks_nothing(engine: Engine) -> None:
    """What was only about to be asked when the interrupt came is not asked."""
    with FakeOllama() as server:
        plan = Counting(engine.server(target_of(server)))
        ahead = LookAhead(engine, plan)
        engine.post(lambda: time.sleep(0.4))  # the loop is busy
        main = threading.main_thread().ident
        assert main is not None
        timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            ahead.take(0)
        timer.join()
        assert ahead.close() == {}
        time.sleep(0.1)
        assert plan.asked == []


def test_what_was_answered_and_not_taken_is_given_at_the_end(engine: Engine) -> None:
    """Close returns the answers that nobody came for, by their places."""
    with FakeOllama() as server:
        plan = Counting(engine.server(target_of(server)))
        ahead = LookAhead(engine, plan)
        assert ahead.take(0) == 0
        deadline_s = time.monotonic() + 5.0
        while len(plan.asked) < 3 and time.monotonic() < deadline_s:
            time.sleep(0.01)
        time.sleep(0.05)
        assert ahead.close() == {1: 1, 2: 2}
        assert LookAhead(engine, plan).close() == {}
