"""Every fault of a chat-completions service, over real sockets, is one of our errors.

Whatever had come by then is in the error's `partial`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from asking import LIMITS, error_of, question, reply_of
from canned_server import CannedServer, http
from fake_ollama_models import always, says
from fake_openai import FakeOpenAI
from fake_openai_errors import (
    bad_gateway,
    context_exceeded,
    error_in_ok,
    error_mid_stream,
    invalid_key,
    llama_error,
    model_not_found,
    openai_error,
    openrouter_error,
    overloaded,
    quota_spent,
    rate_limited,
    server_error,
    slow_down,
    vllm_error,
    wrong_country,
)
from fake_openai_models import OPENROUTER, ChatModel
from fake_sse import (
    Event,
    Framing,
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
    refuse,
    resets,
    resets_before_headers,
    sends,
    slow_first_byte,
    stalls,
)
from msgspec.structs import replace

from pytest_llmbench.calls.request import Target
from pytest_llmbench.errors import (
    Busy,
    CallError,
    ContextOverflow,
    Faltered,
    FirstByteTimeout,
    ModelMissing,
    ProtocolFault,
    QuotaSpent,
    RateLimited,
    ServerFault,
    StallTimeout,
    StreamTruncated,
    Unauthorised,
    Unreachable,
)

if TYPE_CHECKING:
    from fake_ollama_models import JsonObject
    from fake_sse import StreamFault

    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.request import Answer as Answered

TEXT: Final = "One two thréé four."
SHORT: Final = replace(LIMITS, call_s=0.3, stall_s=0.2)


def ask(engine: Engine, url: str, **fields: Any) -> Answered:  # noqa: ANN401 - any field
    """Ask a server one question."""
    target = Target(provider="openai", model="gpt-x", base_url=url)
    return engine.ask(target, question(model="gpt-x", **fields))


def asked(engine: Engine, fault: StreamFault, **fields: Any) -> Answered:  # noqa: ANN401 - any field
    """Ask a fake that has one fault."""
    model = ChatModel(answer=always(says(TEXT)))
    with FakeOpenAI(model) as server:
        server.faults.append(fault)
        return ask(engine, server.base_url, **fields)


HARMLESS: Final[dict[str, StreamFault]] = {
    "one_byte_writes": one_byte_writes(),
    "paired_writes": paired_writes(),
    "crlf": framed(line_end="\r\n"),
    "no_space": framed(space=""),
    "data_of_several_lines": framed(indent=1),
    "byte_order_mark": byte_order_mark(),
    "comment": comments(),
    "comments_between": comments(after_events=3),
    "empty_data": comments("data:\n\n", after_events=1),
    "unknown_event": sends(Event({"some": "thing"}, name="new.event")),
    "no_choices": sends(Event({"choices": []})),
    "null_choices": sends(Event({"choices": None})),
    "no_delta": sends(Event({"choices": [{"index": 0}]})),
    "null_content": sends(Event({"choices": [{"delta": {"content": None}}]})),
    "no_done": no_end_marker(),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_odd_but_allowed_is_no_fault(engine: Engine, name: str) -> None:
    """The reply is the same however the events are written."""
    reply = reply_of(asked(engine, HARMLESS[name]))
    assert (reply.text, reply.finish_reason) == (TEXT, "stop")
    assert reply.usage.output_tokens == 5


REFUSALS: Final[dict[str, tuple[StreamFault, type[CallError]]]] = {
    "invalid_key": (invalid_key(), Unauthorised),
    "wrong_country": (wrong_country(), Unauthorised),
    "model_not_found": (model_not_found(), ModelMissing),
    "context_exceeded": (context_exceeded(), ContextOverflow),
    "rate_limited": (rate_limited(), RateLimited),
    "slow_down": (slow_down(), RateLimited),
    "insufficient_quota": (quota_spent(), QuotaSpent),
    "spend_limit": (quota_spent("project_spend_limit_exceeded"), QuotaSpent),
    "server_error": (server_error(), Faltered),
    "overloaded": (overloaded(), Busy),
    "bad_gateway": (bad_gateway(), Faltered),
    "no_credit": (refuse(402, openrouter_error(402, "no credits")), QuotaSpent),
    "loading": (
        refuse(503, llama_error(503, "Loading model", "unavailable_error")),
        Busy,
    ),
    "llama_context": (
        refuse(
            400,
            llama_error(400, "too long", "exceed_context_size_error", n_ctx=9),
        ),
        ContextOverflow,
    ),
    "vllm_context": (
        refuse(
            400,
            vllm_error(400, "maximum context length is 9 tokens", "BadRequestError"),
        ),
        ContextOverflow,
    ),
    "no_such_route": (refuse(404, {"detail": "Not Found"}), ProtocolFault),
    "login_page": (refuse(200, "<html>Sign in"), ProtocolFault),
    "error_in_ok": (error_in_ok(openrouter_error(502, "gone")), Faltered),
    "whole_completion": (refuse(200, {"choices": [{"message": {}}]}), ProtocolFault),
    "reset": (resets_before_headers(), Unreachable),
    "nothing": (empty_stream(), StreamTruncated),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_call_is_one_of_our_errors(engine: Engine, name: str) -> None:
    """Each has the class that says whether asking again helps."""
    fault, kind = REFUSALS[name]
    error = error_of(asked(engine, fault))
    assert type(error) is kind
    assert str(error).startswith("openai at http://127.0.0.1:")


MID_STREAM: Final[dict[str, tuple[StreamFault, type[CallError]]]] = {
    "openai_error": (
        error_mid_stream(openai_error("The server had an error", "server_error")),
        Faltered,
    ),
    "rate_limit": (
        error_mid_stream(openai_error("slow", "tokens", "rate_limit_exceeded")),
        RateLimited,
    ),
    "openrouter_error": (
        error_mid_stream(openrouter_error(502, "Provider disconnected")),
        Faltered,
    ),
    "vllm_error": (
        error_mid_stream(vllm_error(500, "EngineCore died", "InternalServerError")),
        Faltered,
    ),
    "bare_error": (error_mid_stream({"error": "boom"}), ServerFault),
    "ends_early": (ends_early(), StreamTruncated),
    "hangs_up": (hangs_up(), StreamTruncated),
    "resets": (resets(), StreamTruncated),
    "garbage": (garbage(after_events=2), ProtocolFault),
    "non_utf8": (non_utf8(after_events=2), ProtocolFault),
    "a_list": (sends(Event("[1]")), ProtocolFault),
    "odd_shape": (
        sends(Event({"choices": [{"delta": {"tool_calls": [1]}}]})),
        ProtocolFault,
    ),
}


@pytest.mark.parametrize("name", MID_STREAM)
def test_a_fault_in_mid_stream_keeps_what_came(engine: Engine, name: str) -> None:
    """A failed sample, never a short success; the first token is in `partial`."""
    fault, kind = MID_STREAM[name]
    error = error_of(asked(engine, fault))
    assert type(error) is kind
    assert error.partial.text == TEXT[:4]
    assert error.partial.timings.ttft_ms > 0


def test_silence_before_the_first_byte(engine: Engine) -> None:
    """No answer within the limit is the model's slowness."""
    error = error_of(asked(engine, slow_first_byte(5.0), limits=SHORT))
    assert type(error) is FirstByteTimeout


def test_silence_in_mid_stream(engine: Engine) -> None:
    """Tokens that stop coming are a stall, and the ones that came are kept."""
    error = error_of(asked(engine, stalls(), limits=SHORT))
    assert type(error) is StallTimeout
    assert error.partial.text == TEXT[:4]


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "7", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Fri, 31 Dec 2010 23:59:59 GMT"}, 0.0),
        ({"retry-after": "300"}, 300.0),
        ({"x-ratelimit-reset-tokens": "1m12.5s"}, 72.5),
        ({}, None),
    ],
)
def test_the_wait_is_read_wherever_it_stands(
    engine: Engine, headers: dict[str, str], wait_s: float | None
) -> None:
    """What the service asks for is kept as told, however long."""
    error = error_of(asked(engine, rate_limited(headers)))
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == wait_s


def test_an_overload_may_say_how_long(engine: Engine) -> None:
    """OpenRouter sends `Retry-After` with 503, too."""
    error = error_of(asked(engine, overloaded({"retry-after": "3"})))
    assert isinstance(error, Busy)
    assert error.retry_after_s == 3.0


def test_a_reply_in_one_piece_says_what_is_wrong(engine: Engine) -> None:
    """A server that ignores `stream` can't be measured; that is said."""
    fault = refuse(200, {"choices": [{"message": {"content": "Hi"}}]})
    assert "though a stream was asked for" in str(error_of(asked(engine, fault)))


def test_keep_alives_are_no_tokens(engine: Engine) -> None:
    """Comments before the first token do not count as one."""
    model = ChatModel(answer=always(says(TEXT)), first_token_delay_s=0.15)
    with FakeOpenAI(model, flavour=OPENROUTER) as server:
        reply = reply_of(ask(engine, server.base_url))
    assert reply.deltas == 5
    assert (reply.timings.ttft_ms or 0) >= 150


def test_content_in_parts_is_read(engine: Engine) -> None:
    """Mistral's parts of text and thinking, and a refusal, are a reply as well."""
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "Hi"},
    ]
    chunks: list[JsonObject] = [
        {"choices": [{"delta": {"content": parts}}]},
        {"choices": [{"delta": {"refusal": " no"}, "finish_reason": "stop"}]},
    ]
    events = b"".join(Framing().encode(Event(chunk)) for chunk in chunks)
    answers = {"/v1/chat/completions": http(events)}
    with CannedServer(answers) as server:
        reply = reply_of(ask(engine, f"{server.url}/v1"))
    assert (reply.thinking, reply.text) == ("hm", "Hi no")


def test_the_fakes_clock_agrees_with_ours(engine: Engine) -> None:
    """TTFT and E2E are the fake's own, from its first byte read to its last sent."""
    model = ChatModel(
        answer=always(says(TEXT)), first_token_delay_s=0.1, delta_delay_s=0.02
    )
    with FakeOpenAI(model) as server:
        reply_of(ask(engine, server.base_url))
        reply = reply_of(ask(engine, server.base_url))
        record = server.requests[-1]
        assert record.finished.wait(5)
    assert record.first_delta_ns is not None
    assert record.last_byte_ns is not None
    first_ms = (record.first_delta_ns - record.began_at_ns) / 1e6
    whole_ms = (record.last_byte_ns - record.began_at_ns) / 1e6
    assert 100 <= first_ms < whole_ms
    assert reply.timings.ttft_ms == pytest.approx(first_ms, abs=50)
    assert reply.timings.e2e_ms == pytest.approx(whole_ms, abs=50)
