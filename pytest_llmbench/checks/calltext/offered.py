"""The tools that a reply could call, made ready for the parsers."""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final

from pytest_llmbench.checks.calltext.found import NAME
from pytest_llmbench.checks.sameness import CACHE_SIZE, Same
from pytest_llmbench.checks.schemas import schema_violation
from pytest_llmbench.checks.shown import SHORT_LIMIT, shown_value
from pytest_llmbench.prompts.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmbench.prompts.suite import Json, Tool

_PREFIX: Final = "functions."
_NO_OBJECT: Final = "the arguments are no JSON object"


class Offered:
    """The tools of a prompt by name."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self.by_name = {tool.name: tool for tool in tools if tool.name}

    @cached_property
    def either(self) -> str:
        """A pattern that matches any offered name, and nothing where there is none."""
        names = sorted(self.by_name, key=len, reverse=True)
        return "|".join(re.escape(name) for name in names) or "(?!)"

    @cached_property
    def any_name(self) -> re.Pattern[str]:
        """A pattern that matches a name, offered or not."""
        return re.compile(rf"(?:{self.either})(?![\w.:/-])|{NAME}")

    @cached_property
    def marked_head(self) -> re.Pattern[str]:
        """A pattern that matches a name, offered or not, and `(`."""
        return re.compile(rf"({self.either}|{NAME})\s*\(")

    @cached_property
    def sibling_head(self) -> re.Pattern[str]:
        """A pattern that matches what stands between calls, before an offered one."""
        return re.compile(rf"[,;\n]\s*+(?=(?:{self.either})\s*\()")

    @cached_property
    def list_head(self) -> re.Pattern[str]:
        """A pattern that matches a bracket before the call of an offered tool."""
        return re.compile(rf"\[\s*+(?=(?:{self.either})\s*\()")

    @cached_property
    def line_head(self) -> re.Pattern[str]:
        """A pattern that matches the call of an offered tool where a line begins."""
        return re.compile(rf"^[ \t]*+`?({self.either})\s*+\(", re.MULTILINE)

    @cached_property
    def key_head(self) -> re.Pattern[str]:
        """A pattern that matches a bracket before a key that calls have."""
        keys = f"name|function|tool|tool_name|type|id|tool_calls?|{self.either}"
        return re.compile(
            rf"""[{{\[][\s{{\[]{{0,20}}+["']?(?:{keys})["']?\s*+:""", re.IGNORECASE
        )

    @cached_property
    def named_value(self) -> re.Pattern[str]:
        """A pattern that matches a key and the name of an offered tool."""
        keys = "name|function|tool|tool_name"
        return re.compile(rf"""["'](?:{keys})["']\s*+:\s*+["'](?:{self.either})["']""")

    def are_named(self, text: str) -> bool:
        """Tell whether any offered name stands in a text."""
        return any(name in text for name in self.by_name)

    def resolved(self, name: str) -> str:
        """Return the offered name that is meant by a name, or the name itself.

        >>> from pytest_llmbench.prompts.suite import Tool
        >>> Offered([Tool(name="f")]).resolved(" functions.f")
        'f'
        """
        bare = name if name in self.by_name else name.strip()
        short = bare.removeprefix(_PREFIX)
        return short if bare not in self.by_name and short in self.by_name else bare

    def properties(self, name: str) -> dict[str, Json]:
        """Return the schemas of a tool's arguments; none for an unknown tool."""
        tool = self.by_name.get(name)
        properties = tool.parameters.get("properties") if tool else None
        return properties if isinstance(properties, dict) else {}

    def fault(self, name: str, arguments: Mapping[str, Json] | None) -> str:
        """Say why a call is invalid, or ''."""
        tool = self.by_name.get(name)
        if tool is None:
            shown = shown_value(name, SHORT_LIMIT)
            is_short = bool(self.by_name) and len(name) < SHORT_LIMIT
            hint = did_you_mean(name, self.by_name) if is_short else ""
            return f"unknown tool {shown}{hint}"
        if arguments is None:
            return _NO_OBJECT
        return schema_violation(tool.parameters, dict(arguments))


@lru_cache(maxsize=CACHE_SIZE)
def _offered(key: Same[tuple[Tool, ...]]) -> Offered:
    return Offered(key.objects)


def offered_tools(tools: Sequence[Tool]) -> Offered:
    """Return the tools made ready; the same tools give the same value."""
    return _offered(Same(tuple(tools)))
