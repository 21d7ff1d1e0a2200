"""The expectations that a suite can state, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from pytest_llmbench.checks.custom import named_faults
from pytest_llmbench.checks.shown import FAULT_LIMIT, one_line
from pytest_llmbench.prompts.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_llmbench.checks.expectation import Expectation
    from pytest_llmbench.prompts.suite import Prompt

CHECK: Final = "check"
"""The expectation that names a Python check; the session knows which there are."""

_PLACES: Final = {
    "tools": "toolcalls.Tools",
    "tools_in_order": "toolcalls.ToolsInOrder",
    "forbid_tools": "toolcalls.ForbidTools",
    "arguments": "arguments.Arguments",
    "arguments_schema": "arguments.ArgumentsSchema",
    "exact": "texts.Exact",
    "one_of": "texts.OneOf",
    "regex": "texts.Regex",
    "contains": "texts.Contains",
    "not_contains": "texts.NotContains",
    "max_words": "sizes.MaxWords",
    "max_sentences": "sizes.MaxSentences",
    "bullets": "sizes.Bullets",
    "lines": "sizes.Lines",
    "json": "formats.JsonEquals",
    "json_schema": "formats.JsonSchema",
    "yaml": "formats.YamlEquals",
    "csv": "tables.Csv",
    "max_ttft_ms": "limits.MaxTtftMs",
    "max_e2e_ms": "limits.MaxE2eMs",
    "max_output_tokens": "limits.MaxOutputTokens",
    CHECK: "custom.NamedCheck",
}


class _Expectations(Mapping[str, "Expectation"]):
    """Makes each expectation when a suite first states it: few state them all."""

    def __init__(self) -> None:
        self._made: dict[str, Expectation] = {}

    @override
    def __getitem__(self, name: str) -> Expectation:
        if name not in self._made:
            module, _, kind = _PLACES[name].partition(".")
            found = import_module(f"pytest_llmbench.checks.{module}")
            self._made[name] = getattr(found, kind)()
        return self._made[name]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    @override
    def __len__(self) -> int:
        return len(_PLACES)


EXPECTATIONS: Final[Mapping[str, Expectation]] = _Expectations()
"""Each expectation's name in a suite file, and the object that judges it."""


def expectation_faults(
    prompt: Prompt, custom_names: Collection[str] = ()
) -> list[tuple[str, str]]:
    """Return what is wrong with a prompt's expectations, as (name, message).

    Args:
        custom_names: the names under which Python checks are registered.
    """
    faults = []
    for name, value in prompt.expect.items():
        if name not in EXPECTATIONS:
            hint = did_you_mean(name, EXPECTATIONS)
            faults.append((name, f"no such expectation{hint}"))
            continue
        if name == CHECK:
            found = named_faults(value, custom_names)
        else:
            found = EXPECTATIONS[name].faults(value, prompt)
        faults.extend((name, one_line(fault, FAULT_LIMIT)) for fault in found)
    return faults
