"""Requests as the Messages API reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_llmbench.calls.providers.anthropic_body import MAX_TOKENS, message_body
from pytest_llmbench.calls.providers.anthropic_thinking import (
    Abilities,
    abilities_of,
    thinking_for,
)
from pytest_llmbench.calls.request import CallRequest
from pytest_llmbench.errors import Unsupported
from pytest_llmbench.prompts.messages import Message, SentCall
from pytest_llmbench.prompts.suite import Tool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.prompts.suite import Json

WHERE: Final = "anthropic at https://h"
USER: Final = Message(role="user", content="Hi")
NEW: Final = Abilities(
    names=frozenset({"effort", "thinking"}),
    efforts=frozenset({"low", "medium", "high", "max"}),
    thinking=frozenset({"adaptive", "disabled"}),
    refused=frozenset({"enabled"}),
)
OLD: Final = Abilities(
    names=frozenset({"thinking"}), thinking=frozenset({"enabled", "disabled"})
)
MIDDLE: Final = Abilities(
    names=frozenset({"effort", "thinking"}),
    efforts=frozenset({"low", "high"}),
    thinking=frozenset({"enabled", "disabled"}),
)
ALWAYS: Final = Abilities(
    names=frozenset({"effort", "thinking"}),
    efforts=frozenset({"low"}),
    thinking=frozenset({"adaptive"}),
    refused=frozenset({"disabled"}),
)
DULL: Final = Abilities()


def body(
    *messages: Message,
    abilities: Abilities | None = None,
    **fields: Any,  # noqa: ANN401 - any field of a request
) -> dict[str, Any]:
    """Return the body of a request."""
    request = CallRequest(model="m", messages=messages or (USER,), **fields)
    return message_body(request, WHERE, abilities)


def test_nothing_is_sent_that_nobody_asked_for() -> None:
    """No sampling, thinking, tools, system or seed stand in a plain request."""
    assert body(seed=7) == {
        "model": "m",
        "max_tokens": MAX_TOKENS,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "stream": True,
    }


def test_options_are_translated() -> None:
    """What was asked for is sent by the API's names; a context size is local."""
    options = {"num_predict": 64, "temperature": 0.2, "top_k": 5, "num_ctx": 2048}
    made = body(options=options)
    assert (made["max_tokens"], made["temperature"], made["top_k"]) == (64, 0.2, 5)
    assert not {"num_predict", "num_ctx", "top_p"} & made.keys()


@pytest.mark.parametrize("name", ["min_p", "repeat_penalty", "presence_penalty"])
def test_options_the_api_has_not_are_refused(name: str) -> None:
    """An option that would be a 400 is refused before the call, with those it has."""
    with pytest.raises(Unsupported, match=f"no option '{name}'; it has temperature"):
        body(options={name: 1.1})


def test_no_limit_is_the_default_limit() -> None:
    """Ollama's -1 for unlimited can't be sent: the API wants a number."""
    assert body(options={"num_predict": -1})["max_tokens"] == MAX_TOKENS


def test_the_system_text_stands_on_top() -> None:
    """All system messages are one text beside the messages."""
    first = Message(role="system", content="Be brief.")
    second = Message(role="system", content="Be kind.")
    made = body(first, USER, second)
    assert made["system"] == "Be brief.\n\nBe kind."
    assert [message["role"] for message in made["messages"]] == ["user"]


def test_a_tool_brings_its_schema() -> None:
    """A schema without a type is one of an object; no description, none sent."""
    made = body(tools=(Tool(name="f"),))
    assert made["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]


CALLED: Final = Message(
    role="assistant",
    content="Let me see.",
    tool_calls=(
        SentCall(name="f", arguments={"a": 1}, id="toolu_1"),
        SentCall(name="g", arguments={}, id="toolu_2"),
    ),
)
RESULTS: Final = (
    Message(role="tool", content="one", tool="f", call_id="toolu_1"),
    Message(role="tool", content="two", tool="g", call_id="toolu_2"),
)


def test_results_of_all_calls_stand_in_one_message() -> None:
    """Results come first in one message of the user, then the user's words."""
    made = body(USER, CALLED, *RESULTS, Message(role="user", content="And?"))
    _, said, results = made["messages"]
    assert [block["type"] for block in said["content"]] == [
        "text", "tool_use", "tool_use",
    ]  # fmt: skip
    assert said["content"][1] == {
        "type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1},
    }  # fmt: skip
    assert results == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "one"},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": "two"},
            {"type": "text", "text": "And?"},
        ],
    }


def test_carried_blocks_go_back_as_they_came() -> None:
    """Signed thinking stands before the call, and the call is not sent twice."""
    carried: tuple[Mapping[str, Json], ...] = (
        {"type": "thinking", "thinking": "", "signature": "Eo"},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
    )
    call = SentCall(name="f", arguments={"a": 1}, id="toolu_1")
    said = Message(role="assistant", content="", tool_calls=(call,), carried=carried)
    made = body(USER, said, RESULTS[0])
    assert made["messages"][1]["content"] == list(carried)


def test_a_call_found_in_the_text_is_sent_as_a_call() -> None:
    """Its result needs a call to belong to."""
    carried = ({"type": "text", "text": '{"name": "f"}'},)
    call = SentCall(name="f", arguments={}, id="call_1")
    said = Message(role="assistant", content="", tool_calls=(call,), carried=carried)
    blocks = body(USER, said)["messages"][1]["content"]
    assert [block["type"] for block in blocks] == ["text", "tool_use"]


def test_an_empty_reply_is_not_sent_back() -> None:
    """The API refuses empty messages; the user's words around it become one."""
    empty = Message(role="assistant", content="")
    made = body(USER, empty, Message(role="user", content="Still there?"))
    (message,) = made["messages"]
    assert [block["text"] for block in message["content"]] == ["Hi", "Still there?"]


@pytest.mark.parametrize(
    ("effort", "abilities", "fields"),
    [
        ("high", None, {"output_config": {"effort": "high"}}),
        ("minimal", None, {"output_config": {"effort": "low"}}),
        ("none", None, {"thinking": {"type": "disabled"}}),
        (
            "high",
            NEW,
            {"output_config": {"effort": "high"}, "thinking": {"type": "adaptive"}},
        ),
        ("high", MIDDLE, {"output_config": {"effort": "high"}}),
        ("none", NEW, {"thinking": {"type": "disabled"}}),
        ("none", DULL, {}),
        ("low", OLD, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
    ],
)
def test_effort_by_what_the_model_takes(
    effort: str, abilities: Abilities | None, fields: dict[str, Any]
) -> None:
    """An effort becomes what this model takes, and nothing it refuses."""
    made = body(abilities=abilities, options={"effort": effort})
    sent = {key: made[key] for key in ("output_config", "thinking") if key in made}
    assert sent == fields


def test_a_budget_comes_on_top_of_the_answers_limit() -> None:
    """An answer keeps its own room, and the budget stays below the whole."""
    options = {"effort": "high", "num_predict": 100}
    made = body(abilities=OLD, options=options)
    assert made["max_tokens"] == made["thinking"]["budget_tokens"] + 100


@pytest.mark.parametrize(
    ("effort", "abilities", "words"),
    [
        ("none", ALWAYS, "can't be switched off"),
        ("max", ALWAYS, "does not take effort=max; it takes low"),
        ("high", DULL, "it takes none at all; leave it out"),
    ],
)
def test_an_effort_the_model_has_not_is_refused(
    effort: str, abilities: Abilities, words: str
) -> None:
    """What the model says it refuses is never sent; the message says what it takes."""
    with pytest.raises(Unsupported, match=words):
        thinking_for(effort, abilities, WHERE)


def test_abilities_that_are_not_told_are_left_open() -> None:
    """A kind of thinking that is not listed is neither taken nor refused."""
    types = {"adaptive": {"supported": True}, "enabled": {"supported": False}}
    thinking = {"supported": True, "types": types}
    made = abilities_of({"capabilities": {"thinking": thinking}})
    assert made.thinking == {"adaptive"}
    assert made.refused == {"enabled"}
    assert abilities_of({}) == DULL
