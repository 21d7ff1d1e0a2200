"""The responses API, through the engine and over real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asking import WEATHER, question, reply_of
from asking_responses import MODEL, put, says, target_of
from fake_responses import (
    KEY,
    PATH,
    Asked,
    FakeResponses,
    unknown_events,
)
from fake_responses_events import Said
from fake_sse import (
    byte_order_mark,
    comments,
    framed,
    one_byte_writes,
    paired_writes,
)
from msgspec.structs import replace

from pytest_llmbench.checks.reply import ToolCall, Usage
from pytest_llmbench.prompts.messages import Message, SentCall

if TYPE_CHECKING:
    from fake_sse import StreamFault

    from pytest_llmbench.calls.engine import Engine

TEXT = "One two thréé 四 five."
CALLS = Said(
    tool_calls=[("get_weather", {"city": "Oslo"}), ("get_weather", '{"city": "Ber')]
)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the fake's key, where the vendor documents it."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def test_a_stream_becomes_one_reply(engine: Engine) -> None:
    """Text, counts, status and times are in the reply; nothing is stored."""
    said = Said(text=TEXT, cached_tokens=2, cache_write_tokens=1, reasoning_tokens=7)
    with says(said) as server:
        reply = reply_of(put(engine, server, options={"effort": "high"}, seed=7))
    assert (reply.text, reply.thinking, reply.tool_calls) == (TEXT, "", ())
    assert (reply.finish_reason, reply.deltas) == ("completed", 6)
    assert reply.usage == Usage(
        prompt_tokens=1,
        cached_tokens=2,
        cache_write_tokens=1,
        output_tokens=13,
        reasoning_tokens=7,
    )
    times = reply.timings
    assert times.ttft_ms == times.ttfc_ms
    assert 0 < (times.ttft_ms or 0) <= (times.e2e_ms or 0)
    (asked,) = server.requests_to(PATH)
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body == {
        "model": MODEL,
        "input": [{"role": "user", "content": "Hi"}],
        "reasoning": {"effort": "high"},
        "store": False,
        "stream": True,
    }


@pytest.mark.parametrize(
    "fault",
    [
        one_byte_writes(),
        paired_writes(),
        framed(line_end="\r\n", space=""),
        framed(indent=1),
        byte_order_mark(),
        comments(),
        unknown_events(),
    ],
)
def test_any_way_of_sending_is_the_same_reply(
    engine: Engine, fault: StreamFault
) -> None:
    """Cuts, line ends, comments and events that no client knows change nothing."""
    said = Said(text=TEXT, thinking=["Hm."], is_open=True)
    with says(said) as server:
        server.faults.append(fault)
        reply = reply_of(put(engine, server))
    assert (reply.text, reply.thinking) == (TEXT, "Hm.")


def test_thinking_comes_before_content(engine: Engine) -> None:
    """Open thinking is a first token, but no content."""
    said = Said(text="Yes", thinking=["I think."], is_open=True, between_s=0.01)
    with says(said) as server:
        reply = reply_of(put(engine, server))
    assert (reply.thinking, reply.text) == ("I think.", "Yes")
    assert reply.timings.ttft_ms is not None
    assert reply.timings.ttfc_ms is not None
    assert reply.timings.ttft_ms + 5 < reply.timings.ttfc_ms


def test_hidden_thinking_is_time_before_the_first_token(engine: Engine) -> None:
    """Silence behind `response.in_progress` is no token: TTFT counts it."""
    said = Said(text="Yes", reasoning_tokens=40, silence_s=0.15)
    with says(said) as server:
        reply = reply_of(put(engine, server))
    assert (reply.timings.ttft_ms or 0) > 140
    assert (reply.thinking, reply.usage.reasoning_tokens) == ("", 40)
    (asked,) = server.requests_to(PATH)
    assert asked.first_delta_ns is not None
    server_ms = (asked.first_delta_ns - asked.began_at_ns) / 1e6
    assert abs((reply.timings.ttft_ms or 0) - server_ms) < 60


def test_calls_are_put_together(engine: Engine) -> None:
    """Argument fragments join; a call cut off in its arguments is kept as written."""
    with says(CALLS) as server:
        reply = reply_of(put(engine, server, tools=(WEATHER,)))
    assert reply.tool_calls == (
        ToolCall(name="get_weather", arguments={"city": "Oslo"}, id="call_1_0"),
        ToolCall(
            name="get_weather", arguments=None, raw='{"city": "Ber', id="call_1_1"
        ),
    )
    (asked,) = server.requests_to(PATH)
    assert asked.body is not None
    assert asked.body["tools"] == [
        {"type": "function", **WEATHER.to_json(), "strict": False}
    ]


@pytest.mark.parametrize(
    ("options", "said", "text", "reason"),
    [
        ({"num_predict": 8}, Said(text="x" * 40), "x" * 32, "max_output_tokens"),
        ({"num_predict": 8}, Said(text="x", reasoning_tokens=9), "",
         "max_output_tokens"),
        ({}, Said(text="Well", reason="content_filter"), "Well", "content_filter"),
        ({}, Said(refusal="I can't."), "I can't.", "completed"),
    ],
)  # fmt: skip
def test_why_a_reply_ended(
    engine: Engine, options: dict[str, int], said: Said, text: str, reason: str
) -> None:
    """A limit, a filter and a refusal end a reply; the service's word is kept."""
    with says(said) as server:
        reply = reply_of(put(engine, server, options=options))
    assert (reply.text, reply.finish_reason) == (text, reason)
    assert reply.is_truncated == (reason == "max_output_tokens")


def test_a_conversation_of_several_turns(engine: Engine) -> None:
    """Calls and results go back as items, thinking as it came, encrypted."""

    def script(asked: Asked) -> Said:
        if asked.last_result:
            return Said(text=f"It is {asked.last_result}.", reasoning_tokens=3)
        thoughts = ["Look it up."]
        call = ("get_weather", {"city": "Oslo"})
        return Said(thinking=thoughts, tool_calls=[call])

    system = Message(role="system", content="Be brief.")
    user = Message(role="user", content="Weather?")
    with FakeResponses(script) as server:
        target = target_of(server)
        asked = question(model=MODEL, tools=(WEATHER,))
        first = replace(asked, messages=(system, user))
        reply = reply_of(engine.ask(target, first))
        sent = SentCall(name="get_weather", arguments={"city": "Oslo"}, id="call_1_0")
        talk = (
            *first.messages,
            Message(
                role="assistant",
                content="",
                tool_calls=(sent,),
                carried=reply.carried,
            ),
            Message(role="tool", content="9 °C", tool="get_weather", call_id=sent.id),
        )
        last = reply_of(engine.ask(target, replace(first, messages=talk)))
    assert last.text == "It is 9 °C."
    bodies = [record.body or {} for record in server.requests_to(PATH)]
    assert [body["instructions"] for body in bodies] == ["Be brief."] * 2
    assert bodies[1]["input"] == [
        {"role": "user", "content": "Weather?"},
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAAA-1"},
        {
            "type": "function_call",
            "arguments": '{"city":"Oslo"}',
            "call_id": "call_1_0",
            "name": "get_weather",
        },
        {"type": "function_call_output", "call_id": "call_1_0", "output": "9 °C"},
    ]


def test_a_call_in_a_child_process(engine: Engine) -> None:
    """The child reads the key itself, and hands back what the reply carries."""
    said = Said(text="Yes.", thinking=["Hm."])
    with says(said) as server:
        reply = reply_of(put(engine, server, isolate=True))
    assert (reply.text, len(reply.carried)) == ("Yes.", 2)
    assert reply.timings.isolation_ms is not None


def test_headers_of_the_target(engine: Engine) -> None:
    """A service may want headers of its own; they are sent with each call."""
    with says(Said(text=TEXT)) as server:
        own = (("OpenAI-Project", "proj_1"),)
        target = replace(target_of(server), headers=own)
        reply_of(engine.ask(target, question(model=MODEL)))
    assert server.requests[0].headers["openai-project"] == "proj_1"
