"""Expectations about the arguments of tool calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from typing_extensions import override

from pytest_llmbench.checks.called import naming_faults, no_call_why, offered
from pytest_llmbench.checks.compare import first_difference, plain_faults
from pytest_llmbench.checks.expectation import Expectation, held
from pytest_llmbench.checks.matching import unmatched_row
from pytest_llmbench.checks.schemafaults import schema_faults
from pytest_llmbench.checks.schemas import schema_violation
from pytest_llmbench.checks.shown import (
    SHORT_LIMIT,
    one_line,
    shown_call,
    shown_calls,
    shown_value,
)
from pytest_llmbench.prompts.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_llmbench.checks.reply import Reply, ToolCall
    from pytest_llmbench.checks.verdict import CheckResult
    from pytest_llmbench.prompts.suite import Json, Prompt, Tool

    Values = Mapping[str, Json]
    CallsWhy = Callable[[str, Any, Sequence[ToolCall]], str]
    """Takes (tool, what is expected of it, its calls); gives a why or ''."""

MAX_ENTRIES: Final = 100
"""Calls of one tool that can be listed one by one."""

_NO_OBJECT: Final = "the arguments are no JSON object"
_OPEN_WORDS: Final = frozenset({"patternProperties", "allOf", "anyOf", "oneOf", "$ref"})


@final
class Arguments(Expectation):
    """The tools named are called with the arguments given, and maybe more.

    A mapping speaks of every call of its tool. A list pairs off with the calls
    one to one, in any order. An optional argument that is left out stands for the
    default in the tool's JSON Schema.
    """

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        tools = offered(prompt)

        def calls_why(name: str, wanted: Any, calls: Sequence[ToolCall]) -> str:  # noqa: ANN401 - a mapping or a list
            defaults = defaults_of(tools[name]) if name in tools else {}
            if isinstance(wanted, list):
                return _paired_why(name, wanted, calls, defaults)
            return _every_why(calls, lambda got: values_why(wanted, got, defaults))

        return held(
            "arguments",
            _tools_why(expected, prompt, reply, calls_why),
            expected=_shown_wanted(expected),
            got=shown_calls(reply.tool_calls),
        )

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        if not isinstance(expected, dict) or not expected:
            return ["must map tool names to arguments"]
        faults = list(naming_faults(expected, prompt))
        tools = offered(prompt)
        for name, wanted in expected.items():
            faults.extend(_entries_faults(name, wanted, tools.get(name)))
        return faults


@final
class ArgumentsSchema(Expectation):
    """The tools named are called, every time with arguments valid by a schema."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        def calls_why(_name: str, schema: Any, calls: Sequence[ToolCall]) -> str:  # noqa: ANN401 - a JSON Schema
            return _every_why(calls, lambda got: schema_violation(schema, dict(got)))

        return held(
            "arguments_schema",
            _tools_why(expected, prompt, reply, calls_why),
            expected=f"arguments valid by {shown_value(expected)}",
            got=shown_calls(reply.tool_calls),
        )

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        if not isinstance(expected, dict) or not expected:
            return ["must map tool names to JSON Schemas"]
        faults = list(naming_faults(expected, prompt))
        for name, schema in expected.items():
            faults.extend(f"{name}: {fault}" for fault in schema_faults(schema))
        return faults


def _tools_why(
    expected: Json, prompt: Prompt, reply: Reply, calls_why: CallsWhy
) -> str:
    """Ask about each tool in turn, and join what is wrong."""
    wanted_of = expected if isinstance(expected, dict) else {}
    if not reply.tool_calls:
        return no_call_why(prompt, reply)
    whys = []
    for name, wanted in wanted_of.items():
        calls = [call for call in reply.tool_calls if call.name == name]
        if not calls:
            whys.append(f"{name} was not called")
        elif why := calls_why(name, wanted, calls):
            whys.append(f"{name}: {why}" if len(wanted_of) > 1 else why)
    return one_line("; ".join(whys))


def _every_why(calls: Sequence[ToolCall], why_of: Callable[[Values], str]) -> str:
    """Say what is wrong with the first call that is wrong."""
    for number, call in enumerate(calls, 1):
        why = _NO_OBJECT if call.arguments is None else why_of(call.arguments)
        if why:
            return f"call {number}: {why}" if len(calls) > 1 else why
    return ""


def _paired_why(
    name: str, wanted: Sequence[Values], calls: Sequence[ToolCall], defaults: Values
) -> str:
    """Say which entry is left over when entries and calls are paired off."""
    if len(calls) != len(wanted):
        return f"{name} was called {len(calls)} times, not {len(wanted)}"
    if len(wanted) == 1:
        return _every_why(calls, lambda got: values_why(wanted[0], got, defaults))
    fits = [[_is_fit(entry, call, defaults) for call in calls] for entry in wanted]
    row = unmatched_row(fits)
    return "" if row is None else f"no call is left for {shown_call(name, wanted[row])}"


def _is_fit(wanted: Values, call: ToolCall, defaults: Values) -> bool:
    got = call.arguments
    return got is not None and not values_why(wanted, got, defaults)


def values_why(wanted: Values, got: Values, defaults: Values) -> str:
    """Say how arguments miss the wanted ones, or ''; others may stand beside.

    >>> values_why({"city": "Oslo"}, {"city": "Paris", "days": 1}, {})
    'city is "Paris", not "Oslo"'
    >>> values_why({"days": 1}, {}, {"days": 1})
    ''
    """
    for key, value in wanted.items():
        if key in got:
            if why := first_difference(value, got[key], (key,)):
                return why
        elif key not in defaults or first_difference(value, defaults[key]):
            return f"{key} is missing; expected {shown_value(value, SHORT_LIMIT)}"
    return ""


def defaults_of(tool: Tool) -> dict[str, Json]:
    """Return the defaults of a tool's optional arguments."""
    required = tool.parameters.get("required")
    needed = required if isinstance(required, list) else []
    return {
        name: schema["default"]
        for name, schema in _properties(tool).items()
        if isinstance(schema, dict) and "default" in schema and name not in needed
    }


def _properties(tool: Tool) -> dict[str, Json]:
    properties = tool.parameters.get("properties")
    return properties if isinstance(properties, dict) else {}


def _shown_wanted(expected: Json) -> str:
    wanted_of = expected if isinstance(expected, dict) else {}
    texts = [
        shown_call(name, entry)
        for name, wanted in wanted_of.items()
        for entry in (wanted if isinstance(wanted, list) else [wanted])
        if isinstance(entry, dict)
    ]
    return one_line(", ".join(texts))


def _entries_faults(name: str, wanted: Json, tool: Tool | None) -> Iterator[str]:
    entries = wanted if isinstance(wanted, list) else [wanted]
    if not entries:
        yield f"{name}: must not be an empty list"
    if len(entries) > MAX_ENTRIES:
        yield f"{name}: lists {len(entries)} calls; at most {MAX_ENTRIES} are paired"
    for entry in entries:
        if not isinstance(entry, dict):
            yield f"{name}: must be a mapping of arguments, or a list of them"
            continue
        yield from (f"{name}: {fault}" for fault in plain_faults(entry))
        if tool is not None:
            yield from _name_faults(entry, tool)


def _name_faults(entry: Values, tool: Tool) -> Iterator[str]:
    """Yield arguments that the tool's schema does not know, most likely misspelt."""
    known = _properties(tool)
    is_closed = tool.parameters.get("additionalProperties", False) is False
    if not known or not is_closed or not _OPEN_WORDS.isdisjoint(tool.parameters):
        return
    for key in entry:
        if key not in known:
            yield f"{tool.name} has no argument {key!r}{did_you_mean(key, known)}"
