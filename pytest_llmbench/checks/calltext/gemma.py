"""FunctionGemma and Gemma 4: `call:f{a:<escape>text<escape>,n:2}`."""

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
from pytest_llmbench.checks.calltext.literals import Dialect
from pytest_llmbench.checks.jsontext import is_storable

if TYPE_CHECKING:
    from pytest_llmbench.checks.calltext.found import Found
    from pytest_llmbench.checks.calltext.offered import Offered

_HEAD: Final = re.compile(rf"\s*(call:\s*)?({NAME})\s*(?=\{{)")


@final
class Gemma(Struct, frozen=True, kw_only=True):
    """Calls between marks, with strings in a fence of their own.

    Attributes:
        fence: stands before and after a string.
    """

    name: str
    opening: str
    closing: str
    fence: str

    def read(self, text: str, tools: Offered) -> Found | None:
        """Read the call behind every mark."""
        finding, decoder = Finding(), Decoder(text)
        at = text.find(self.opening)
        while at >= 0 and not finding.is_full:
            end = self._block(at, decoder, tools, finding)
            at = text.find(self.opening, end)
        return finding.found()

    def _block(
        self, at: int, decoder: Decoder, tools: Offered, finding: Finding
    ) -> int:
        text, start = decoder.text, at + len(self.opening)
        if text.startswith(self.opening, after_space(text, start)):
            return after_space(text, start)  # the mark stands twice
        calls, end = self._calls(start, decoder, tools)
        if calls:
            end = after_mark(text, end, self.closing)
            finding.add(calls, (at, end))
            return end
        end = decoder.next_mark(self.closing, start)
        end = min(end, decoder.next_mark(self.opening, start))
        finding.broke((at, end))
        return end

    def _calls(
        self, at: int, decoder: Decoder, tools: Offered
    ) -> tuple[list[Written], int]:
        """Read calls one behind the other, and the place behind the last."""
        dialect = Dialect(fence=self.fence, has_bare_keys=True)
        calls: list[Written] = []
        while head := _HEAD.match(decoder.text, at):
            decoded = decoder.lenient(head.end(), len(decoder.text), dialect)
            value = decoded.value if decoded else None
            if decoded is None or not isinstance(value, dict):
                break
            if not is_storable(value):
                break
            is_salvaged = decoded.is_salvaged or not head[1]
            name = tools.resolved(head[2])
            calls.append(Written(name=name, arguments=value, is_salvaged=is_salvaged))
            at = decoded.end
        return calls, at


FUNCTION_GEMMA: Final = Gemma(
    name="functiongemma",
    opening="<start_function_call>",
    closing="<end_function_call>",
    fence="<escape>",
)
GEMMA4: Final = Gemma(
    name="gemma4",
    opening="<|tool_call>",
    closing="<tool_call|>",
    fence='<|"|>',
)
