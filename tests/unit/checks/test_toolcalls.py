"""Expectations about which tools are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmbench.checks.called import expected_names, wrong_tools
from pytest_llmbench.checks.registry import EXPECTATIONS
from pytest_llmbench.checks.reply import Reply, ToolCall
from pytest_llmbench.prompts.suite import Prompt, Tool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.prompts.suite import Json

TEXT_CALL = '<tool_call>{"name": "a", "arguments": {"x": '
IN_TEXT = "tried to call a tool in the text, which cannot be read (hermes)"


def prompt_with(**expect: Json) -> Prompt:
    """Return a prompt that offers the tools a, b and c."""
    tools = tuple(Tool(name=name) for name in "abc")
    return Prompt(id="P1", text="Do it.", tools=tools, expect=expect)


def reply_calling(*names: str, text: str = "") -> Reply:
    """Return a reply that calls tools without arguments."""
    calls = tuple(ToolCall(name=name, arguments={}) for name in names)
    return Reply(text=text, tool_calls=calls)


@pytest.mark.parametrize(
    ("name", "expected", "called", "why"),
    [
        ("tools", ["a", "b"], "ba", ""),
        ("tools", ["a"], "aa", ""),
        ("tools", ["a", "a"], "a", ""),
        ("tools", ["a", "b"], "a", "b was not called"),
        ("tools", ["a"], "ab", "b was called, though not expected"),
        ("tools", ["a"], "az", "z was called, but no such tool is offered"),
        (
            "tools",
            ["a"],
            "b",
            "a was not called; b was called, though not expected",
        ),
        ("tools", ["a"], "", "no tool was called"),
        ("tools", [], "", ""),
        ("tools", [], "a", "a was called, though not expected"),
        ("tools", "any", "c", ""),
        ("tools", "any", "zc", ""),
        ("tools", "any", "", "no tool was called"),
        ("tools", "any", "z", "no tool that is offered was called"),
        ("tools_in_order", ["a", "b", "a"], "aba", ""),
        ("tools_in_order", ["a", "b"], "ba", "call 1 is b, not a"),
        ("tools_in_order", ["a", "b"], "a", "call 2 is missing; expected b"),
        (
            "tools_in_order",
            ["a"],
            "aa",
            "call 2 is a, though only 1 were expected",
        ),
        ("tools_in_order", ["a"], "", "no tool was called"),
        ("forbid_tools", ["a", "b"], "c", ""),
        ("forbid_tools", ["a", "b"], "", ""),
        ("forbid_tools", ["a", "b"], "cba", "b, a was called"),
    ],
)
def test_tool_checks(name: str, expected: Json, called: str, why: str) -> None:
    """Each expectation about calls passes or fails, and says why."""
    prompt = prompt_with(**{name: expected})
    assert EXPECTATIONS[name].faults(expected, prompt) == []
    result = EXPECTATIONS[name].check(expected, reply_calling(*called), prompt)
    assert (result.name, result.passed, result.why) == (name, not why, why)


@pytest.mark.parametrize(
    ("name", "expected", "shown", "got"),
    [
        ("tools", ["a", "b"], "a, b", "b, c"),
        ("tools", [], "no call", "b, c"),
        ("tools", "any", "any call", "b, c"),
        ("tools_in_order", ["a", "b"], "a → b", "b → c → b"),
        ("forbid_tools", ["a"], "no call of a", "b, c"),
    ],
)
def test_results_show_names(name: str, expected: Json, shown: str, got: str) -> None:
    """A person must see the tools expected and called."""
    reply = reply_calling("b", "c", "b")
    result = EXPECTATIONS[name].check(expected, reply, prompt_with())
    assert (result.expected, result.got) == (shown, got)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tools", ["a"]),
        ("tools", []),
        ("tools", "any"),
        ("tools_in_order", ["a"]),
        ("arguments", {"a": {}}),
        ("arguments_schema", {"a": {}}),
    ],
)
def test_a_call_in_the_text_fails_and_is_named(name: str, expected: Json) -> None:
    """A malformed attempt is neither a call nor restraint."""
    prompt = prompt_with(**{name: expected})
    result = EXPECTATIONS[name].check(expected, Reply(text=TEXT_CALL), prompt)
    assert not result.passed
    assert result.why == IN_TEXT


def test_text_beside_a_real_call_is_no_attempt() -> None:
    """Who has called may talk about it."""
    reply = reply_calling("a", text=TEXT_CALL)
    assert EXPECTATIONS["tools"].check(["a"], reply, prompt_with()).passed


def test_without_offered_tools_no_text_is_an_attempt() -> None:
    """A prompt without tools may ask for such text."""
    prompt = Prompt(id="P1", text="Explain <tool_call>.", expect={"tools": []})
    reply = Reply(text="<tool_call> opens a call.")
    assert EXPECTATIONS["tools"].check([], reply, prompt).passed


@pytest.mark.parametrize(
    ("expect", "called", "wrong"),
    [
        ({"tools": ["a"]}, "abzb", ("b", "z")),
        ({"tools": []}, "a", ("a",)),
        ({"tools": "any"}, "abz", ("z",)),
        ({"tools": "any", "arguments": {"a": {}}}, "b", ()),
        ({"tools": "any", "forbid_tools": ["b"]}, "ab", ("b",)),
        ({"tools_in_order": ["a", "b"]}, "bac", ("c",)),
        ({"arguments": {"a": {}}}, "ab", ("b",)),
        ({"arguments_schema": {"a": {}}}, "ab", ("b",)),
        ({"tools": ["a"], "arguments": {"b": {}}}, "abc", ("c",)),
        ({"contains": "x"}, "abz", ("z",)),
        ({"forbid_tools": ["b"]}, "abz", ("b", "z")),
        ({}, "ba", ()),
        ({"tools": ["z"]}, "z", ("z",)),
    ],
)
def test_wrong_tools(
    expect: Mapping[str, Json], called: str, wrong: tuple[str, ...]
) -> None:
    """Unexpected, forbidden and unknown names are wrong, each once, in call order."""
    assert wrong_tools(prompt_with(**expect), reply_calling(*called)) == wrong


def test_expected_names_are_gathered_from_all_expectations() -> None:
    """Every expectation that names a tool adds to what may be called."""
    prompt = prompt_with(tools=["a"], arguments={"b": {}}, arguments_schema={"c": {}})
    assert expected_names(prompt) == frozenset("abc")
    assert expected_names(prompt_with(tools=[])) == frozenset()
    assert expected_names(prompt_with(tools="any")) is None
    assert expected_names(prompt_with(forbid_tools=["a"])) is None


@pytest.mark.parametrize(
    ("name", "value", "faults"),
    [
        ("tools", "all", ["must be a list of tool names or the word 'any'"]),
        ("tools", [5], ["must be a list of tool names or the word 'any'"]),
        ("tools", ["z"], ["tool 'z' is not offered; known: a, b, c"]),
        ("tools_in_order", [], ["must not be an empty list"]),
        ("tools_in_order", "a", ["must be a list of texts"]),
        (
            "tools_in_order",
            ["z", "a", "z"],
            ["tool 'z' is not offered; known: a, b, c"],
        ),
        ("forbid_tools", [], ["must not be an empty list"]),
        ("forbid_tools", ["z"], ["tool 'z' is not offered; known: a, b, c"]),
    ],
)
def test_unusable_values_are_faults(name: str, value: Json, faults: list[str]) -> None:
    """A value that the check cannot judge by must be refused."""
    assert EXPECTATIONS[name].faults(value, prompt_with(**{name: value})) == faults


def test_a_misspelt_tool_is_guessed() -> None:
    """An author's typing error must come with the name meant."""
    tools = (Tool(name="get_weather"),)
    prompt = Prompt(id="P1", text="Do it.", tools=tools, expect={})
    assert EXPECTATIONS["tools"].faults(["get_wether"], prompt) == [
        "tool 'get_wether' is not offered; did you mean 'get_weather'?"
    ]


def test_expecting_a_call_without_tools_is_a_fault() -> None:
    """A prompt that offers nothing cannot be answered by a call."""
    prompt = Prompt(id="P1", text="Do it.")
    assert EXPECTATIONS["tools"].faults("any", prompt) == ["the prompt offers no tools"]
    assert EXPECTATIONS["tools"].faults(["a"], prompt) == [
        "tool 'a': the prompt offers no tools"
    ]
    assert EXPECTATIONS["tools"].faults([], prompt) == []


@pytest.mark.parametrize(
    ("expect", "name", "fault"),
    [
        (
            {"tools": [], "tools_in_order": ["a"]},
            "tools_in_order",
            "expect.tools does not list 'a', so both cannot hold",
        ),
        (
            {"tools": ["b"], "arguments": {"a": {}}},
            "arguments",
            "expect.tools does not list 'a', so both cannot hold",
        ),
        (
            {"forbid_tools": ["a"], "arguments_schema": {"a": {}}},
            "arguments_schema",
            "expect.forbid_tools lists 'a', so both cannot hold",
        ),
        (
            {"forbid_tools": ["a"], "tools": ["a"]},
            "tools",
            "expect.forbid_tools lists 'a', so both cannot hold",
        ),
    ],
)
def test_expectations_that_exclude_each_other_are_faults(
    expect: Mapping[str, Json], name: str, fault: str
) -> None:
    """No reply could pass both, so the suite is wrong and not the model."""
    prompt = prompt_with(**expect)
    assert EXPECTATIONS[name].faults(expect[name], prompt) == [fault]


def test_expectations_that_agree_are_no_fault() -> None:
    """Naming one tool in several expectations is fine, beside `any` too."""
    values: list[Json] = [["a"], "any"]
    for tools in values:
        prompt = prompt_with(tools=tools, arguments={"a": {}}, forbid_tools=["b"])
        assert EXPECTATIONS["tools"].faults(tools, prompt) == []
        assert EXPECTATIONS["arguments"].faults({"a": {}}, prompt) == []
