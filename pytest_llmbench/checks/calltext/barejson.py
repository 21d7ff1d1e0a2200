"""JSON that is a call though no mark says so: fenced, alone, or among words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, final

from msgspec import Struct

from pytest_llmbench.checks.calltext.decoding import Decoder
from pytest_llmbench.checks.calltext.found import Finding
from pytest_llmbench.checks.calltext.jsoncalls import decoded_calls
from pytest_llmbench.checks.calltext.prose import is_example
from pytest_llmbench.checks.jsontext import starts_with_json

if TYPE_CHECKING:
    from pytest_llmbench.checks.calltext.decoding import Decoded
    from pytest_llmbench.checks.calltext.found import Found
    from pytest_llmbench.checks.calltext.offered import Offered

_OPENER: Final = re.compile(r"\{(?=\s*+[\"}])|\[(?=\s*+[\[{])")
_FENCE: Final = re.compile(r"```\w{0,20}\s*\Z")
_CLOSING: Final = re.compile(r"\s*+```")
_LOOKED_BACK: Final = 40
_FENCED_START: Final = re.compile(r"```\w*\s+")


@final
class BareJson(Struct, frozen=True, kw_only=True):
    """JSON values that name an offered tool.

    Attributes:
        is_fenced: only values right behind a code fence are read.
    """

    name: str
    is_fenced: bool = False

    def read(self, text: str, tools: Offered) -> Found | None:
        """Read every value that is a call; explained examples are none."""
        if self.is_fenced and "```" not in text:
            return None
        finding, decoder = Finding(), Decoder(text)
        opener = _OPENER.search(text)
        while opener and not (decoder.is_spent or finding.is_full):
            decoded = decoder.strict(opener.start())
            end = decoded.end if decoded else opener.end()
            if decoded and self._is_ours(text, opener.start()):
                _take(opener.start(), decoded, text, tools, finding)
            opener = _OPENER.search(text, end)
        return finding.found()

    def _is_ours(self, text: str, at: int) -> bool:
        return not self.is_fenced or _fence_start(text, at) < at


@final
class LenientJson(Struct, frozen=True, kw_only=True):
    """JSON in the making: single quotes, a comma too many, a brace too few."""

    name: str = "json"

    def read(self, text: str, tools: Offered) -> Found | None:
        """Read what looks like calls of offered tools and is no right JSON."""
        finding, decoder = Finding(), Decoder(text)
        head = tools.key_head.search(text)
        while head and not (decoder.is_spent or finding.is_full):
            decoded = _patient(decoder, head.start())
            end = decoded.end if decoded else head.start() + 1
            if decoded:
                _take(head.start(), decoded, text, tools, finding)
            head = tools.key_head.search(text, end)
        found = finding.found()
        if found is None and _is_cut_off(text, tools):
            finding.broke((0, len(text)))
        return found or finding.found()


def _patient(decoder: Decoder, at: int) -> Decoded | None:
    """Decode up to the end of a code fence, else up to the end of the text."""
    end, limit = decoder.next_mark("```", at), len(decoder.text)
    decoded = decoder.either(at, end)
    return decoder.lenient(at, limit) if decoded is None and end < limit else decoded


def _take(
    at: int, decoded: Decoded, text: str, tools: Offered, finding: Finding
) -> None:
    listed = decoded_calls(decoded, tools, is_marked=False)
    if not (listed.calls or listed.is_broken) or is_example(text, at):
        return
    start, end = _fence_start(text, at), decoded.end
    closing = _CLOSING.match(text, end)
    end = closing.end() if closing and start < at else end
    finding.take(listed.calls, (start, end), is_broken=listed.is_broken)


def _fence_start(text: str, at: int) -> int:
    """Return where the code fence right before a place starts, else the place."""
    fence = _FENCE.search(text, max(0, at - _LOOKED_BACK), at)
    return fence.start() if fence else at


def _is_cut_off(text: str, tools: Offered) -> bool:
    """Tell whether a text starts as JSON and breaks off after naming a tool."""
    fence = _FENCED_START.match(text)
    bare = text[fence.end() :] if fence else text
    is_definition = "description" in bare and "arguments" not in bare
    if not bare.startswith(("{", "[")) or is_definition or "properties" in bare:
        return False
    return tools.named_value.search(bare) is not None and not starts_with_json(bare)
