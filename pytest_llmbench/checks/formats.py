"""Expectations about the format of a reply: only JSON means only JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from typing_extensions import override

from pytest_llmbench.checks.compare import first_difference, plain_faults
from pytest_llmbench.checks.expectation import Expectation, held
from pytest_llmbench.checks.jsontext import parse_only_json
from pytest_llmbench.checks.schemafaults import schema_faults
from pytest_llmbench.checks.schemas import schema_violation
from pytest_llmbench.checks.shown import shown_value

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
