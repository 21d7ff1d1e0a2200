"""The engine's thread, its end, and an interrupt while it waits."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from asking import ask, error_of, question, reply_of, target_of
from fake_ollama import FakeModel, FakeOllama, slow_first_byte, stalls
from fake_ollama_probe import wait_until

from pytest_llmbench.calls.clock import SystemClock
from pytest_llmbench.calls.debuglog import DebugLog
from pytest_llmbench.calls.engine import Engine
from pytest_llmbench.calls.request import Target
from pytest_llmbench.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fake_ollama import Fault

MODEL: Final = FakeModel(load_s=0.01)
FILES: Final = Path("/proc/self/fd")


def own_threads() -> set[str]:
    """Return the names of all threads but the fake server's."""
    names = {thread.name for thread in threading.enumerate()}
    return {name for name in names if not name.startswith("fake-")}


def open_sockets() -> list[str]:
    """Return what this process holds of sockets and event queues."""
    links = [path.readlink() for path in FILES.iterdir() if path.is_symlink()]
    return sorted(str(link) for link in links if ":" in str(link))


@pytest.fixture
def interrupt(engine: Engine) -> Iterator[InterruptAtChat]:
    """Give a Ctrl-C that comes as soon as a server is at work on a chat."""
    del engine  # the engine's own end comes after
    pending = InterruptAtChat()
    yield pending
    pending.thread.join(2.0)


class InterruptAtChat:
    """Sends this process SIGINT once a fake server works on its newest chat."""

    def __init__(self) -> None:
        self.thread = threading.Thread()

    def arm(self, server: FakeOllama) -> None:
        """Wait for the next chat in a thread, then interrupt."""
        known = len(server.requests_to("/api/chat"))

        def send() -> None:
            if wait_until(lambda: len(server.requests_to("/api/chat")) > known):
                time.sleep(0.05)
                os.kill(os.getpid(), signal.SIGINT)

        self.thread = threading.Thread(target=send, name="fake-interrupt")
        self.thread.start()


def test_an_unused_engine_starts_nothing() -> None:
    """An engine that asks nothing has no thread, and closing it is harmless."""
    before = own_threads()
    engine = Engine()
    assert own_threads() == before
    engine.close()


def test_close_leaves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """After close, however often, there is no thread and no socket left."""
    with FakeOllama(MODEL) as server:
        threads, sockets = own_threads(), open_sockets() if FILES.exists() else []
        engine = Engine()
        reply_of(ask(engine, server))
        assert "llmbench-engine" in own_threads()
        for _ in range(3):
            engine.close()
        assert own_threads() == threads
        if FILES.exists():
            wait_until(lambda: open_sockets() == sockets)
            assert open_sockets() == sockets
    gc.collect()
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    "fault", [slow_first_byte(5.0), stalls()], ids=["before the reply", "within it"]
)
def test_an_interrupt_ends_the_call_in_flight(
    engine: Engine, interrupt: InterruptAtChat, fault: Fault
) -> None:
    """Ctrl-C comes through at once, and the server sees its client leave."""
    with FakeOllama(MODEL) as server:
        reply_of(ask(engine, server))
        server.faults.append(fault)
        interrupt.arm(server)
        with pytest.raises(KeyboardInterrupt):
            ask(engine, server)
        chat = server.requests_to("/api/chat")[-1]
        assert chat.finished.wait(1.0)
        assert chat.client_closed
        assert reply_of(ask(engine, server)).text


def test_close_right_after_an_interrupt_is_clean(
    interrupt: InterruptAtChat, caplog: pytest.LogCaptureFixture
) -> None:
    """The call that was interrupted ends before the loop does: nothing is lost."""
    threads = own_threads()
    with FakeOllama(MODEL) as server:
        engine = Engine()
        server.faults.append(stalls())
        interrupt.arm(server)
        try:
            with pytest.raises(KeyboardInterrupt):
                ask(engine, server)
        finally:
            engine.close()
        chat = server.requests_to("/api/chat")[-1]
        assert chat.finished.wait(1.0)
        assert chat.client_closed
        interrupt.thread.join(1.0)
        assert own_threads() == threads
    gc.collect()
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_an_interrupted_load_is_left(
    engine: Engine, interrupt: InterruptAtChat
) -> None:
    """Ctrl-C during a warm-up ends its load as well."""
    with FakeOllama(FakeModel(load_s=5.0)) as server:
        interrupt.arm(server)
        with pytest.raises(KeyboardInterrupt):
            engine.warm_up(target_of(server), question())
        assert wait_until(lambda: server.loads[0].is_aborted)


def test_queue_time_is_recorded(engine: Engine) -> None:
    """The wait for a slot is in every reply; alone, there is next to none."""
    with FakeOllama(MODEL) as server:
        queue_ms = reply_of(ask(engine, server)).timings.queue_ms
    assert queue_ms is not None
    assert 0 <= queue_ms < 100


def test_connections_are_used_again(engine: Engine) -> None:
    """Calls to one server share a connection, so that none pays for its own."""
    with FakeOllama(MODEL) as server:
        for _ in range(3):
            reply_of(ask(engine, server))
        names = [thread.name for thread in threading.enumerate()]
        assert names.count("fake-connection") == 1


def test_servers_are_kept_apart(engine: Engine) -> None:
    """What one server has loaded says nothing of another's."""
    with FakeOllama(MODEL) as one, FakeOllama(MODEL) as other:
        ask(engine, one)
        assert ask(engine, one).is_resident is True
        assert ask(engine, other).is_resident is False


def test_an_unknown_provider_is_an_error_of_the_call(engine: Engine) -> None:
    """A dialect that nobody speaks is told, and nothing is raised."""
    target = Target(provider="telepathy", model="m")
    error = error_of(engine.ask(target, question()))
    assert type(error) is Unsupported
    assert "known: ollama" in str(error)
    assert engine.warm_up(target, question()).status == "failed"


def test_the_debug_log_has_both_sides(tmp_path: Path) -> None:
    """Requests and every line of the replies are in the log, also of broken ones."""
    path = tmp_path / "debug" / "calls.jsonl"
    engine = Engine(debug=DebugLog(path, SystemClock()))
    with FakeOllama(MODEL) as server:
        text = reply_of(ask(engine, server, "A question")).text
        server.faults.append(stalls(delay_s=0.0))
        ask(engine, server)
    engine.close()
    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [event["event"] for event in events].count("sent") == 2
    assert events[0]["url"] == f"{server.url}/api/chat"
    assert events[0]["body"]["messages"][0]["content"] == "A question"
    received = [json.loads(e["line"]) for e in events if e["event"] == "received"]
    said = "".join(line["message"]["content"] for line in received)
    assert said == text * 2


def test_an_unused_debug_log_is_closed(tmp_path: Path) -> None:
    """Nothing asked, nothing left open."""
    engine = Engine(debug=DebugLog(tmp_path / "calls.jsonl", SystemClock()))
    engine.close()
    engine.close()
    gc.collect()
