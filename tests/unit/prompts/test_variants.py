"""How a prompt is put to the model."""

from __future__ import annotations

import pytest

from pytest_llmbench.checks.calltext import read_calls
from pytest_llmbench.prompts.messages import Message, Rendered, SentCall
from pytest_llmbench.prompts.suite import Prompt, Tool
from pytest_llmbench.prompts.variants import VARIANTS

TOOL = Tool(name="f")


def test_native_api_keeps_tools_beside_the_messages() -> None:
    """System and user text go as written; tools in the API's own field."""
    prompt = Prompt(id="P1", text=" Hi\n", system="Be brief.", tools=(TOOL,))
    assert VARIANTS["native_api"].render(prompt) == Rendered(
        messages=(
            Message(role="system", content="Be brief."),
            Message(role="user", content=" Hi\n"),
        ),
        tools=(TOOL,),
    )


def test_no_system_text_is_no_message() -> None:
    """An empty system text is left out, not sent empty."""
    rendered = VARIANTS["native_api"].render(Prompt(id="P1", text="Hi"))
    assert rendered == Rendered(messages=(Message(role="user", content="Hi"),))


def test_variants_are_listed_by_their_own_name() -> None:
    """The word in a spec is the variant's name."""
    assert all(name == variant.name for name, variant in VARIANTS.items())


IN_TEXT = [name for name in VARIANTS if name != "native_api"]


@pytest.mark.parametrize("name", IN_TEXT)
def test_text_variants_describe_the_tools(name: str) -> None:
    """Every tool's name, description and schema stand in the system text."""
    tool = Tool(
        name="find",
        description="Find a file.",
        parameters={"type": "object", "properties": {"p": {"type": "string"}}},
    )
    prompt = Prompt(id="P1", text="Hi", system="Be brief.", tools=(tool,))
    system, user = VARIANTS[name].render(prompt).messages
    assert VARIANTS[name].render(prompt).tools == ()
    assert user == Message(role="user", content="Hi")
    assert system.content.startswith("Be brief.")
    for part in ("find", "Find a file.", '"properties": {"p": {"type": "string"}}'):
        assert part in system.content


@pytest.mark.parametrize("name", IN_TEXT)
def test_without_tools_no_way_to_call_is_taught(name: str) -> None:
    """A prompt without tools is put as written, but for the call to think."""
    messages = VARIANTS[name].render(Prompt(id="P1", text="Hi")).messages
    assert all("tool_call" not in message.content for message in messages)
    assert (len(messages) == 2) == (name == "step_by_step")


def test_the_calls_taught_are_the_calls_read() -> None:
    """Every example of a call in a system text is one that our parsers read."""
    tools = (Tool(name="multiply"), Tool(name="switch_on"), Tool(name="TOOL"))
    prompt = Prompt(id="P1", text="Hi", tools=tools)
    for name, count in (("text", 1), ("few_shot", 4), ("xml", 1), ("step_by_step", 1)):
        system = VARIANTS[name].render(prompt).messages[0].content
        taught = system.partition("\n\n")[2]
        assert len(read_calls(taught, tools).calls) == count, name


def test_results_are_put_back() -> None:
    """Natively as tool messages with their call's id; in text as the user's words."""
    calls = (SentCall(name="f", arguments={"a": 1}, id="c1"),)
    said, answer = VARIANTS["native_api"].go_on("", calls, ["7"])
    assert said.tool_calls == calls
    assert answer == Message(role="tool", content="7", tool="f", call_id="c1")
    said, answer = VARIANTS["text"].go_on("raw", calls, ["7"])
    assert said == Message(role="assistant", content="raw")
    assert answer == Message(role="user", content="Result of f: 7")
