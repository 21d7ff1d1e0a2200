"""The official client and ours read the same responses in the same way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from asking import WEATHER, error_of, question, reply_of
from fake_responses import KEY, FakeResponses, error_event, failed, refused
from fake_responses_events import Said
from openai.types.responses import ResponseFunctionToolCall, ResponseReasoningItem

from pytest_llmbench.calls.assembly import ReplyBuilder
from pytest_llmbench.calls.clock import SystemClock
from pytest_llmbench.calls.providers.openai_responses import responses_body
from pytest_llmbench.calls.providers.openai_responses_stream import ResponseStream
from pytest_llmbench.calls.request import CallRequest, Target
from pytest_llmbench.errors import (
    CallError,
    Faltered,
    ModelMissing,
    RateLimited,
    Unauthorised,
    Unsupported,
)
from pytest_llmbench.prompts.messages import Message

if TYPE_CHECKING:
    from fake_sse import StreamFault
    from openai.types.responses import Response

    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.request import Answer

MODEL = "gpt-x"
REQUEST = question("Weather in Oslo?", model=MODEL, tools=(WEATHER,))


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the fake's key, where the vendor documents it."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def ours(engine: Engine, server: FakeResponses) -> Answer:
    """Ask through our dialect."""
    target = Target(
        provider="openai-responses",
        model=MODEL,
        base_url=server.base_url,
        key_env="OPENAI_API_KEY",
    )
    return engine.ask(target, REQUEST)


def theirs(
    server: FakeResponses, request: CallRequest = REQUEST, **more: object
) -> list[Any]:
    """Post what we post through the official client; return its events."""
    body = {**responses_body(request, server.url), **more}
    with openai.OpenAI(base_url=server.base_url, max_retries=0) as client:
        create: Any = client.responses.create
        with create(**body) as stream:
            return list(stream)


def final(events: list[Any]) -> Response:
    """Return the response as it stands at the end, and check the events' order."""
    numbers = [event.sequence_number for event in events]
    assert numbers == list(range(len(events)))
    response: Response = events[-1].response
    return response


@pytest.mark.parametrize(
    "said",
    [
        Said(text="Nine degrées, 四 winds.", cached_tokens=3),
        Said(text="Yes.", thinking=["First.", "Then."], cache_write_tokens=9),
        Said(text="Open.", thinking=["Think aloud."], is_open=True),
        Said(tool_calls=[("get_weather", {"city": "Oslo"}), ("get_weather", {})]),
        Said(
            text="I look.",
            reasoning_tokens=64,
            tool_calls=[("get_weather", {"city": "Zürich"})],
        ),
        Said(text="Cut o", reason="max_output_tokens"),
        Said(text="Cut o", reason="content_filter"),
    ],
)
def test_both_read_the_same(engine: Engine, said: Said) -> None:
    """Text, thinking, calls and counts agree, to the last token."""
    with FakeResponses(lambda _asked: said) as server:
        reply = reply_of(ours(engine, server))
        events = theirs(server)
    response = final(events)
    assert reply.text == response.output_text
    kind = "response.reasoning_text.delta"
    thought = [event.delta for event in events if event.type == kind]
    assert reply.thinking == "".join(thought)
    calls = [i for i in response.output if isinstance(i, ResponseFunctionToolCall)]
    assert [(call.name, call.id[:5]) for call in reply.tool_calls] == [
        (call.name, call.call_id[:5]) for call in calls
    ]
    assert [call.arguments for call in reply.tool_calls] == [
        json.loads(call.arguments) for call in calls
    ]
    usage = response.usage
    assert usage is not None
    told = reply.usage
    assert told.prompt_tokens == usage.input_tokens
    assert told.cached_tokens == usage.input_tokens_details.cached_tokens
    assert told.cache_write_tokens == usage.input_tokens_details.cache_write_tokens
    assert told.output_tokens == usage.output_tokens
    assert told.reasoning_tokens == usage.output_tokens_details.reasoning_tokens
    why = response.incomplete_details
    assert reply.finish_reason == (why.reason if why else response.status)


@pytest.mark.parametrize("said", [Said(refusal="I can't."), Said(text="Hi.")])
def test_the_whole_stream_is_of_known_types(said: Said) -> None:
    """Every event that the fake sends is one the official client knows."""
    with FakeResponses(lambda _asked: said) as server:
        kinds = [type(event).__name__ for event in theirs(server)]
    assert kinds[:2] == ["ResponseCreatedEvent", "ResponseInProgressEvent"]
    assert kinds[-1] == "ResponseCompletedEvent"
    assert all(kind.startswith("Response") for kind in kinds)
    assert len(kinds) == len([kind for kind in kinds if kind.endswith("Event")])


def test_summaries_of_thinking_are_read_as_theirs() -> None:
    """Where summaries are told, each part of ours is a part of theirs."""
    said = Said(text="Yes.", thinking=["First this.", "Then that."])
    with FakeResponses(lambda _asked: said) as server:
        events = theirs(server, reasoning={"summary": "auto"})
    builder = ReplyBuilder(0)
    stream = ResponseStream(builder, server.base_url, SystemClock())
    for event in events:
        stream.line(b"data: " + event.model_dump_json().encode(), 0)
        stream.line(b"", 0)
    stream.check_ended(0)
    (thought, _message) = final(events).output
    assert isinstance(thought, ResponseReasoningItem)
    parts = [part.text for part in thought.summary]
    assert builder.reply().thinking.split("\n\n") == parts
    assert parts == ["First this.", "Then that."]


def test_without_a_stream_the_fake_says_the_same() -> None:
    """The official client's whole response is the stream's last."""
    said = Said(text="Nine.", thinking=["Hm."], tool_calls=[("get_weather", {})])
    with FakeResponses(lambda _asked: said) as server:
        streamed = final(theirs(server))
        with openai.OpenAI(base_url=server.base_url, max_retries=0) as client:
            whole = client.responses.create(
                model=MODEL, input="Weather in Oslo?", store=False
            )
    assert whole.output_text == streamed.output_text == "Nine."
    assert whole.usage is not None
    assert whole.usage == streamed.usage


def test_thinking_that_we_send_back_is_theirs_too(engine: Engine) -> None:
    """What we carry into the next request is what the official client read."""
    said = Said(thinking=["Hm."], tool_calls=[("get_weather", {"city": "Oslo"})])
    with FakeResponses(lambda _asked: said) as server:
        (thought, call) = reply_of(ours(engine, server)).carried
        output = final(theirs(server)).output
    left_out = {"id", "status", "encrypted_content", "call_id"}
    for mine, item in zip((thought, call), output, strict=True):
        plain = item.model_dump(exclude_none=True, exclude=left_out)
        assert {k: v for k, v in mine.items() if k not in left_out} == plain
    assert thought["encrypted_content"] == "gAAAA-1"


@pytest.mark.parametrize(
    ("fault", "kind", "error"),
    [
        (refused(401, "no", code="invalid_api_key"), Unauthorised,
         openai.AuthenticationError),
        (refused(404, "The model `x` does not exist", code="model_not_found"),
         ModelMissing, openai.NotFoundError),
        (refused(400, "no", code="unsupported_value"), Unsupported,
         openai.BadRequestError),
        (refused(429, "no", code="rate_limit_exceeded"), RateLimited,
         openai.RateLimitError),
        (refused(500, "no", kind="server_error"), Faltered,
         openai.InternalServerError),
    ],
)  # fmt: skip
def test_both_see_the_same_refusal(
    engine: Engine, fault: StreamFault, kind: type[CallError], error: type[Exception]
) -> None:
    """What the official client raises, ours does, by its own name."""
    with FakeResponses() as server:
        server.faults.append(fault.always())
        assert type(error_of(ours(engine, server))) is kind
        with pytest.raises(error):
            theirs(server)


@pytest.mark.parametrize("fault", [error_event(), failed()])
def test_both_see_a_failure_in_mid_stream(engine: Engine, fault: StreamFault) -> None:
    """The official client hands the failing event over; ours makes it an error."""
    with FakeResponses() as server:
        server.faults.append(fault.always())
        assert type(error_of(ours(engine, server))) is Faltered
        last = theirs(server)[-1]
    told = last if last.type == "error" else last.response.error
    assert told.code == "server_error"


def test_a_conversation_that_we_post_is_one_of_theirs() -> None:
    """The official client takes our items for several turns as its own input."""
    messages = (
        Message(role="system", content="Be brief."),
        Message(role="user", content="Hi"),
        Message(role="assistant", content="Hello."),
        Message(role="user", content="Bye"),
    )
    request = CallRequest(model=MODEL, messages=messages)
    with FakeResponses() as server:
        assert final(theirs(server, request)).status == "completed"
    (asked,) = server.requests
    assert asked.body is not None
    assert asked.body["instructions"] == "Be brief."
    assert [item["role"] for item in asked.body["input"]] == [
        "user", "assistant", "user",
    ]  # fmt: skip
