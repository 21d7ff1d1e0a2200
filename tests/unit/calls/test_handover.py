"""What goes to the child process of an isolated call comes out as it went in."""

from __future__ import annotations

import io

import pytest
from asking import WEATHER, question, target_of
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pytest_llmbench import errors
from pytest_llmbench.calls.handover import (
    Begun,
    Finished,
    Job,
    Received,
    Sent,
    read_message,
    write_message,
)
from pytest_llmbench.checks.reply import Reply, Timings, ToolCall, Usage
from pytest_llmbench.errors import CallError
from pytest_llmbench.prompts.messages import Message, SentCall

WHOLE = Reply(
    text="half a pair \ud800, \x00, 東京",
    thinking="hm",
    tool_calls=(
        ToolCall(name="f", arguments={"a": [1, None, {"b": 1e300}]}, id="c1"),
        ToolCall(name="g", arguments=None, channel="text:glm", raw="{", fault="no"),
    ),
    finish_reason="stop",
    usage=Usage(prompt_tokens=1, cached_tokens=0, output_tokens=3),
    timings=Timings(**dict.fromkeys(Timings.__struct_fields__, 1.5)),
    deltas=7,
)
KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, CallError)
]


def handed_over(*messages: object) -> list[object]:
    """Write messages one behind the other, and read them all back."""
    stream = io.BytesIO()
    for message in messages:
        write_message(stream, message)  # type: ignore[arg-type]  # any of them
    stream.seek(0)
    return list(iter(lambda: read_message(stream), None))


def test_a_job_comes_whole() -> None:
    """Conversation, tools, options, limits and target are what they were."""
    asked = Message(role="user", content="\ud800 Hi")
    call = SentCall(name="f", arguments={"a": {"b": [True, None]}}, id="1")
    said = Message(role="assistant", content="", tool_calls=(call,))
    told = Message(role="tool", content="{}", tool="f", call_id="1")
    request = question(
        tools=(WEATHER,), options={"num_ctx": 8, "stop": ["a"]}, seed=2**40
    )
    request = replace(request, messages=(asked, said, told))
    job = Job(target=target_of("http://u:p@h:1"), request=request, is_logged=True)
    assert handed_over(job) == [job]


def test_messages_keep_their_order() -> None:
    """Each message ends where the next begins."""
    messages = [
        Begun(),
        Sent(url="http://h/api/chat", body={"a": ["é"]}),
        Received(line=b"\xff\n" * 100_000),
        Finished(reply=WHOLE, call_ms=2.5),
    ]
    assert handed_over(*messages) == messages


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_comes_with_its_partial_reply(kind: type[CallError]) -> None:
    """An error is of the same class, with message and what had come by then."""
    error = kind("it broke: 'é'")
    error.partial = WHOLE
    (finished,) = handed_over(Finished(error=error, call_ms=3.0))
    assert isinstance(finished, Finished)
    found = finished.error
    assert type(found) is kind
    assert str(found) == "it broke: 'é'"
    assert found.partial == WHOLE
    assert finished.call_ms == 3.0


@given(st.data())
def test_a_message_that_breaks_off_is_none(data: st.DataObject) -> None:
    """A child that dies while it writes has said nothing."""
    stream = io.BytesIO()
    write_message(stream, Finished(reply=WHOLE))
    whole = stream.getvalue()
    size = data.draw(st.integers(0, len(whole) - 1))
    assert read_message(io.BytesIO(whole[:size])) is None
