"""Formats that write calls as Python: lists, LFM2, OLMo, tool_code, bare calls."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, final

from msgspec import Struct, field

from pytest_llmbench.checks.calltext.decoding import Decoder
from pytest_llmbench.checks.calltext.found import Finding, after_mark, after_space
from pytest_llmbench.checks.calltext.jsoncalls import decoded_calls
from pytest_llmbench.checks.calltext.prose import is_example
from pytest_llmbench.checks.calltext.pythoncalls import python_call
from pytest_llmbench.checks.calltext.salvage import as_salvaged

if TYPE_CHECKING:
    from pytest_llmbench.checks.calltext.found import Found, Written
    from pytest_llmbench.checks.calltext.offered import Offered

_JOINT: Final = re.compile(r"[\s,;]*+")
_PRINT: Final = re.compile(r"(?:[^\W\d]\w*+\s*+=(?!=)\s*+)?(?:print\s*+\(\s*+)?")
_BRACKET: Final = re.compile(r"\s*+,?\s*+\]")
_LINE_ENDS: Final = re.compile(r"[ \t]*+[`;.]?[ \t]*+(?:\n|\Z)")
_LITERAL: Final = re.compile(r"""\s*(?:\w+\s*=|["'\d\[{])""")


class _Sequence(Struct, kw_only=True):
    """Calls one behind the other, and the place behind the last."""

    end: int
    calls: list[Written] = field(default_factory=list)
    is_broken: bool = False


def _sequence(decoder: Decoder, at: int, tools: Offered, *, limit: int) -> _Sequence:
    """Read calls with commas, semicolons or new lines between them.

    Where one cannot be read, its readable siblings still are.
    """
    text, read = decoder.text, _Sequence(end=at)
    while at < limit and not decoder.is_spent:
        joint = _JOINT.match(text, at)
        wrap = _PRINT.match(text, joint.end() if joint else at)
        start = wrap.end() if wrap else at
        head = tools.marked_head.match(text, start)
        if head is None:
            break
        got = python_call(head[1], decoder, head.end(), tools)
        if got is None:
            read.is_broken = True
            sibling = tools.sibling_head.search(text, head.end(), limit)
            at = sibling.start() if sibling else limit
            decoder.charge(at - head.end())
            continue
        is_printed = wrap is not None and wrap.group().rstrip().endswith("(")
        at = after_mark(text, got.end, ")") if is_printed else got.end
        read.calls.append(got.call)
        read.end = at
        read.is_broken = read.is_broken or decoder.is_spent
    return read


def _after_bracket(text: str, at: int) -> int:
    """Return the place after a closing bracket, or `at` where it is missing."""
    bracket = _BRACKET.match(text, at)
    return bracket.end() if bracket else at


@final
class MarkedPython(Struct, frozen=True, kw_only=True):
    """Python calls between two marks, maybe in brackets."""

    name: str
    opening: str
    closing: str

    def read(self, text: str, tools: Offered) -> Found | None:
        """Read the calls behind every mark."""
        finding, decoder = Finding(), Decoder(text)
        at = text.find(self.opening)
        while at >= 0 and not finding.is_full:
            end = self._block(at, decoder, tools, finding)
            at = text.find(self.opening, end)
        return finding.found()

    def _block(
        self, at: int, decoder: Decoder, tools: Offered, finding: Finding
    ) -> int:
        text = decoder.text
        start = after_space(text, at + len(self.opening))
        if text.startswith(self.opening, start):
            return start  # the mark stands twice
        following = decoder.next_mark(self.opening, start)
        closing = decoder.next_mark(self.closing, start)
        inner = after_mark(text, start, "[")
        if text[after_space(text, inner) :][:1] == "{":
            return self._json(at, start, decoder, tools, finding)
        read = _sequence(decoder, inner, tools, limit=following)
        if not read.calls:
            end = min(following, closing + len(self.closing), len(text))
            finding.broke((at, end))
            return end
        end = _after_bracket(text, read.end) if inner > start else read.end
        is_closed = inner == start or end > read.end
        calls = tuple(read.calls) if is_closed else as_salvaged(read.calls)
        if read.is_broken:
            end = max(end, min(closing, following))
        end = after_mark(text, end, self.closing)
        finding.take(calls, (at, end), is_broken=read.is_broken)
        return end

    def _json(
        self,
        at: int,
        start: int,
        decoder: Decoder,
        tools: Offered,
        finding: Finding,
    ) -> int:
        """Read the JSON that some models put where Python belongs."""
        end = decoder.next_mark(self.closing, start)
        decoded = decoder.either(start, end)
        if decoded is None:
            finding.broke((at, end))
            return max(end, start)
        listed = decoded_calls(decoded, tools, is_marked=True)
        end = after_mark(decoder.text, decoded.end, self.closing)
        finding.take(as_salvaged(listed.calls), (at, end), is_broken=listed.is_broken)
        return end


LFM2_MARKED: Final = MarkedPython(
    name="lfm2", opening="<|tool_call_start|>", closing="<|tool_call_end|>"
)
OLMO: Final = MarkedPython(
    name="olmo", opening="<function_calls>", closing="</function_calls>"
)
TOOL_CODE: Final = MarkedPython(name="tool_code", opening="```tool_code", closing="```")


@final
class Lfm2(Struct, frozen=True, kw_only=True):
    """`<|tool_call_start|>[f(a="b")]<|tool_call_end|>`, maybe said once more behind."""

    name: str = "lfm2"

    def read(self, text: str, tools: Offered) -> Found | None:
        """Read the calls between the marks; a list that repeats them is an echo."""
        marked = LFM2_MARKED.read(text, tools)
        if marked is None or not marked.calls:
            return marked
        finding = Finding()
        finding.take(marked.calls, marked.spans[0], is_broken=marked.is_broken)
        for span in marked.spans[1:]:
            finding.add([], span)
        _bare_lists(text, marked.spans[-1][1], tools, finding, marked.calls)
        return finding.found()


@final
class Pythonic(Struct, frozen=True, kw_only=True):
    """`[f(a="b"), g()]` without any mark; one name at least is offered."""

    name: str = "pythonic"

    def read(self, text: str, tools: Offered) -> Found | None:
        """Read every list; one that repeats the one before is an echo."""
        finding = Finding()
        _bare_lists(text, 0, tools, finding, ())
        return finding.found()


def _bare_lists(
    text: str,
    at: int,
    tools: Offered,
    finding: Finding,
    before: tuple[Written, ...],
) -> None:
    decoder = Decoder(text)
    opening = tools.list_head.search(text, at)
    while opening and not (decoder.is_spent or finding.is_full):
        read = _sequence(decoder, opening.end(), tools, limit=len(text))
        end = _after_bracket(text, read.end)
        is_closed = end > read.end
        is_whole = is_closed or read.end == len(text) or read.is_broken
        if read.calls and is_whole and not is_example(text, opening.start()):
            calls = tuple(read.calls) if is_closed else as_salvaged(read.calls)
            finding.take(
                () if _are_same(calls, before) else calls,
                (opening.start(), end),
                is_broken=read.is_broken,
            )
            before = calls
        elif not read.calls and not text[: opening.start()].strip():
            finding.broke((opening.start(), _line_end(text, opening.end())))
        opening = tools.list_head.search(text, max(end, opening.end()))


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _are_same(calls: tuple[Written, ...], before: tuple[Written, ...]) -> bool:
    """Tell whether calls say what was said just before, types and all."""
    pairs = [(call.name, repr(call.arguments)) for call in calls]
    return pairs == [(call.name, repr(call.arguments)) for call in before]


@final
class FunctionCall(Struct, frozen=True, kw_only=True):
    """`f(a="b")` on a line of its own, or where the text begins."""

    name: str = "funcall"

    def read(self, text: str, tools: Offered) -> Found | None:
        """Read every line that is the call of an offered tool."""
        finding, decoder = Finding(), Decoder(text)
        head = tools.line_head.search(text)
        while head and not decoder.is_spent:
            end = _line_call(head, decoder, tools, finding)
            head = tools.line_head.search(text, end)
        return finding.found()


def _line_call(
    head: re.Match[str], decoder: Decoder, tools: Offered, finding: Finding
) -> int:
    text, is_first = decoder.text, not decoder.text[: head.start()].strip()
    got = python_call(head[1], decoder, head.end(), tools)
    if got is None:
        if is_first and _is_attempt(text[head.end() :]):
            finding.broke((head.start(), _line_end(text, head.end())))
        return head.end()
    line_end = _LINE_ENDS.match(text, got.end)
    is_sure = line_end is not None or (is_first and bool(got.call.arguments))
    if is_sure and not is_example(text, head.start()):
        finding.add([got.call], (head.start(), got.end))
    return got.end


def _is_attempt(rest: str) -> bool:
    """Tell a broken call from a signature, by what stands behind the parenthesis."""
    is_whole = rest.find(")") in {-1, len(rest.rstrip()) - 1}
    return is_whole or _LITERAL.match(rest) is not None
