"""Formats that name the tool and put its arguments behind it as a JSON object."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, final

from msgspec import Struct

from pytest_llmbench.checks.calltext.decoding import Decoder
from pytest_llmbench.checks.calltext.found import (
    NAME,
    Finding,
    Written,
    after_mark,
    after_space,
)
from pytest_llmbench.checks.jsontext import is_storable

if TYPE_CHECKING:
    from pytest_llmbench.checks.calltext.found import Found
    from pytest_llmbench.checks.calltext.offered import Offered


@final
class NamedJson(Struct, frozen=True, kw_only=True):
    """A mark, a name, and one JSON object.

    Attributes:
        hint: part of every mark; without it nothing is looked for.
        marks: matches the mark; what cannot be read behind it is broken.
        head: matches behind the mark up to the object, the name in group 1.
        closings: marks that may stand behind the object, in this order.
        foreign: what, at the mark, shows another format or plain words.
    """

    name: str
    hint: str
    marks: re.Pattern[str]
    head: re.Pattern[str]
    closings: tuple[str, ...] = ()
    foreign: re.Pattern[str] | None = None

    def read(self, text: str, tools: Offered) -> Found | None:
        """Read the call behind every mark."""
        if self.hint not in text:
            return None
        finding, decoder = Finding(), Decoder(text)
        mark = self.marks.search(text)
        while mark and not finding.is_full:
            end = mark.end()
            if self.foreign is None or not self.foreign.match(text, mark.start()):
                end = self._call(mark, decoder, tools, finding)
            mark = self.marks.search(text, end)
        return finding.found()

    def _call(
        self, mark: re.Match[str], decoder: Decoder, tools: Offered, finding: Finding
    ) -> int:
        text = decoder.text
        head = self.head.match(text, mark.end())
        if head is None:
            finding.broke(mark.span())
            return mark.end()
        following = self.marks.search(text, head.end())
        limit = following.start() if following else len(text)
        decoded = decoder.strict(head.end()) or decoder.either(
            head.end(), self._content_end(text, head.end(), limit)
        )
        value = decoded.value if decoded else None
        if decoded is None or not isinstance(value, dict) or not is_storable(value):
            finding.broke((mark.start(), max(head.end(), limit)))
            return max(head.end(), limit)
        call = Written(
            name=tools.resolved(head[1]),
            arguments=value,
            is_salvaged=decoded.is_salvaged,
        )
        end = decoded.end
        for closing in self.closings:
            end = after_mark(text, end, closing)
        finding.add([call], (mark.start(), end))
        return end

    def _content_end(self, text: str, at: int, limit: int) -> int:
        ends = (text.find(closing, at, limit) for closing in self.closings)
        return min((end for end in ends if end >= 0), default=limit)


_BAR: Final = r"[\uff5c|]"
_LOW: Final = r"(?:\u2581|_|\\_| )"


def _deepseek_mark(words: str) -> str:
    """Return a pattern for a fullwidth mark in all spellings that models produce."""
    return rf"<{_BAR}{_LOW.join(words.split())}{_BAR}>"


FUNCTION_TAG: Final = NamedJson(
    name="function_tag",
    hint="<function=",
    marks=re.compile(r"<function="),
    head=re.compile(rf"""["']?({NAME})["']?\s*>?\s*(?=\{{)"""),
    closings=("</function>", "<function>", "</tool_call>"),
    foreign=re.compile(rf"""<function=["']?{NAME}["']?\s*>\s*(?:<|\Z)"""),
)
HARMONY: Final = NamedJson(
    name="harmony",
    hint="to=functions.",
    marks=re.compile(
        r"(?:<\|start\|>assistant)?(?:<\|channel\|>)?(?:assistant)?"
        r"(?:commentary|analysis)?\s?to=functions\."
    ),
    head=re.compile(rf"({NAME})[^{{]{{0,120}}+(?=\{{)"),
    closings=("<|call|>",),
)
_DEEPSEEK_OPENING: Final = (
    rf"(?:{_deepseek_mark('tool calls begin')}|{_deepseek_mark('tool call begin')})\s*"
)
DEEPSEEK: Final = NamedJson(
    name="deepseek",
    hint="begin",
    marks=re.compile(rf"(?:{_DEEPSEEK_OPENING}){{1,3}}"),
    head=re.compile(
        rf"(?:function\s*{_deepseek_mark('tool sep')}\s*)?({NAME})\s*"
        rf"(?:{_deepseek_mark('tool sep')}\s*)?(?:```(?:json)?\s*)?(?=\{{)"
    ),
    closings=(
        "```",
        "<\uff5ctool\u2581call\u2581end\uff5c>",
        "<\uff5ctool\u2581calls\u2581end\uff5c>",
    ),
)


@final
class Functionary(Struct, frozen=True, kw_only=True):
    """`>>>f`, and the arguments as JSON on the next line."""

    name: str = "functionary"

    def read(self, text: str, tools: Offered) -> Found | None:
        """Read every call; the first may stand without `>>>`, which is the prompt's."""
        end = len(text) if ">>>" in text else _HEAD_LENGTH
        finding, decoder = Finding(), Decoder(text)
        for head in _FUNCTIONARY_HEAD.finditer(text, 0, end):
            is_offered = tools.resolved(head[2]) in tools.by_name
            is_first = head.start() == 0 and is_offered
            if finding.is_full:
                break
            if head[2] != "all" and (head[1] or is_first):
                _functionary_call(head, decoder, tools, finding, is_offered=is_offered)
        return finding.found()


_HEAD_LENGTH: Final = 200
_FUNCTIONARY_HEAD: Final = re.compile(rf"^(>>>)?({NAME})[ \t]{{0,9}}$", re.MULTILINE)


def _functionary_call(
    head: re.Match[str],
    decoder: Decoder,
    tools: Offered,
    finding: Finding,
    *,
    is_offered: bool,
) -> None:
    text = decoder.text
    at = after_space(text, head.end())
    if text[at : at + 1] != "{":
        if is_offered and head[1]:
            finding.broke(head.span())
        return
    end = text.find("\n>>>", at)
    decoded = decoder.either(at, end if end >= 0 else len(text))
    value = decoded.value if decoded else None
    if decoded is None or not isinstance(value, dict) or not is_storable(value):
        finding.broke((head.start(), at))
        return
    name = tools.resolved(head[2])
    call = Written(name=name, arguments=value, is_salvaged=decoded.is_salvaged)
    finding.add([call], (head.start(), decoded.end))
