"""Failure modes: one word per failed reply, in the written order."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest
from msgspec.structs import replace

from pytest_llmbench.checks import modes
from pytest_llmbench.checks.judge import judge
from pytest_llmbench.checks.refusals import WINDOW, looks_like_refusal
from pytest_llmbench.checks.reply import Reply, Timings, ToolCall, Usage
from pytest_llmbench.checks.verdict import FailureMode
from pytest_llmbench.prompts.suite import Prompt, Tool

if TYPE_CHECKING:
    from pytest_llmbench.prompts.suite import Json

A = ToolCall(name="a", arguments={"x": 1})
B = ToolCall(name="b", arguments={})
BROKEN = ToolCall(name="a", arguments=None, raw="{")
STRANGE = ToolCall(name="z", arguments={})
REFUSAL = "I'm sorry, but I can't help with that."
IN_TEXT = "<tool_call>the tool a, please</tool_call>"


def mode_of(reply: Reply, **expect: Json) -> str | None:
    """Judge a reply to a prompt that offers the tools a and b."""
    tools = (Tool(name="a"), Tool(name="b"))
    return judge(Prompt(id="P1", text="Go.", tools=tools, expect=expect), reply).mode


def called(*calls: ToolCall, text: str = "") -> Reply:
    """Return a reply with calls."""
    return Reply(text=text, tool_calls=calls)


@pytest.mark.parametrize(
    ("expect", "reply", "mode"),
    [
        ({"tools": ["a"]}, called(A), None),
        ({"tools": ["a"]}, replace(called(B), finish_reason="length"), "truncated"),
        ({"tools": ["a"]}, Reply(finish_reason="length"), "truncated"),
        ({"tools": ["a"]}, Reply(), "empty"),
        ({}, Reply(thinking="Hm."), "empty"),
        ({"tools": ["a"]}, called(STRANGE, B), "hallucinated_tool"),
        ({"tools": []}, called(STRANGE), "hallucinated_tool"),
        ({"tools": ["a"]}, called(B), "wrong_tool"),
        ({"tools": ["a"]}, called(A, B), "wrong_tool"),
        ({"tools": ["a"]}, called(BROKEN, B), "wrong_tool"),
        ({"forbid_tools": ["b"]}, called(B), "wrong_tool"),
        ({"arguments": {"a": {"x": 1}}}, called(B), "wrong_tool"),
        ({"tools": []}, called(A), "unneeded_call"),
        ({"tools": []}, called(BROKEN), "unneeded_call"),
        ({"tools": []}, Reply(text=IN_TEXT), "unneeded_call"),
        ({"contains": "x"}, called(A), "unneeded_call"),
        ({"contains": "x"}, called(A, text="y"), "wrong_answer"),
        ({"tools": ["a"]}, called(BROKEN), "wrong_arguments"),
        ({"contains": "x"}, called(BROKEN, text="x"), "wrong_arguments"),
        ({"tools": ["a"]}, Reply(text=IN_TEXT), "format_drift"),
        ({"tools": ["a"]}, Reply(text=REFUSAL), "refused"),
        ({"tools": "any"}, Reply(text=REFUSAL), "refused"),
        ({"tools": ["a", "b"]}, called(A, text=REFUSAL), "missing_call"),
        ({"tools": ["a"]}, Reply(text="Sunny."), "missing_call"),
        ({"tools": "any"}, Reply(text="Sunny."), "missing_call"),
        ({"tools_in_order": ["a", "b"]}, called(A), "missing_call"),
        ({"tools_in_order": ["a", "a"]}, called(A), "missing_call"),
        ({"arguments": {"a": {}, "b": {}}}, called(A), "missing_call"),
        ({"arguments_schema": {"a": {}, "b": {}}}, called(B), "missing_call"),
        ({"arguments": {"a": [{"x": 1}, {"x": 2}]}}, called(A), "missing_call"),
        ({"arguments": {"a": [{"x": 1}]}}, called(A, A), "unneeded_call"),
        ({"tools_in_order": ["a"]}, called(A, A), "unneeded_call"),
        ({"arguments": {"a": {"x": 2}}}, called(A), "wrong_arguments"),
        ({"arguments": {"a": [{"x": 2}]}}, called(A), "wrong_arguments"),
        (
            {"tools": "any", "arguments": {"a": {"x": 2}}},
            called(A),
            "wrong_arguments",
        ),
        (
            {"arguments_schema": {"a": {"required": ["y"]}}},
            called(A),
            "wrong_arguments",
        ),
        ({"tools_in_order": ["a", "b"]}, called(B, A), "wrong_tool"),
        (
            {"tools": ["a"], "contains": "x"},
            called(A, text=REFUSAL),
            "refused",
        ),
        ({"exact": "Oslo"}, Reply(text=REFUSAL + " Oslo"), "refused"),
        ({"max_words": 1}, Reply(text=REFUSAL), "format_drift"),
        ({"not_contains": "x"}, Reply(text="x"), "wrong_answer"),
        ({"max_words": 1}, Reply(text="one two"), "format_drift"),
        ({"max_words": 1, "exact": "Oslo"}, Reply(text="It is Oslo"), "format_drift"),
        ({"max_words": 1, "exact": "Oslo"}, Reply(text="It is Rome"), "wrong_answer"),
        ({"exact": "Oslo", "json": {}}, Reply(text="Oslo"), "wrong_answer"),
        ({"regex": "("}, Reply(text="("), "wrong_answer"),
        ({"exakt": "x"}, Reply(text="x"), "wrong_answer"),
        ({"check": "unknown"}, Reply(text="x"), "wrong_answer"),
    ],
)
def test_the_first_mode_that_fits(
    expect: dict[str, Json], reply: Reply, mode: str | None
) -> None:
    """Each failed reply is named by the earliest rule that speaks of it."""
    assert mode_of(reply, **expect) == mode


def test_a_broken_time_limit_alone_is_a_timeout() -> None:
    """Late but right is slow; late and wrong is wrong; late and long is form."""
    late = Reply(text="x y", timings=Timings(e2e_ms=9.0, ttft_ms=9.0))
    assert mode_of(late, max_e2e_ms=5) == "timeout"
    assert mode_of(late, max_ttft_ms=5, max_e2e_ms=5) == "timeout"
    assert mode_of(late, max_e2e_ms=5, max_words=1) == "format_drift"
    assert mode_of(late, max_e2e_ms=5, contains="z") == "wrong_answer"
    long = Reply(text="x", usage=Usage(output_tokens=9))
    assert mode_of(long, max_output_tokens=5) == "format_drift"


@pytest.mark.parametrize(
    ("name", "expected", "text"),
    [
        ("exact", "Oslo", "It is **Oslo**."),
        ("exact", "Oslo", "oslo"),
        ("exact", "Oslo", '"Oslo"'),
        ("exact", "-5", "The answer is -5."),
        ("exact", "New York", "new york!"),
        ("one_of", ["yes", "no"], "No."),
        ("contains", "Oslo", "in OSLO"),
        ("contains", ["a b", "c"], "A B; C"),
        ("contains", "slo", "OSLO"),
        ("contains", "a b", "A *B*"),
        ("json", {"a": 1}, "{'a': 1}".ljust(10_000)),
        ("regex", r"\d{4}", "in 2026"),
        ("json", {"a": 1}, 'So: {"a": 1}'),
        ("json", {"a": 1}, '```json\n{"a": 1}\n```'),
        ("json", {"a": 1}, "{'a': 1}"),
        ("json", [1, 2], "[1, 2,]"),
        ("json", 5, "It is 5."),
        ("json", "Oslo", "Oslo"),
        ("json", True, "True"),
        ("json_schema", {"type": "object"}, "Here: {}"),
        ("yaml", {"a": 1}, "```yaml\na: 1\n```"),
        ("yaml", {"a": 1}, "Sure!\n\na: 1\n\nEnjoy!"),
        ("csv", {"rows": [["a", "b"]]}, "```\na,b\n```"),
        ("csv", {"header": ["a", "b"]}, "Here it is:\na,b\n1,2"),
    ],
)
def test_the_right_content_in_the_wrong_form(
    name: str, expected: Json, text: str
) -> None:
    """A near miss is told apart from a wrong answer."""
    assert mode_of(Reply(text=text), **{name: expected}) == "format_drift"


@pytest.mark.parametrize(
    ("name", "expected", "text"),
    [
        ("exact", "5", "15 km"),
        ("exact", "5", "-5"),
        ("exact", "35", "3.5"),
        ("exact", ".5", "5"),
        ("exact", "", "Oslo"),
        ("exact", "!", "Oslo!"),
        ("one_of", ["yes", "no"], "nobody"),
        ("contains", ["Oslo", "Rome"], "OSLO"),
        ("regex", r"\d{4}", "no"),
        ("regex", r"\d*", "no"),
        ("json", {"a": 1}, 'So: {"a": 2}'),
        ("json", 5, "It is 15."),
        ("json", None, "nothing"),
        ("json", 5, '"5"'),
        ("json", {"a": 1}, "{'a': 1, 'a': 2}"),
        ("json", {"a": 1}, "{'a': 1}".ljust(10_001)),
        ("json", {"a": 1}, '[{"a": 1}]'),
        ("json_schema", {"required": ["a"]}, "Here: {}"),
        ("yaml", {"a": 1}, "```yaml\na: 2\n```"),
        ("csv", {"rows": [["a", "b"]]}, "```\na,c\n```"),
    ],
)
def test_the_wrong_content_is_no_near_miss(
    name: str, expected: Json, text: str
) -> None:
    """A wrong answer must not be excused as one of form."""
    assert mode_of(Reply(text=text), **{name: expected}) == "wrong_answer"


def test_values_too_deep_are_no_near_miss() -> None:
    """Recursion ends in a mode."""
    deep: Json = 1
    for _ in range(3000):
        deep = [deep]
    assert mode_of(Reply(text="x [1]"), json=deep) == "wrong_answer"


@pytest.mark.parametrize(
    "text",
    [
        REFUSAL,
        "I\u2019m unable to see your files.",
        "Unfortunately, I cannot do that.",
        "As an AI, I have no calendar.",
        "x" * (WINDOW - 7) + "I can't",
    ],
)
def test_refusals(text: str) -> None:
    """Phrases that decline count at the start of a reply, typographic or not."""
    assert looks_like_refusal(text)


@pytest.mark.parametrize(
    "text",
    ["", "It is sunny.", "Sorry to hear that!", "x" * (WINDOW - 6) + "I can't"],
)
def test_what_is_no_refusal(text: str) -> None:
    """Other words, and a refusal late in a long answer, do not count."""
    assert not looks_like_refusal(text)


def test_the_written_order_names_every_mode() -> None:
    """The module's text speaks of all modes and of no others."""
    lines = (modes.__doc__ or "").split("`")[1::2]
    assert set(lines) == set(get_args(FailureMode))
