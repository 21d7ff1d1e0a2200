"""Expectations about the arguments of tool calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmbench.checks.arguments import MAX_ENTRIES
from pytest_llmbench.checks.registry import EXPECTATIONS
from pytest_llmbench.checks.reply import Reply, ToolCall
from pytest_llmbench.prompts.suite import Prompt, Tool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.checks.verdict import CheckResult
    from pytest_llmbench.prompts.suite import Json

WEATHER = Tool(
    name="weather",
    parameters={
        "type": "object",
        "required": ["city", "unit"],
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer", "default": 1},
            "unit": {"type": "string", "default": "C"},
            "note": {"type": "string"},
        },
    },
)
MEET = Tool(name="meet")
PROMPT = Prompt(id="P1", text="Do it.", tools=(WEATHER, MEET))


def weather(**arguments: Json) -> ToolCall:
    """Return a call of the weather tool."""
    return ToolCall(name="weather", arguments=arguments)


def check(name: str, expected: Json, *calls: ToolCall) -> CheckResult:
    """Judge calls by one expectation."""
    assert EXPECTATIONS[name].faults(expected, PROMPT) == []
    result = EXPECTATIONS[name].check(expected, Reply(tool_calls=calls), PROMPT)
    assert result.name == name
    assert result.passed == (not result.why)
    return result


BROKEN = ToolCall(name="weather", arguments=None, raw="{")
OSLO = weather(city="Oslo")
PARIS = weather(city="Paris")


@pytest.mark.parametrize(
    ("expected", "calls", "why"),
    [
        ({"weather": {"city": "Oslo"}}, [OSLO], ""),
        ({"weather": {"city": "Oslo"}}, [weather(city="Oslo", note="x")], ""),
        ({"weather": {}}, [PARIS], ""),
        ({"weather": {"city": "Oslo"}}, [PARIS], 'city is "Paris", not "Oslo"'),
        ({"weather": {"city": "Oslo"}}, [], "no tool was called"),
        (
            {"weather": {"city": "Oslo"}},
            [ToolCall(name="meet", arguments={"city": "Oslo"})],
            "weather was not called",
        ),
        (
            {"weather": {"city": "Oslo"}},
            [OSLO, PARIS],
            'call 2: city is "Paris", not "Oslo"',
        ),
        ({"weather": {"city": "Oslo"}}, [OSLO, OSLO], ""),
        ({"weather": {}}, [BROKEN], "the arguments are no JSON object"),
        (
            {"weather": {}},
            [OSLO, BROKEN],
            "call 2: the arguments are no JSON object",
        ),
        ({"weather": {"days": 5}}, [weather(days=5.0)], ""),
        ({"weather": {"days": 5}}, [weather(days="5")], 'days is "5", not 5'),
        ({"weather": {"days": 1}}, [weather(days=True)], "days is true, not 1"),
        (
            {"weather": {}, "meet": {"who": "Ann"}},
            [OSLO, ToolCall(name="meet", arguments={"who": "Bob"})],
            'meet: who is "Bob", not "Ann"',
        ),
        (
            {"weather": {"city": "Oslo"}, "meet": {}},
            [PARIS],
            'weather: city is "Paris", not "Oslo"; meet was not called',
        ),
        (
            {"meet": {"at": {"day": 1}}},
            [ToolCall(name="meet", arguments={"at": {"day": 1, "hour": 2}})],
            "at.hour is not expected",
        ),
    ],
)
def test_a_mapping_speaks_of_every_call(
    expected: Json, calls: list[ToolCall], why: str
) -> None:
    """Each call of the tool must hold the arguments given; others may stand beside."""
    assert check("arguments", expected, *calls).why == why


@pytest.mark.parametrize(
    ("wanted", "call", "why"),
    [
        ({"days": 1}, OSLO, ""),
        ({"days": 1.0}, OSLO, ""),
        ({"days": 2}, OSLO, "days is missing; expected 2"),
        ({"days": True}, OSLO, "days is missing; expected true"),
        ({"unit": "C"}, OSLO, 'unit is missing; expected "C"'),
        ({"note": "x"}, OSLO, 'note is missing; expected "x"'),
        ({"days": 1}, weather(days=2), "days is 2, not 1"),
        ({"days": 1}, weather(days=None), "days is null, not 1"),
    ],
)
def test_a_default_stands_for_an_optional_argument(
    wanted: Json, call: ToolCall, why: str
) -> None:
    """Only an optional argument that is left out equals its default."""
    assert check("arguments", {"weather": wanted}, call).why == why
    assert check("arguments", {"weather": [wanted]}, call).why == why


@pytest.mark.parametrize(
    ("entries", "calls", "why"),
    [
        ([{"city": "Oslo"}, {"city": "Paris"}], [PARIS, OSLO], ""),
        ([{}, {"city": "Oslo"}], [OSLO, PARIS], ""),
        ([{"city": "Oslo"}], [PARIS], 'city is "Paris", not "Oslo"'),
        ([{"city": "Oslo"}], [OSLO, OSLO], "weather was called 2 times, not 1"),
        ([{}, {}], [OSLO], "weather was called 1 times, not 2"),
        ([{}], [], "no tool was called"),
        (
            [{"city": "Oslo"}, {"city": "Paris"}],
            [OSLO, OSLO],
            'no call is left for weather(city="Paris")',
        ),
        (
            [{"city": "Oslo"}, {"city": "Paris"}],
            [OSLO, BROKEN],
            'no call is left for weather(city="Paris")',
        ),
    ],
)
def test_a_list_pairs_off_with_the_calls(
    entries: Json, calls: list[ToolCall], why: str
) -> None:
    """Entries and calls must match one to one, in any order."""
    assert check("arguments", {"weather": entries}, *calls).why == why


def test_results_show_calls_as_a_person_writes_them() -> None:
    """Expected and received calls must be readable side by side."""
    result = check("arguments", {"weather": {"city": "Oslo"}}, PARIS)
    assert result.expected == 'weather(city="Oslo")'
    assert result.got == 'weather(city="Paris")'
    entries: Json = {"weather": [{"days": 1}, {"days": 2}], "meet": {}}
    result = check("arguments", entries)
    assert result.expected == "weather(days=1), weather(days=2), meet()"
    assert result.got == "no call"


SCHEMA: Json = {"weather": {"properties": {"days": {"maximum": 7}}}}


@pytest.mark.parametrize(
    ("calls", "why"),
    [
        ([weather(days=7)], ""),
        ([weather(days=8)], "days is 8, more than 7"),
        ([weather(days=1), weather(days=8)], "call 2: days is 8, more than 7"),
        ([BROKEN], "the arguments are no JSON object"),
        ([ToolCall(name="meet", arguments={})], "weather was not called"),
        ([], "no tool was called"),
    ],
)
def test_a_schema_speaks_of_every_call(calls: list[ToolCall], why: str) -> None:
    """The tool must be called, each time with valid arguments."""
    result = check("arguments_schema", SCHEMA, *calls)
    assert result.why == why
    assert result.expected.startswith('arguments valid by {"weather": ')


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("arguments", [], "must map tool names to arguments"),
        ("arguments", {}, "must map tool names to arguments"),
        ("arguments", {"weather": 5}, "weather: must be a mapping of arguments"),
        ("arguments", {"weather": [5]}, "weather: must be a mapping of arguments"),
        ("arguments", {"weather": []}, "weather: must not be an empty list"),
        ("arguments", {"wether": {}}, "did you mean 'weather'?"),
        (
            "arguments",
            {"weather": {"cty": "Oslo"}},
            "weather has no argument 'cty'; did you mean 'city'?",
        ),
        ("arguments", {"meet": {"x": float("nan")}}, "meet: NaN is no JSON value"),
        (
            "arguments",
            {"meet": [{}] * (MAX_ENTRIES + 1)},
            "meet: lists 101 calls; at most 100 are paired",
        ),
        ("arguments_schema", [], "must map tool names to JSON Schemas"),
        ("arguments_schema", {}, "must map tool names to JSON Schemas"),
        ("arguments_schema", {"wether": {}}, "did you mean 'weather'?"),
        ("arguments_schema", {"weather": {"type": "x"}}, "weather: no valid JSON Sch"),
    ],
)
def test_unusable_values_are_faults(name: str, value: Json, fault: str) -> None:
    """A value that the check cannot judge by must be refused."""
    (found,) = EXPECTATIONS[name].faults(value, PROMPT)
    assert fault in found


@pytest.mark.parametrize(
    "words",
    [
        {"additionalProperties": True},
        {"additionalProperties": {"type": "string"}},
        {"patternProperties": {"^x": True}},
        {"allOf": [{"properties": {"x": True}}]},
        {"properties": {}},
        {"properties": 5, "required": 5},
    ],
)
def test_open_schemas_allow_any_argument_name(words: Mapping[str, Json]) -> None:
    """Where a schema may know more arguments, no name is called misspelt."""
    parameters: dict[str, Json] = {"properties": {"city": True}, **words}
    tool = Tool(name="weather", parameters=parameters)
    prompt = Prompt(id="P1", text="Do it.", tools=(tool,))
    arguments = EXPECTATIONS["arguments"]
    assert arguments.faults({"weather": {"x": 1}}, prompt) == []
    assert not arguments.check({"weather": {"x": 1}}, Reply(), prompt).passed


def test_as_many_entries_as_allowed_are_paired() -> None:
    """The limit itself must still be judged."""
    calls = [ToolCall(name="meet", arguments={})] * MAX_ENTRIES
    assert check("arguments", {"meet": [{}] * MAX_ENTRIES}, *calls).passed


def test_a_closed_schema_names_the_misspelt_argument() -> None:
    """`additionalProperties: false` must not switch the help off."""
    parameters: dict[str, Json] = {
        "properties": {"city": True},
        "additionalProperties": False,
    }
    tool = Tool(name="weather", parameters=parameters)
    prompt = Prompt(id="P1", text="Do it.", tools=(tool,))
    assert EXPECTATIONS["arguments"].faults({"weather": {"x": 1}}, prompt) == [
        "weather has no argument 'x'; known: city"
    ]
