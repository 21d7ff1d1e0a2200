"""Tool calls that a model wrote as text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.checks.attempts import attempted_call

TOOLS = ("get_weather", "create_meeting")
BAR = "\uff5c"
CALL = '{"name": "get_weather", "arguments": {"city": "Oslo"}}'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"<tool_call>{CALL}</tool_call>", "<tool_call>"),
        ("<tool_call>get_weather <arg_key>city</arg_key></tool_call>", "<tool_call>"),
        ("<function=get_weather><parameter=city>Oslo", "<function="),
        ("[TOOL_CALLS]get_weather[ARGS]{}", "[TOOL_CALLS]"),
        (f"[TOOL_CALLS] [{CALL}]", "[TOOL_CALLS]"),
        ('<|tool_call_start|>[get_weather(city="Oslo")]', "<|tool_call_start|>"),
        ("<start_function_call>call:get_weather{}", "<start_function_call>"),
        ("<|tool_call>call:get_weather{}<tool_call|>", "<|tool_call>"),
        ('<|python_tag|>brave_search.call(query="x")', "<|python_tag|>"),
        ('<|START_ACTION|>[{"tool_name": "f"}]', "<|START_ACTION|>"),
        ("<function_calls>get_weather()</function_calls>", "<function_calls>"),
        (f" functools[{CALL}]", "functools["),
        ("commentary to=functions.get_weather {}", "to=functions."),
        ('```tool_code\nget_weather("Oslo")\n```', "```tool_code"),
        ('>>>get_weather\n{"city": "Oslo"}', ">>>"),
    ],
)
def test_marks_of_model_families(text: str, found: str) -> None:
    """Each family's mark must be seen, alone and after prose."""
    assert attempted_call(text, TOOLS) == found
    assert attempted_call(f"Let me look.\n{text}", TOOLS) == found


@pytest.mark.parametrize(
    "mark",
    [
        f"<{BAR}tool▁calls▁begin{BAR}>",
        f"<{BAR}tool▁call▁begin{BAR}>",
        f"<{BAR}tool_calls_begin{BAR}>",
        f"<{BAR}tool calls begin{BAR}>",
        rf"<{BAR}tool\_calls\_begin{BAR}>",
        "<|tool▁calls▁begin|>",
    ],
)
def test_misspelt_fullwidth_marks(mark: str) -> None:
    """The fullwidth mark must be seen in the spellings that models produce."""
    assert attempted_call(f"{mark}function", TOOLS) == mark


@pytest.mark.parametrize(
    "text",
    [
        CALL,
        f"Sure, I will call it: {CALL} and wait.",
        f"```json\n{CALL}\n```",
        f"[{CALL}]",
        f'{{"tool_calls": [{CALL}]}}',
        f'{{"type": "function", "function": {CALL}}}',
        '{"name": "get_weather"}',
        '{"type": "function", "name": "get_weather"}',
        '{"name": "get_weather", "parameters": {"city": "Oslo"}}',
        '{"function": "get_weather", "args": {"city": "Oslo"}}',
        '{"tool": "get_weather", "input": {"city": "Oslo"}}',
        '{"tool_name": "get_weather", "arguments": "{}"}',
        '{"get_weather": {"city": "Oslo"}}',
        '{"name": "create_meeting", "arguments": {"description": "x"}}',
        f'{{"broken" {CALL}',
        '{"name": "get_weather", "arguments": {"city": "Oslo"',
        "{'name': 'get_weather', 'arguments': {'city': 'Oslo'}}",
        '```json\n[{"name": "get_weather", "arguments": {"city": "Oslo"}\n```',
        '{"name": "create_meeting", "arguments": {"description": "x"',
    ],
)
def test_json_that_names_an_offered_tool(text: str) -> None:
    """JSON calls count wherever they stand, and broken ones where they begin."""
    assert attempted_call(text, TOOLS) == "JSON"


@pytest.mark.parametrize(
    "text",
    [
        '[get_weather(city="Oslo")]',
        "[get_weather(city), create_meeting()]",
        'get_weather(city="Oslo")',
        "get_weather(city=Oslo)\nDone.",
        'get_weather("Oslo") should do.',
        "get_weather ( 5 )",
        "get_weather({'city': 'Oslo'})",
        "get_weather()",
        "get_weather(Oslo)",
        'get_weather(city="Oslo',
        "get_weather(Oslo",
    ],
)
def test_python_calls_at_the_start(text: str) -> None:
    """A text that starts with a call of an offered tool is an attempt."""
    assert attempted_call(text, TOOLS) == "Python"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "It is sunny in Oslo.",
        "I can use get_weather and create_meeting.",
        "get_weather(city) tells the weather, create_meeting(title) plans.",
        "get_weather(city: str) -> str",
        'Call it like this: get_weather(city="Oslo").',
        '```python\ndef get_weather(city):\n    return requests.get(f"{city}")\n```',
        '{"name": "unknown_tool", "arguments": {}}',
        '{"name": "Oslo", "country": "Norway"}',
        '{"name": "get_weather", "description": "Weather of a city."}',
        '{"name": "get_weather", "parameters": {"properties": {}}}',
        '[{"name": "get_weather", "purpose": "weather"}]',
        '{"get_weather": {"description": "Weather of a city."}}',
        '{"get_weather": "Weather of a city."}',
        '{"get_weather": {}, "create_meeting": {}}',
        '[{"name": "get_weather", "description": "Weather',
        '{"name": "get_weather", "parameters": {"properties": {',
        'The key "name": "get_weather" is set [so.',
        '{"name": ["get_weather"], "arguments": {}}',
        ">>>get_weather and more",
        "create_meeting",
        "[1]: a footnote about get_weather",
    ],
)
def test_talk_about_tools_is_no_attempt(text: str) -> None:
    """Answers, explanations, definitions and code about tools must stay answers."""
    assert attempted_call(text, TOOLS) is None


def test_only_marks_count_without_offered_tools() -> None:
    """JSON and Python need a tool's name to be seen."""
    assert attempted_call(CALL, ()) is None
    assert attempted_call("get_weather()", ()) is None
    assert attempted_call("<tool_call>", ()) == "<tool_call>"


@pytest.mark.parametrize(
    "thought",
    [
        f"<think>{CALL}</think>",
        f"{CALL}</think>",
        f"[THINK]{CALL}[/THINK]",
        f"<|START_THINKING|>{CALL}<|END_THINKING|>",
        f"<think>a</think><think>{CALL}</think>",
    ],
)
def test_calls_inside_thinking_are_no_attempt(thought: str) -> None:
    """What is thought aloud must not count; what follows or precedes must."""
    assert attempted_call(f"{thought}It is sunny.", TOOLS) is None
    assert attempted_call(f"{thought}\n{CALL}", TOOLS) == "JSON"
    assert attempted_call(f"{CALL}<think>x</think>", TOOLS) == "JSON"


def test_thinking_that_never_ends_still_counts() -> None:
    """Without a closing tag nobody can tell thought from answer."""
    assert attempted_call(f"<think>Hm. {CALL}", TOOLS) == "JSON"


def test_names_are_taken_literally() -> None:
    """A tool name with signs of its own must not act as a pattern."""
    assert attempted_call("aXb()", ["a.b"]) is None
    assert attempted_call("a.b()", ["a.b"]) == "Python"


@given(text=st.text(st.characters(codec=None, exclude_categories=())))
def test_no_text_raises(text: str) -> None:
    """Any text must have an answer."""
    assert attempted_call(text, ["", "a", "get_weather"]) is None or text


@pytest.mark.parametrize(
    "text",
    [
        "```" + " " * 200_000 + "x",
        "[" + " " * 200_000 + "x",
        '{"name"' + " " * 200_000,
        '{"name": "get_weather"' * 20_000,
        "</think>" * 50_000,
        "get_weather(" + "a" * 200_000,
    ],
)
def test_slow_text_is_read_in_linear_time(text: str) -> None:
    """Text made to be slow must not hang the search."""
    started_s = time.perf_counter()
    attempted_call(text, TOOLS)
    assert time.perf_counter() - started_s < 3
