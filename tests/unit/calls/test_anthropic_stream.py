"""Anthropic's events, fed line by line."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmbench.calls.assembly import ReplyBuilder
from pytest_llmbench.calls.framing import LineSplitter
from pytest_llmbench.calls.providers.anthropic_stream import MessageStream
from pytest_llmbench.calls.providers.http import well_formed
from pytest_llmbench.checks.reply import Reply, ToolCall, Usage
from pytest_llmbench.errors import ProtocolFault, StreamTruncated

WHERE: Final = "http://h"
START_USAGE: Final = {
    "input_tokens": 25,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 1,
}
STOP: Final[dict[str, Any]] = {"type": "message_stop"}

Event = dict[str, Any]


def start(**usage: object) -> Event:
    """Make the first event."""
    message = {"id": "m", "content": [], "usage": {**START_USAGE, **usage}}
    return {"type": "message_start", "message": message}


def block(index: int, **fields: object) -> Event:
    """Make the start of a block."""
    return {"type": "content_block_start", "index": index, "content_block": fields}


def delta(index: int, kind: str, **fields: object) -> Event:
    """Make a delta."""
    changed = {"type": kind, **fields}
    return {"type": "content_block_delta", "index": index, "delta": changed}


def stop(index: int) -> Event:
    """Make the end of a block."""
    return {"type": "content_block_stop", "index": index}


def ending(reason: str = "end_turn", **usage: object) -> Event:
    """Make the event that tells reason and counts."""
    counts = {"output_tokens": 15, **usage}
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": counts}


def text_block(index: int, *texts: str) -> list[Event]:
    """Make a whole text block."""
    deltas = [delta(index, "text_delta", text=text) for text in texts]
    return [block(index, type="text", text=""), *deltas, stop(index)]


def call_block(index: int, *pieces: str, name: str = "f") -> list[Event]:
    """Make a whole tool call."""
    deltas = [delta(index, "input_json_delta", partial_json=p) for p in pieces]
    begun = block(index, type="tool_use", id=f"toolu_{index}", name=name, input={})
    return [begun, *deltas, stop(index)]


def written(*events: Event) -> bytes:
    """Write events as the API does."""
    return "".join(
        f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n"
        for event in events
    ).encode()


def read(data: bytes, at: tuple[int, ...] = ()) -> ReplyBuilder:
    """Feed bytes, cut at some places; each chunk comes a nanosecond later."""
    builder = ReplyBuilder(0)
    stream = MessageStream(builder, WHERE)
    splitter = LineSplitter()
    ends = [*sorted(at), len(data)]
    begins = [0, *sorted(at)]
    for at_ns, (begin, end) in enumerate(zip(begins, ends, strict=True), 1):
        for line in splitter.feed(data[begin:end]):
            with well_formed(WHERE):
                stream.line(line, at_ns)
    stream.check_ended(len(ends) + 1)
    return builder


def reply(*events: Event) -> Reply:
    """Return what becomes of a message with these events between start and end."""
    return read(written(start(), *events, STOP)).reply()


WHOLE: Final = (
    start(),
    {"type": "ping"},
    block(0, type="thinking", thinking="", signature=""),
    delta(0, "thinking_delta", thinking="Hm, "),
    delta(0, "thinking_delta", thinking="ja."),
    delta(0, "signature_delta", signature="EoX="),
    stop(0),
    *text_block(1, "Thréé ", "🐟"),
    *call_block(2, "", '{"city": "Trom', 'sø"}', name="get_weather"),
    ending("tool_use", output_tokens=40),
    STOP,
)


def test_a_whole_message_becomes_one_reply() -> None:
    """Thinking, text, call, reason and counts must be in the reply."""
    made = read(written(*WHOLE)).reply()
    assert (made.thinking, made.text) == ("Hm, ja.", "Thréé 🐟")
    call = ToolCall(name="get_weather", arguments={"city": "Tromsø"}, id="toolu_2")
    assert made.tool_calls == (call,)
    assert made.finish_reason == "tool_use"
    assert made.usage == Usage(
        prompt_tokens=25, cached_tokens=0, cache_write_tokens=0, output_tokens=40
    )
    assert made.deltas == 7


def test_blocks_are_carried_as_they_came() -> None:
    """Thinking goes back with its signature, then text and call, in their order."""
    assert read(written(*WHOLE)).reply().carried == (
        {"type": "thinking", "thinking": "Hm, ja.", "signature": "EoX="},
        {"type": "text", "text": "Thréé 🐟"},
        {
            "type": "tool_use",
            "id": "toolu_2",
            "name": "get_weather",
            "input": {"city": "Tromsø"},
        },
    )


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(1, len(written(*WHOLE)) - 1), max_size=30))
def test_any_cut_of_the_bytes_is_the_same_reply(places: set[int]) -> None:
    """However the bytes arrive, characters split or not, the reply is the same."""
    data = written(*WHOLE)
    made = read(data, tuple(places)).reply()
    whole = read(data).reply()
    assert (made.text, made.tool_calls, made.usage, made.carried) == (
        whole.text,
        whole.tool_calls,
        whole.usage,
        whole.carried,
    )


def times_of(*events: Event) -> tuple[float | None, float | None]:
    """Return TTFT and TTFC in ns, where event n (from 1) comes at n ns."""
    builder = ReplyBuilder(0)
    stream = MessageStream(builder, WHERE)
    for at_ns, event in enumerate(events, 1):
        for line in written(event).split(b"\n"):
            stream.line(line, at_ns)
    timings = builder.reply().timings
    return tuple(ms and round(ms * 1e6) for ms in (timings.ttft_ms, timings.ttfc_ms))  # type: ignore[return-value]


def test_the_first_token_is_the_first_payload() -> None:
    """Neither start, ping, block start, empty delta nor signature is a token."""
    silent = [
        start(),
        {"type": "ping"},
        block(0, type="thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking=""),
        delta(0, "signature_delta", signature="x"),
        block(1, type="text", text=""),
    ]
    assert times_of(*silent) == (None, None)
    said = delta(1, "text_delta", text=" ")
    assert times_of(*silent, said) == (7, 7)


def test_thinking_is_a_first_token_but_no_content() -> None:
    """TTFT ends with the first thinking, TTFC with the first text."""
    events = [
        block(0, type="thinking", thinking=""),
        delta(0, "thinking_delta", thinking="Hm"),
        block(1, type="text", text=""),
        delta(1, "text_delta", text="Yes"),
    ]
    assert times_of(*events) == (2, 4)


def test_a_call_begins_with_its_name() -> None:
    """A call without arguments has a first token too: its name."""
    assert times_of(start(), *call_block(0, "")) == (2, 2)


@pytest.mark.parametrize("pieces", [(), ("",), ("{}",), ("", "{", "}")])
def test_no_arguments_are_an_empty_object(pieces: tuple[str, ...]) -> None:
    """A call without arguments is a call with an empty object, however written."""
    (call,) = reply(*call_block(0, *pieces), ending("tool_use")).tool_calls
    assert (call.arguments, call.raw) == ({}, "")


def test_arguments_that_come_whole_count() -> None:
    """Some servers put the arguments into the block's start."""
    begun = block(0, type="tool_use", id="t", name="f", input={"a": 1})
    made = reply(begun, stop(0), ending("tool_use"))
    assert made.tool_calls[0].arguments == {"a": 1}
    assert made.carried[0]["input"] == {"a": 1}


def test_arguments_cut_by_the_limit_stay_raw() -> None:
    """Half an object is a malformed attempt; what is carried is still sendable."""
    made = reply(*call_block(0, '{"city": "Os'), ending("max_tokens"))
    assert made.tool_calls[0].arguments is None
    assert made.tool_calls[0].raw == '{"city": "Os'
    assert made.is_truncated
    assert made.carried[0]["input"] == {}


def test_interleaved_blocks_keep_apart() -> None:
    """Deltas belong to the block of their index, whatever stands between."""
    made = reply(
        block(0, type="text", text=""),
        block(1, type="tool_use", id="a", name="f", input={}),
        delta(0, "text_delta", text="on"),
        delta(1, "input_json_delta", partial_json='{"a":'),
        delta(0, "text_delta", text="e"),
        delta(1, "input_json_delta", partial_json="1}"),
        stop(1),
        stop(0),
        ending("tool_use"),
    )
    assert (made.text, made.tool_calls[0].arguments) == ("one", {"a": 1})
    assert [carried["type"] for carried in made.carried] == ["text", "tool_use"]


def test_a_block_without_its_end_counts() -> None:
    """What came of a block counts though its end is missing."""
    events = [*text_block(0, "Well."), *call_block(1, '{"a": 1}')[:-1]]
    made = reply(*events, ending("tool_use"))
    assert made.tool_calls[0].arguments == {"a": 1}


def test_empty_text_is_not_carried() -> None:
    """The API refuses empty text blocks in requests, so none goes back."""
    made = reply(*text_block(0), *text_block(1, "Hi"), ending())
    assert made.carried == ({"type": "text", "text": "Hi"},)


def test_opaque_blocks_are_carried_whole() -> None:
    """Redacted thinking, citations and unknown blocks go back as they came."""
    redacted = {"type": "redacted_thinking", "data": "abc"}
    cited = {"type": "char_location", "cited_text": "x"}
    made = reply(
        block(0, **redacted),
        stop(0),
        block(1, type="text", text="", citations=None),
        delta(1, "text_delta", text="So."),
        delta(1, "citations_delta", citation=cited),
        stop(1),
        block(2, type="server_tool_use", id="s", name="web_search", input={}),
        delta(2, "input_json_delta", partial_json='{"q": "x"}'),
        stop(2),
        ending("pause_turn"),
    )
    assert made.carried == (
        redacted,
        {"type": "text", "text": "So.", "citations": [cited]},
        {"type": "server_tool_use", "id": "s", "name": "web_search",
         "input": {"q": "x"}},
    )  # fmt: skip
    assert (made.tool_calls, made.finish_reason) == ((), "pause_turn")


@pytest.mark.parametrize(
    ("reason", "is_truncated"),
    [
        ("end_turn", False),
        ("stop_sequence", False),
        ("pause_turn", False),
        ("refusal", False),
        ("max_tokens", True),
        ("model_context_window_exceeded", True),
    ],
)
def test_the_stop_reason_is_kept(reason: str, *, is_truncated: bool) -> None:
    """The API's own word stays; only a limit reached is a truncation."""
    made = reply(*text_block(0, "Hi"), ending(reason))
    assert (made.finish_reason, made.is_truncated) == (reason, is_truncated)


def test_counts_are_cumulative() -> None:
    """Later counts replace earlier ones; what was cached is part of the prompt."""
    made = read(
        written(
            start(input_tokens=5, cache_read_input_tokens=20),
            *text_block(0, "Hi"),
            ending(output_tokens=9),
            ending(
                output_tokens=12,
                cache_creation_input_tokens=100,
                input_tokens=None,
                output_tokens_details={"thinking_tokens": 4},
            ),
            STOP,
        )
    ).reply()
    assert made.usage == Usage(
        prompt_tokens=125,
        cached_tokens=20,
        cache_write_tokens=100,
        output_tokens=12,
        reasoning_tokens=4,
    )


def test_the_count_of_the_start_is_no_count() -> None:
    """The output count of `message_start` stands for nothing; None is honest."""
    with pytest.raises(StreamTruncated):
        read(written(start(), *text_block(0, "Hi")))
    builder = ReplyBuilder(0)
    stream = MessageStream(builder, WHERE)
    for line in written(start(), *text_block(0, "Hi")).split(b"\n"):
        stream.line(line, 1)
    assert builder.reply().usage.output_tokens is None


def test_events_yet_to_be_invented_are_ignored() -> None:
    """Unknown events and deltas change nothing."""
    made = reply(
        {"type": "mood", "mood": 1},
        block(0, type="text", text=""),
        delta(0, "smell_delta", smell="fresh"),
        delta(0, "text_delta", text="Hi"),
        stop(0),
        ending(),
    )
    assert (made.text, made.deltas) == ("Hi", 1)


def test_the_end_marker_is_needed() -> None:
    """A stream with its stop reason but without `message_stop` is cut."""
    with pytest.raises(StreamTruncated, match="after 1 deltas without its `message_st"):
        read(written(start(), *text_block(0, "Hi"), ending()))


def test_the_end_marker_may_lack_its_blank_line() -> None:
    """The last event counts though nothing follows it."""
    data = written(start(), *text_block(0, "Hi"), ending(), STOP)
    assert read(data.removesuffix(b"\n")).reply().text == "Hi"


def test_what_follows_the_end_is_ignored() -> None:
    """A gateway's [DONE], or anything else, comes too late to count."""
    data = written(start(), *text_block(0, "Hi"), ending(), STOP, stop(7))
    assert read(data + b"data: [DONE]\n\n").reply().text == "Hi"


@pytest.mark.parametrize(
    "event",
    [
        delta(7, "text_delta", text="of no block"),
        {"type": "content_block_delta", "index": 0},
        {"type": "content_block_start", "index": 0, "content_block": [1]},
        {"type": "message_delta", "usage": {}},
        {"type": "message_start"},
    ],
)
def test_events_out_of_shape_are_the_servers_fault(event: Event) -> None:
    """What the protocol does not allow is told as such, never a crash of ours."""
    with pytest.raises(ProtocolFault, match="unknown shape"):
        read(written(start(), event, STOP))


def test_an_event_must_be_an_object() -> None:
    """JSON that is no object is no event."""
    with pytest.raises(ProtocolFault, match="no JSON object"):
        read(b"data: [1]\n\n")
