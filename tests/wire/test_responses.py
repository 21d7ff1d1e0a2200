"""The responses API, through the engine and over real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asking import WEATHER, error_of, question, reply_of
from fake_limits import RateLimits
from fake_responses import (
    KEY,
    PATH,
    Asked,
    FakeResponses,
    error_event,
    failed,
    refused,
    unknown_events,
)
from fake_responses_checks import FakeReasoner
from fake_responses_events import Said
from fake_sse import (
    byte_order_mark,
    comments,
    empty_stream,
    ends_early,
    framed,
    garbage,
    hangs_up,
    no_end_marker,
    non_utf8,
    one_byte_writes,
    paired_writes,
    resets,
    slow_first_byte,
    stalls,
)
from msgspec.structs import replace

from pytest_llmbench.calls.request import Limits, Target
from pytest_llmbench.checks.reply import ToolCall, Usage
from pytest_llmbench.errors import (
    Busy,
    CallError,
    CallTimeout,
    ContextOverflow,
    Faltered,
    ModelMissing,
    ProtocolFault,
    QuotaSpent,
    RateLimited,
    ServerFault,
    StreamTruncated,
    Unauthorised,
    Unsupported,
)
from pytest_llmbench.prompts.messages import Message, SentCall

if TYPE_CHECKING:
    from fake_sse import StreamFault

    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.request import Answer

TEXT = "One two thréé 四 five."
MODEL = "gpt-x"
CALLS = Said(
    tool_calls=[("get_weather", {"city": "Oslo"}), ("get_weather", '{"city": "Ber')]
)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the fake's key, where the vendor documents it."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def says(said: Said) -> FakeResponses:
    """Return a fake whose models say one thing."""
    return FakeResponses(lambda _asked: said)


def target_of(server: FakeResponses, model: str = MODEL) -> Target:
    """Return the target of a model at the fake."""
    return Target(
        provider="openai-responses",
        model=model,
        base_url=server.base_url,
        key_env="OPENAI_API_KEY",
    )


def put(
    engine: Engine,
    server: FakeResponses,
    text: str = "Hi",
    **fields: object,
) -> Answer:
    """Ask a model at the fake one question."""
    request = question(text, **{"model": MODEL, **fields})
    return engine.ask(target_of(server, request.model), request)


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


@pytest.mark.parametrize(
    "fault", [no_end_marker(), ends_early(), hangs_up(), resets(), empty_stream()]
)
def test_a_stream_without_its_end_is_no_reply(
    engine: Engine, fault: StreamFault
) -> None:
    """However it is cut, what came is kept and the sample has failed."""
    with says(Said(text=TEXT)) as server:
        server.faults.append(fault)
        error = error_of(put(engine, server))
    assert isinstance(error, StreamTruncated)
    assert error.partial is not None
    assert TEXT.startswith(error.partial.text)


@pytest.mark.parametrize("fault", [garbage(), non_utf8()])
def test_what_is_no_event_is_a_protocol_fault(
    engine: Engine, fault: StreamFault
) -> None:
    """Bytes that are no JSON are named, not guessed at."""
    with says(Said(text=TEXT)) as server:
        server.faults.append(fault)
        assert type(error_of(put(engine, server))) is ProtocolFault


@pytest.mark.parametrize(
    ("fault", "kind", "wait_s"),
    [
        (error_event("server_error"), Faltered, None),
        (error_event("rate_limit_exceeded", "Please try again in 1.5s."),
         RateLimited, 1.5),
        (error_event("server_is_overloaded"), Busy, None),
        (error_event("insufficient_quota"), QuotaSpent, None),
        (error_event("context_length_exceeded"), ContextOverflow, None),
        (failed("server_error"), Faltered, None),
        (failed("rate_limit_exceeded", "Try again in 20s"), RateLimited, 20.0),
        (failed("invalid_prompt"), ServerFault, None),
    ],
)  # fmt: skip
def test_a_failure_in_mid_stream(
    engine: Engine, fault: StreamFault, kind: type[CallError], wait_s: float | None
) -> None:
    """An error after HTTP 200 is what its code says; the text so far is kept."""
    with says(Said(text=TEXT)) as server:
        server.faults.append(fault)
        error = error_of(put(engine, server))
    assert type(error) is kind
    assert getattr(error, "retry_after_s", None) == wait_s
    assert "in mid-reply" in str(error)
    assert error.partial is not None


@pytest.mark.parametrize(
    ("fault", "kind", "wait_s"),
    [
        (refused(400, "no", code="unsupported_value"), Unsupported, None),
        (refused(403, "country"), Unauthorised, None),
        (refused(429, "Please try again in 1.2s.", kind="tokens",
                 code="rate_limit_exceeded"), RateLimited, 1.2),
        (refused(429, "slow", kind="rate_limit_error", code="slow_down",
                 headers={"retry-after-ms": "250"}), RateLimited, 0.25),
        (refused(429, "spent", kind="insufficient_quota",
                 code="credit_balance_exhausted"), QuotaSpent, None),
        (refused(429, "spent", kind="insufficient_quota"), QuotaSpent, None),
        (refused(500, "oops", kind="server_error"), Faltered, None),
        (refused(503, "later", kind="service_unavailable_error",
                 code="server_is_overloaded", headers={"retry-after": "3"}), Busy, 3),
        (refused(502, "bad gateway"), Faltered, None),
        (refused(418, "teapot", kind="odd"), ServerFault, None),
    ],
)  # fmt: skip
def test_a_refusal(
    engine: Engine, fault: StreamFault, kind: type[CallError], wait_s: float | None
) -> None:
    """Each status with its code becomes its error, with the wait it asks for."""
    with says(Said(text=TEXT)) as server:
        server.faults.append(fault)
        error = error_of(put(engine, server))
    assert type(error) is kind
    assert getattr(error, "retry_after_s", None) == wait_s


def test_what_a_model_refuses(engine: Engine) -> None:
    """Unknown models, options that thinkers refuse, long prompts, used-up limits."""
    models = {MODEL: FakeReasoner(context_tokens=50)}
    with FakeResponses(models=models, limits=RateLimits(rpm=3)) as server:
        missing = error_of(put(engine, server, model="gpt-none"))
        hot = error_of(put(engine, server, options={"temperature": 0.2}))
        long = error_of(put(engine, server, "word " * 100))
        reply_of(put(engine, server))
        limited = error_of(put(engine, server))
    assert isinstance(missing, ModelMissing)
    assert "`gpt-none` does not exist" in str(missing)
    assert isinstance(hot, Unsupported)
    assert "'temperature' does not support 0.2" in str(hot)
    assert isinstance(long, ContextOverflow)
    assert isinstance(limited, RateLimited)
    assert 10 < (limited.retry_after_s or 0) <= 20


def test_a_wrong_key_is_not_shown(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service's refusal is told, the key is in no message."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-secret-key")
    with says(Said(text=TEXT)) as server:
        error = error_of(put(engine, server))
    assert isinstance(error, Unauthorised)
    assert "Incorrect API key" in str(error)
    assert "secret" not in str(error)


def test_without_a_key_nothing_is_asked(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is named, and no request is made."""
    monkeypatch.delenv("OPENAI_API_KEY")
    with says(Said(text=TEXT)) as server:
        error = error_of(put(engine, server))
    assert isinstance(error, Unauthorised)
    assert "OPENAI_API_KEY" in str(error)
    assert server.requests == []


@pytest.mark.parametrize("fault", [stalls(), slow_first_byte(3.0)])
def test_a_slow_service_is_left(engine: Engine, fault: StreamFault) -> None:
    """The call's limit holds before and behind the first byte."""
    with says(Said(text=TEXT)) as server:
        server.faults.append(fault)
        error = error_of(put(engine, server, limits=Limits(call_s=0.2)))
        assert isinstance(error, CallTimeout)
        assert server.requests[0].finished.wait(3.0)
        assert server.requests[0].client_closed


def test_headers_of_the_target(engine: Engine) -> None:
    """A service may want headers of its own; they are sent with each call."""
    with says(Said(text=TEXT)) as server:
        own = (("OpenAI-Project", "proj_1"),)
        target = replace(target_of(server), headers=own)
        reply_of(engine.ask(target, question(model=MODEL)))
    assert server.requests[0].headers["openai-project"] == "proj_1"
