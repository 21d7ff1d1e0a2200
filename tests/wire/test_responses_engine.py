"""The responses API as llama.cpp speaks it: a server that is no fake of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asking import WEATHER, question, reply_of
from msgspec.structs import replace

from pytest_llmbench.calls.embedded.process import EmbeddedServer
from pytest_llmbench.calls.request import Target
from pytest_llmbench.prompts.messages import Message, SentCall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmbench.calls.engine import Engine

START_S = 30.0
ASKED = question(
    "What's the weather in Oslo?",
    model="tiny",
    tools=(WEATHER,),
    options={"temperature": 0, "num_predict": 40},
)


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """Run the embedded engine, and give its address as a service's."""
    server = EmbeddedServer()
    server.start(START_S)
    yield Target(provider="openai-responses", model="tiny", base_url=f"{server.url}/v1")
    server.stop()


def test_a_call_and_its_result(engine: Engine, target: Target) -> None:
    """A call comes out whole, and its result is taken, though no place is told."""
    reply = reply_of(engine.ask(target, ASKED))
    (call,) = reply.tool_calls
    assert (call.name, call.arguments) == ("get_weather", {"city": "Oslo"})
    assert call.id
    assert reply.finish_reason == "completed"
    assert (reply.usage.output_tokens or 0) > 5
    times = reply.timings
    assert 0 < (times.decode_ms or 0) < (times.e2e_ms or 0)
    sent = SentCall(name=call.name, arguments={"city": "Oslo"}, id=call.id)
    talk = (
        *ASKED.messages,
        Message(role="assistant", content="", tool_calls=(sent,)),
        Message(role="tool", content="9 °C", tool=call.name, call_id=call.id),
    )
    assert reply_of(engine.ask(target, replace(ASKED, messages=talk))).deltas


def test_text(engine: Engine, target: Target) -> None:
    """Text and its counts come out, without a key where none is named."""
    asked = question("Say hi.", model="tiny", options={"num_predict": 20})
    reply = reply_of(engine.ask(target, asked))
    assert reply.text
    assert reply.tool_calls == ()
    assert reply.deltas > 1
