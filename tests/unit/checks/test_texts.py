"""Expectations about the words of a reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmbench.checks.registry import EXPECTATIONS
from pytest_llmbench.checks.reply import Reply
from pytest_llmbench.prompts.suite import Prompt

if TYPE_CHECKING:
    from pytest_llmbench.prompts.suite import Json

PROMPT = Prompt(id="P1", text="Capital of Norway?")


@pytest.mark.parametrize(
    ("name", "expected", "text", "why"),
    [
        ("exact", "Oslo", "Oslo", ""),
        ("exact", "Oslo\n", " Oslo \n", ""),
        ("exact", "Oslo", "oslo", "only upper and lower case differ"),
        (
            "exact",
            "Oslo",
            "It is Oslo.",
            "the expected text is inside, but other text stands around it",
        ),
        ("exact", "Oslo", "Bergen", "the text differs"),
        ("exact", "Oslo", "", "there is no text"),
        ("exact", "", "Oslo", "the text differs"),
        ("one_of", ["Oslo", "Bergen "], "Bergen", ""),
        ("one_of", ["Oslo", "Bergen"], "BERGEN", "only upper and lower case differ"),
        ("one_of", ["Oslo", "Bergen"], "Paris", "the text differs"),
        ("regex", r"\d+ degrees", " 21 degrees\n", ""),
        (
            "regex",
            r"\d+ degrees",
            "About 21 degrees",
            "a part of the text matches, but other text stands around it",
        ),
        ("regex", r"\d+", "none", "the text does not match"),
        ("regex", "(?i)oslo", "OSLO", ""),
        ("contains", "Oslo", "In Oslo now", ""),
        ("contains", "Oslo", "In oslo now", '"Oslo" is not in the text'),
        ("contains", ["a", "b"], "ab", ""),
        ("contains", ["a", "b", "c"], "a", '"b", "c" is not in the text'),
        ("not_contains", "Oslo", "Bergen", ""),
        ("not_contains", "Oslo", "oslo", ""),
        ("not_contains", ["a", "b"], "xbx", '"b" is in the text'),
    ],
)
def test_text_checks(name: str, expected: Json, text: str, why: str) -> None:
    """Each text expectation passes or fails, and says why."""
    assert EXPECTATIONS[name].faults(expected, PROMPT) == []
    result = EXPECTATIONS[name].check(expected, Reply(text=text), PROMPT)
    assert (result.name, result.passed, result.why) == (name, not why, why)


def test_results_show_what_was_expected_and_what_came() -> None:
    """A person must see both sides of a check."""
    values: dict[str, Json] = {
        "exact": "a",
        "one_of": ["a", "b"],
        "regex": "a+",
        "contains": ["a", "b"],
        "not_contains": "x",
    }
    reply = Reply(text="x\x1b")
    shown = {
        name: EXPECTATIONS[name].check(value, reply, PROMPT)
        for name, value in values.items()
    }
    assert {name: result.expected for name, result in shown.items()} == {
        "exact": '"a"',
        "one_of": 'one of ["a", "b"]',
        "regex": "/a+/",
        "contains": 'a text with "a", "b"',
        "not_contains": 'a text without "x"',
    }
    assert {result.got for result in shown.values()} == {r'"x\u001b"'}


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("exact", 5, "must be a text"),
        ("one_of", "a", "must be a list of texts"),
        ("one_of", [], "must not be an empty list"),
        ("one_of", ["a", 5], "must hold texts only"),
        ("regex", ["a"], "must be a text"),
        ("regex", "(?=a)", "no lookahead"),
        ("contains", 5, "must be a text or a list"),
        ("contains", [], "must not be an empty list"),
        ("contains", "", "must not hold an empty text"),
        ("contains", ["a", ""], "must not hold an empty text"),
        ("not_contains", None, "must be a text or a list"),
        ("not_contains", [1], "must hold texts only"),
    ],
)
def test_unusable_values_are_faults(name: str, value: Json, fault: str) -> None:
    """A value that the check cannot judge by must be refused."""
    (found,) = EXPECTATIONS[name].faults(value, PROMPT)
    assert fault in found
