"""A reply put together from deltas, and its times."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.calls.assembly import ReplyBuilder, decoded_call
from pytest_llmbench.checks.jsontext import MAX_DEPTH
from pytest_llmbench.checks.reply import Reply, Timings, ToolCall, Usage

MS = 1_000_000
CALL = ToolCall(name="f", arguments={})


def test_nothing_came() -> None:
    """An empty reply has no times: null, never 0."""
    assert ReplyBuilder(5 * MS).reply() == Reply()


def test_text_sets_both_first_times() -> None:
    """The first non-empty text is first token and first content."""
    builder = ReplyBuilder(10 * MS)
    builder.text("", 11 * MS)
    builder.text("a", 13 * MS)
    builder.text(" ", 14 * MS)
    builder.end(20 * MS)
    assert builder.reply() == Reply(
        text="a ", deltas=2, timings=Timings(ttft_ms=3.0, ttfc_ms=3.0, e2e_ms=10.0)
    )


def test_thinking_counts_for_the_first_token_only() -> None:
    """Thinking is output, but not what the user waits for."""
    builder = ReplyBuilder(0)
    builder.thinking("", 1 * MS)
    builder.thinking("hm", 2 * MS)
    builder.text("", 3 * MS)
    builder.text("hi", 5 * MS)
    builder.thinking("!", 6 * MS)
    reply = builder.reply(queue_ms=1.5)
    assert (reply.text, reply.thinking, reply.deltas) == ("hi", "hm!", 3)
    assert reply.timings == Timings(ttft_ms=2.0, ttfc_ms=5.0, queue_ms=1.5)


def test_only_thinking_has_no_first_content() -> None:
    """A reply that never got past thinking has a TTFT and no TTFC."""
    builder = ReplyBuilder(0)
    builder.thinking("hm", 2 * MS)
    assert builder.reply().timings == Timings(ttft_ms=2.0)


def test_a_tool_call_is_content() -> None:
    """A whole call counts once, for both first times."""
    builder = ReplyBuilder(0)
    builder.tool_call(CALL, 4 * MS)
    builder.text("x", 5 * MS)
    reply = builder.reply()
    assert (reply.tool_calls, reply.deltas) == ((CALL,), 2)
    assert reply.timings == Timings(ttft_ms=4.0, ttfc_ms=4.0)


def test_fragments_count_as_they_come() -> None:
    """A call in fragments is timed by its first, and added once it is whole."""
    builder = ReplyBuilder(0)
    builder.tool_delta(4 * MS)
    builder.tool_delta(6 * MS)
    builder.add_call(CALL)
    reply = builder.reply()
    assert (reply.tool_calls, reply.deltas) == ((CALL,), 2)
    assert reply.timings == Timings(ttft_ms=4.0, ttfc_ms=4.0)


def test_what_the_server_tells_is_kept() -> None:
    """Counts, reason and the server's own times go into the reply unchanged."""
    builder = ReplyBuilder(0)
    builder.finish_reason = "length"
    builder.usage = Usage(prompt_tokens=3, output_tokens=0)
    builder.server_ms = {"load_ms": 1.0, "prefill_ms": 2.0, "decode_ms": 0.0}
    assert builder.reply() == Reply(
        finish_reason="length",
        usage=Usage(prompt_tokens=3, output_tokens=0),
        timings=Timings(load_ms=1.0, prefill_ms=2.0, decode_ms=0.0),
    )


DELTAS = st.lists(
    st.tuples(st.sampled_from(["text", "thinking"]), st.sampled_from(["", "a", "é"]))
)


@given(DELTAS)
def test_deltas_join_and_times_are_ordered(deltas: list[tuple[str, str]]) -> None:
    """Channels join apart; TTFT is never after TTFC, nor that after E2E."""
    builder = ReplyBuilder(0)
    for at_ms, (channel, delta) in enumerate(deltas, start=1):
        getattr(builder, channel)(delta, at_ms * MS)
    builder.end((len(deltas) + 1) * MS)
    reply = builder.reply()
    assert reply.text == "".join(d for channel, d in deltas if channel == "text")
    assert reply.deltas == sum(bool(delta) for _, delta in deltas)
    first = next((i for i, (_, delta) in enumerate(deltas, 1) if delta), None)
    assert reply.timings.ttft_ms == first
    times = (reply.timings.ttft_ms, reply.timings.ttfc_ms, reply.timings.e2e_ms)
    known = [time for time in times if time is not None]
    assert known == sorted(known)
    assert (reply.timings.ttfc_ms is None) == (not reply.text)


@pytest.mark.parametrize(
    ("sent", "arguments", "raw"),
    [
        ({"a": 1}, {"a": 1}, ""),
        ('{"a": 1}', {"a": 1}, ""),
        (' {"a": 1}\n', {"a": 1}, ""),
        ("", {}, ""),
        ("{}", {}, ""),
        ({}, {}, ""),
        ("{oops", None, "{oops"),
        ('{"a": 1', None, '{"a": 1'),
        ("[1]", None, "[1]"),
        ('"{}"', None, '"{}"'),
        ("null", None, "null"),
        (" ", None, " "),
        ([1], None, "[1]"),
        (None, None, "null"),
        (["é"], None, '["é"]'),
        ("[" * 200_000, None, "[" * 200_000),
        ('{"a": NaN}', None, '{"a": NaN}'),
        ('{"a": [1e999]}', None, '{"a": [1e999]}'),
        ({"a": {"b": -math.inf}}, None, '{"a": {"b": -Infinity}}'),
    ],
)
def test_arguments_are_decoded(
    sent: object, arguments: dict[str, object] | None, raw: str
) -> None:
    """Arguments may be an object or JSON text; what is neither stays as sent."""
    call = decoded_call("f", sent, "id1")
    assert call == ToolCall(name="f", arguments=arguments, raw=raw, id="id1")  # type: ignore[arg-type] # JSON


@pytest.mark.parametrize("depth", [1, 99, 100, 400, 900])
def test_deep_arguments_are_no_arguments(depth: int) -> None:
    """A model that nests without end has made no call that can be stored."""
    text = '{"a":' * depth + "1" + "}" * depth
    for sent in (text, json.loads(text)):
        call = decoded_call("f", sent)
        assert (call.arguments is not None) == (depth < MAX_DEPTH)
        assert bool(call.raw) == (depth >= MAX_DEPTH)


@given(st.text())
def test_any_argument_text_is_decoded_or_kept(text: str) -> None:
    """A call never gets lost: it has arguments, or what the model wrote."""
    call = decoded_call("f", text)
    if call.arguments is None:
        assert call.raw == text
    else:
        assert call.arguments == json.loads(text or "{}")
