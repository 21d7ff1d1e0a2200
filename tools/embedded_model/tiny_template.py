"""The chat template of the GGUF, and its twin that renders training text.

llama.cpp renders `TEMPLATE` when the model is used; the functions below render
the chats it is trained on. Both must give the same text, which a test holds
against the real engine.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from tiny_tokenizer import CALL_END, CALL_START, TURN_END, TURN_START

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TEMPLATE: Final = r"""
{%- set first = messages[0] -%}
{%- set system = first['content'] if first['role'] == 'system' else '' -%}
{%- if system or tools -%}
{{- '<|im_start|>system\n' + system -}}
{%- if tools -%}
{{- ('\n' if system else '') + 'Tools:' -}}
{%- for tool in tools -%}
{%- set function = tool['function'] -%}
{%- set schema = function['parameters'] or {} -%}
{%- set required = schema['required'] or [] -%}
{{- '\n- ' + function['name'] + '(' -}}
{%- for name, value in (schema['properties'] or {}).items() -%}
{{- '' if loop.first else ', ' -}}
{{- name + ('' if name in required else '?') + ': ' -}}
{{- value['enum'] | join('|') if value['enum'] else (value['type'] or 'string') -}}
{%- endfor -%}
{{- ') ' + (function['description'] or '') -}}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\n' -}}
{%- endif -%}
{%- for message in messages if message['role'] != 'system' -%}
{{- '<|im_start|>' + message['role'] + '\n' + (message['content'] or '') -}}
{%- for call in (message['tool_calls'] or []) -%}
{%- set given = call['function']['arguments'] -%}
{{- '<tool_call>\n{"name": "' + call['function']['name'] + '", "arguments": ' -}}
{{- given if given is string else given | tojson -}}
{{- '}\n</tool_call>' -}}
{%- endfor -%}
{{- '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\n' -}}
{%- endif -%}""".strip()

Role = Literal["user", "assistant", "tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a tool.

    Attributes:
        role: what the value means (`city`, `time`, …), whatever its name.
        choices: the allowed values; empty where any value is.
    """

    name: str
    role: str
    type: Literal["string", "integer", "array"] = "string"
    choices: tuple[str, ...] = ()
    is_required: bool = True

    def to_schema(self) -> dict[str, Any]:
        """Return the parameter's JSON Schema."""
        schema: dict[str, Any] = {"type": self.type}
        if self.choices:
            schema["enum"] = list(self.choices)
        if self.type == "array":
            schema["items"] = {"type": "string"}
        return schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool offered in a chat."""

    name: str
    description: str
    parameters: tuple[Parameter, ...]

    def to_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the arguments."""
        required = [each.name for each in self.parameters if each.is_required]
        properties = {each.name: each.to_schema() for each in self.parameters}
        return {"type": "object", "properties": properties, "required": required}

    def to_json(self) -> dict[str, Any]:
        """Return the tool in the form that a chat request carries."""
        function = {
            "name": self.name,
            "description": self.description,
            "parameters": self.to_schema(),
        }
        return {"type": "function", "function": function}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One tool call, its arguments in the order in which they are written."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the call in the form that a chat request carries."""
        arguments = json.dumps(self.arguments, ensure_ascii=False)
        function = {"name": self.name, "arguments": arguments}
        return {"id": "call", "type": "function", "function": function}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a chat: text, or tool calls."""

    role: Role
    text: str = ""
    calls: tuple[Call, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the message in the form that a chat request carries."""
        data: dict[str, Any] = {"role": self.role, "content": self.text}
        if self.calls:
            calls = [call.to_json() for call in self.calls]
            data |= {"content": None, "tool_calls": calls}
        if self.role == "tool":
            data["tool_call_id"] = "call"
        return data


def render_head(system: str, tools: Sequence[Tool]) -> str:
    """Render the system turn; empty where there is neither text nor tools."""
    if not system and not tools:
        return ""
    listing = "".join(map(_signature, tools))
    separator = "\n" if system and tools else ""
    heading = "Tools:" if tools else ""
    return f"{TURN_START}system\n{system}{separator}{heading}{listing}{TURN_END}\n"


def render_lead(role: str) -> str:
    """Render what opens a turn, up to where its words begin."""
    return f"{TURN_START}{role}\n"


def render_message(message: Message) -> str:
    """Render one whole turn."""
    calls = "".join(map(_render_call, message.calls))
    return f"{render_lead(message.role)}{message.text}{calls}{TURN_END}\n"


def _render_call(call: Call) -> str:
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    body = f'{{"name": "{call.name}", "arguments": {arguments}}}'
    return f"{CALL_START}\n{body}\n{CALL_END}"


def _signature(tool: Tool) -> str:
    parts = (
        f"{each.name}{'' if each.is_required else '?'}: "
        f"{'|'.join(each.choices) or each.type}"
        for each in tool.parameters
    )
    return f"\n- {tool.name}({', '.join(parts)}) {tool.description}"
