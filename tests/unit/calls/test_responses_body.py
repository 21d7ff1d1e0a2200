"""What is posted to the responses API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_llmbench.calls.providers.openai_account import VENDOR_URL
from pytest_llmbench.calls.providers.openai_responses import responses_body
from pytest_llmbench.calls.request import CallRequest
from pytest_llmbench.prompts.messages import Message, SentCall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.prompts.suite import Json

CARRIED_THOUGHT: Final[Mapping[str, Json]] = {
    "type": "reasoning",
    "summary": [],
    "encrypted_content": "gAAA",
}
SENT: Final = SentCall(name="f", arguments={"x": 1}, id="c1")
PLAIN_CALL: Final[Mapping[str, Json]] = {
    "type": "function_call",
    "call_id": "c1",
    "name": "f",
    "arguments": '{"x": 1}',
}
CARRIED: Final = (CARRIED_THOUGHT, PLAIN_CALL)


def posted(*messages: Message, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    """Return what is posted for these messages."""
    request = CallRequest(model="m", messages=messages, **fields)
    return responses_body(request, "http://localhost/v1")


def test_options_are_sent_only_where_asked_for() -> None:
    """No sampling option, seed or effort is sent by itself; words are translated."""
    plain = posted(Message(role="user", content="Hi"), seed=7)
    assert sorted(plain) == ["input", "model", "store", "stream"]
    options = {
        "effort": "low",
        "temperature": 0,
        "num_predict": 64,
        "num_ctx": 8192,
    }
    asked = posted(Message(role="user", content="Hi"), options=options)
    added = {key: asked[key] for key in asked if key not in plain}
    assert added == {
        "reasoning": {"effort": "low"},
        "temperature": 0,
        "max_output_tokens": 64,
    }
    no_limit = posted(Message(role="user", content="Hi"), options={"num_predict": -1})
    assert no_limit == plain


def test_padding_is_declined_where_it_is_sent() -> None:
    """OpenAI pads its deltas; other servers may not know the option."""
    request = CallRequest(model="m", messages=())
    at_home = responses_body(request, VENDOR_URL)
    assert at_home["stream_options"] == {"include_obfuscation": False}
    assert "stream_options" not in posted()


@pytest.mark.parametrize(
    ("message", "items"),
    [
        (Message(role="assistant", content="", tool_calls=(SENT,), carried=CARRIED),
         list(CARRIED)),
        (Message(role="assistant", content="Hi", tool_calls=(SENT,), carried=CARRIED),
         [{"role": "assistant", "content": "Hi"}, PLAIN_CALL]),
        (Message(role="assistant", content="", carried=CARRIED),
         [{"role": "assistant", "content": ""}]),
        (Message(role="assistant", content="", tool_calls=(SENT,)), [PLAIN_CALL]),
        (Message(role="tool", content="9", tool="f", call_id="c1"),
         [{"type": "function_call_output", "call_id": "c1", "output": "9"}]),
    ],
)  # fmt: skip
def test_messages_as_items(message: Message, items: list[object]) -> None:
    """What is carried goes back only while it says what the message says."""
    assert posted(message)["input"] == items
