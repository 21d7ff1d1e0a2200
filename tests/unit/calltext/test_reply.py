"""A reply with the calls that stand in its text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmbench.checks.behaviour import behaviour_of
from pytest_llmbench.checks.calltext import with_text_calls
from pytest_llmbench.checks.judge import judge
from pytest_llmbench.checks.reply import Reply, ToolCall
from pytest_llmbench.prompts.suite import Prompt, Tool

if TYPE_CHECKING:
    from pytest_llmbench.prompts.suite import Json

TOOLS: Final = (
    Tool(
        name="f",
        parameters={"properties": {"n": {"type": "integer"}}, "required": ["n"]},
    ),
)
TEXT: Final = '<think>Hm.</think><tool_call>{"name": "f", "arguments": {"n": 1}}'
BROKEN: Final = '<tool_call>{"name": "f", "arguments": {"n": '


def test_text_calls_are_added_and_the_text_stays() -> None:
    """What the model wrote is stored as it was, thinking and all."""
    reply = with_text_calls(Reply(text=TEXT), TOOLS)
    (call,) = reply.tool_calls
    assert (call.name, call.arguments, call.channel) == ("f", {"n": 1}, "text:hermes")
    assert reply.text == TEXT


def test_adding_them_twice_changes_nothing() -> None:
    """Whoever reads first, the reply is the same."""
    once = with_text_calls(Reply(text=TEXT), TOOLS)
    assert with_text_calls(once, TOOLS) is once
    plain = Reply(text="Sunny.")
    assert with_text_calls(plain, TOOLS) is plain


def test_native_calls_keep_the_text_unread() -> None:
    """With the API's own calls there the text is words; they get their fault."""
    calls = (
        ToolCall(name="f", arguments={"n": 1}),
        ToolCall(name="f", arguments={"n": "1"}),
        ToolCall(name="f", arguments=None, raw="{"),
        ToolCall(name="g", arguments={}),
    )
    reply = with_text_calls(Reply(text=TEXT, tool_calls=calls), TOOLS)
    assert [call.fault for call in reply.tool_calls] == [
        "",
        'n is "1", not of type "integer"',
        "the arguments are no JSON object",
        'unknown tool "g"; known: f',
    ]
    assert {call.channel for call in reply.tool_calls} == {"native"}


def test_without_tools_words_about_calls_are_words() -> None:
    """A prompt that offers no tools asks for text, whatever stands in it."""
    reply = Reply(text=TEXT)
    assert with_text_calls(reply, ()) is reply


def test_the_judge_reads_the_text_itself() -> None:
    """A caller that has not read the calls gets the same verdict."""
    prompt = Prompt(
        id="P1", text="Go.", tools=TOOLS, expect={"arguments": {"f": {"n": 1}}}
    )
    reply = Reply(text=TEXT)
    assert judge(prompt, reply) == judge(prompt, with_text_calls(reply, TOOLS))
    assert judge(prompt, reply).behaviour == "called_right"


def test_an_unreadable_attempt_earns_no_restraint() -> None:
    """It is malformed whatever is expected, also beside a call that can be read."""
    endless = TEXT.replace("</think>", "")
    expects: list[dict[str, Json]] = [
        {"tools": []},
        {"tools": ["f"]},
        {"contains": "tool"},
    ]
    for text in (BROKEN, f"{TEXT}</tool_call>{BROKEN}", endless):
        for expect in expects:
            prompt = Prompt(id="P1", text="Go.", tools=TOOLS, expect=expect)
            verdict = judge(prompt, Reply(text=text))
            assert verdict.behaviour == "malformed"
            assert not verdict.passed


def test_a_broken_text_beside_native_calls_is_only_text() -> None:
    """The API's own call counts; what stands in the text as well does not."""
    prompt = Prompt(id="P1", text="Go.", tools=TOOLS, expect={"tools": ["f"]})
    reply = Reply(text=BROKEN, tool_calls=(ToolCall(name="f", arguments={"n": 1}),))
    assert behaviour_of(prompt, reply, ()) == "called_right"
