"""How a prompt and its tools are put to the model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct

from pytest_llmbench.prompts.messages import Message, Rendered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmbench.prompts.messages import SentCall
    from pytest_llmbench.prompts.suite import Prompt, Tool


class Variant(Protocol):
    """One way of putting tools and task to a model."""

    @property
    def name(self) -> str:
        """The word used in specs and ids: letters, digits and `_`."""
        ...

    @property
    def asks_to_think(self) -> bool:
        """Whether the answer may begin with `<think>…</think>`, to be set aside."""
        ...

    def render(self, prompt: Prompt) -> Rendered:
        """Return what is sent first; the same for the same prompt."""
        ...

    def go_on(
        self, text: str, calls: Sequence[SentCall], results: Sequence[str]
    ) -> tuple[Message, ...]:
        """Return what is put behind a reply with calls: the reply and its results.

        Args:
            text: the reply's text, as it came.
            calls: its calls; each has one of `results`, in the same order.
        """
        ...


class NativeApi(Struct, frozen=True):
    """Tools travel in the API's own field; the prompt is sent as written."""

    name: str = "native_api"
    asks_to_think: bool = False

    def render(self, prompt: Prompt) -> Rendered:
        """Return system and user message, with the tools beside them."""
        return Rendered(messages=_opening(prompt.system, prompt), tools=prompt.tools)

    def go_on(
        self, text: str, calls: Sequence[SentCall], results: Sequence[str]
    ) -> tuple[Message, ...]:
        """Return the calls and their results in the API's own messages."""
        answers = (
            Message(role="tool", content=result, tool=call.name, call_id=call.id)
            for call, result in zip(calls, results, strict=True)
        )
        said = Message(role="assistant", content=text, tool_calls=tuple(calls))
        return (said, *answers)


class InText(Struct, frozen=True):
    """Tools are described in the system text, and calls are written as text.

    Attributes:
        how_to_call: ends the description; says how a call is written.
        as_xml: whether tools are described as XML instead of JSON lines.
        hint: put behind the system text, also where no tools are offered.
    """

    name: str
    how_to_call: str
    as_xml: bool = False
    hint: str = ""
    asks_to_think: bool = False

    def render(self, prompt: Prompt) -> Rendered:
        """Return one system text with task, tools and the way to call them."""
        parts = [prompt.system]
        if prompt.tools:
            describe = _xml_line if self.as_xml else _json_line
            lines = "\n".join(describe(tool) for tool in prompt.tools)
            parts.append(f"You can use these tools:\n{lines}\n\n{self.how_to_call}")
        parts.append(self.hint)
        system = "\n\n".join(part for part in parts if part)
        return Rendered(messages=_opening(system, prompt))

    def go_on(
        self, text: str, calls: Sequence[SentCall], results: Sequence[str]
    ) -> tuple[Message, ...]:
        """Return the reply as it came, and the results as the user's words."""
        said = "\n".join(
            f"Result of {call.name}: {result}"
            for call, result in zip(calls, results, strict=True)
        )
        return (
            Message(role="assistant", content=text),
            Message(role="user", content=said),
        )


def _opening(system: str, prompt: Prompt) -> tuple[Message, ...]:
    user = Message(role="user", content=prompt.text)
    return (Message(role="system", content=system), user) if system else (user,)


def _json_line(tool: Tool) -> str:
    return json.dumps(tool.to_json(), ensure_ascii=False)


def _xml_line(tool: Tool) -> str:
    """Describe a tool as XML; the texts stand as they are, for a model to read."""
    schema = json.dumps(dict(tool.parameters), ensure_ascii=False)
    return (
        f'<tool name="{tool.name}"><description>{tool.description}</description>'
        f"<parameters>{schema}</parameters></tool>"
    )


_CALL: Final = """\
To use a tool, reply with this and nothing else, one line for each call:
<tool_call>{"name": "TOOL", "arguments": {"ARGUMENT": "VALUE"}}</tool_call>
If no tool is needed, answer in plain words without any tool_call."""

_EXAMPLES: Final = """

Examples, with other tools than yours:
User: What is 17 times 23?
Reply: <tool_call>{"name": "multiply", "arguments": {"a": 17, "b": 23}}</tool_call>
User: Turn on the lamp and the fan.
Reply: <tool_call>{"name": "switch_on", "arguments": {"device": "lamp"}}</tool_call>
<tool_call>{"name": "switch_on", "arguments": {"device": "fan"}}</tool_call>
User: What is a lamp?
Reply: A lamp is a device that gives light."""

_XML_CALL: Final = """\
To use a tool, reply with this and nothing else, one block for each call:
<tool_call>
<function=TOOL>
<parameter=ARGUMENT>VALUE</parameter>
</function>
</tool_call>
If no tool is needed, answer in plain words without any tool_call."""

_THINK: Final = """\
First think step by step between <think> and </think>: what is asked, and what it
takes to answer. Behind </think> write only your answer."""

VARIANTS: Final[Mapping[str, Variant]] = {
    variant.name: variant
    for variant in (
        NativeApi(),
        InText("text", _CALL),
        InText("few_shot", _CALL + _EXAMPLES),
        InText("xml", _XML_CALL, as_xml=True),
        InText("step_by_step", _CALL, hint=_THINK, asks_to_think=True),
    )
}
"""The variants shipped with the package, by name."""
