"""Mistral's two formats: a JSON array behind `[TOOL_CALLS]`, or name and `[ARGS]`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, final

from msgspec import Struct

from pytest_llmbench.checks.calltext.found import NAME
from pytest_llmbench.checks.calltext.markedjson import MarkedJson
from pytest_llmbench.checks.calltext.named import NamedJson

if TYPE_CHECKING:
    from pytest_llmbench.checks.calltext.found import Found
    from pytest_llmbench.checks.calltext.offered import Offered

_MARK: Final = "[TOOL_CALLS]"
_NAMED_START: Final = re.compile(rf"\s*+{NAME}\s*+[\[{{]")
_IDS: Final = r"(?:\[CALL_ID\][\w-]{0,64}\s*)?"

_ARRAY: Final = MarkedJson(
    name="mistral",
    opening=_MARK,
    closing="[/TOOL_CALLS]",
)
_NAMED: Final = NamedJson(
    name="mistral",
    hint=_MARK,
    marks=re.compile(re.escape(_MARK)),
    head=re.compile(rf"\s*({NAME})\s*{_IDS}(?:\[ARGS\])?\s*(?=\{{)"),
    closings=("[/TOOL_CALLS]",),
)


@final
class Mistral(Struct, frozen=True, kw_only=True):
    """`[TOOL_CALLS] [{"name": …}]` up to v3, `[TOOL_CALLS]f[ARGS]{…}` from v11 on."""

    name: str = "mistral"

    def read(self, text: str, tools: Offered) -> Found | None:
        """Read every mark in the format that stands behind the first one."""
        at = text.find(_MARK)
        if at < 0:
            return None
        is_named = _NAMED_START.match(text, at + len(_MARK)) is not None
        return (_NAMED if is_named else _ARRAY).read(text, tools)
