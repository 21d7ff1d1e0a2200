"""Chat completions as server-sent events, fed line by line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmbench.calls.assembly import ReplyBuilder
from pytest_llmbench.calls.framing import LineSplitter
from pytest_llmbench.calls.providers.http import well_formed
from pytest_llmbench.calls.providers.openai_faults import (
    error_of_event,
)
from pytest_llmbench.calls.providers.openai_stream import ChatStream
from pytest_llmbench.checks.reply import Reply, Timings, ToolCall, Usage
from pytest_llmbench.errors import (
    CallError,
    ProtocolFault,
    ServerFault,
    StreamTruncated,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

NOON: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
WHERE = "http://h/v1"
STOP: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def delta(**fields: object) -> dict[str, Any]:
    """Make a chunk with one delta."""
    choice = {"index": 0, "delta": fields, "finish_reason": None}
    return {"id": "c1", "choices": [choice], "usage": None}


def tool(*fragments: dict[str, Any]) -> dict[str, Any]:
    """Make a chunk of tool-call fragments."""
    return delta(tool_calls=list(fragments))


def fragment(
    name: str | None = None, arguments: object = None, **place: object
) -> dict[str, Any]:
    """Make one fragment; its place is an index, an id, both or neither."""
    function = {"name": name, "arguments": arguments}
    return {**place, "function": {k: v for k, v in function.items() if v is not None}}


def events(*chunks: object, end: str = "data: [DONE]\n\n") -> bytes:
    """Write chunks as events."""
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return ("".join(lines) + end).encode()


def meaning(event: Mapping[str, Any]) -> CallError:
    """Return what an error in mid-reply means to a server of our own."""
    return error_of_event(event, WHERE, NOON, may_pass=False)


def read(stream: bytes) -> Reply:
    """Read a whole stream as the transport hands it over; one ms per line.

    An event counts when its blank line ends it: the first one after 2 ms.
    """
    builder = ReplyBuilder(0)
    chat = ChatStream(builder, WHERE, meaning)
    splitter = LineSplitter()
    lines = splitter.feed(stream)
    lines += [splitter.rest()] if splitter.rest() else []
    with well_formed(WHERE):
        for at_ms, line in enumerate(lines, start=1):
            chat.line(line, at_ms * 1_000_000)
    chat.check_ended((len(lines) + 1) * 1_000_000)
    return builder.reply()


def calls(*chunks: object) -> list[tuple[str, object, str]]:
    """Return name, arguments and id of each call in a stream."""
    found = read(events(*chunks, STOP)).tool_calls
    return [(call.name, call.arguments, call.id) for call in found]


def test_a_plain_reply() -> None:
    """Text joins; the role-only first delta is no token; usage comes last."""
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    reply = read(
        events(
            delta(role="assistant", content=""),
            delta(content="Hi"),
            delta(content="!"),
            STOP,
            {"choices": [], "usage": usage},
        )
    )
    assert reply == Reply(
        text="Hi!",
        finish_reason="stop",
        usage=Usage(prompt_tokens=9, cached_tokens=4, output_tokens=2),
        timings=Timings(ttft_ms=4.0, ttfc_ms=4.0),
        deltas=2,
    )


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_thinking_has_two_names(field: str) -> None:
    """Either field is thinking: a first token, but no first content."""
    reply = read(events(delta(**{field: "hm"}), delta(content="Hi"), STOP))
    assert (reply.thinking, reply.text, reply.deltas) == ("hm", "Hi", 2)
    assert reply.timings == Timings(ttft_ms=2.0, ttfc_ms=4.0)


def test_thinking_sent_under_both_names_counts_once() -> None:
    """Servers that fill both fields for old clients say one thing."""
    reply = read(events(delta(reasoning="hm", reasoning_content="hm"), STOP))
    assert (reply.thinking, reply.deltas) == ("hm", 1)


def test_tool_fragments_are_joined_by_index() -> None:
    """Two calls whose fragments interleave come out whole, in order."""
    first = tool(fragment("f", "", index=0, id="a"), fragment("g", "", index=1, id="b"))
    chunks = [
        first,
        tool(fragment(arguments='{"x"', index=0)),
        tool(fragment(arguments='{"y": 2}', index=1)),
        tool(fragment(arguments=": 1}", index=0)),
    ]
    assert calls(*chunks) == [("f", {"x": 1}, "a"), ("g", {"y": 2}, "b")]


def test_a_fragment_is_a_token_only_if_it_says_something() -> None:
    """A call's name is a first token; an empty fragment is none."""
    reply = read(
        events(
            delta(role="assistant", content=None),
            tool(fragment(arguments="", index=0, id="a")),
            tool(fragment("f", "", index=0)),
            tool(fragment(arguments="", index=0)),
            tool(fragment(arguments="{}", index=0)),
            STOP,
        )
    )
    assert reply.timings == Timings(ttft_ms=6.0, ttfc_ms=6.0)
    assert reply.deltas == 2
    assert reply.tool_calls == (ToolCall(name="f", arguments={}, id="a"),)


@pytest.mark.parametrize(
    "fragments",
    [
        # No index: the id tells, and where it is left out the last call goes on.
        [
            fragment("f", '{"x"', id="a"),
            fragment(arguments=": 1}"),
            fragment("g", "{}", id="b"),
        ],
        # No index, the id repeated with each fragment.
        [
            fragment("f", '{"x"', id="a"),
            fragment("g", "{", id="b"),
            fragment(arguments=": 1}", id="a"),
            fragment(arguments="}", id="b"),
        ],
        # The same index for every call; whole calls with their own ids.
        [
            fragment("f", '{"x": 1}', index=0, id="a"),
            fragment("g", "{}", index=0, id="b"),
        ],
        # Indexes that don't begin at 0, then one without.
        [
            fragment("f", '{"x": 1}', index=1, id="a"),
            fragment("g", "{}", id="b"),
        ],
        # The name and id repeated with each fragment.
        [
            fragment("f", '{"x"', index=0, id="a"),
            fragment("f", ": 1}", index=0, id="a"),
            fragment("g", "{}", index=1, id="b"),
        ],
        # Arguments as an object.
        [
            fragment("f", {"x": 1}, index=0, id="a"),
            fragment(arguments="", index=0),
            fragment("g", {}, index=1, id="b"),
        ],
    ],
)
def test_servers_place_fragments_in_their_own_ways(
    fragments: list[dict[str, Any]],
) -> None:
    """However a server marks which call goes on, two calls come out."""
    expected = [("f", {"x": 1}, "a"), ("g", {}, "b")]
    assert calls(*map(tool, fragments)) == expected
    assert calls(tool(*fragments)) == expected


def test_calls_with_neither_index_nor_id_are_kept_apart() -> None:
    """A name begins a call, also the same name again."""
    chunks = [fragment("f", '{"x": 1}'), fragment("f", '{"x": 2}'), fragment("g", "{}")]
    expected = [("f", {"x": 1}, ""), ("f", {"x": 2}, ""), ("g", {}, "")]
    assert calls(tool(*chunks)) == expected


def test_a_fragment_that_belongs_to_nothing_is_a_call_without_a_name() -> None:
    """Arguments that come first are kept: nothing the model wrote gets lost."""
    assert calls(tool(fragment(arguments="{}"))) == [("", {}, "")]


def test_broken_arguments_are_kept_as_written() -> None:
    """A call cut off in its arguments is malformed, and shown as it came."""
    reply = read(events(tool(fragment("f", '{"x": ', index=0)), STOP))
    assert reply.tool_calls == (ToolCall(name="f", arguments=None, raw='{"x": '),)


def test_llama_cpp_tells_its_own_times() -> None:
    """The engine's timings are kept; cached tokens may come there, too."""
    timings = {"cache_n": 3, "prompt_n": 6, "prompt_ms": 1.5, "predicted_ms": 20}
    last = {**STOP, "usage": {"prompt_tokens": 9}, "timings": timings}
    reply = read(events(delta(content="a"), last))
    assert reply.usage == Usage(prompt_tokens=9, cached_tokens=3)
    assert (reply.timings.prefill_ms, reply.timings.decode_ms) == (1.5, 20.0)


def test_counts_that_are_no_counts_are_left_out() -> None:
    """What can't be counted with is as good as not told."""
    usage = {"prompt_tokens": "9", "completion_tokens": None}
    timings = {"prompt_ms": None, "predicted_ms": "fast"}
    reply = read(events({**STOP, "usage": usage, "timings": timings}))
    assert (reply.usage, reply.timings) == (Usage(), Timings())


@pytest.mark.parametrize(
    "end",
    ["", "data: [DONE]\n\n", "data: [DONE]", "data:[DONE]\r\n\r\n", "data: [DONE] \n"],
)
def test_a_finish_reason_ends_a_reply(end: str) -> None:
    """With a finish reason the reply is whole, whether or not `[DONE]` follows."""
    assert read(events(delta(content="Hi"), STOP, end=end)).finish_reason == "stop"


def test_done_ends_a_reply() -> None:
    """With `[DONE]` the reply is whole, though no reason was given."""
    reply = read(events(delta(content="Hi")))
    assert (reply.text, reply.finish_reason) == ("Hi", None)


def test_a_later_chunk_does_not_take_the_reason_back() -> None:
    """The usage chunk's null reason leaves the real one."""
    after: dict[str, Any] = {"choices": [{"delta": {}, "finish_reason": None}]}
    assert read(events(STOP, after)).finish_reason == "stop"


@pytest.mark.parametrize(
    "end",
    ["", "data: {}\n\n", ": ping\n\n", 'data: {"choices": [{"del', "data: ", "da"],
)
def test_a_stream_without_its_end_is_no_reply(end: str) -> None:
    """Neither reason nor `[DONE]`: a failed sample, also if cut in an event."""
    with pytest.raises(StreamTruncated) as caught:
        read(events(delta(content="Hi"), end=end))
    assert str(caught.value) == (
        f"{WHERE}: the stream ended after 1 deltas without a finish reason or [DONE]"
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ({"message": "boom", "type": "server_error"}, "boom"),
        ("boom", "boom"),
        ({"code": 500}, "{'code': 500}"),
    ],
)
def test_an_error_in_mid_reply(error: object, message: str) -> None:
    """An error object after HTTP 200 is the server's fault, in its words."""
    with pytest.raises(ServerFault) as caught:
        read(events(delta(content="Hi"), {"error": error}, STOP))
    assert str(caught.value) == f"{WHERE} in mid-reply: {message}"


@pytest.mark.parametrize("body", ["oops", "[1]", '"x"', "7", "null", "{", "\x00"])
def test_an_event_that_is_no_object_is_a_protocol_fault(body: str) -> None:
    """What is not JSON, or no object, is not this protocol."""
    with pytest.raises(ProtocolFault, match=WHERE):
        read(f"data: {body}\n\n".encode() + events(STOP))


@pytest.mark.parametrize(
    "stream",
    [
        events(delta(content="Hi"), STOP).replace(b"\n", b"\r\n"),
        events(delta(content="Hi"), STOP).replace(b"data: ", b"data:"),
        b"\xef\xbb\xbf" + events(delta(content="Hi"), STOP),
        b": comment\n\n" + events(delta(content="Hi"), STOP),
        b"data:\n\n" + events(delta(content="Hi"), STOP),
        events(delta(content="Hi"), STOP).replace(b"data: {", b"event: x\ndata: {"),
        events(delta(content="Hi"), STOP).replace(b'"choices"', b'\ndata: "choices"'),
    ],
)
def test_events_are_read_in_every_allowed_form(stream: bytes) -> None:
    """Line ends, blanks, byte-order mark, comments and other fields don't matter."""
    assert read(stream).text == "Hi"


CHUNKS = st.sampled_from([
    delta(role="assistant", content=""),
    delta(content="é😀"),
    delta(reasoning="hm"),
    tool(fragment("f", '{"a": ', index=0, id="x")),
    tool(fragment(arguments="1}", index=0)),
    {"choices": [], "usage": {"prompt_tokens": 1}},
])


@given(st.lists(CHUNKS), st.lists(st.integers(1, 50)))
@settings(max_examples=50, deadline=None)
def test_any_split_gives_the_same_reply(
    chunks: list[dict[str, Any]], sizes: list[int]
) -> None:
    """How the bytes were cut on their way does not show in the reply."""
    stream = events(*chunks, STOP)
    builder = ReplyBuilder(0)
    chat, splitter = ChatStream(builder, WHERE, meaning), LineSplitter()
    for size in [*sizes, len(stream)]:
        for line in splitter.feed(stream[:size]):
            chat.line(line, 0)
        stream = stream[size:]
    chat.check_ended(0)
    whole = read(events(*chunks, STOP))
    assert (builder.reply().text, builder.reply().tool_calls, builder.deltas) == (
        whole.text,
        whole.tool_calls,
        whole.deltas,
    )


KEYS = st.sampled_from([
    "choices",
    "delta",
    "content",
    "tool_calls",
    "function",
    "arguments",
    "index",
    "id",
    "name",
    "usage",
    "timings",
    "error",
    "finish_reason",
    "reasoning",
    "prompt_ms",
])
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.lists(
        JUNK | st.builds(lambda x: {"choices": [{"delta": {"tool_calls": x}}]}, JUNK)
    )
)
@settings(max_examples=150, deadline=None)
def test_any_events_give_a_reply_or_a_call_error(chunks: list[object]) -> None:
    """However a server misuses the protocol, nothing but a CallError is raised."""
    try:
        reply = read(events(*chunks))
    except CallError:
        return
    assert isinstance(reply.text, str)
    assert all(isinstance(call.name, str) for call in reply.tool_calls)
