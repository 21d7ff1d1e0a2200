"""The embedded engine, asked through our own engine, with its real model."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import pytest
from asking import LIMITS, WEATHER, error_of, question, reply_of
from child_processes import HAS_PROC, one_call_child
from fake_ollama_probe import wait_until
from msgspec.structs import replace
from typing_extensions import override

from pytest_llmbench.calls.embedded.process import EmbeddedServer
from pytest_llmbench.calls.request import Target
from pytest_llmbench.errors import (
    ContextOverflow,
    EngineMissing,
    FirstByteTimeout,
    ModelMissing,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.request import Answer

NAME: Final = "llmbench-tiny"
TARGET: Final = Target(provider="embedded", model=NAME)
CHILD: Final = "pytest_llmbench.calls.providers.embedded.EmbeddedServer"
HAS_STOP: Final = hasattr(signal, "SIGSTOP")
START: Final = replace(LIMITS, call_s=20.0, load_s=30.0)
"""Starting a process may take its time on a busy machine."""


def asked(engine: Engine, text: str = "What is 2 + 2?", **fields: Any) -> Answer:  # noqa: ANN401 - any field
    """Ask the embedded model one question."""
    request = question(text, **{"model": NAME, "limits": START, **fields})
    return engine.ask(TARGET, request)


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> EmbeddedServer:
    """Give the child process that the engine of this test will use."""
    server = EmbeddedServer()
    monkeypatch.setattr(CHILD, lambda: server)
    return server


@pytest.fixture
def later() -> Iterator[list[threading.Timer]]:
    """Give a list for timers that must have run when the test ends."""
    timers: list[threading.Timer] = []
    yield timers
    for timer in timers:
        timer.join()


def pid_of(child: EmbeddedServer) -> int:
    """Return the process id of a child that runs."""
    assert child.pid is not None
    return child.pid


def test_facts_need_no_process(engine: Engine, child: EmbeddedServer) -> None:
    """Model and engine are identified from their files."""
    facts = engine.facts(TARGET)
    assert facts.digest == f"sha256:{child.digest}"
    assert facts.server_version.startswith("xllamacpp 20")
    assert (facts.quantization, facts.context_length) == ("Q8_0", 1024)
    assert "tools" in facts.capabilities
    assert engine.model_names(TARGET) == [NAME]
    assert child.pid is None


def test_another_name_is_a_missing_model(engine: Engine) -> None:
    """There is one model, and a message that says its name."""
    with pytest.raises(ModelMissing, match=f"it has: {NAME}"):
        engine.facts(replace(TARGET, model="llama3"))


def test_a_start_within_the_call_is_its_load(engine: Engine) -> None:
    """The first call carries the start in TTFT, E2E and `load_ms`; others have 0."""
    cold, warm = asked(engine), asked(engine)
    assert (cold.is_resident, warm.is_resident) == (False, True)
    times = reply_of(cold).timings
    assert times.load_ms
    assert times.ttft_ms
    assert times.e2e_ms
    assert 0 < times.load_ms < times.ttft_ms <= times.e2e_ms
    assert reply_of(warm).timings.load_ms == 0.0


def test_a_reply_is_complete(engine: Engine) -> None:
    """Text, counts, finish reason and the engine's own times are there."""
    reply = reply_of(asked(engine))
    assert reply.text
    assert reply.finish_reason == "stop"
    assert reply.usage.prompt_tokens
    assert reply.usage.output_tokens
    assert reply.timings.prefill_ms
    assert reply.timings.decode_ms


def test_a_tool_is_called(engine: Engine) -> None:
    """A tool call comes decoded, and is the first content."""
    reply = reply_of(asked(engine, "What's the weather in Oslo?", tools=(WEATHER,)))
    (call,) = reply.tool_calls
    assert (call.name, call.arguments) == ("get_weather", {"city": "Oslo"})
    assert reply.timings.ttfc_ms == reply.timings.ttft_ms is not None


def test_warm_up_starts_the_process_once(engine: Engine, child: EmbeddedServer) -> None:
    """Warming up starts the engine; the first trial then loads nothing."""
    request = question(model=NAME, limits=START)
    first, again = (engine.warm_up(TARGET, request) for _ in range(2))
    assert (first.status, again.status) == ("success", "already_loaded")
    assert first.load_s is not None
    assert 0 < first.load_s < first.wall_s
    assert first.context_length == 1024
    assert again.load_s is None
    pid = pid_of(child)
    assert reply_of(asked(engine)).timings.load_ms == 0.0
    assert child.pid == pid


def test_a_seed_decides_the_reply(engine: Engine) -> None:
    """The same seed says the same; other seeds say something else sooner or later."""
    options = {"temperature": 1.0, "num_predict": 40}

    def text(seed: int) -> str:
        prompt = "Tell me about the sea."
        return reply_of(asked(engine, prompt, seed=seed, options=options)).text

    assert text(1) == text(1)
    assert len({text(seed) for seed in range(1, 7)}) > 1


def test_no_prompt_is_cached(engine: Engine) -> None:
    """Repeats of a prompt are computed anew, and the count says so."""
    usages = [reply_of(asked(engine, seed=seed)).usage for seed in range(3)]
    assert [usage.cached_tokens for usage in usages] == [0, 0, 0]
    assert len({usage.prompt_tokens for usage in usages}) == 1


def test_a_prompt_over_the_context_overflows(engine: Engine) -> None:
    """A prompt that does not fit is refused, not cut, and says both sizes."""
    error = error_of(asked(engine, "word " * 3000))
    assert type(error) is ContextOverflow
    assert "available context size (1024 tokens)" in str(error)
    assert reply_of(asked(engine)).text


def test_a_process_killed_in_mid_reply_is_told_and_replaced(
    engine: Engine, child: EmbeddedServer, later: list[threading.Timer]
) -> None:
    """The death is the error, what had come is kept, the next call starts anew."""
    reply_of(asked(engine))
    pid = pid_of(child)
    later.append(threading.Timer(0.2, os.kill, (pid, signal.SIGKILL)))
    later[0].start()
    # Beyond its end of text the model goes on for the whole context.
    endless = {"ignore_eos": True, "num_predict": 900}
    error = error_of(asked(engine, options=endless))
    assert type(error) is EngineMissing
    assert "the embedded engine died: SIGKILL" in str(error)
    assert error.outcome == "error"
    assert error.partial.text
    again = asked(engine)
    assert again.is_resident is False
    assert reply_of(again).timings.load_ms
    assert child.pid != pid


@pytest.mark.skipif(not HAS_STOP, reason="no signal stops a process here")
def test_a_process_killed_before_its_reply_is_told(
    engine: Engine, child: EmbeddedServer, later: list[threading.Timer]
) -> None:
    """A death before the first byte is the same error, with nothing kept."""
    reply_of(asked(engine))
    pid = pid_of(child)
    os.kill(pid, signal.SIGSTOP)
    later.append(threading.Timer(0.1, os.kill, (pid, signal.SIGKILL)))
    later[0].start()
    error = error_of(asked(engine))
    assert type(error) is EngineMissing
    assert "the embedded engine died: SIGKILL" in str(error)
    assert error.partial.text == ""
    assert reply_of(asked(engine)).text


def test_a_process_killed_while_idle_is_replaced(
    engine: Engine, child: EmbeddedServer
) -> None:
    """Between calls a death costs a load and nothing else."""
    reply_of(asked(engine))
    os.kill(pid_of(child), signal.SIGKILL)
    assert wait_until(lambda: not child.is_running)
    again = asked(engine)
    assert again.is_resident is False
    assert reply_of(again).timings.load_ms


class Hanging(EmbeddedServer):
    """An engine that loads and then answers nothing."""

    @override
    def start(self, timeout_s: float) -> None:
        super().start(timeout_s)
        os.kill(pid_of(self), signal.SIGSTOP)


@pytest.mark.skipif(not HAS_STOP, reason="no signal stops a process here")
def test_the_load_time_is_not_granted_twice(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the process has started, the first byte has the call's time alone."""
    hanging = Hanging()
    monkeypatch.setattr(CHILD, lambda: hanging)
    started_s = time.perf_counter()
    error = error_of(asked(engine, limits=replace(START, call_s=0.15)))
    os.kill(pid_of(hanging), signal.SIGKILL)
    assert type(error) is FirstByteTimeout
    assert str(error).endswith(
        "no first byte within 0.15 s; the limit is --call-timeout"
    )
    assert time.perf_counter() - started_s < 10.0


def test_an_engine_that_is_not_installed_is_told(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its library the call says how to install it; nothing is raised."""
    (tmp_path / "xllamacpp.py").write_text("raise ImportError('gone')", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    error = error_of(asked(engine))
    assert type(error) is EngineMissing
    assert "pip install 'pytest-llmbench[embedded]'" in str(error)
    result = engine.warm_up(TARGET, question(model=NAME))
    assert result.status == "failed"
    assert "pip install" in result.detail


def test_an_isolated_call_uses_the_running_engine(
    engine: Engine, child: EmbeddedServer
) -> None:
    """Calls in child processes ask this process's one engine, with equal replies."""
    prompt, fields = "What's the weather in Oslo?", {"tools": (WEATHER,), "seed": 3}
    plain = reply_of(asked(engine, prompt, **fields))
    pid = pid_of(child)
    isolated = reply_of(asked(engine, prompt, isolate=True, **fields))
    assert child.pid == pid
    assert [call.arguments for call in isolated.tool_calls] == [{"city": "Oslo"}]
    assert (isolated.text, isolated.usage) == (plain.text, plain.usage)
    assert isolated.timings.load_ms == 0.0
    assert isolated.timings.isolation_ms
    assert plain.timings.isolation_ms is None


def test_a_start_within_an_isolated_call_is_its_load(engine: Engine) -> None:
    """The engine is started here, and its start is load, no cost of isolation."""
    cold = asked(engine, isolate=True)
    assert cold.is_resident is False
    times = reply_of(cold).timings
    assert times.load_ms
    assert times.ttft_ms
    assert times.e2e_ms
    assert 0 < times.load_ms < times.ttft_ms <= times.e2e_ms
    assert times.isolation_ms


@pytest.mark.skipif(not HAS_PROC, reason="children are seen in /proc")
def test_an_engine_that_dies_in_an_isolated_call_is_told(
    engine: Engine, child: EmbeddedServer
) -> None:
    """The engine's own death is the error, as without isolation."""
    reply_of(asked(engine))
    pid = pid_of(child)

    def kill_engine() -> None:
        one_call_child()
        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_engine)
    killer.start()
    error = error_of(asked(engine, isolate=True))
    killer.join()
    assert type(error) is EngineMissing
    assert "the embedded engine died: SIGKILL" in str(error)
    assert reply_of(asked(engine, isolate=True)).timings.load_ms


def test_close_ends_process_and_threads(engine: Engine, child: EmbeddedServer) -> None:
    """After close there is no child and no thread of ours."""
    before = set(threading.enumerate())
    reply_of(asked(engine))
    pid = pid_of(child)
    for _ in range(2):
        engine.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert set(threading.enumerate()) <= before
