"""What chat completions are asked, by model family and address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_llmbench.calls.providers.openai_request import chat_body, service_body
from pytest_llmbench.calls.request import CallRequest
from pytest_llmbench.prompts.messages import Message, SentCall
from pytest_llmbench.prompts.suite import Tool

if TYPE_CHECKING:
    from collections.abc import Mapping

VENDOR: Final = "https://api.openai.com/v1"
LOCAL: Final = "http://127.0.0.1:8080/v1"
OPTIONS: Final[Mapping[str, Any]] = {
    "num_predict": 9,
    "temperature": 0,
    "num_ctx": 4096,
    "effort": "low",
}


def asked(model: str = "m", **options: Any) -> CallRequest:  # noqa: ANN401 - any option
    """Return a request with a seed."""
    message = Message(role="user", content="é")
    return CallRequest(model=model, messages=(message,), options=options, seed=7)


def test_a_request_asks_for_a_stream_with_usage() -> None:
    """Options travel by the dialect's names; what it has no word for stays home."""
    request = CallRequest(
        model="m",
        messages=(Message(role="user", content="é"),),
        tools=(Tool(name="f", parameters={"type": "object"}),),
        options=OPTIONS,
        seed=7,
    )
    function = {"name": "f", "description": "", "parameters": {"type": "object"}}
    assert chat_body(request) == {
        "model": "m",
        "messages": [{"role": "user", "content": "é"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 9,
        "temperature": 0,
        "seed": 7,
        "tools": [{"type": "function", "function": function}],
    }


def test_a_request_without_extras_has_none() -> None:
    """No seed, tools or options: no such fields, rather than empty ones."""
    body = chat_body(CallRequest(model="m", messages=()))
    assert set(body) == {"model", "messages", "stream", "stream_options"}


def test_no_limit_is_not_sent() -> None:
    """Ollama's -1 is no limit; OpenAI has no such word."""
    assert "max_tokens" not in chat_body(asked(num_predict=-1))


@pytest.mark.parametrize(
    ("model", "url", "field", "is_seeded"),
    [
        ("gpt-6-sol", VENDOR, "max_completion_tokens", False),
        ("o4-mini", VENDOR, "max_completion_tokens", False),
        ("gpt-5-chat-latest", VENDOR, "max_completion_tokens", False),
        ("some-new-family", VENDOR, "max_completion_tokens", False),
        ("ft:gpt-5.4:org::id", VENDOR, "max_completion_tokens", False),
        ("gpt-4.1", VENDOR, "max_tokens", True),
        ("gpt-4o-mini", VENDOR, "max_tokens", True),
        ("ft:gpt-4o:org::id", VENDOR, "max_tokens", True),
        ("gpt-4o-search-preview", VENDOR, "max_completion_tokens", False),
        ("gpt-6-sol", LOCAL, "max_completion_tokens", False),
        ("openai/o4-mini", LOCAL, "max_completion_tokens", False),
        ("qwen3:4b", LOCAL, "max_tokens", True),
        ("gpt-oss:20b", LOCAL, "max_tokens", True),
        ("olmo-3", LOCAL, "max_tokens", True),
        ("qwen3:4b", "https://openai.com.example.org/v1", "max_tokens", True),
    ],
)
def test_the_family_decides_on_limit_and_seed(
    model: str, url: str, field: str, *, is_seeded: bool
) -> None:
    """Models that reason get no seed and another name of the limit."""
    body = service_body(asked(model, num_predict=9), url)
    limits = {key: body[key] for key in body if key.startswith("max_")}
    assert limits == {field: 9}
    assert ("seed" in body) is is_seeded


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("model", ["gpt-6-sol", "my-deployment"])
def test_the_limits_name_can_be_set(model: str, field: str) -> None:
    """An alias knows better than a name does; the option itself is not sent."""
    body = service_body(asked(model, num_predict=9, max_tokens_field=field), LOCAL)
    assert {key: body[key] for key in body if "max_" in key} == {field: 9}
    is_plain = (model, field) == ("my-deployment", "max_tokens")
    assert ("seed" in body) is is_plain


def test_effort_is_sent_by_the_services_word() -> None:
    """`effort` is `reasoning_effort`; num_ctx is sent to nobody."""
    body = service_body(asked("gpt-6-sol", **OPTIONS), VENDOR)
    assert body["reasoning_effort"] == "low"
    assert not {"effort", "num_ctx"} & set(body)


def test_sampling_that_was_asked_for_is_sent() -> None:
    """What is set for a model that may refuse it is for the service to judge."""
    body = service_body(asked("gpt-6-sol", temperature=0.2, top_p=0.9), VENDOR)
    assert (body["temperature"], body["top_p"]) == (0.2, 0.9)


def test_only_openai_is_asked_to_leave_its_padding_out() -> None:
    """Other servers may not know the field."""
    at_home = service_body(asked(), VENDOR)["stream_options"]
    elsewhere = service_body(asked(), LOCAL)["stream_options"]
    assert at_home == {"include_usage": True, "include_obfuscation": False}
    assert elsewhere == {"include_usage": True}


def test_calls_and_their_results_go_back() -> None:
    """Arguments are JSON text, and each result names its call."""
    call = SentCall(name="f", arguments={"x": "é"}, id="call_1")
    messages = (
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="ok", tool="f", call_id="call_1"),
    )
    body = service_body(CallRequest(model="m", messages=messages), LOCAL)
    function = {"name": "f", "arguments": '{"x": "é"}'}
    sent = [{"id": "call_1", "type": "function", "function": function}]
    assert body["messages"] == [
        {"role": "assistant", "content": "", "tool_calls": sent},
        {"role": "tool", "content": "ok", "tool_call_id": "call_1"},
    ]
