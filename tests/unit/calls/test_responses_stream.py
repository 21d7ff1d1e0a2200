"""The events of a streamed response, fed line by line."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmbench.calls.assembly import ReplyBuilder
from pytest_llmbench.calls.clock import SystemClock
from pytest_llmbench.calls.framing import LineSplitter
from pytest_llmbench.calls.providers.http import well_formed
from pytest_llmbench.calls.providers.openai_responses_stream import ResponseStream
from pytest_llmbench.checks.reply import Reply, Timings, ToolCall, Usage
from pytest_llmbench.errors import (
    CallError,
    Faltered,
    ProtocolFault,
    ServerFault,
    StreamTruncated,
)

WHERE: Final = "openai-responses at http://h/v1"
COMPLETED: Final[dict[str, Any]] = {
    "type": "response.completed",
    "response": {"status": "completed"},
}
THOUGHT: Final[dict[str, Any]] = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [],
    "content": None,
    "encrypted_content": "gAAA",
}
MESSAGE: Final[dict[str, Any]] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Hi!", "annotations": []}],
}
CALL: Final[dict[str, Any]] = {
    "id": "fc_1",
    "type": "function_call",
    "status": "completed",
    "call_id": "c1",
    "name": "f",
    "arguments": '{"x": 1}',
}
CARRIED_THOUGHT: Final = {
    "type": "reasoning",
    "summary": [],
    "encrypted_content": "gAAA",
}


def event(kind: str, index: int | None = 0, **fields: object) -> dict[str, Any]:
    """Make an event at a place; None for a server that tells no place."""
    place = {} if index is None else {"output_index": index}
    return {"type": f"response.{kind}", **place, **fields}


def text(delta: str, index: int = 0) -> dict[str, Any]:
    """Make a delta of text."""
    return event("output_text.delta", index, content_index=0, delta=delta)


def done(item: dict[str, Any], index: int | None = 0) -> dict[str, Any]:
    """Make the event that ends an item."""
    return event("output_item.done", index, item=item)


def events(*values: object) -> bytes:
    """Write values as events, each named as its type."""
    return "".join(f"event: e\ndata: {json.dumps(v)}\n\n" for v in values).encode()


def read(stream: bytes) -> Reply:
    """Read a whole stream as the transport hands it over; one ms per line.

    An event counts when its blank line ends it: the first one after 3 ms.
    """
    builder = ReplyBuilder(0)
    response = ResponseStream(builder, WHERE, SystemClock())
    splitter = LineSplitter()
    lines = splitter.feed(stream)
    lines += [splitter.rest()] if splitter.rest() else []
    with well_formed(WHERE):
        for at_ms, line in enumerate(lines, start=1):
            response.line(line, at_ms * 1_000_000)
    response.check_ended((len(lines) + 1) * 1_000_000)
    return builder.reply()


def test_a_plain_reply() -> None:
    """Text joins; what only announces is no token; usage comes with the end."""
    usage = {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3},
    }
    end = {"type": "response.completed", "response": {"usage": usage}}
    reply = read(
        events(
            event("created", None, response={"status": "in_progress"}),
            event("output_item.added", item={**MESSAGE, "content": []}),
            text("Hi"),
            text("!"),
            event("output_text.done", text="Hi!"),
            done(MESSAGE),
            end,
        )
    )
    assert reply == Reply(
        text="Hi!",
        finish_reason="completed",
        usage=Usage(
            prompt_tokens=9,
            cached_tokens=4,
            cache_write_tokens=1,
            output_tokens=5,
            reasoning_tokens=3,
        ),
        timings=Timings(ttft_ms=9.0, ttfc_ms=9.0),
        deltas=2,
    )


def test_counts_that_are_no_counts_are_left_out() -> None:
    """What can't be counted with is as good as not told."""
    usage = {"input_tokens": -1, "output_tokens": "9", "input_tokens_details": None}
    reply = read(events(text("a"), {**COMPLETED, "response": {"usage": usage}}))
    assert reply.usage == Usage()


def test_a_byte_order_mark_hides_nothing() -> None:
    """Streams without `event:` lines, which may begin with the mark, are read."""
    stream = events(text("Hi"), COMPLETED).replace(b"event: e\n", b"")
    assert read(b"\xef\xbb\xbf" + stream).text == "Hi"


def test_llama_cpp_tells_its_own_times() -> None:
    """Times beside the response are kept; what is no time is left out."""
    timings = {"prompt_ms": 1.5, "predicted_ms": "fast"}
    reply = read(events(text("a"), {**COMPLETED, "timings": timings}))
    assert (reply.timings.prefill_ms, reply.timings.decode_ms) == (1.5, None)


def test_parts_of_thinking_are_kept_apart() -> None:
    """Parts of a summary are paragraphs; open thinking is thinking, too."""

    def summary(delta: str, part: int) -> dict[str, Any]:
        kind = "reasoning_summary_text.delta"
        return event(kind, summary_index=part, delta=delta)

    open_thought = event("reasoning_text.delta", 1, content_index=0, delta="So.")
    reply = read(
        events(
            summary("Fi", 0), summary("rst.", 0), summary("", 1), summary("Then.", 1),
            open_thought, COMPLETED,
        )
    )  # fmt: skip
    assert reply.thinking == "First.\n\nThen.\n\nSo."
    assert (reply.deltas, reply.timings.ttfc_ms) == (4, None)


ADDED: Final = event("output_item.added", item={**CALL, "arguments": ""})


@pytest.mark.parametrize(
    "stream",
    [
        [ADDED, event("function_call_arguments.delta", delta='{"x"'),
         event("function_call_arguments.delta", delta=": 1}"), done(CALL)],
        [ADDED, event("function_call_arguments.done", arguments='{"x": 1}')],
        [ADDED, event("function_call_arguments.delta", delta='{"x": 1}')],
        [done(CALL)],
        [done(CALL, None)],
        [event("output_item.added", None, item={**CALL, "arguments": ""}),
         event("function_call_arguments.delta", None, item_id="fc_1", delta="{"),
         event("function_call_arguments.delta", None, item_id="fc_1", delta='"x": 1}'),
         done(CALL, None)],
        [{**COMPLETED, "response": {"status": "completed", "output": [CALL]}}],
    ],
)  # fmt: skip
def test_servers_tell_a_call_in_their_own_ways(stream: list[object]) -> None:
    """By fragments, whole, without a place, or only at the end: one call comes out."""
    reply = read(events(*stream, COMPLETED))
    assert reply.tool_calls == (ToolCall(name="f", arguments={"x": 1}, id="c1"),)
    assert reply.timings.ttfc_ms is not None


@pytest.mark.parametrize(
    ("stream", "ttft_ms", "deltas"),
    [
        ([ADDED, ADDED, event("function_call_arguments.delta", delta="{}"),
          event("function_call_arguments.done", arguments="{}"), done(CALL)], 3, 2),
        ([event("function_call_arguments.done", arguments="{}"), done(CALL)], 3, 2),
        ([event("function_call_arguments.delta", delta=""), done(CALL)], 6, 1),
    ],
)  # fmt: skip
def test_when_a_call_begins(stream: list[object], ttft_ms: float, deltas: int) -> None:
    """Its name is a first token, told once; what repeats or is empty is none."""
    reply = read(events(*stream, COMPLETED))
    assert (reply.timings.ttft_ms, reply.deltas) == (ttft_ms, deltas)


def test_calls_without_a_place_are_told_apart_by_id() -> None:
    """Where no server tells a place, ids do; the last word repeats nothing."""
    second = {**CALL, "id": "fc_2", "call_id": "c2", "name": "g"}
    end = {**COMPLETED, "response": {"output": [CALL, second]}}
    reply = read(events(done(CALL, None), done(second, None), end))
    assert [(call.name, call.id) for call in reply.tool_calls] == [
        ("f", "c1"),
        ("g", "c2"),
    ]


def test_calls_that_interleave() -> None:
    """Fragments go to the call at their place; the order is the output's."""
    second = {**CALL, "id": "fc_2", "call_id": "c2", "name": "g", "arguments": ""}
    reply = read(
        events(
            ADDED,
            event("output_item.added", 1, item=second),
            event("function_call_arguments.delta", 1, delta='{"y"'),
            event("function_call_arguments.delta", 0, delta="{"),
            event("function_call_arguments.delta", 1, delta=": 2}"),
            event("function_call_arguments.delta", 0, delta="}"),
            COMPLETED,
        )
    )
    found = [(call.name, call.arguments, call.id) for call in reply.tool_calls]
    assert found == [("f", {}, "c1"), ("g", {"y": 2}, "c2")]


@pytest.mark.parametrize(
    "stream",
    [
        [done(MESSAGE), COMPLETED],
        [{**COMPLETED, "response": {"output": [MESSAGE]}}],
    ],
)
def test_text_without_deltas_is_text(stream: list[object]) -> None:
    """A server that sends a message whole has sent it."""
    reply = read(events(*stream))
    assert (reply.text, reply.deltas) == ("Hi!", 1)


def test_what_was_thought_is_carried() -> None:
    """The items stand as they came, less what names them at the service."""
    stream = [done(THOUGHT, 0), done(MESSAGE, 1), done(CALL, 2), COMPLETED]
    message = {key: MESSAGE[key] for key in ("type", "role", "content")}
    call = {key: CALL[key] for key in ("type", "call_id", "name", "arguments")}
    assert read(events(*stream)).carried == (CARRIED_THOUGHT, message, call)


@pytest.mark.parametrize(
    "items",
    [
        [MESSAGE],
        [{**THOUGHT, "encrypted_content": None}, MESSAGE],
        [THOUGHT],
        [MESSAGE, THOUGHT],
    ],
)
def test_thinking_that_cannot_go_back_is_not_carried(
    items: list[dict[str, Any]],
) -> None:
    """Nothing thought, not encrypted, or nothing behind it: nothing is carried."""
    stream = [done(item, place) for place, item in enumerate(items)]
    assert read(events(*stream, COMPLETED)).carried == ()


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (COMPLETED, "completed"),
        ({"type": "response.completed", "response": {}}, "completed"),
        ({"type": "response.incomplete",
          "response": {"status": "incomplete",
                       "incomplete_details": {"reason": "max_output_tokens"}}},
         "max_output_tokens"),
        ({"type": "response.incomplete", "response": {}}, "incomplete"),
    ],
)  # fmt: skip
def test_why_it_ended(end: object, reason: str) -> None:
    """The most exact word that the service has said."""
    assert read(events(text("Hi"), end)).finish_reason == reason


@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n\n", b'data: {"type": "resp'])
def test_a_stream_without_its_end(end: bytes) -> None:
    """`[DONE]` is no end here, nor is half an event."""
    with pytest.raises(StreamTruncated) as caught:
        read(events(text("Hi")) + end)
    assert str(caught.value) == (
        f"{WHERE}: the stream ended after 1 deltas without response.completed,"
        " .incomplete or .failed"
    )


@pytest.mark.parametrize(
    ("told", "kind", "message"),
    [
        ({"type": "error", "code": "server_error", "message": "a\nb"}, Faltered,
         r"a\nb"),
        ({"type": "error", "error": {"type": "server_error", "message": "oops"}},
         Faltered, "oops"),
        ({"error": {"message": "oops"}}, ServerFault, "oops"),
        ({"error": "oops"}, ServerFault, "oops"),
        ({"type": "error"}, ServerFault, "{'type': 'error'}"),
        ({"type": "response.failed", "response": {"error": None}}, ServerFault,
         "it does not say why"),
        ({"type": "response.failed",
          "response": {"error": {"code": "bio_policy", "message": "no"}}},
         ServerFault, "no"),
    ],
)  # fmt: skip
def test_an_error_in_any_form(
    told: object, kind: type[CallError], message: str
) -> None:
    """The service's words are kept, whichever way they were wrapped."""
    with pytest.raises(CallError) as caught:
        read(events(text("Hi"), told))
    assert type(caught.value) is kind
    assert str(caught.value) == f"{WHERE} in mid-reply: {message}"


@pytest.mark.parametrize("data", ["[1]", "null", "7", "{", '"x"'])
def test_an_event_that_is_no_object(data: str) -> None:
    """What is not JSON, or no object, is not this protocol."""
    with pytest.raises(ProtocolFault, match="openai-responses"):
        read(f"data: {data}\n\n".encode() + events(COMPLETED))


KINDS: Final = st.sampled_from([
    "error", "response.completed", "response.failed", "response.output_item.added",
    "response.output_item.done", "response.output_text.delta",
    "response.function_call_arguments.delta", "response.function_call_arguments.done",
    "response.reasoning_summary_text.delta", "response.unknown",
])  # fmt: skip
KEYS: Final = st.sampled_from([
    "item", "delta", "output_index", "item_id", "response", "error", "usage", "output",
    "arguments", "name", "call_id", "content", "id", "status", "incomplete_details",
    "input_tokens_details", "reason", "summary_index", "encrypted_content",
])  # fmt: skip
JUNK: Final[st.SearchStrategy[Any]] = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.builds(lambda kind, rest: {**rest, "type": kind},
                    st.sampled_from(["message", "function_call", "reasoning"]),
                    st.dictionaries(KEYS, inner, max_size=3))
    ),
    max_leaves=8,
)  # fmt: skip
EVENTS: Final = st.builds(
    lambda kind, rest: {**rest, "type": kind},
    KINDS,
    st.dictionaries(KEYS, JUNK, max_size=4),
)


@given(st.lists(JUNK | EVENTS))
@settings(max_examples=200, deadline=None)
def test_any_events_give_a_reply_or_a_call_error(values: list[object]) -> None:
    """However a server misuses the protocol, nothing but a CallError is raised."""
    try:
        reply = read(events(*values))
    except CallError:
        return
    assert isinstance(reply.text, str)
    assert all(isinstance(call.name, str) for call in reply.tool_calls)


@given(st.lists(st.integers(1, 60)))
@settings(max_examples=40, deadline=None)
def test_any_split_gives_the_same_reply(sizes: list[int]) -> None:
    """How the bytes were cut on their way does not show in the reply."""
    whole = events(ADDED, text("é😀", 1), done(THOUGHT, 2), done(CALL), COMPLETED)
    builder = ReplyBuilder(0)
    response, splitter = ResponseStream(builder, WHERE, SystemClock()), LineSplitter()
    stream = whole
    for size in [*sizes, len(whole)]:
        for line in splitter.feed(stream[:size]):
            response.line(line, 0)
        stream = stream[size:]
    response.check_ended(0)
    cut, uncut = builder.reply(), read(whole)
    assert (cut.text, cut.tool_calls, cut.carried) == (
        uncut.text,
        uncut.tool_calls,
        uncut.carried,
    )
