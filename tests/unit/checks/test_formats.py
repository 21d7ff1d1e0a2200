"""Expectations about JSON and YAML: only JSON means only JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmbench.checks.registry import EXPECTATIONS
from pytest_llmbench.checks.reply import Reply
from pytest_llmbench.prompts.suite import Prompt

if TYPE_CHECKING:
    from pytest_llmbench.prompts.suite import Json

PROMPT = Prompt(id="P1", text="Give me JSON.")
AROUND = "valid JSON is inside, but text stands around it"
CITY: Json = {"type": "object", "required": ["city"]}


@pytest.mark.parametrize(
    ("name", "expected", "text", "why"),
    [
        ("json", {"a": 1}, ' {"a": 1.0}\n', ""),
        ("json", {"a": 1}, '{"a": true}', "a is true, not 1"),
        ("json", {"a": 1}, '{"a": 1, "b": 2}', "b is not expected"),
        ("json", {"a": 1}, 'Here: {"a": 1}', AROUND),
        ("json", None, "null", ""),
        ("json", None, "", "there is no text"),
        ("json", "Oslo", '"Oslo"', ""),
        (
            "json",
            "Oslo",
            "Oslo",
            "no valid JSON: expecting value at character 1",
        ),
        ("json_schema", CITY, '{"city": "Oslo"}', ""),
        ("json_schema", CITY, "{}", 'the value lacks the key "city"'),
        ("json_schema", CITY, 'Here: {"city": "Oslo"}', AROUND),
        ("yaml", {"a": [1]}, "# one\n---\na:\n- 1.0\n", ""),
        ("yaml", {"a": [1]}, '{"a": [1]}', ""),
        ("yaml", {"a": [1]}, "a: [2]", "a[0] is 2, not 1"),
        ("yaml", "no", "no", ""),
        ("yaml", None, "null", ""),
        ("yaml", None, " \n", "there is no text"),
        ("yaml", {"a": 1}, "\n```\na: 1\n```", "a code fence stands around it"),
        ("yaml", {"a": 1}, "Here:\na: 1", "Here is not expected"),
        ("yaml", {"a": 1}, "a: 1\na: 1", "line 2: key 'a' stands twice"),
    ],
)
def test_json_checks(name: str, expected: Json, text: str, why: str) -> None:
    """Each JSON expectation passes or fails, and says why."""
    assert EXPECTATIONS[name].faults(expected, PROMPT) == []
    result = EXPECTATIONS[name].check(expected, Reply(text=text), PROMPT)
    assert (result.name, result.passed, result.why) == (name, not why, why)


def test_results_show_what_was_expected_and_what_came() -> None:
    """A person must see the value or schema, and the text as it came."""
    reply = Reply(text="no")
    result = EXPECTATIONS["json"].check({"a": 1}, reply, PROMPT)
    assert (result.expected, result.got) == ('only JSON: {"a": 1}', '"no"')
    result = EXPECTATIONS["json_schema"].check({"type": "null"}, reply, PROMPT)
    assert result.expected == 'only JSON, valid by {"type": "null"}'
    assert result.got == '"no"'


def test_unusable_values_are_faults() -> None:
    """NaN can equal nothing, and a broken schema can judge nothing."""
    assert EXPECTATIONS["json"].faults(float("nan"), PROMPT) == ["NaN is no JSON value"]
    (fault,) = EXPECTATIONS["json_schema"].faults({"type": "strng"}, PROMPT)
    assert 'type is "strng"' in fault
