"""Formats that put a mark before JSON: Hermes, Llama, Command-R, Firefunction."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, final

from msgspec import Struct

from pytest_llmbench.checks.calltext.decoding import Decoder
from pytest_llmbench.checks.calltext.found import (
    Finding,
    after_mark,
    after_space,
)
from pytest_llmbench.checks.calltext.jsoncalls import decoded_calls
from pytest_llmbench.checks.calltext.salvage import as_salvaged

if TYPE_CHECKING:
    from pytest_llmbench.checks.calltext.found import Found, Written
    from pytest_llmbench.checks.calltext.offered import Offered

_JOINT: Final = re.compile(r"\s*[;,]?\s*")
_FENCE: Final = re.compile(r"```\w*\s*")
_NEVER: Final = re.compile(r"(?!)")


@final
class MarkedJson(Struct, frozen=True, kw_only=True):
    """One or more JSON values behind a mark, maybe with a mark behind them.

    Attributes:
        keeps: the characters of the opening mark that belong to the JSON.
        foreign: what, behind the mark, shows another format's call.
    """

    name: str
    opening: str
    closing: str = ""
    keeps: int = 0
    foreign: re.Pattern[str] = _NEVER

    def read(self, text: str, tools: Offered) -> Found | None:
        """Read the calls behind every mark."""
        finding, decoder = Finding(), Decoder(text)
        at = text.find(self.opening)
        while at >= 0 and not finding.is_full:
            start = at + len(self.opening) - self.keeps
            if self.foreign.match(text, after_space(text, start)):
                end = start + self.keeps
            else:
                end = self._block(at, start, decoder, tools, finding)
            at = text.find(self.opening, end)
        return finding.found()

    def _block(
        self, at: int, start: int, decoder: Decoder, tools: Offered, finding: Finding
    ) -> int:
        """Read one block and return the place behind it."""
        text = decoder.text
        first = after_space(text, start)
        if text.startswith(self.opening, first) and not self.keeps:
            return first  # the mark stands twice
        fence = _FENCE.match(text, first)
        calls, end, is_broken = self._values(
            fence.end() if fence else first, decoder, tools
        )
        if calls:
            end = after_mark(text, end, "```") if fence else end
            end = after_mark(text, end, self.closing)
            finding.take(
                as_salvaged(calls) if fence else calls, (at, end), is_broken=is_broken
            )
            return end
        end = self._block_end(decoder, first)
        finding.broke((at, end))
        return end

    def _block_end(self, decoder: Decoder, at: int) -> int:
        """Return where a block that cannot be read ends."""
        closing = decoder.next_mark(self.closing, at)
        following = decoder.next_mark(self.opening, at + self.keeps)
        if following < closing:
            return following
        return min(len(decoder.text), closing + len(self.closing))

    def _values(
        self, at: int, decoder: Decoder, tools: Offered
    ) -> tuple[list[Written], int, bool]:
        """Read values one behind the other: calls, the place behind, any broken."""
        text = decoder.text
        calls: list[Written] = []
        is_broken, end = False, at
        while text[at : at + 1] in {"{", "["} and not self._is_mark(text, at):
            decoded = decoder.strict(at)
            if decoded is None:
                decoded = decoder.either(at, self._content_end(decoder, at))
            if decoded is None:
                return calls, end, True
            listed = decoded_calls(decoded, tools, is_marked=True)
            calls.extend(listed.calls)
            is_broken = is_broken or listed.is_broken
            end = decoded.end
            joint = _JOINT.match(text, end)
            at = joint.end() if joint else end
        return calls, end, is_broken

    def _is_mark(self, text: str, at: int) -> bool:
        closing = self.closing or self.opening
        return text.startswith((self.opening, closing), at)

    def _content_end(self, decoder: Decoder, at: int) -> int:
        return min(
            decoder.next_mark(self.closing, at),
            decoder.next_mark(self.opening, at + 1),
        )


HERMES: Final = MarkedJson(
    name="hermes",
    opening="<tool_call>",
    closing="</tool_call>",
    foreign=re.compile(r"<function=|[\w.-]*\s*<arg_key>|[\w.-]+\s*</tool_call>"),
)
COMMAND_R: Final = MarkedJson(
    name="command_r", opening="<|START_ACTION|>", closing="<|END_ACTION|>"
)
FIREFUNCTION: Final = MarkedJson(name="firefunction", opening="functools[", keeps=1)
LLAMA: Final = MarkedJson(
    name="llama",
    opening="<|python_tag|>",
    closing="<|eom_id|>",
    foreign=re.compile(r"[\w.-]+\s*\("),
)
