"""Tool calls that a model wrote as text: noticed here, not parsed.

A model that writes a call into its answer has tried to call. It has not used the
tool, and it has not refrained from it either.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_llmbench.checks.jsontext import embedded_values, starts_with_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pytest_llmbench.prompts.suite import Json

_MARKERS: Final = (
    "<tool_call>",
    "[TOOL_CALLS]",
    "<|tool_call_start|>",
    "<start_function_call>",
    "<|tool_call>",
    "<|python_tag|>",
    "<|START_ACTION|>",
    "<function_calls>",
    "<function=",
    "functools[",
    "to=functions.",
    "```tool_code",
)
"""What model families write before a call, by their chat templates."""

# DeepSeek: fullwidth bars (U+FF5C) and low blocks (U+2581), often misspelt.
_DEEPSEEK: Final = re.compile(
    r"<[\uff5c|]tool(?:\u2581|_|\\_| )calls?(?:\u2581|_|\\_| )begin[\uff5c|]>"
)
_THINKING: Final = (
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
)
_NAME_KEYS: Final = ("name", "function", "tool", "tool_name")
_ARGUMENT_KEYS: Final = ("arguments", "parameters", "args", "input")
_FRAME_KEYS: Final = frozenset({*_NAME_KEYS, "type", "id", "tool_call_id"})
_DEFINITION_KEYS: Final = frozenset({"properties", "parameters", "description"})
_FENCE: Final = re.compile(r"\A```\w*\s+")
_LITERAL: Final = re.compile(r"""\s*(?:\w+\s*=|["'\d\[{])""")


def attempted_call(text: str, tool_names: Collection[str]) -> str | None:
    """Return the format in which a text tries to call a tool, or None.

    Marks of a model family count wherever they stand. JSON and Python count only
    where they name an offered tool; an answer that explains a tool is no attempt.

    Args:
        text: the reply's text; what it thinks aloud in tags is left out.
        tool_names: the tools offered.

    >>> attempted_call('<tool_call>{"name": "f"}</tool_call>', ["f"])
    '<tool_call>'
    >>> attempted_call('Sure: {"name": "f", "arguments": {}}', ["f"])
    'JSON'
    >>> attempted_call('[f(a="b")]', ["f"])
    'Python'
    >>> attempted_call("f is a tool that takes {a}.", ["f"]) is None
    True
    """
    said = _without_thinking(text).strip()
    for marker in _MARKERS:
        if marker in said:
            return marker
    if found := _DEEPSEEK.search(said):
        return found.group()
    names = frozenset(tool_names)
    return _named_attempt(said, names) if names else None


def _named_attempt(said: str, names: frozenset[str]) -> str | None:
    if re.search(rf"^>>>(?:{_either(names)})$", said, re.MULTILINE):
        return ">>>"
    if _has_json_call(said, names) or _has_broken_json_call(said, names):
        return "JSON"
    return "Python" if _is_python_call(said, names) else None


def _without_thinking(text: str) -> str:
    """Drop what stands in thinking tags, the opening one maybe lost.

    >>> _without_thinking("I could call it</think>Hello <think>or not</think>there")
    'Hello there'
    """
    for opening, closing in _THINKING:
        *thoughts, rest = text.split(closing)
        parts = (thought.partition(opening) for thought in thoughts)
        text = "".join([*(before for before, tag, _ in parts if tag), rest])
    return text


def _has_json_call(said: str, names: frozenset[str]) -> bool:
    return any(
        _is_keyed_call(value, names)
        or any(_is_call(inner, names) for inner in _objects(value))
        for value in embedded_values(said)
    )


def _objects(value: Json) -> Iterator[dict[str, Json]]:
    """Yield every object inside a value, however deep."""
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            yield current
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)


def _is_call(value: dict[str, Json], names: frozenset[str]) -> bool:
    """Tell a call from other objects that name a tool, such as its definition."""
    if not any(_is_name(value.get(key), names) for key in _NAME_KEYS):
        return False
    inputs = [value[key] for key in _ARGUMENT_KEYS if key in value]
    is_schema = any(isinstance(got, dict) and "properties" in got for got in inputs)
    if "description" in value or is_schema:
        return False
    return bool(inputs) or value.keys() <= _FRAME_KEYS


def _is_keyed_call(value: Json, names: frozenset[str]) -> bool:
    """Tell whether a value is `{"tool": {arguments}}`."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    ((name, inner),) = value.items()
    if name not in names or not isinstance(inner, dict):
        return False
    return _DEFINITION_KEYS.isdisjoint(inner)


def _is_name(value: Json, names: frozenset[str]) -> bool:
    return isinstance(value, str) and value in names


def _has_broken_json_call(said: str, names: frozenset[str]) -> bool:
    """Tell whether a text that starts as JSON breaks off after naming a tool."""
    bare = _FENCE.sub("", said, count=1)
    is_definition = "description" in bare and "arguments" not in bare
    if not bare.startswith(("{", "[")) or is_definition or "properties" in bare:
        return False
    key = rf"""["'](?:{"|".join(_NAME_KEYS)})["']\s*:\s*["'](?:{_either(names)})["']"""
    return re.search(key, bare) is not None and not starts_with_json(bare)


def _is_python_call(said: str, names: frozenset[str]) -> bool:
    """Tell whether a text starts with a call, rather than with a signature."""
    opening = re.match(rf"(\[\s*)?(?:{_either(names)})\s*\(", said)
    if opening is None:
        return False
    rest = said[opening.end() :]
    is_whole = rest.find(")") in {-1, len(rest) - 1}
    return bool(opening.group(1)) or is_whole or _LITERAL.match(rest) is not None


def _either(names: frozenset[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names))
