"""Prompts: what identifies them, and what they expect of tools."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pytest_llmbench.prompts.suite import Json, Prompt, Suite, Tool

TOOL = Tool(name="f", description="Does.", parameters={"type": "object"})
PROMPT = Prompt(
    id="P1",
    text="Hi",
    title="greets",
    purpose="warms up",
    category="action",
    system="Be brief.",
    tools=(TOOL,),
    expect={"contains": "hi", "not_contains": "bye"},
    options={"temperature": 0.7, "top_k": 4},
    marks=("smoke",),
    line=7,
)


def test_the_hash_is_sixteen_hexadecimal_digits() -> None:
    """A hash is short enough to read and stays the same across versions."""
    assert PROMPT.hash == "fc76f20134f03663"
    assert Prompt(id="P1", text="Hi").hash == "78d5100ae67495c4"


@pytest.mark.parametrize(
    "other",
    [
        replace(PROMPT, text="Hi!"),
        replace(PROMPT, system=""),
        replace(PROMPT, tools=()),
        replace(PROMPT, tools=(TOOL, TOOL)),
        replace(PROMPT, tools=(replace(TOOL, name="g"),)),
        replace(PROMPT, tools=(replace(TOOL, description="Does not."),)),
        replace(PROMPT, tools=(replace(TOOL, parameters={}),)),
        replace(PROMPT, expect={}),
        replace(PROMPT, expect={"contains": "hi"}),
        replace(PROMPT, expect={"contains": ["hi"], "not_contains": "bye"}),
        replace(PROMPT, options={}),
        replace(PROMPT, options={"temperature": 0.71, "top_k": 4}),
        replace(PROMPT, options={"temperature": True, "top_k": 4}),
    ],
)
def test_the_hash_changes_with_what_is_asked(other: Prompt) -> None:
    """Text, system, tools, expectations and options make another question."""
    assert other.hash != PROMPT.hash


@pytest.mark.parametrize(
    "same",
    [
        replace(PROMPT, id="P2"),
        replace(PROMPT, title="", purpose="", category="", marks=(), line=1),
        replace(PROMPT, expect={"not_contains": "bye", "contains": "hi"}),
        replace(PROMPT, options={"top_k": 4, "temperature": 0.7}),
    ],
)
def test_the_hash_stays_with_the_question(same: Prompt) -> None:
    """Names, titles, marks, places and the order of keys don't matter."""
    assert same.hash == PROMPT.hash


def test_the_order_of_tools_is_part_of_the_question() -> None:
    """A model may prefer the first tool, so their order is asked too."""
    one, two = TOOL, replace(TOOL, name="g")
    assert replace(PROMPT, tools=(one, two)).hash != (
        replace(PROMPT, tools=(two, one)).hash
    )


@pytest.mark.parametrize(
    ("expect", "expects_tool", "expects_no_tool"),
    [
        ({}, False, False),
        ({"contains": "x"}, False, False),
        ({"tools": []}, False, True),
        ({"tools": ["f"]}, True, False),
        ({"tools": "any"}, True, False),
        ({"tools_in_order": ["f"]}, True, False),
        ({"arguments": {"f": {}}}, True, False),
        ({"arguments_schema": {"f": {}}}, True, False),
        ({"forbid_tools": ["f"]}, False, False),
    ],
)
def test_what_is_expected_of_tools(
    expect: dict[str, Json],
    expects_tool: bool,  # noqa: FBT001 - a parametrised truth
    expects_no_tool: bool,  # noqa: FBT001 - a parametrised truth
) -> None:
    """Restraint is `tools: []`; any named tool or argument is an action."""
    prompt = replace(PROMPT, expect=expect)
    assert prompt.expects_tool is expects_tool
    assert prompt.expects_no_tool is expects_no_tool


def test_no_restraint_without_tools() -> None:
    """Where nothing is offered, not calling shows nothing."""
    assert not replace(PROMPT, tools=(), expect={"tools": []}).expects_no_tool


def test_ids_come_in_file_order() -> None:
    """A suite lists its prompts as written."""
    prompts = (replace(PROMPT, id="Z"), replace(PROMPT, id="A"))
    assert Suite(name="s", phase="s", prompts=prompts).prompt_ids() == ("Z", "A")
