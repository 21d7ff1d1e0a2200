"""The values a suite file becomes."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field, to_builtins
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.prompts.context import Context, Position

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""What JSON and safe YAML can hold."""

LONGEST_SHOWN: Final = 20_000
"""Characters of one text of a prompt that config.json has."""


class Tool(Struct, frozen=True, kw_only=True):
    """One tool offered to the model.

    Attributes:
        parameters: a JSON Schema of type object.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """Return the tool as plain JSON."""
        return {
            "name": self.name,
            "description": self.description,
            "parameters": dict(self.parameters),
        }


class ToolResult(Struct, frozen=True, kw_only=True):
    """What a tool answers in a scripted conversation.

    Attributes:
        when: arguments that a call must contain for this result; empty: any call.
        result: sent back as JSON, a text as it is.
    """

    tool: str
    result: Json
    when: Mapping[str, Json] = field(default_factory=dict)


class Turn(Struct, frozen=True, kw_only=True):
    """One message of the user, and what must come of it.

    Attributes:
        expect: held against all calls of the turn and its last text.
        tool_results: tried in file order; with any, the conversation goes on
            until a reply has no calls.
    """

    text: str
    expect: Mapping[str, Json] = field(default_factory=dict)
    tool_results: tuple[ToolResult, ...] = ()


class Prompt(Struct, frozen=True, kw_only=True, dict=True):
    """One case of a suite.

    Attributes:
        expect: expectation name to its value, in file order; empty when the
            file says `expect: none` (answered at all is enough).
        turns: the conversation of a stateful case; empty for a single question.
            `text` is then the first turn's, and `expect` is empty.
        options: sampling options sent with the call, already merged with the
            suite's defaults.
        context: the length that it is brought to; None for its own.
        line: where the case starts in its file, counted from 1.
    """

    id: str
    text: str
    title: str = ""
    purpose: str = ""
    category: str = ""
    system: str = ""
    tools: tuple[Tool, ...] = ()
    expect: Mapping[str, Json] = field(default_factory=dict)
    turns: tuple[Turn, ...] = ()
    options: Mapping[str, Json] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    context: Context | None = None
    line: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        """What selects it: its id, and the one that all its lengths share."""
        return (self.id,) if self.context is None else (self.id, self.context.of)

    @property
    def tokens(self) -> int:
        """The length that it is brought to; 0 for its own."""
        return 0 if self.context is None else self.context.tokens

    @cached_property
    def expects_no_tool(self) -> bool:
        """Whether tools are offered and none may be called, in any turn (restraint)."""
        wanted = [expect.get("tools") for expect in self.expectations()]
        return bool(self.tools) and all(tools == [] for tools in wanted)

    @cached_property
    def expects_tool(self) -> bool:
        """Whether some tool must be called, in some turn."""
        keys = ("tools", "tools_in_order", "arguments", "arguments_schema")
        return any(expect.get(key) for expect in self.expectations() for key in keys)

    def expectations(self) -> list[Mapping[str, Json]]:
        """Return what is expected, turn by turn."""
        return [turn.expect for turn in self.turns] or [self.expect]

    def of_turn(self, index: int) -> Prompt:
        """Return one turn as a prompt of its own, to be judged."""
        if not self.turns:
            return self
        turn = self.turns[index]
        return replace(self, text=turn.text, expect=turn.expect, turns=())

    def placed(self, position: Position) -> Prompt:
        """Return it at another place in its filler; one of its own length as it is."""
        if self.context is None:
            return self
        return replace(self, context=replace(self.context, position=position))

    @cached_property
    def family(self) -> str:
        """Identify what all its lengths have in common."""
        return self.hash if self.context is None else replace(self, context=None).hash

    def shown(self) -> dict[str, Json]:
        """Return what a reader of reports is shown of it, as plain JSON."""
        return {
            "prompt_id": self.id,
            "title": self.title,
            "text": _shortened(self.text),
            "system": _shortened(self.system),
            "tools": [tool.name for tool in self.tools],
            "expect": dict(self.expect),
            "turns": [
                {"text": _shortened(turn.text), "expect": dict(turn.expect)}
                for turn in self.turns
            ],
            "context": None
            if self.context is None
            else {"tokens": self.context.tokens, "position": self.context.position},
        }

    @cached_property
    def hash(self) -> str:
        """Identify what is asked and expected, whatever the title says.

        Two prompts with one hash are the same question judged the same way:
        sixteen hexadecimal digits of SHA-256 over text, system, tools,
        options and expectations.
        """
        content: dict[str, object] = {
            "text": self.text,
            "system": self.system,
            "tools": [tool.to_json() for tool in self.tools],
            "expect": dict(self.expect),
            "options": dict(self.options),
        }
        if self.turns:
            content["turns"] = [to_builtins(turn) for turn in self.turns]
        if self.context is not None:
            content["context"] = [self.context.tokens, self.context.position]
        packed = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(packed.encode()).hexdigest()[:16]


def _shortened(text: str) -> str:
    """Keep the beginning and the end of a text that is too long to be shown."""
    if len(text) <= LONGEST_SHOWN:
        return text
    half = LONGEST_SHOWN // 2
    left_out = f"[... {len(text) - 2 * half:,} characters are left out here ...]"
    return f"{text[:half]}\n{left_out}\n{text[-half:]}"


class Suite(Struct, frozen=True, kw_only=True):
    """One `*.bench.yaml` file."""

    name: str
    phase: str
    prompts: tuple[Prompt, ...]
    path: str = ""

    def prompt_ids(self) -> tuple[str, ...]:
        """Return the ids in file order."""
        return tuple(prompt.id for prompt in self.prompts)

    def placed(self, position: Position | None) -> Suite:
        """Return the suite with its prompts at another place in their filler.

        Args:
            position: for all prompts of a given length; None for the suite's own.
        """
        if position is None:
            return self
        return replace(self, prompts=tuple(p.placed(position) for p in self.prompts))

    def names(self) -> tuple[str, ...]:
        """Return every word that selects a prompt, each once, in file order."""
        return tuple(dict.fromkeys(n for p in self.prompts for n in p.names))
