"""Unloading a model: the server lets go, and is seen to have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asking import ask, target_of
from asking_responses import says as a_service
from asking_responses import target_of as target_of_service
from fake_ollama import FakeModel, FakeOllama, FakeSettings
from fake_responses_events import Said

from pytest_llmbench.errors import ModelMissing

if TYPE_CHECKING:
    from pytest_llmbench.calls.engine import Engine


def test_a_model_is_gone_when_it_is_said_to_be(engine: Engine) -> None:
    """The server unloads behind its answer; we come back when it shows nothing."""
    settings = FakeSettings(unload_delay_s=0.4)
    with FakeOllama(FakeModel(load_s=0.05), settings=settings) as server:
        ask(engine, server)
        assert server.loaded_names == ["fake:1b"]
        assert engine.unload(target_of(server)) is True
        assert server.loaded_names == []
        assert ask(engine, server).is_resident is False
        assert len(server.loads) == 2


def test_what_is_not_loaded_is_unloaded_too(engine: Engine) -> None:
    """Nobody has to know first whether the model is there."""
    with FakeOllama(FakeModel()) as server:
        assert engine.unload(target_of(server)) is True


def test_a_model_that_is_not_there_is_told(engine: Engine) -> None:
    """A wrong name is an error and no success."""
    with FakeOllama(FakeModel()) as server, pytest.raises(ModelMissing):
        engine.unload(target_of(server, "other:1b"))


def test_a_service_holds_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An online service is asked nothing."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-this-test")
    with a_service(Said(text="4")) as server:
        assert engine.unload(target_of_service(server)) is False
        assert not server.requests
