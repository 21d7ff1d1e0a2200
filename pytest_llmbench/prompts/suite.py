"""The values a suite file becomes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""What JSON and safe YAML can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One case of a suite.

    Attributes:
        expect: expectation name to its value, in file order; empty when the
            file says `expect: none` (answered at all is enough).
        options: sampling options sent with the call, already merged with the
            suite's defaults.
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
    options: Mapping[str, Json] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    line: int = 1

    @property
    def expects_no_tool(self) -> bool:
        """Whether tools are offered and none may be called (restraint)."""
        return bool(self.tools) and self.expect.get("tools") == []

    @property
    def expects_tool(self) -> bool:
        """Whether some tool must be called."""
        keys = ("tools", "tools_in_order", "arguments", "arguments_schema")
        return any(self.expect.get(key) for key in keys)

    @property
    def hash(self) -> str:
        """Identify what is asked and expected, whatever the title says.

        Two prompts with one hash are the same question judged the same way:
        sixteen hexadecimal digits of SHA-256 over text, system, tools,
        options and expectations.
        """
        content = {
            "text": self.text,
            "system": self.system,
            "tools": [tool.to_json() for tool in self.tools],
            "expect": dict(self.expect),
            "options": dict(self.options),
        }
        packed = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(packed.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One `*.bench.yaml` file."""

    name: str
    phase: str
    prompts: tuple[Prompt, ...]
    path: str = ""

    def prompt_ids(self) -> tuple[str, ...]:
        """Return the ids in file order."""
        return tuple(prompt.id for prompt in self.prompts)
