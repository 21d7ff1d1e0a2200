"""Loads that nobody foresaw: never the model's time, and no slow model's excuse.

A model is pushed out behind our back: right after a reply, so that nobody looks, or
between the look and the call. What counts is when its load ends.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest
from asking import LIMITS, ask, error_of, reply_of
from fake_ollama import (
    FakeModel,
    FakeOllama,
    FakeSettings,
    always,
    no_metrics,
    refuse,
    says,
    slow_first_byte,
)
from fake_ollama_probe import loaded, preload, wait_until
from msgspec.structs import replace

from pytest_llmbench.calls import ask as ask_module
from pytest_llmbench.errors import CallTimeout, FirstByteTimeout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.request import Answer, Limits

CALL_S: Final = 0.6
BRIEF: Final = replace(LIMITS, call_s=CALL_S)
SAID: Final = "0123456789" * 4
TOKENS: Final = 10
LATE_S: Final = 0.6
"""What a busy machine may add to the moment of a cut."""


def new_model(load_s: float, silent_s: float = 0.0, decode_s: float = 0.0) -> FakeModel:
    """Return a model by the seconds that it loads, is silent, and speaks."""
    return FakeModel(
        load_s=load_s,
        answer=always(says(SAID)),
        first_token_delay_s=silent_s,
        decode_tokens_per_s=TOKENS / decode_s if decode_s else 1e6,
    )


@contextmanager
def pushed_out(
    engine: Engine, model: FakeModel, *, lists_loading: bool = False
) -> Iterator[FakeOllama]:
    """Give a server that has lost a model behind the back of an engine."""
    settings = FakeSettings(lists_loading=lists_loading)
    with FakeOllama(new_model(0.0), settings=settings) as server:
        for _ in range(2):
            reply_of(ask(engine, server))
        preload(server, keep_alive=0)
        assert wait_until(lambda: not loaded(server))
        server.models[model.name] = model
        yield server


def ask_unforeseen(engine: Engine, model: FakeModel, limits: Limits = BRIEF) -> Answer:
    """Ask a model that is not there; nobody looks before the call."""
    with pushed_out(engine, model) as server:
        before = len(server.requests)
        answer = ask(engine, server, limits=limits)
        assert server.requests[before].path == "/api/chat"
        assert len(server.loads) == 2
    return answer


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(new_model(0.5, 0.0, decode_s=0.3), id="byte-before-the-limit"),
        pytest.param(new_model(0.45, 0.3), id="over-between-half-and-limit"),
        pytest.param(new_model(0.25, 0.42), id="over-before-half"),
        pytest.param(new_model(0.9), id="over-after-the-limit"),
        pytest.param(new_model(0.8, 0.0, decode_s=0.3), id="after-it-then-tokens"),
    ],
)
def test_an_unforeseen_load_is_not_the_models_time(
    engine: Engine, model: FakeModel
) -> None:
    """Whenever it ends, an answer that took less than the limit by itself is good."""
    reply = reply_of(ask_unforeseen(engine, model))
    assert reply.text == SAID
    assert reply.timings.e2e_ms is not None
    assert reply.timings.e2e_ms > CALL_S * 1e3
    assert reply.timings.load_ms is not None
    assert reply.timings.load_ms >= model.load_s * 1e3


@pytest.mark.parametrize("load_s", [0.25, 0.9])
def test_an_old_ollama_lists_what_it_loads(engine: Engine, load_s: float) -> None:
    """A model that is shown while it loads is told from one that stayed."""
    model = new_model(load_s, silent_s=0.42)
    with pushed_out(engine, model, lists_loading=True) as server:
        reply = reply_of(ask(engine, server, limits=BRIEF))
    assert reply.text == SAID


def test_a_model_pushed_out_behind_the_look(engine: Engine) -> None:
    """A look that still showed the model as it was leaving takes nothing from it."""
    settings = FakeSettings(unload_delay_s=0.5)
    with FakeOllama(new_model(0.3), settings=settings) as server:
        reply_of(ask(engine, server))
        preload(server, keep_alive=0)
        answer = ask(engine, server, limits=BRIEF)
        assert len(server.loads) == 2
    assert reply_of(answer).text == SAID


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(new_model(0.3, silent_s=0.9), id="silent"),
        pytest.param(new_model(0.3, silent_s=0.25, decode_s=0.5), id="speaking"),
    ],
)
def test_an_unforeseen_load_excuses_no_slow_model(
    engine: Engine, model: FakeModel
) -> None:
    """What took longer than the limit by itself is a timeout that keeps its reply."""
    error = error_of(ask_unforeseen(engine, model))
    assert type(error) is CallTimeout
    assert "load apart; limit 0.6 s" in str(error)
    assert error.partial.text == SAID


@pytest.mark.parametrize("load_s", [0.0, 0.3], ids=["resident", "loaded"])
def test_a_model_that_goes_on_and_on_is_cut(engine: Engine, load_s: float) -> None:
    """Tokens that come steadily past the limit end with it, load or none."""
    limits = replace(LIMITS, call_s=0.4)
    started_s = time.perf_counter()
    answer = ask_unforeseen(engine, new_model(load_s, decode_s=4.0), limits=limits)
    took_s = time.perf_counter() - started_s
    error = error_of(answer)
    assert type(error) is CallTimeout
    assert "did not end within 0.4 s of its first byte" in str(error)
    assert SAID.startswith(error.partial.text)
    assert 0.4 + load_s < took_s < 0.4 + load_s + LATE_S + 1.0


def test_a_model_that_was_there_is_cut_at_its_limit(engine: Engine) -> None:
    """Two looks at a silent model that stayed keep it from any load's time."""
    with FakeOllama(new_model(0.0)) as server:
        for _ in range(2):
            reply_of(ask(engine, server))
        server.faults.append(slow_first_byte(5.0))
        before = len(server.requests_to("/api/ps"))
        started_s = time.perf_counter()
        error = error_of(ask(engine, server, limits=BRIEF))
        took_s = time.perf_counter() - started_s
        looks = len(server.requests_to("/api/ps")) - before
    assert type(error) is FirstByteTimeout
    assert "no first byte within 0.6 s; the limit" in str(error)
    assert CALL_S < took_s < CALL_S + LATE_S
    assert looks == 2


def test_a_server_that_shows_nothing_grants_nothing(engine: Engine) -> None:
    """Where both looks fail, silence ends at the call's limit."""
    with FakeOllama(new_model(0.0)) as server:
        for _ in range(2):
            reply_of(ask(engine, server))
        server.faults.append(slow_first_byte(5.0).where(path="/api/chat"))
        server.faults.append(refuse(500, "no").where(path="/api/ps").always())
        started_s = time.perf_counter()
        error = error_of(ask(engine, server, limits=BRIEF))
        took_s = time.perf_counter() - started_s
    assert type(error) is FirstByteTimeout
    assert CALL_S < took_s < CALL_S + LATE_S


def test_one_look_that_fails_blames_nobody(engine: Engine) -> None:
    """Without the first look nothing says that the model stayed: its load counts."""
    with pushed_out(engine, new_model(0.25, silent_s=0.42)) as server:
        server.faults.append(refuse(500, "no").where(path="/api/ps"))
        reply = reply_of(ask(engine, server, limits=BRIEF))
        assert not server.faults
    assert reply.text == SAID


def test_a_load_of_unknown_length_is_not_the_models_time(engine: Engine) -> None:
    """A cold model is judged from its first token where the server tells no load."""
    with FakeOllama(new_model(0.5)) as server:
        server.faults.append(no_metrics())
        answer = ask(engine, server, limits=replace(LIMITS, call_s=0.4))
    assert reply_of(answer).timings.load_ms is None


@pytest.fixture
def cold_from_200_ms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare tests the second that proves a load."""
    monkeypatch.setattr(ask_module, "_COLD_LOAD_MS", 200.0)


@pytest.mark.usefixtures("cold_from_200_ms")
@pytest.mark.parametrize(("load_s", "was_there"), [(0.3, False), (0.0, True)])
def test_a_spared_look_is_corrected_by_a_load(
    engine: Engine, load_s: float, *, was_there: bool
) -> None:
    """A reply that tells a load says that the model was not there."""
    answer = ask_unforeseen(engine, new_model(load_s), limits=LIMITS)
    assert answer.is_resident is was_there


@pytest.mark.usefixtures("cold_from_200_ms")
def test_a_look_is_corrected_by_a_load(engine: Engine) -> None:
    """A look that showed a model on its way out is corrected; the next call looks."""
    settings = FakeSettings(unload_delay_s=0.2)
    with FakeOllama(new_model(0.3), settings=settings) as server:
        reply_of(ask(engine, server))
        preload(server, keep_alive=0)
        before = len(server.requests)
        answer = ask(engine, server)
        after = len(server.requests)
        again = ask(engine, server)
        paths = [request.path for request in server.requests]
    assert paths[before:] == ["/api/ps", "/api/chat"] * 2
    assert after == before + 2
    assert (answer.is_resident, again.is_resident) == (False, True)


@pytest.mark.usefixtures("cold_from_200_ms")
def test_a_foreseen_load_corrects_nothing(engine: Engine) -> None:
    """A model that is there with another context was there, load or no load."""
    with FakeOllama(new_model(0.3)) as server:
        answers = [
            ask(engine, server, options={"num_ctx": num_ctx})
            for num_ctx in (2048, 4096)
        ]
    assert [answer.is_resident for answer in answers] == [False, True]
    assert reply_of(answers[1]).timings.load_ms
