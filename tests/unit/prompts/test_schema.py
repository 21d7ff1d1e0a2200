"""The suite's JSON Schema, and its errors in a reader's words."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pytest_llmbench.prompts.schema import schema_faults, suite_schema

PROMPT = {"id": "P1", "prompt": "Hi", "expect": "none"}


def suite(**changes: object) -> dict[str, Any]:
    """Make a right suite, and change it."""
    return {"suite": "s", "prompts": [PROMPT], **changes}


def prompt(**changes: object) -> dict[str, Any]:
    """Make a suite of one prompt, and change that."""
    return suite(prompts=[{**PROMPT, **changes}])


def test_the_schema_is_a_schema() -> None:
    """Editors and other tools can use the published file."""
    Draft202012Validator.check_schema(suite_schema())


@pytest.mark.parametrize(
    "value",
    [
        suite(),
        suite(phase="p", description="", system="", tools=[], defaults={}),
        suite(tools="tools.yaml", defaults={"options": {}, "marks": []}),
        prompt(expect={"json": None}),
        prompt(expect={"tools": "any", "forbid_tools": ["f"]}),
        prompt(expect={"tools": [], "not_contains": ["a", "b"]}),
        prompt(expect={"arguments": {"f": [{"a": 1}, {"a": 2}]}}),
        prompt(id="1", title="", purpose="", category="c", marks=["m"], system=""),
    ],
)
def test_right_suites_have_no_fault(value: Any) -> None:  # noqa: ANN401 - JSON
    """What the format allows passes."""
    assert schema_faults(value) == []


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        (
            suite(prompt=[]),
            ("prompt",),
            "unknown key 'prompt'; did you mean 'prompts'?",
        ),
        (
            prompt(expct={}),
            ("prompts", 0, "expct"),
            "unknown key 'expct'; did you mean 'expect'?",
        ),
        (
            prompt(expect={"tool": []}),
            ("prompts", 0, "expect", "tool"),
            "unknown key 'tool'; did you mean 'tools'?",
        ),
        (
            suite(defaults={"options": {"temprature": 1}}),
            ("defaults", "options", "temprature"),
            "unknown key 'temprature'; did you mean 'temperature'?",
        ),
        ([], (), "the file must be a mapping, not []"),
        (
            {"suite": "s"},
            (),
            "the file lacks the key 'prompts'",
        ),
        (suite(prompts=[]), ("prompts",), "prompts must not be empty"),
        (
            prompt(expect={}),
            ("prompts", 0, "expect"),
            "prompts[0].expect must not be empty",
        ),
        (
            prompt(expect="nothing"),
            ("prompts", 0, "expect"),
            "prompts[0].expect must be the word 'none' or a mapping, not \"nothing\"",
        ),
        (
            prompt(expect={"tools": "none"}),
            ("prompts", 0, "expect", "tools"),
            "prompts[0].expect.tools must be the word 'any' or a list, not \"none\"",
        ),
        (
            prompt(expect={"tools": ["f", ""]}),
            ("prompts", 0, "expect", "tools", 1),
            'prompts[0].expect.tools[1] is "", which does not match \\S',
        ),
        (
            prompt(expect={"contains": 3}),
            ("prompts", 0, "expect", "contains"),
            "prompts[0].expect.contains must be a text or a list, not 3",
        ),
        (
            prompt(expect={"arguments": {"f": 3}}),
            ("prompts", 0, "expect", "arguments", "f"),
            "prompts[0].expect.arguments.f must be a mapping or a list, not 3",
        ),
        (
            prompt(options={"temperature": "hot"}),
            ("prompts", 0, "options", "temperature"),
            'prompts[0].options.temperature must be a number, not "hot"',
        ),
        (
            prompt(options={"temperature": -1}),
            ("prompts", 0, "options", "temperature"),
            "prompts[0].options.temperature must be at least 0, not -1",
        ),
        (
            prompt(options={"top_p": 1.5}),
            ("prompts", 0, "options", "top_p"),
            "prompts[0].options.top_p must be at most 1, not 1.5",
        ),
        (
            prompt(options={"effort": "extreme"}),
            ("prompts", 0, "options", "effort"),
            (
                "prompts[0].options.effort must be one of ['none', 'minimal', 'low',"
                " 'medium', 'high', 'max'], not \"extreme\""
            ),
        ),
        (
            prompt(id="a b"),
            ("prompts", 0, "id"),
            (
                'prompts[0].id is "a b", which does not match'
                " ^[A-Za-z0-9][A-Za-z0-9_.-]*$"
            ),
        ),
        (
            prompt(prompt=" \n"),
            ("prompts", 0, "prompt"),
            'prompts[0].prompt is " \\n", which does not match \\S',
        ),
        (
            prompt(title="x" * 99 + "", marks=["é"]),
            ("prompts", 0, "marks", 0),
            'prompts[0].marks[0] is "é", which does not match ^[A-Za-z_][A-Za-z0-9_]*$',
        ),
        (suite(tools={}), ("tools",), "tools must be a text or a list, not {}"),
        (
            suite(tools=[{"nam": "f", "name": "f"}]),
            ("tools", 0, "nam"),
            "unknown key 'nam'; did you mean 'name'?",
        ),
        (
            suite(system=["x" * 99]),
            ("system",),
            'system must be a text, not ["' + "x" * 55 + "...",
        ),
    ],
)
def test_a_fault_has_its_place_and_reads_well(
    value: Any,  # noqa: ANN401 - JSON
    path: tuple[str | int, ...],
    message: str,
) -> None:
    """A fault says where, what was found, and what is allowed."""
    assert schema_faults(value) == [(path, message)]


@pytest.mark.parametrize("key", ["id", "category"])
def test_a_name_has_no_line_end(key: str) -> None:
    """A line end behind a name is no part of the pattern's `$`."""
    assert len(schema_faults(prompt(**{key: "P1\n"}))) == 1


def test_every_fault_is_found() -> None:
    """One look finds them all, in document order."""
    value = suite(phase="1", prompts=[{"id": 3}, {**PROMPT, "titel": ""}], x=1)
    assert [path for path, _ in schema_faults(value)] == [
        ("x",),
        ("phase",),
        ("prompts", 0, "id"),
        ("prompts", 1, "titel"),
    ]


def test_a_part_is_checked_by_its_name() -> None:
    """A file of tools is held against its own part of the schema."""
    assert schema_faults([{"name": "f"}], "toolList") == []
    assert schema_faults({"name": "f"}, "toolList") == [
        ((), 'the file must be a list, not {"name": "f"}')
    ]
