"""Tool calls written as text in every format, as model families write them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.prompts.suite import Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_llmbench.prompts.suite import Json

    Arguments = Mapping[str, Any]
    Call = tuple[str, Arguments]
    Writer = Callable[[Sequence[Call]], str]

BAR: Final = "\uff5c"
LOW: Final = "\u2581"

_PROPERTIES: Final[dict[str, Json]] = {
    "text": {"type": "string"},
    "count": {"type": "integer"},
    "ratio": {"type": "number"},
    "on": {"type": "boolean"},
    "items": {"type": "array"},
    "options": {"type": "object"},
    "from": {"type": ["string", "null"]},
    "kind": {"enum": ["a", 5, None]},
}

TOOLS: Final = (
    Tool(
        name="run_command",
        parameters={
            "type": "object",
            "properties": dict(_PROPERTIES),
            "additionalProperties": False,
        },
    ),
    Tool(name="get_time"),
    Tool(
        name="needy",
        parameters={"properties": dict(_PROPERTIES), "required": ["text"]},
    ),
)


def deepseek_mark(words: str, joint: str = LOW, bar: str = BAR) -> str:
    """Return one of DeepSeek's marks, in the spelling asked for."""
    return f"<{bar}{joint.join(words.split())}{bar}>"


def _named(call: Call, key: str = "arguments") -> str:
    name, arguments = call
    return json.dumps({"name": name, key: arguments}, ensure_ascii=False)


def _inputs(call: Call) -> str:
    return json.dumps(call[1], ensure_ascii=False)


def _python(call: Call) -> str:
    name, arguments = call
    return f"{name}({', '.join(f'{k}={v!r}' for k, v in arguments.items())})"


def _lfm2_json(value: object) -> str:
    """Write a literal as JSON does, true and null included."""
    return json.dumps(value, ensure_ascii=False)


def _plain(value: object) -> str:
    """Write a value between tags: text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _fenced(value: object, fence: str) -> str:
    """Write a value as Gemma does: strings in a fence, keys bare."""
    if isinstance(value, str):
        return f"{fence}{value}{fence}"
    if isinstance(value, dict):
        inner = ",".join(f"{k}:{_fenced(v, fence)}" for k, v in value.items())
        return "{" + inner + "}"
    if isinstance(value, list):
        return "[" + ",".join(_fenced(item, fence) for item in value) + "]"
    return json.dumps(value)


def _each(write: Callable[[Call], str], joint: str = "\n") -> Writer:
    return lambda calls: joint.join(write(call) for call in calls)


def _coder(call: Call) -> str:
    name, arguments = call
    inner = "".join(
        f"<parameter={key}>\n{_plain(value)}\n</parameter>\n"
        for key, value in arguments.items()
    )
    return f"<tool_call>\n<function={name}>\n{inner}</function>\n</tool_call>"


def _glm(call: Call) -> str:
    name, arguments = call
    inner = "".join(
        f"<arg_key>{key}</arg_key>\n<arg_value>{_plain(value)}</arg_value>\n"
        for key, value in arguments.items()
    )
    return f"<tool_call>{name}\n{inner}</tool_call>"


def _deepseek(call: Call) -> str:
    begin, sep = deepseek_mark("tool call begin"), deepseek_mark("tool sep")
    body = f"function{sep}{call[0]}\n```json\n{_inputs(call)}\n```"
    return f"{begin}{body}{deepseek_mark('tool call end')}"


def _deepseek_v31(call: Call) -> str:
    begin, sep = deepseek_mark("tool call begin"), deepseek_mark("tool sep")
    return f"{begin}{call[0]}{sep}{_inputs(call)}{deepseek_mark('tool call end')}"


def _deepseek_all(write: Callable[[Call], str]) -> Writer:
    def written(calls: Sequence[Call]) -> str:
        inner = "\n".join(map(write, calls))
        begin, end = deepseek_mark("tool calls begin"), deepseek_mark("tool calls end")
        return f"{begin}{inner}{end}"

    return written


def _array(calls: Sequence[Call], key: str = "arguments") -> str:
    return f"[{', '.join(_named(call, key) for call in calls)}]"


def _command_r(calls: Sequence[Call]) -> str:
    items = [
        {"tool_call_id": str(number), "tool_name": name, "parameters": dict(arguments)}
        for number, (name, arguments) in enumerate(calls)
    ]
    return f"<|START_ACTION|>{json.dumps(items)}<|END_ACTION|>"


def _harmony(call: Call) -> str:
    return (
        f"<|channel|>commentary to=functions.{call[0]} "
        f"<|constrain|>json<|message|>{_inputs(call)}<|call|>"
    )


def _openai(calls: Sequence[Call]) -> str:
    items = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for number, (name, arguments) in enumerate(calls)
    ]
    return json.dumps({"tool_calls": items})


def _lfm2(calls: Sequence[Call]) -> str:
    return f"<|tool_call_start|>{_list(calls)}<|tool_call_end|>"


def _lfm2_words(calls: Sequence[Call]) -> str:
    inner = ", ".join(
        f"{name}({', '.join(f'{k}={_lfm2_json(v)}' for k, v in arguments.items())})"
        for name, arguments in calls
    )
    return f"<|tool_call_start|>[{inner}]<|tool_call_end|>"


def _list(calls: Sequence[Call]) -> str:
    return f"[{', '.join(map(_python, calls))}]"


def _gemma(opening: str, closing: str, fence: str) -> Writer:
    return _each(lambda c: f"{opening}call:{c[0]}{_fenced(c[1], fence)}{closing}", "")


WRITERS: Final[dict[str, Writer]] = {
    "hermes": _each(lambda call: f"<tool_call>\n{_named(call)}\n</tool_call>"),
    "qwen3_coder": _each(_coder),
    "glm": _each(_glm),
    "functiongemma": _gemma("<start_function_call>", "<end_function_call>", "<escape>"),
    "gemma4": _gemma("<|tool_call>", "<tool_call|>", '<|"|>'),
    "lfm2": _lfm2,
    "lfm2 with JSON words": _lfm2_words,
    "mistral": lambda calls: f"[TOOL_CALLS] {_array(calls)}",
    "mistral v11": _each(lambda c: f"[TOOL_CALLS]{c[0]}[ARGS]{_inputs(c)}", ""),
    "deepseek": _deepseek_all(_deepseek),
    "deepseek v3.1": _deepseek_all(_deepseek_v31),
    "llama_builtin": _each(
        lambda c: f"<|python_tag|>{_python((c[0] + '.call', c[1]))}<|eom_id|>"
    ),
    "llama": lambda calls: (
        "<|python_tag|>" + "; ".join(_named(call, "parameters") for call in calls)
    ),
    "function_tag": _each(lambda c: f"<function={c[0]}>{_inputs(c)}</function>"),
    "command_r": _command_r,
    "firefunction": lambda calls: f" functools{_array(calls)}",
    "harmony": _each(_harmony),
    "olmo": lambda calls: (
        "<function_calls>" + "\n".join(map(_python, calls)) + "</function_calls>"
    ),
    "tool_code": lambda calls: (
        "```tool_code\n" + "\n".join(map(_python, calls)) + "\n```"
    ),
    "functionary": _each(lambda call: f">>>{call[0]}\n{_inputs(call)}"),
    "fenced_json": lambda calls: f"```json\n{_array(calls)}\n```",
    "json": _each(_named, "; "),
    "json array": _array,
    "json wrapped": _openai,
    "json by name": _each(lambda c: json.dumps({c[0]: dict(c[1])})),
    "pythonic": _list,
    "funcall": _each(_python),
}
"""Writers by format; a second word names a way of writing the same format."""


def format_of(writer: str) -> str:
    """Return the format that a writer writes."""
    return writer.split(maxsplit=1)[0]
