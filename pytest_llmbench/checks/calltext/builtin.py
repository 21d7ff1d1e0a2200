"""Llama's calls behind `<|python_tag|>` that are no JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, final

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmbench.checks.calltext.decoding import Decoder
from pytest_llmbench.checks.calltext.found import Finding, after_mark
from pytest_llmbench.checks.calltext.pythoncalls import python_call

if TYPE_CHECKING:
    from pytest_llmbench.checks.calltext.found import Found
    from pytest_llmbench.checks.calltext.offered import Offered

_TAG: Final = "<|python_tag|>"
_METHOD: Final = ".call"
_HEAD: Final = re.compile(r"\s*+([\w.:/-]{1,128}+)\s*+\(")


@final
class LlamaBuiltin(Struct, frozen=True, kw_only=True):
    """`<|python_tag|>brave_search.call(query="x")`."""

    name: str = "llama_builtin"

    def read(self, text: str, tools: Offered) -> Found | None:
        """Read the call behind every tag, with or without `.call`."""
        finding, decoder = Finding(), Decoder(text)
        at = text.find(_TAG)
        while at >= 0 and not finding.is_full:
            end = at + len(_TAG)
            if head := _HEAD.match(text, end):
                end = head.end()
                name = _tool_name(head[1], tools)
                got = python_call(name, decoder, head.end(), tools)
                if got is None:
                    finding.broke((at, end))
                else:
                    end = after_mark(text, got.end, "<|eom_id|>")
                    finding.add([replace(got.call, name=name)], (at, end))
            at = text.find(_TAG, end)
        return finding.found()


def _tool_name(written: str, tools: Offered) -> str:
    if written in tools.by_name:
        return written
    return tools.resolved(written.removesuffix(_METHOD))
