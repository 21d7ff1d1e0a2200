"""A busy server is asked again, over real sockets: when, how often, and when not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest
from asking import ask, error_of, question, reply_of, target_of
from fake_ollama import FakeModel, FakeOllama, always, says
from fake_ollama_faults import queue_full, refuse, resets
from faulty_server import FaultyOllama
from limited_ollama import LimitedOllama

from pytest_llmbench.calls.backoff import MAX_FALTERED, BackOff, is_refused
from pytest_llmbench.calls.budget import RunBudget
from pytest_llmbench.calls.clock import SystemClock
from pytest_llmbench.calls.engine import Engine
from pytest_llmbench.calls.keylimits import KeyLimiter
from pytest_llmbench.calls.request import Patience
from pytest_llmbench.checks.reply import Reply
from pytest_llmbench.errors import Busy, Faltered, RateLimited, Unauthorised

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmbench.calls.keylimits import Turn
    from pytest_llmbench.errors import CallError

PATIENCE: Final = Patience(wait_s=3.0, call_s=6.0, run_s=60.0)
TEXT: Final = "One two three."
MODEL: Final = FakeModel(load_s=0.01, answer=always(says(TEXT)))


@pytest.fixture
def patient() -> Iterator[Engine]:
    """Give an engine that waits for a busy server."""
    made = Engine(patience=PATIENCE)
    yield made
    made.close()


def test_a_server_is_asked_again_when_it_says_so(patient: Engine) -> None:
    """One refusal costs the wait that it names; the reply's times are its own."""
    with LimitedOllama(MODEL, closed_s=0.95) as server:
        answer = ask(patient, server)
    reply = reply_of(answer)
    assert reply.text == TEXT
    [(_, first), (again_s, second)] = server.asked
    assert (first, second) == (True, False)
    assert again_s >= 1.0
    [backoff] = answer.backoffs
    assert backoff.kind == "busy"
    assert "rate limit reached" in backoff.message
    assert 1.0 <= backoff.wait_s < 3.0
    assert reply.timings.backoff_ms == pytest.approx(backoff.wait_s * 1e3)
    assert reply.timings.e2e_ms is not None
    assert reply.timings.queue_ms is not None
    assert reply.timings.e2e_ms < 900
    assert reply.timings.queue_ms < 900
    assert answer.started_at > backoff.at


@pytest.mark.parametrize("told", ["", "0"])
def test_without_a_word_the_wait_is_random_and_grows(
    patient: Engine, told: str
) -> None:
    """A full queue without `Retry-After`, or with 0, is not asked in a circle."""
    with LimitedOllama(
        MODEL, closed_s=0.6, status=503, told=lambda _left_s: told
    ) as server:
        answer = ask(patient, server)
    assert reply_of(answer).text == TEXT
    assert 1 <= len(answer.backoffs) < 15
    assert server.refused == len(answer.backoffs)


def test_a_call_without_a_refusal_has_waited_for_nothing(patient: Engine) -> None:
    """Its back-off is 0, not unknown: it was measured."""
    with FakeOllama(MODEL) as server:
        answer = ask(patient, server)
    assert answer.backoffs == ()
    assert reply_of(answer).timings.backoff_ms == 0.0


def test_a_longer_wait_than_there_is_patience_for_ends_the_call(
    patient: Engine,
) -> None:
    """It ends at once, says why, and no other call of the key is sent before."""
    with LimitedOllama(MODEL, closed_s=7.0) as server:
        started_s = time.perf_counter()
        first, second = error_of(ask(patient, server)), error_of(ask(patient, server))
        assert time.perf_counter() - started_s < 3.0
    assert len(server.asked) == 1
    assert isinstance(first, Busy)
    assert first.retry_after_s == 7.0
    assert str(first).endswith("not asked again: one wait may take 3 s (backoff_wait)")
    assert str(second).startswith("not asked, as another call was told: ollama at")


def test_the_waits_of_one_call_have_a_limit_in_all(patient: Engine) -> None:
    """Waits that are short each, but never end, end the call."""
    with LimitedOllama(MODEL, closed_s=60.0, told=lambda _left_s: "2.5") as server:
        answer = ask(patient, server)
    assert len(server.asked) == 3
    assert len(answer.backoffs) == 2
    assert "a call may wait 6 s in all (backoff_call)" in str(error_of(answer))


def test_the_waits_of_a_run_have_a_limit_in_all() -> None:
    """What calls before have waited is not there for a later one."""
    engine = Engine(patience=Patience(wait_s=3.0, call_s=6.0, run_s=0.5))
    try:
        with LimitedOllama(MODEL, closed_s=60.0, told=lambda _left_s: "0.4") as server:
            error = error_of(ask(engine, server))
    finally:
        engine.close()
    assert len(server.asked) == 2
    assert "a run may wait 0.5 s in all (backoff_run)" in str(error)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_a_refusal_that_stays_is_not_asked_again(patient: Engine, status: int) -> None:
    """What waiting cannot cure ends the call at once."""
    with FakeOllama(MODEL) as server:
        server.faults.append(refuse(status, "no").always())
        answer = ask(patient, server)
    assert answer.backoffs == ()
    assert not isinstance(error_of(answer), Busy)
    assert len(server.requests_to("/api/chat")) == 1


def test_a_reply_that_broke_off_is_not_asked_again(patient: Engine) -> None:
    """Once a part has come, asking again would measure another reply."""
    with FakeOllama(MODEL) as server:
        server.faults.append(resets())
        answer = ask(patient, server)
    assert answer.backoffs == ()
    assert error_of(answer).partial is not None


def test_without_patience_a_busy_server_is_an_error_at_once(engine: Engine) -> None:
    """That is how an engine is made where nothing else is said."""
    with FakeOllama(MODEL) as server:
        server.faults.append(queue_full())
        assert type(error_of(ask(engine, server))) is Busy
        assert reply_of(ask(engine, server)).text == TEXT


def test_an_isolated_call_is_asked_again_too(patient: Engine) -> None:
    """The refusal comes from the child process; each attempt has its own."""
    with LimitedOllama(MODEL, closed_s=0.95) as server:
        answer = ask(patient, server, isolate=True)
    assert reply_of(answer).text == TEXT
    assert len(answer.backoffs) == 1
    assert reply_of(answer).timings.isolation_ms


def test_a_warm_up_waits_for_a_busy_server(patient: Engine) -> None:
    """A server that is busy when the run begins is warmed all the same."""
    with LimitedOllama(MODEL, closed_s=0.95) as server:
        result = patient.warm_up(target_of(server), question())
    assert result.status == "success"
    assert result.load_s
    assert server.refused == 1


def test_a_models_facts_wait_for_a_busy_server(patient: Engine) -> None:
    """The look at the model before the run is no reason to give the run up."""
    with FaultyOllama(MODEL) as server:
        server.faults.append(queue_full().where(path="/api/tags"))
        assert patient.facts(target_of(server)).digest


def test_closing_ends_a_wait(patient: Engine) -> None:
    """An interrupt does not sit a back-off out."""
    with LimitedOllama(MODEL, closed_s=60.0, told=lambda _left_s: "2.9") as server:
        serving = patient.server(target_of(server))
        waiting = []

        def start() -> None:
            import asyncio

            loop = asyncio.get_running_loop()
            waiting.append(loop.create_task(serving.ask(question())))

        patient.post(start)
        until_s = time.perf_counter() + 5.0
        while not patient.waits and time.perf_counter() < until_s:
            time.sleep(0.01)
        [wait] = patient.waits
        assert (wait.server, wait.why) == ("ollama", "busy")
        started_s = time.perf_counter()
        patient.close()
        assert time.perf_counter() - started_s < 2.0
        assert waiting[0].cancelled()


async def refused_always(patience: Patience, error: CallError) -> tuple[str, int]:
    """Return what a call that is always refused ends with, and how often it asked."""
    clock = SystemClock()
    budget = RunBudget(patience, clock)
    backoff = BackOff(KeyLimiter("fake", clock, budget), budget, clock)
    asked = 0

    async def attempt(_turn: Turn) -> None:
        nonlocal asked
        asked += 1
        raise error

    with pytest.raises(type(error)) as caught:
        await backoff.run(attempt)
    return str(caught.value), asked


def test_a_fault_that_comes_each_time_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A 5xx that never passes costs five requests, not the call's whole patience."""
    import asyncio

    monkeypatch.setattr("pytest_llmbench.calls.backoff._FIRST_S", 0.01)
    told, asked = asyncio.run(refused_always(PATIENCE, Faltered("HTTP 500")))
    assert asked == MAX_FALTERED + 1
    assert told == "HTTP 500; not asked again: it was asked 5 times"


@pytest.mark.parametrize(
    ("error", "most"), [(Unauthorised("no"), 1), (RateLimited("wait"), 100)]
)
def test_only_a_busy_server_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, error: CallError, most: int
) -> None:
    """The error's class decides."""
    import asyncio

    monkeypatch.setattr("pytest_llmbench.calls.backoff._FIRST_S", 0.01)
    patience = Patience(wait_s=0.05, call_s=0.2, run_s=5.0)
    _told, asked = asyncio.run(refused_always(patience, error))
    assert (asked > 1) == isinstance(error, Busy)
    assert asked <= most


def test_a_refusal_in_mid_reply_stays() -> None:
    """A service that is overloaded once it has begun to answer is not asked again."""
    early, late = Busy("overloaded"), Busy("overloaded")
    early.partial, late.partial = Reply(), Reply(text="One", deltas=1)
    assert is_refused(Busy("overloaded"))
    assert is_refused(early)
    assert not is_refused(late)
    assert not is_refused(Unauthorised("no"))
