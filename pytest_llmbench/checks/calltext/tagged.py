"""Formats that put each argument into a tag: Qwen3-Coder and GLM.

Their values are plain text; the tool's schema says what they mean.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, final

from msgspec import Struct

from pytest_llmbench.checks.calltext.decoding import Decoder
from pytest_llmbench.checks.calltext.found import NAME, Finding, Written, after_mark
from pytest_llmbench.checks.calltext.typed import typed_value
from pytest_llmbench.checks.jsontext import is_storable

if TYPE_CHECKING:
    from pytest_llmbench.checks.calltext.found import Found, Span
    from pytest_llmbench.checks.calltext.offered import Offered
    from pytest_llmbench.prompts.suite import Json

_OPENING: Final = "<tool_call>"
_CLOSING: Final = "</tool_call>"
_MAX_CLOSINGS: Final = 16
"""Closing tags that one value may hold; more would take too long."""


class _Tags(Struct, frozen=True, kw_only=True):
    """Where a value stands among tags.

    Attributes:
        opening: begins a call.
        head: matches from there up to the first argument, the name in group 1.
        key: matches the tag that names an argument, the name in group 1.
        closing: stands behind a value.
        follows: matches what can stand behind that.
        breaks: begins what cannot stand inside a value.
        is_padded: a new line around a value is not part of it.
    """

    opening: str
    head: re.Pattern[str]
    key: re.Pattern[str]
    closing: str
    follows: re.Pattern[str]
    breaks: re.Pattern[str]
    is_padded: bool = False


class _Members(Struct, kw_only=True):
    """The arguments of one call, and the place behind them."""

    values: dict[str, Json]
    end: int
    is_salvaged: bool = False
    is_cut: bool = False


_CODER: Final = _Tags(
    opening="<function",
    head=re.compile(rf"""<function(?:=|\s+name=)["']?({NAME})["']?\s*+>\s*+(?=<|\Z)"""),
    key=re.compile(
        r"""\s*+<parameter(?:=|\s+name=)["']?([^<>"'\n]{1,128}+)["']?\s*+>"""
    ),
    closing="</parameter>",
    follows=re.compile(r"\s*(?:<parameter[=\s]|</function>|</tool_call>|\Z)"),
    breaks=re.compile(r"\n[ \t]{0,20}(?:<parameter=|</function>|</tool_call>)"),
    is_padded=True,
)
_GLM: Final = _Tags(
    opening=_OPENING,
    head=re.compile(rf"<tool_call>\s*+({NAME})\s*+(?=<arg_key>|</tool_call>|\Z)"),
    key=re.compile(r"\s*+<arg_key>\s*+([^<>\n]{1,128}+)\s*+</arg_key>\s*+<arg_value>"),
    closing="</arg_value>",
    follows=re.compile(r"\s*(?:<arg_key>|</tool_call>|\Z)"),
    breaks=re.compile(r"\n[ \t]{0,20}(?:<arg_key>|</tool_call>)"),
)


@final
class Qwen3Coder(Struct, frozen=True, kw_only=True):
    """`<function=f><parameter=a>1</parameter></function>`, maybe in `<tool_call>`."""

    name: str = "qwen3_coder"

    def read(self, text: str, tools: Offered) -> Found | None:
        """Read every `<function=f>` that holds tags or nothing."""
        return _read_all(text, _CODER, tools)


@final
class Glm(Struct, frozen=True, kw_only=True):
    """`<tool_call>f <arg_key>a</arg_key><arg_value>1</arg_value></tool_call>`."""

    name: str = "glm"

    def read(self, text: str, tools: Offered) -> Found | None:
        """Read every `<tool_call>` that holds a name."""
        return _read_all(text, _GLM, tools)


def _read_all(text: str, tags: _Tags, tools: Offered) -> Found | None:
    at = text.find(tags.opening)
    if at < 0:
        return None
    finding, decoder = Finding(), Decoder(text)
    while at >= 0 and not finding.is_full:
        head, end = tags.head.match(text, at), at + 1
        if head:
            start = _before_mark(text, at, _OPENING)
            call, span = _read_call(head, start, tags, decoder, tools)
            finding.take([call] if call else [], span, is_broken=not call)
            end = span[1]
        at = text.find(tags.opening, end)
    return finding.found()


def _read_call(
    head: re.Match[str], start: int, tags: _Tags, decoder: Decoder, tools: Offered
) -> tuple[Written | None, Span]:
    text, name = decoder.text, tools.resolved(head[1])
    members = _members(decoder, head.end(), tags, tools.properties(name))
    at = _after_any(text, members.end, "</function>")
    end = _after_any(text, at, _CLOSING)
    is_open = members.is_cut or (end == len(text) == members.end and not members.values)
    is_closed = end > members.end or tags.follows.match(text, members.end) is not None
    if is_open or not is_closed or not is_storable(members.values):
        return None, (start, max(end, head.end()))
    is_salvaged = members.is_salvaged or end == members.end
    call = Written(name=name, arguments=members.values, is_salvaged=is_salvaged)
    return call, (start, end)


def _members(
    decoder: Decoder, at: int, tags: _Tags, schemas: dict[str, Json]
) -> _Members:
    text, members = decoder.text, _Members(values={}, end=at)
    while key := tags.key.match(text, members.end):
        close, is_salvaged = _value_end(decoder, key.end(), tags)
        if close < 0:
            members.is_cut = True
            break
        raw = text[key.end() : close]
        if tags.is_padded:
            raw = raw.removeprefix("\n").removesuffix("\n")
        name = key[1].strip()
        members.values[name] = typed_value(raw, schemas.get(name))
        members.is_salvaged = members.is_salvaged or is_salvaged
        members.end = close if is_salvaged else close + len(tags.closing)
    return members


def _value_end(decoder: Decoder, at: int, tags: _Tags) -> tuple[int, bool]:
    """Return where a value ends, and whether its closing tag is missing.

    A closing tag with other words behind it is part of the value.
    """
    text = decoder.text
    first = close = decoder.next_mark(tags.closing, at)
    following = decoder.next_mark(tags.opening, at)
    broken = tags.breaks.search(text, at, min(first, following))
    if broken:
        return broken.start(), True
    for _ in range(_MAX_CLOSINGS):
        if close == len(text):
            break
        if tags.follows.match(text, close + len(tags.closing)):
            return close, False
        close = text.find(tags.closing, close + 1)
        close = len(text) if close < 0 else close
    return (first if first < len(text) else -1), False


def _before_mark(text: str, at: int, mark: str) -> int:
    """Return where a mark stands before white space, or `at` if it doesn't."""
    before = text[max(0, at - 80) : at].rstrip()
    start = at - len(text[max(0, at - 80) : at]) + len(before) - len(mark)
    return start if before.endswith(mark) else at


def _after_any(text: str, at: int, mark: str) -> int:
    """Step over a mark as often as it stands."""
    while (end := after_mark(text, at, mark)) > at:
        at = end
    return at
