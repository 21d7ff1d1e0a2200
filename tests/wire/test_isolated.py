"""Calls in child processes: the same record, a hard end, and nothing left over."""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from asking import LIMITS, WEATHER, ask, error_of, question, reply_of, target_of
from child_processes import (
    HAS_PROC,
    call_children,
    has_ended,
    is_gone,
    one_call_child,
)
from fake_ollama import (
    Answer,
    FakeModel,
    FakeOllama,
    long_line,
    slow_first_byte,
    stalls,
)
from fake_ollama_probe import preload, wait_until
from msgspec.structs import asdict, replace

import pytest_llmbench
from pytest_llmbench.calls.clock import SystemClock
from pytest_llmbench.calls.debuglog import DebugLog
from pytest_llmbench.calls.engine import Engine
from pytest_llmbench.checks.reply import Timings
from pytest_llmbench.errors import CallTimeout, IsolationFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fake_ollama import Fault

    from pytest_llmbench.checks.reply import Reply

needs_proc = pytest.mark.skipif(not HAS_PROC, reason="children are seen in /proc")

SAID: Final = Answer(
    text="It is sunny, é 東京.",
    thinking="I look it up.",
    tool_calls=(("get_weather", {"city": "Oslo"}),),
)
MODEL: Final = FakeModel(load_s=0.01, answer=lambda _call: SAID)
MODULE: Final = "pytest_llmbench.calls.isolated"
HANGS: Final = slow_first_byte(60.0)


@pytest.fixture
def at_work() -> Iterator[Callable[[FakeOllama, Callable[[int], None]], None]]:
    """Give what acts on the child as soon as a server works on its call."""
    threads: list[threading.Thread] = []

    def arm(server: FakeOllama, act: Callable[[int], None]) -> None:
        known = len(server.requests_to("/api/chat"))

        def wait_and_act() -> None:
            if wait_until(lambda: len(server.requests_to("/api/chat")) > known, 20.0):
                act(one_call_child())

        threads.append(threading.Thread(target=wait_and_act, name="fake-ollama-act"))
        threads[-1].start()

    yield arm
    for thread in threads:
        thread.join(20.0)


def in_common(reply: Reply) -> Reply:
    """Return a reply without its times and the ids that the server makes up."""
    calls = tuple(replace(call, id="") for call in reply.tool_calls)
    return replace(reply, timings=Timings(), tool_calls=calls)


def measured(reply: Reply) -> set[str]:
    """Name the times that a reply has."""
    return {name for name, ms in asdict(reply.timings).items() if ms is not None}


def test_the_record_is_the_same(engine: Engine) -> None:
    """But for the times, isolation changes no field, and adds its cost alone."""
    given: dict[str, Any] = {
        "tools": (WEATHER,),
        "options": {"temperature": 0.5},
        "seed": 7,
    }
    with FakeOllama(MODEL) as server:
        reply_of(ask(engine, server))
        plain = ask(engine, server, **given)
        isolated = ask(engine, server, isolate=True, **given)
        bodies = [request.body for request in server.requests_to("/api/chat")]
    assert bodies[-1] == bodies[-2]
    one, other = reply_of(plain), reply_of(isolated)
    assert one.tool_calls
    assert in_common(other) == in_common(one)
    assert measured(other) == measured(one) | {"isolation_ms"}
    assert isolated.is_resident is plain.is_resident is True
    assert isolated.started_at > plain.started_at
    assert isolated.server == plain.server


def test_the_cost_is_in_no_latency(engine: Engine) -> None:
    """Wall time is the call and the child's cost, neither of them in the other."""
    with FakeOllama(MODEL) as server:
        reply_of(ask(engine, server))
        server.faults.append(slow_first_byte(0.8))
        started_s = time.perf_counter()
        times = reply_of(ask(engine, server, isolate=True)).timings
        wall_ms = (time.perf_counter() - started_s) * 1e3
    assert times.isolation_ms
    assert times.ttft_ms
    assert times.e2e_ms
    assert times.queue_ms is not None
    assert 800 < times.ttft_ms < times.e2e_ms
    assert times.isolation_ms > 10
    assert times.e2e_ms + times.isolation_ms + times.queue_ms < wall_ms
    assert times.queue_ms < times.isolation_ms


def test_a_load_is_granted_its_time(engine: Engine) -> None:
    """A cold model may take longer than the call's limit, in a child as well."""
    limits = replace(LIMITS, call_s=0.4, load_s=10.0)
    with FakeOllama(dataclasses.replace(MODEL, load_s=0.8)) as server:
        cold = ask(engine, server, isolate=True, limits=limits)
        assert len(server.loads) == 1
    assert cold.is_resident is False
    times = reply_of(cold).timings
    assert times.load_ms
    assert times.ttft_ms
    assert times.ttft_ms > times.load_ms > 700


def test_long_texts_go_both_ways(engine: Engine) -> None:
    """Requests and replies larger than any pipe's buffer come whole."""
    asked = "question " * 12_000
    with FakeOllama(MODEL) as server:
        server.faults.append(long_line(300_000))
        options = {"num_ctx": 32_768}
        answer = ask(engine, server, asked, isolate=True, options=options)
        body = server.requests_to("/api/chat")[-1].body or {}
    assert reply_of(answer).text.count("x" * 300_000) == 1
    assert body["messages"][0]["content"] == asked


def test_the_debug_log_has_both_sides(tmp_path: Path) -> None:
    """What the child sends and receives is in the run's own log, in order."""
    path = tmp_path / "calls.jsonl"
    with FakeOllama(MODEL) as server:
        for is_isolated in (False, True):
            engine = Engine(debug=DebugLog(path, SystemClock()))
            reply_of(ask(engine, server, isolate=is_isolated))
            engine.close()
    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    kinds = [event["event"] for event in events]
    half = len(kinds) // 2
    assert kinds[:half] == kinds[half:]
    assert kinds[0] == "sent"
    assert kinds.count("received") > 6
    assert events[0]["body"] == events[half]["body"]
    last = json.loads(events[-1]["line"])
    assert last["done"] is True


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_child_that_dies_is_told(
    engine: Engine, at_work: Callable[..., None], number: signal.Signals
) -> None:
    """Its death is an error with the signal's name, and the next call is good."""
    with FakeOllama(MODEL) as server:
        reply_of(ask(engine, server))
        server.faults.append(HANGS)
        at_work(server, lambda pid: os.kill(pid, number))
        error = error_of(ask(engine, server, isolate=True))
        assert type(error) is IsolationFailed
        assert f"child process of the call died: {number.name}" in str(error)
        assert (error.kind, error.outcome) == ("isolation_failed", "error")
        assert call_children() == []
        assert reply_of(ask(engine, server, isolate=True)).text


@needs_proc
def test_a_stopped_child_is_killed_at_its_limit(
    engine: Engine, at_work: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that can do nothing any more is killed; the model was too slow."""
    monkeypatch.setattr(f"{MODULE}.HAND_OVER_S", 0.3)
    stopped: list[int] = []

    def stop(pid: int) -> None:
        stopped.append(pid)
        os.kill(pid, signal.SIGSTOP)

    with FakeOllama(MODEL) as server:
        reply_of(ask(engine, server))
        server.faults.append(HANGS)
        at_work(server, stop)
        limits = replace(LIMITS, call_s=0.7)
        error = error_of(ask(engine, server, isolate=True, limits=limits))
        chat = server.requests_to("/api/chat")[-1]
        assert chat.finished.wait(5.0)
        assert chat.client_closed
    assert type(error) is CallTimeout
    assert error.outcome == "timeout"
    assert "did not end within 1.7 s, its limits included, and was killed" in str(error)
    assert is_gone(stopped[0])


@needs_proc
def test_the_kill_waits_for_a_load(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the model loads, the child has the load's time on top."""
    monkeypatch.setattr(f"{MODULE}.HAND_OVER_S", 0.0)
    limits = replace(LIMITS, call_s=0.5, load_s=10.0)
    with FakeOllama(dataclasses.replace(MODEL, load_s=1.2)) as server:
        assert reply_of(ask(engine, server, isolate=True, limits=limits)).text
    assert call_children() == []


@needs_proc
@pytest.mark.parametrize("load_s", [0.3, 1.2])
def test_an_unforeseen_load_is_granted_in_a_child(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, load_s: float
) -> None:
    """The child sees the load, and its parent leaves it the time for it."""
    monkeypatch.setattr(f"{MODULE}.HAND_OVER_S", 0.0)
    limits = replace(LIMITS, call_s=0.4, load_s=10.0)
    with FakeOllama(MODEL) as server:
        for _ in range(2):
            reply_of(ask(engine, server))
        preload(server, keep_alive=0)
        assert wait_until(lambda: not server.loaded_names)
        server.models[MODEL.name] = dataclasses.replace(
            MODEL, load_s=load_s, first_token_delay_s=0.2
        )
        times = reply_of(ask(engine, server, isolate=True, limits=limits)).timings
    assert times.load_ms
    assert times.load_ms >= load_s * 1e3
    assert call_children() == []


@needs_proc
def test_a_child_that_is_not_ready_in_time_is_no_slow_model(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that takes too long is the machine's fault, and nothing is asked."""
    monkeypatch.setattr(f"{MODULE}.START_S", 0.005)
    with FakeOllama(MODEL) as server:
        error = error_of(ask(engine, server, isolate=True))
        assert server.requests_to("/api/chat") == []
    assert type(error) is IsolationFailed
    assert "was not ready within 0.005 s and was killed" in str(error)
    assert call_children() == []


def test_no_process_can_be_spawned(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the system says is the error's reason; nothing is raised."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with FakeOllama(MODEL) as server:
        error = error_of(ask(engine, server, isolate=True))
    assert type(error) is IsolationFailed
    assert "no child process for the call: No such file or directory" in str(error)


def test_a_child_that_cannot_start_says_why(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its last words on standard error are in the message."""
    (tmp_path / "httpx.py").write_text("raise RuntimeError('planted')", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with FakeOllama(MODEL) as server:
        error = error_of(ask(engine, server, isolate=True))
    assert type(error) is IsolationFailed
    assert "died: exit status 1" in str(error)
    assert "RuntimeError: planted" in str(error)


@needs_proc
@pytest.mark.parametrize("fault", [HANGS, stalls()], ids=["before", "within"])
def test_an_interrupt_leaves_no_child(
    at_work: Callable[..., None], fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """Ctrl-C comes through at once; child, connection and pipes are gone."""
    before = {thread.name for thread in threading.enumerate()}
    pids: list[int] = []

    def interrupt(pid: int) -> None:
        pids.append(pid)
        os.kill(os.getpid(), signal.SIGINT)

    with FakeOllama(MODEL) as server:
        engine = Engine()
        reply_of(ask(engine, server))
        server.faults.append(fault)
        at_work(server, interrupt)
        try:
            with pytest.raises(KeyboardInterrupt):
                ask(engine, server, isolate=True)
        finally:
            engine.close()
        assert call_children() == []
        assert is_gone(pids[0])
        chat = server.requests_to("/api/chat")[-1]
        assert chat.finished.wait(2.0)
        assert chat.client_closed
    after = {thread.name for thread in threading.enumerate()}
    assert {name for name in after - before if not name.startswith("fake")} == set()
    gc.collect()
    assert caplog.records == []


SCRIPT: Final = """
import sys
from asking import ask
from pytest_llmbench.calls.engine import Engine
ask(Engine(), sys.argv[1], isolate=True)
"""


@needs_proc
def test_a_killed_parent_leaves_no_child() -> None:
    """After kill -9 of the run, the child ends by itself, in the middle of its call."""
    package, fakes = (
        Path(pytest_llmbench.__file__).parents[1],
        Path(__file__).parents[1],
    )
    places = os.pathsep.join([str(package), str(fakes / "fakes")])
    with FakeOllama(MODEL) as server:
        server.faults.append(HANGS)
        parent = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", SCRIPT, server.url],
            env={**os.environ, "PYTHONPATH": places},
        )
        try:
            assert wait_until(lambda: bool(server.requests_to("/api/chat")), 20.0)
            child = one_call_child(parent.pid)
        finally:
            parent.kill()
            parent.wait()
        assert wait_until(lambda: has_ended(child), 5.0)


@needs_proc
def test_calls_leave_nothing_open(engine: Engine) -> None:
    """After isolated calls there is no child, no thread and no file more."""
    with FakeOllama(MODEL) as server:
        reply_of(ask(engine, server, isolate=True))
        threads, files = (
            threading.active_count(),
            len(list(Path("/proc/self/fd").iterdir())),
        )
        for _ in range(2):
            reply_of(ask(engine, server, isolate=True))
        assert call_children() == []
        assert wait_until(lambda: threading.active_count() <= threads)
        assert wait_until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= files)


def test_warm_up_is_not_isolated(engine: Engine) -> None:
    """Loading a model needs no child, and its result has no cost of one."""
    with FakeOllama(MODEL) as server:
        result = engine.warm_up(target_of(server), question(isolate=True))
        assert result.status == "success"
        assert len(server.requests_to("/api/ps")) == 2


def test_the_child_imports_little() -> None:
    """What every call pays for holds no pytest, no YAML and no JSON Schema."""
    code = (
        "import sys, pytest_llmbench.calls.isolated_child\n"
        "import pytest_llmbench.calls.providers.ollama\n"
        "import pytest_llmbench.calls.providers.running_engine\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"pytest", "_pytest", "pluggy", "yaml", "jsonschema", "referencing", "re2"}
    assert heavy & set(done.stdout.split()) == set()
