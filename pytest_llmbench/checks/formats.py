"""Expectations about JSON and YAML: only JSON means only JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from typing_extensions import override

from pytest_llmbench.checks.compare import first_difference, plain_faults
from pytest_llmbench.checks.expectation import Expectation, held
from pytest_llmbench.checks.fences import FENCE
from pytest_llmbench.checks.jsontext import parse_only_json
from pytest_llmbench.checks.schemafaults import schema_faults
from pytest_llmbench.checks.schemas import schema_violation
from pytest_llmbench.checks.shown import one_line, shown_value
from pytest_llmbench.prompts.yamlmarks import read_yaml

if TYPE_CHECKING:
    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.checks.verdict import CheckResult
    from pytest_llmbench.prompts.suite import Json, Prompt


@final
class JsonEquals(Expectation):
    """The whole text is JSON and equals the value, types before values."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        parsed = parse_only_json(reply.text)
        why = parsed.why or first_difference(expected, parsed.value)
        shown = f"only JSON: {shown_value(expected)}"
        return held("json", why, expected=shown, got=shown_value(reply.text))

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        return list(plain_faults(expected))


@final
class JsonSchema(Expectation):
    """The whole text is JSON and valid by a JSON Schema (2020-12)."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        parsed = parse_only_json(reply.text)
        why = parsed.why or schema_violation(expected, parsed.value)
        shown = f"only JSON, valid by {shown_value(expected)}"
        return held("json_schema", why, expected=shown, got=shown_value(reply.text))

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        return schema_faults(expected)


@final
class YamlEquals(Expectation):
    """The whole text is one YAML document and equals the value."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        why = _yaml_why(expected, reply.text)
        shown = f"only YAML: {shown_value(expected)}"
        return held("yaml", why, expected=shown, got=shown_value(reply.text))

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        return list(plain_faults(expected))


def _yaml_why(expected: Json, text: str) -> str:
    if not text.strip():
        return "there is no text"
    if text.lstrip().startswith(FENCE):
        return "a code fence stands around it"
    document = read_yaml(text)
    if document.faults:
        fault = document.faults[0]
        return one_line(f"line {fault.line}: {fault.message}")
    return first_difference(expected, document.value)
