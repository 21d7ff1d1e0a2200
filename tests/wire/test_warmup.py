"""Warming up a model: what is asked, in which order, and what is told of it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

import pytest
from asking import LIMITS, WEATHER, ask, question, reply_of, target_of
from canned_server import CannedServer, http, http_json, ndjson
from fake_ollama import (
    FakeModel,
    FakeOllama,
    crashes,
    ends_without_done,
    load_fails,
    no_metrics,
    resets_before_headers,
    slow_first_byte,
)
from msgspec.structs import replace

if TYPE_CHECKING:
    from fake_ollama import Fault

    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.request import WarmupResult

MODEL: Final = FakeModel(load_s=0.1)


def warm_up(engine: Engine, server: FakeOllama | str, **fields: Any) -> WarmupResult:  # noqa: ANN401 - any field
    """Warm the model up that a measured call will ask."""
    request = question("The measured prompt", **fields)
    return engine.warm_up(target_of(server, request.model), request)


def chats(server: FakeOllama) -> list[dict[str, Any]]:
    """Return the bodies of all chat requests."""
    return [request.body or {} for request in server.requests_to("/api/chat")]


def test_a_cold_model_is_loaded_and_asked(engine: Engine) -> None:
    """Load, wall time, context, GPU share and expiry are told; the model stays."""
    with FakeOllama(dataclasses.replace(MODEL, size_vram=650_000_000)) as server:
        result = warm_up(engine, server)
        assert server.loaded_names == ["fake:1b"]
        assert ask(engine, server).is_resident is True
    assert (result.status, result.detail) == ("success", "")
    assert (result.model, result.server) == ("fake:1b", f"ollama at {server.url}")
    assert result.load_s is not None
    assert 0.1 <= result.load_s <= result.wall_s < 2.0
    assert (result.gpu_share, result.context_length) == (0.5, 4096)
    assert result.expires_at
    assert len(server.loads) == 1


def test_probe_preload_question_probe(engine: Engine) -> None:
    """The steps come in this order, each once, and the prompt stays unseen."""
    with FakeOllama(MODEL) as server:
        warm_up(engine, server, tools=(WEATHER,))
        paths = [request.path for request in server.requests]
        preload, small = chats(server)
    assert paths == ["/api/ps", "/api/chat", "/api/chat", "/api/ps"]
    assert preload["messages"] == []
    assert small["messages"] == [{"role": "user", "content": "What is 2+2?"}]
    assert "tools" not in small
    assert small["options"]["num_predict"] == 32


def test_the_load_is_the_one_that_is_measured(engine: Engine) -> None:
    """Context and keep-alive are those of the measured calls: no second load."""
    options = {"num_ctx": 2048, "temperature": 0.7}
    fields: dict[str, Any] = {"options": options, "keep_alive_s": 77.0}
    with FakeOllama(MODEL) as server:
        warm_up(engine, server, **fields)
        reply_of(ask(engine, server, **fields))
        preload, small, measured = chats(server)
        assert [load.num_ctx for load in server.loads] == [2048]
    assert preload["options"] == {"num_ctx": 2048}
    assert {body["keep_alive"] for body in (preload, small, measured)} == {77}
    assert small["options"] == {**measured["options"], "num_predict": 32}


def test_a_loaded_model_is_only_asked(engine: Engine) -> None:
    """A model that is there is not preloaded, and the result says so."""
    with FakeOllama(MODEL) as server:
        warm_up(engine, server)
        again = warm_up(engine, server)
        assert len(chats(server)) == 3
    assert (again.status, again.load_s) == ("already_loaded", None)
    assert again.context_length == 4096


def test_a_model_with_another_context_is_loaded_anew(engine: Engine) -> None:
    """A model that is there with another num_ctx counts as not loaded."""
    with FakeOllama(MODEL) as server:
        warm_up(engine, server, options={"num_ctx": 2048})
        result = warm_up(engine, server, options={"num_ctx": 1024})
    assert (result.status, result.context_length) == ("success", 1024)
    assert result.load_s is not None
    assert result.load_s >= 0.1


def test_a_load_longer_than_a_call_is_waited_for(engine: Engine) -> None:
    """Preload and question have the load's time on top of the call's."""
    limits = replace(LIMITS, call_s=0.05)
    with FakeOllama(MODEL) as server:
        assert warm_up(engine, server, limits=limits).status == "success"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (load_fails(), "process has terminated"),
        (resets_before_headers(), "cannot be reached"),
        (crashes(), "unexpectedly stopped"),
        (ends_without_done(), "`done` line"),
    ],
)
def test_a_failure_is_a_result(engine: Engine, fault: Fault, words: str) -> None:
    """Whatever breaks, warming up raises nothing and says what it was."""
    with FakeOllama(MODEL) as server:
        server.faults.append(fault)
        result = warm_up(engine, server)
        assert warm_up(engine, server).status != "failed"
    assert result.status == "failed"
    assert words in result.detail
    assert result.wall_s > 0


def test_a_load_beyond_its_time_is_a_failure(engine: Engine) -> None:
    """A load that takes longer than it may is left, and told."""
    limits = replace(LIMITS, call_s=0.05, load_s=0.05)
    with FakeOllama(MODEL) as server:
        server.faults.append(slow_first_byte(5.0))
        result = warm_up(engine, server, limits=limits)
    assert result.status == "failed"
    assert "gave no answer in 0.1 s" in result.detail


def test_a_server_that_is_down_is_a_failure(engine: Engine) -> None:
    """No server: failed, with the words that help."""
    with FakeOllama(MODEL) as server:
        pass
    result = warm_up(engine, server)
    assert result.status == "failed"
    assert "Connection refused" in result.detail
    assert "`ollama serve`" in result.detail


def test_a_model_that_is_not_pulled_is_a_failure(engine: Engine) -> None:
    """A missing model: failed, with what is there and how to get it."""
    with FakeOllama(MODEL) as server:
        result = warm_up(engine, server, model="fake:2b")
    assert result.status == "failed"
    assert "ollama pull fake:2b" in result.detail


def test_a_model_that_does_not_stay_is_a_failure(engine: Engine) -> None:
    """A model that is gone right after its warm-up is not warm."""
    with FakeOllama(MODEL) as server:
        server.faults.append(dataclasses.replace(no_metrics(), drops_model=True))
        result = warm_up(engine, server)
    assert result.status == "failed"
    assert result.detail == "the server does not show the model after loading it"


def test_a_stranger_is_a_failure(engine: Engine) -> None:
    """A server that answers with other JSON raises nothing either."""
    done = {"done": True}
    answers = {"/api/ps": http_json({"models": [1]}), "/api/chat": ndjson(done)}
    for given in (answers, {**answers, "/api/ps": http(b"{}x")}, {}):
        with CannedServer(given) as server:
            assert warm_up(engine, server.url).status == "failed"
