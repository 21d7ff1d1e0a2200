"""From a reply's text to tool calls: every format, tried in order."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmbench.checks.calltext.barejson import BareJson, LenientJson
from pytest_llmbench.checks.calltext.builtin import LlamaBuiltin
from pytest_llmbench.checks.calltext.gemma import FUNCTION_GEMMA, GEMMA4
from pytest_llmbench.checks.calltext.markedjson import (
    COMMAND_R,
    FIREFUNCTION,
    HERMES,
    LLAMA,
)
from pytest_llmbench.checks.calltext.mistral import Mistral
from pytest_llmbench.checks.calltext.named import (
    DEEPSEEK,
    FUNCTION_TAG,
    HARMONY,
    Functionary,
)
from pytest_llmbench.checks.calltext.offered import offered_tools
from pytest_llmbench.checks.calltext.pythonic import (
    OLMO,
    TOOL_CODE,
    FunctionCall,
    Lfm2,
    Pythonic,
)
from pytest_llmbench.checks.calltext.tagged import Glm, Qwen3Coder
from pytest_llmbench.checks.calltext.thoughts import Spoken, has_thinking, spoken
from pytest_llmbench.checks.reply import ToolCall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmbench.checks.calltext.found import CallFormat, Found, Span, Written
    from pytest_llmbench.checks.calltext.offered import Offered
    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.prompts.suite import Tool

MARKED: Final[tuple[CallFormat, ...]] = (
    Qwen3Coder(),
    Glm(),
    HERMES,
    FUNCTION_GEMMA,
    GEMMA4,
    Lfm2(),
    Mistral(),
    DEEPSEEK,
    LlamaBuiltin(),
    LLAMA,
    FUNCTION_TAG,
    COMMAND_R,
    FIREFUNCTION,
    HARMONY,
    OLMO,
    TOOL_CODE,
    Functionary(),
)
"""Formats whose marks say that something is a call; the first mark in the text
wins, and the order here where several formats begin at one place."""

PLAIN: Final[tuple[CallFormat, ...]] = (
    BareJson(name="fenced_json", is_fenced=True),
    BareJson(name="json"),
    Pythonic(),
    FunctionCall(),
)
"""Formats that only an offered tool's name shows; of these too the first wins."""

LAST: Final[tuple[CallFormat, ...]] = (LenientJson(),)
"""What is tried where nothing else is found."""

_CHANNEL: Final = "text:"
_CACHED: Final = 8


class TextCalls(Struct, frozen=True, kw_only=True):
    """What stands in a reply's text.

    Attributes:
        calls: the calls, in order, whether their tool exists or not.
        rest: the text without calls and thinking.
        malformed: the format of an attempt that could not be read, else ''.
    """

    calls: tuple[ToolCall, ...] = ()
    rest: str = ""
    malformed: str = ""


def read_calls(text: str, tools: Sequence[Tool]) -> TextCalls:
    """Read the tool calls that a model wrote as text.

    Takes time linear in the length of the text, and raises nothing.

    Args:
        tools: the tools offered; without any, only marked calls are seen.

    >>> from pytest_llmbench.prompts.suite import Tool
    >>> text = 'Sure. <tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>'
    >>> found = read_calls(text, [Tool(name="f")])
    >>> found.calls[0].channel, found.calls[0].arguments, found.rest
    ('text:hermes', {'a': 1}, 'Sure.')
    """
    return _read(text, offered_tools(tools))


def with_text_calls(reply: Reply, tools: Sequence[Tool]) -> Reply:
    """Return the reply with the calls that stand in its text.

    Calls that are there already stay, and each gets its `fault`; then the text is
    not read. The text itself is never changed. Where no tools are offered, words
    about calls are only words.
    """
    if reply.tool_calls:
        return _with_faults(reply, offered_tools(tools))
    if not tools:
        return reply
    calls = read_calls(reply.text, tools).calls
    return replace(reply, tool_calls=calls) if calls else reply


def _with_faults(reply: Reply, tools: Offered) -> Reply:
    faults = [tools.fault(call.name, call.arguments) for call in reply.tool_calls]
    if all(
        call.fault == why for call, why in zip(reply.tool_calls, faults, strict=True)
    ):
        return reply
    calls = tuple(
        replace(call, fault=why)
        for call, why in zip(reply.tool_calls, faults, strict=True)
    )
    return replace(reply, tool_calls=calls)


@lru_cache(maxsize=_CACHED)
def _read(text: str, tools: Offered) -> TextCalls:
    """One reply is looked at by several checks."""
    heard = _heard(text, tools)
    chosen = _chosen(heard.said, tools)
    if chosen is None:
        return TextCalls(rest=heard.said.strip(), malformed=_unended(heard, tools))
    calls = tuple(_tool_call(call, chosen.name, tools) for call in chosen.found.calls)
    return TextCalls(
        calls=calls,
        rest=_without(heard.said, chosen.found.spans),
        malformed=chosen.name if chosen.found.is_broken else "",
    )


def _heard(text: str, tools: Offered) -> Spoken:
    """Set thinking apart, but for tags that stand inside the arguments of a call."""
    if not has_thinking(text):
        return Spoken(said=text)
    chosen = _chosen(text, tools)
    is_sure = chosen is not None and not chosen.found.is_broken
    return spoken(text, chosen.found.spans if chosen and is_sure else ())


def _unended(heard: Spoken, tools: Offered) -> str:
    """Return the format of a call inside thinking that never ends.

    Nobody can tell thought from answer there: no call, but no restraint either.
    """
    chosen = _chosen(heard.unended, tools) if heard.unended else None
    return chosen.name if chosen else ""


class _Chosen(Struct, frozen=True, kw_only=True):
    """The format that a text was taken for."""

    name: str
    found: Found


def _chosen(said: str, tools: Offered) -> _Chosen | None:
    marked = _read_all(MARKED, said, tools)
    if not marked:
        return _plain(said, tools)
    first = min(chosen.found.start for chosen in marked)
    if any(sign in said[:first] for sign in "{[("):
        plain = _plain(said, tools)
        if plain and _covers(plain.found, first):
            return plain
    return _best(marked)


def _read_all(
    parsers: Sequence[CallFormat], said: str, tools: Offered
) -> list[_Chosen]:
    return [
        _Chosen(name=parser.name, found=found)
        for parser in parsers
        if (found := parser.read(said, tools)) is not None
    ]


def _plain(said: str, tools: Offered) -> _Chosen | None:
    if not tools.are_named(said):
        return None
    read = _read_all(PLAIN, said, tools)
    if not any(chosen.found.calls for chosen in read):
        read += _read_all(LAST, said, tools)
    return _best(read) if read else None


def _best(read: Sequence[_Chosen]) -> _Chosen:
    """Return the format of the first calls, unless they stand in another's ruins.

    Where several begin at one place, the order of the parsers decides.
    """
    ruins: list[Found] = []
    ordered = sorted(read, key=lambda chosen: chosen.found.start)
    for chosen in ordered:
        if chosen.found.calls and not any(
            _covers(found, chosen.found.start) for found in ruins
        ):
            return chosen
        ruins.append(chosen.found)
    return ordered[0]


def _covers(found: Found, place: int) -> bool:
    return any(start < place < end for start, end in found.spans)


def _tool_call(call: Written, name: str, tools: Offered) -> ToolCall:
    return ToolCall(
        name=call.name,
        arguments=call.arguments,
        channel=f"{_CHANNEL}{name}",
        is_salvaged=call.is_salvaged,
        fault=tools.fault(call.name, call.arguments),
    )


def _without(said: str, spans: Sequence[Span]) -> str:
    """Return a text without its spans, and without what joined them."""
    parts, at = [], 0
    for start, end in spans:
        parts.append(said[at : max(at, start)])
        at = max(at, end)
    rest = "".join([*parts, said[at:]]).strip()
    return "" if not rest.strip(_JOINTS) else rest


_JOINTS: Final = " \t\r\n;,"
