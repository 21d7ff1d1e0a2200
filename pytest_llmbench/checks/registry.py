"""The expectations that a suite can state, by name."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytest_llmbench.checks.arguments import Arguments, ArgumentsSchema
from pytest_llmbench.checks.custom import NamedCheck, named_faults
from pytest_llmbench.checks.formats import JsonEquals, JsonSchema, YamlEquals
from pytest_llmbench.checks.limits import MaxE2eMs, MaxOutputTokens, MaxTtftMs
from pytest_llmbench.checks.shown import FAULT_LIMIT, one_line
from pytest_llmbench.checks.sizes import Bullets, Lines, MaxSentences, MaxWords
from pytest_llmbench.checks.tables import Csv
from pytest_llmbench.checks.texts import Contains, Exact, NotContains, OneOf, Regex
from pytest_llmbench.checks.toolcalls import ForbidTools, Tools, ToolsInOrder
from pytest_llmbench.prompts.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pytest_llmbench.checks.expectation import Expectation
    from pytest_llmbench.prompts.suite import Prompt

CHECK: Final = "check"
"""The expectation that names a Python check; the session knows which there are."""

EXPECTATIONS: Final[Mapping[str, Expectation]] = MappingProxyType({
    "tools": Tools(),
    "tools_in_order": ToolsInOrder(),
    "forbid_tools": ForbidTools(),
    "arguments": Arguments(),
    "arguments_schema": ArgumentsSchema(),
    "exact": Exact(),
    "one_of": OneOf(),
    "regex": Regex(),
    "contains": Contains(),
    "not_contains": NotContains(),
    "max_words": MaxWords(),
    "max_sentences": MaxSentences(),
    "bullets": Bullets(),
    "lines": Lines(),
    "json": JsonEquals(),
    "json_schema": JsonSchema(),
    "yaml": YamlEquals(),
    "csv": Csv(),
    "max_ttft_ms": MaxTtftMs(),
    "max_e2e_ms": MaxE2eMs(),
    "max_output_tokens": MaxOutputTokens(),
    CHECK: NamedCheck(),
})
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
