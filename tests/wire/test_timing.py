"""Times as measured, and the limits that leave a model the time to load.

The fake server runs on the same clock, so its own record bounds ours from below;
the bounds from above are wide, for a busy machine is no fault.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Final

from asking import LIMITS, ask, error_of, reply_of
from fake_ollama import (
    FakeModel,
    FakeOllama,
    always,
    ends_without_done,
    refuse,
    says,
    slow_first_byte,
)
from fake_ollama_probe import loaded, preload, wait_until
from msgspec.structs import replace

from pytest_llmbench.errors import CallTimeout, FirstByteTimeout

if TYPE_CHECKING:
    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.checks.reply import Timings

SLACK_MS: Final = 400.0
"""What a busy machine may add."""

BRIEF: Final = replace(LIMITS, call_s=0.15)
QUICK: Final = FakeModel(load_s=0.0, answer=always(says("0123456789" * 4)))


def in_order(*times_ms: float | None) -> bool:
    """Say whether all times are there and none is less than the one before."""
    known = [time_ms for time_ms in times_ms if time_ms is not None]
    return len(known) == len(times_ms) and known == sorted(known)


def timings(engine: Engine, server: FakeOllama) -> Timings:
    """Return the times of one good call."""
    return reply_of(ask(engine, server)).timings


def test_first_token_and_end_are_when_they_come(engine: Engine) -> None:
    """TTFT holds the wait for the first token, E2E that for the others too."""
    # 10 tokens: the first after 100 ms, nine more at 10 ms each.
    model = dataclasses.replace(
        QUICK, first_token_delay_s=0.1, decode_tokens_per_s=100.0
    )
    with FakeOllama(model) as server:
        timings(engine, server)
        times = timings(engine, server)
    assert in_order(100.0, times.ttft_ms, 100.0 + SLACK_MS)
    assert in_order(190.0, times.e2e_ms, 190.0 + SLACK_MS)
    assert times.ttft_ms is not None
    assert times.e2e_ms is not None
    assert times.e2e_ms - times.ttft_ms > 80.0
    assert times.decode_ms == 90.0


def test_the_residency_probe_is_no_latency(engine: Engine) -> None:
    """The clock starts after the server was asked what it has loaded."""
    with FakeOllama(QUICK) as server:
        timings(engine, server)
        times = timings(engine, server)
        probe, chat = server.requests[-2:]
    assert (probe.path, chat.path) == ("/api/ps", "/api/chat")
    between_ms = (chat.received_at_ns - probe.received_at_ns) / 1e6
    assert times.ttft_ms is not None
    assert times.e2e_ms is not None
    assert times.ttft_ms < times.e2e_ms < SLACK_MS + between_ms


def test_a_model_at_work_is_not_asked_for(engine: Engine) -> None:
    """Right behind a reply no probe is sent; behind an error, one is."""
    with FakeOllama(QUICK) as server:
        for _ in range(4):
            timings(engine, server)
        asked = [request.path for request in server.requests]
        assert asked.count("/api/ps") == 2
        server.faults.append(refuse(500, "boom"))
        ask(engine, server)
        timings(engine, server)
        assert [request.path for request in server.requests].count("/api/ps") == 3


def test_a_load_that_nobody_expected_is_granted(engine: Engine) -> None:
    """A model unloaded behind our back may take its time to come again."""
    with FakeOllama(dataclasses.replace(QUICK, load_s=0.4)) as server:
        for _ in range(3):
            timings(engine, server)
        preload(server, keep_alive=0)
        assert wait_until(lambda: not loaded(server))
        reply = reply_of(ask(engine, server, limits=BRIEF))
    assert reply.timings.load_ms is not None
    assert reply.timings.load_ms > 300.0


def test_load_is_in_the_raw_times_and_on_its_own(engine: Engine) -> None:
    """A load is part of TTFT and E2E as measured, and told apart as `load_ms`."""
    with FakeOllama(dataclasses.replace(QUICK, load_s=0.12)) as server:
        cold = timings(engine, server)
        warm = timings(engine, server)
    assert in_order(120.0, cold.load_ms, cold.ttft_ms, cold.e2e_ms, 120.0 + SLACK_MS)
    assert warm.load_ms is not None
    assert 0 < warm.load_ms < 120.0


def test_a_load_is_granted_its_own_time(engine: Engine) -> None:
    """A model that is not loaded may take longer to come than a call may."""
    with FakeOllama(dataclasses.replace(QUICK, load_s=0.3)) as server:
        answer = ask(engine, server, limits=BRIEF)
        (load,) = server.loads
    reply = reply_of(answer)
    assert answer.is_resident is False
    assert in_order(300.0, reply.timings.load_ms)
    assert load.is_finished


def test_a_loaded_model_is_granted_no_load(engine: Engine) -> None:
    """A model that is there and slow times out after the call's limit alone."""
    with FakeOllama(dataclasses.replace(QUICK, first_token_delay_s=0.0)) as server:
        reply_of(ask(engine, server, limits=BRIEF))
        server.faults.append(slow_first_byte(5.0))
        started_s = time.perf_counter()
        answer = ask(engine, server, limits=BRIEF)
        took_ms = (time.perf_counter() - started_s) * 1e3
        chat = server.requests_to("/api/chat")[-1]
        assert chat.finished.wait(2.0)
    assert type(error_of(answer)) is FirstByteTimeout
    assert answer.is_resident is True
    assert in_order(150.0, took_ms, 150.0 + SLACK_MS)
    assert chat.client_closed


def test_time_beyond_the_load_is_judged_by_the_call_limit(engine: Engine) -> None:
    """The load's time is no gift: E2E less load above the limit is a timeout."""
    model = dataclasses.replace(QUICK, load_s=0.1, first_token_delay_s=0.2)
    with FakeOllama(model) as server:
        answer = ask(engine, server, limits=BRIEF)
        chat = server.requests_to("/api/chat")[-1]
    error = error_of(answer)
    assert type(error) is CallTimeout
    assert "load apart; limit 0.15 s" in str(error)
    assert error.partial.text == "0123456789" * 4
    assert in_order(300.0, error.partial.timings.e2e_ms)
    assert not chat.client_closed


def test_tokens_after_a_load_have_the_call_limit(engine: Engine) -> None:
    """Once the first byte is there, a loading model has the call's time and no more."""
    model = dataclasses.replace(QUICK, load_s=0.1, decode_tokens_per_s=10.0)
    with FakeOllama(model) as server:
        answer = ask(engine, server, limits=BRIEF)
    error = error_of(answer)
    assert type(error) is CallTimeout
    assert "did not end within 0.15 s" in str(error)
    assert error.partial.text == "01234567"


def test_no_load_is_broken_off_within_its_time(engine: Engine) -> None:
    """A load that never ends is waited for as long as promised, then left."""
    limits = replace(LIMITS, call_s=0.1, load_s=0.15)
    with FakeOllama(dataclasses.replace(QUICK, load_s=5.0)) as server:
        error = error_of(ask(engine, server, limits=limits))
        chat = server.requests_to("/api/chat")[-1]
        assert chat.finished.wait(2.0)
        (load,) = server.loads
    assert type(error) is FirstByteTimeout
    assert "no first byte within 0.1 s (+ 0.15 s for the load)" in str(error)
    assert load.is_aborted
    assert chat.client_closed
    waited_ms = (load.ended_ns - load.started_ns) / 1e6
    # The request needs a moment to arrive, so the server sees a little less.
    assert in_order(230.0, waited_ms, 250.0 + SLACK_MS)


def test_another_context_means_a_load(engine: Engine) -> None:
    """A model that is there with another num_ctx is granted its load as well."""
    with FakeOllama(dataclasses.replace(QUICK, load_s=0.2)) as server:
        answers = [
            ask(engine, server, limits=BRIEF, options={"num_ctx": num_ctx})
            for num_ctx in (2048, 4096)
        ]
        for answer in answers:
            assert in_order(200.0, reply_of(answer).timings.load_ms)
        assert [answer.is_resident for answer in answers] == [False, True]
        assert [load.num_ctx for load in server.loads] == [2048, 4096]


def test_the_same_context_means_none(engine: Engine) -> None:
    """A model that is there with the num_ctx asked for is granted no load."""
    with FakeOllama(QUICK) as server:
        reply_of(ask(engine, server, options={"num_ctx": 2048}))
        server.faults.append(slow_first_byte(5.0))
        answer = ask(engine, server, limits=BRIEF, options={"num_ctx": 2048})
    assert str(error_of(answer)).endswith(
        "no first byte within 0.15 s; the limit is --call-timeout"
    )


def test_a_failed_call_keeps_the_times_it_has(engine: Engine) -> None:
    """A reply that broke off has a TTFT, and no E2E."""
    with FakeOllama(QUICK) as server:
        server.faults.append(ends_without_done())
        partial = error_of(ask(engine, server)).partial
    assert in_order(0.0, partial.timings.queue_ms, partial.timings.ttft_ms)
    assert partial.timings.e2e_ms is None
