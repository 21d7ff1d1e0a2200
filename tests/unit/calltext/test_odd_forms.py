"""What models write when they miss a format: salvaged, malformed, or only words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from call_writers import WRITERS, deepseek_mark

from pytest_llmbench.checks.calltext import read_calls
from pytest_llmbench.prompts.suite import Tool

if TYPE_CHECKING:
    from pytest_llmbench.checks.calltext.reading import TextCalls
    from pytest_llmbench.prompts.suite import Json

TOOLS: Final = (
    Tool(
        name="get_weather",
        parameters={
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}
        },
    ),
    Tool(
        name="create_meeting",
        parameters={"properties": {"from": {"type": "string"}, "description": {}}},
    ),
)
CALL: Final = '{"name": "get_weather", "arguments": {"city": "Oslo"}}'
OSLO: Final = ("get_weather", {"city": "Oslo"})


def read(text: str) -> TextCalls:
    """Read a text with the usual tools."""
    return read_calls(text, TOOLS)


def said(found: TextCalls) -> list[tuple[str, object]]:
    """Return the calls as they were written."""
    return [(call.name, call.arguments) for call in found.calls]


@pytest.mark.parametrize(
    "text",
    [
        CALL,
        f"Sure, I will call it: {CALL} and wait.",
        f"```json\n{CALL}\n```",
        f"```\n{CALL}\n```",
        f"[{CALL}]",
        f'{{"tool_calls": [{CALL}]}}',
        f'{{"tool_call": {CALL}}}',
        f'{{"function_call": {CALL}}}',
        f'{{"type": "function", "function": {CALL}}}',
        '{"type": "function", "name": "get_weather", "parameters": {"city": "Oslo"}}',
        '{"function": "get_weather", "args": {"city": "Oslo"}}',
        '{"tool": "get_weather", "input": {"city": "Oslo"}}',
        '{"tool_name": "get_weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}',
        '{"name": "functions.get_weather", "arguments": {"city": "Oslo"}}',
        '{"get_weather": {"city": "Oslo"}}',
        f'{{"broken" {CALL}',
        f"{{x}} {{y: 1}} [z {CALL}",
        f"<think>It's {{</think>{CALL}",
        f"{CALL}<think>x</think>",
        f"<tool_call>{CALL}",
        f"<tool_call>{CALL}</tool_call></tool_call>",
        f"<tool_call><tool_call>{CALL}</tool_call>",
        f"<tool_call>{CALL}</tool_",
        f"[TOOL_CALLS]{CALL}",
        f"[TOOL_CALLS] [{CALL}][/TOOL_CALLS]",
        '[TOOL_CALLS]get_weather{"city": "Oslo"}',
        '[TOOL_CALLS]get_weather[CALL_ID]a1B2c3[ARGS]{"city": "Oslo"}',
        f"<|python_tag|>{CALL}<|eom_id|>",
        '<|python_tag|>get_weather(city="Oslo")',
        '<function=get_weather>{"city": "Oslo"}',
        '<function="get_weather"><parameter="city">Oslo</parameter></function>',
        (
            '<function name="get_weather">\n<parameter name="city">Oslo</parameter>\n'
            "</function>"
        ),
        (
            "<tool_call>\n<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n"
            "</parameter>\n</function>\n</tool_call>\n</tool_call>"
        ),
        'get_weather\n{"city": "Oslo"}',
        'commentary to=functions.get_weather json{"city": "Oslo"}',
        'assistantcommentary to=functions.get_weather <|message|>{"city": "Oslo"}',
        "get_weather(city='Oslo')",
        "get_weather(city='Oslo');",
        '`get_weather(city="Oslo")`',
        'get_weather ( city = "Oslo" )',
        'get_weather(**{"city": "Oslo"})',
        'get_weather(city="Oslo") should do.',
        'I look.\nget_weather(city="Oslo")\nDone.',
        '```python\nget_weather(city="Oslo")\n```',
        '```tool_code\nprint(get_weather(city="Oslo"))\n```',
        '```tool_code\nresult = get_weather(city="Oslo")\n```',
        '[get_weather(city="Oslo")]',
        'Let me look: [get_weather(city="Oslo")]',
        '[\n  get_weather(\n    city="Oslo",\n  ),\n]',
        '[get_weather(city="Oslo")][get_weather(city="Oslo")]',
        '<|tool_call_start|>get_weather(city="Oslo")<|tool_call_end|>',
        (
            '<|tool_call_start|>[get_weather(city="Oslo")]<|tool_call_end|>'
            '[get_weather(city="Oslo")]'
        ),
        '<|tool_call_start|>[get_weather(city="Oslo")]',
        "<start_function_call>call:get_weather{city:<escape>Oslo<escape>}",
    ],
)
def test_one_call_in_many_shapes(text: str) -> None:
    """Each of these is one call that keeps to some format."""
    found = read(text)
    assert said(found) == [OSLO]
    assert (found.malformed, found.calls[0].is_salvaged) == ("", False)


@pytest.mark.parametrize(
    "text",
    [
        "{'name': 'get_weather', 'arguments': {'city': 'Oslo'}}",
        '{"name": "get_weather", "arguments": {"city": "Oslo",},}',
        '{"name": "get_weather", "arguments": {"city": "Oslo"}',
        '{"name": "get_weather", "arguments": {"city": "Oslo"',
        '{name: "get_weather", arguments: {city: "Oslo"}}',
        '```json\n[{"name": "get_weather", "arguments": {"city": "Oslo"}\n```',
        '{"name": "get_weather", "arguments": "{\'city\': \'Oslo\'}"}',
        f"<tool_call>{CALL[:-1]}</tool_call>",
        f"<tool_call>{CALL[:-2]}",
        "<tool_call>{'name': 'get_weather', 'arguments': {'city': 'Oslo'}}</tool_call>",
        f"<tool_call>\n```json\n{CALL}\n```\n</tool_call>",
        '<function=get_weather>{"city": "Oslo",}</function>',
        "<function=get_weather><parameter=city>Oslo</parameter>",
        "<function=get_weather>\n<parameter=city>\nOslo\n</function>",
        "<tool_call>get_weather<arg_key>city</arg_key><arg_value>Oslo</arg_value>",
        "[TOOL_CALLS]get_weather[ARGS]{'city': 'Oslo'}",
        f"[TOOL_CALLS] [{CALL}",
        "<|START_ACTION|>{'tool_name': 'get_weather', 'args': {'city': 'Oslo'}}",
        f"functools[{CALL}",
        'to=functions.get_weather {"city": "Oslo"',
        ">>>get_weather\n{'city': 'Oslo'}",
        'get_weather("Oslo")',
        "get_weather({'city': 'Oslo'})",
        '[get_weather(city="Oslo")',
        'get_weather(city="Oslo"',
        f"<|tool_call_start|>[{CALL}]<|tool_call_end|>",
        "<start_function_call>call:get_weather{city:Oslo}<end_function_call>",
        '<start_function_call>call:get_weather{"city":"Oslo"}<end_function_call>',
        '<|tool_call>get_weather{city:<|"|>Oslo<|"|>}<tool_call|>',
        '<|tool_call>call:get_weather{city:<|"|>Oslo<|"|>',
    ],
)
def test_a_salvaged_call_says_so(text: str) -> None:
    """A rule of the format is broken, but what is meant is beyond doubt."""
    found = read(text)
    assert said(found) == [OSLO]
    assert (found.malformed, found.calls[0].is_salvaged) == ("", True)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("create_meeting(from='sed -n '1,9p' f')", {"from": "sed -n '1,9p' f"}),
        ('create_meeting(from="say "hi", please")', {"from": 'say "hi", please'}),
        ("create_meeting(from='two\nlines')", {"from": "two\nlines"}),
        ("create_meeting(from=07)", {"from": 7}),
        (
            '{"name": "create_meeting", "arguments": {"from": "say "hi", please"}}',
            {"from": 'say "hi", please'},
        ),
        (
            '{"name": "create_meeting", "arguments": {"from": "two\nlines"}}',
            {"from": "two\nlines"},
        ),
        (r"create_meeting(from='it's \'so\'')", {"from": "it's 'so'"}),
    ],
)
def test_quotes_within_quotes(text: str, arguments: object) -> None:
    """A quote ends a string only where the string can end."""
    (call,) = read(text).calls
    assert (call.arguments, call.is_salvaged) == (arguments, True)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("create_meeting(from='x')", {"from": "x"}),
        ("create_meeting(from=True, description=none)", None),
        ("create_meeting(from=true, description=null)",
         {"from": True, "description": None}),
        ('create_meeting(from=r"\\d" "x")', {"from": "\\dx"}),
        ("create_meeting(from=-1.5, description=+2)", {"from": -1.5, "description": 2}),
        ("create_meeting(from=(1, 2), description={'a': [None]})",
         {"from": [1, 2], "description": {"a": [None]}}),
        ('create_meeting(from="""a "b" c""")', {"from": 'a "b" c'}),
        ("create_meeting(from='\\x41\\u00e9\\n')", {"from": "Aé\n"}),
        ('create_meeting(from="\\d+")', {"from": "\\d+"}),
        ("create_meeting(from=f'{x}')", None),
        ("create_meeting(from=open('x'))", None),
        ("create_meeting(from=1 + 1)", None),
        ("create_meeting(from=not True)", None),
        ("create_meeting(from=--1)", None),
        ("create_meeting(from=b'x')", None),
        ("create_meeting(from=1j)", None),
        ("create_meeting(from=...)", None),
        ("create_meeting(from={1, 2})", None),
        ("create_meeting(from={1: 2})", None),
        ("create_meeting(from={**x})", None),
        ("create_meeting(from=1e999)", None),
        ("create_meeting(from='a', from='b')", {"from": "b"}),
        ("create_meeting('a', from='b')", None),
        ("create_meeting('a', 'b', 'c')", None),
        ("create_meeting(from=-True)", None),
    ],
)  # fmt: skip
def test_python_is_read_as_literals_only(text: str, arguments: object) -> None:
    """Nothing is run or guessed: what is no literal is no argument."""
    found = read(text)
    got = found.calls[0].arguments if found.calls else None
    assert got == arguments
    assert bool(found.malformed) == (arguments is None)


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        ('<tool_call>{"name": "get_weather", "arguments": {"city": "Os', "hermes"),
        ('<tool_call>{"name": "get_weather"', "hermes"),
        ('<tool_call>{"name": "get_weather", "arguments": {"days": 1', "hermes"),
        ("<tool_call>get_weather?</tool_call>", "hermes"),
        ("<tool_call>", "hermes"),
        ('<tool_call>{"city": "Oslo"}</tool_call>', "hermes"),
        ('<tool_call>{"name": "get_weather", "arguments": 5}</tool_call>', "hermes"),
        ('<tool_call>{"name": "get_weather", "arguments": "x"}</tool_call>', "hermes"),
        ('<tool_call>{"name": "a b!", "arguments": {}}</tool_call>', "hermes"),
        ('<tool_call>{"name": "a", "arguments": {"x": NaN}}</tool_call>', "hermes"),
        ("<function=get_weather><parameter=city>Os", "qwen3_coder"),
        ("<function=get_weather>", "qwen3_coder"),
        ("<function=get_weather>city is Oslo</function>", "function_tag"),
        ('<function=get_weather>{"city": </function>', "function_tag"),
        ("<tool_call>get_weather<arg_key>city</arg_key><arg_value>Os", "glm"),
        ("<tool_call>get_weather", "glm"),
        ("[TOOL_CALLS]", "mistral"),
        ("[TOOL_CALLS] [oops]", "mistral"),
        ('[TOOL_CALLS]get_weather[ARGS]{"city": "Os', "mistral"),
        ("<|tool_call_start|>[get_weather(city=Oslo)]<|tool_call_end|>", "lfm2"),
        ("<|tool_call_start|>", "lfm2"),
        ("<start_function_call>call:get_weather{city:<escape>Os", "functiongemma"),
        ("<start_function_call>get_weather now", "functiongemma"),
        ('<|tool_call>call:get_weather{city:<|"|>Os', "gemma4"),
        ("<|python_tag|>import os", "llama"),
        ("<|python_tag|>get_weather(city=Oslo)", "llama_builtin"),
        ("<|START_ACTION|>[oops]<|END_ACTION|>", "command_r"),
        ("functools[get_weather]", "firefunction"),
        ("to=functions.get_weather please", "harmony"),
        ('to=functions.get_weather {"city": "Os', "harmony"),
        ("<function_calls><invoke>", "olmo"),
        ("```tool_code\nimport os\n```", "tool_code"),
        (">>>get_weather\nOslo", "functionary"),
        ('>>>get_weather\n{"city": "Os', "functionary"),
        (f"{deepseek_mark('tool calls begin')}function", "deepseek"),
        ('{"name": "get_weather", "arguments": {"city": "Os', "json"),
        ('{"plan": [{"name": "get_weather", "arguments": {}}]}', "json"),
        ("[get_weather(city)]", "pythonic"),
        ("get_weather(city=Oslo)\nDone.", "funcall"),
        ("get_weather(Oslo)", "funcall"),
        ('get_weather(city="Os', "funcall"),
        ("get_weather(", "funcall"),
    ],
)  # fmt: skip
def test_an_attempt_that_cannot_be_read_is_malformed(text: str, format_: str) -> None:
    """It is no call, it is no abstention, and its format is named."""
    found = read(text)
    assert (found.calls, found.malformed) == ((), format_)
    assert read(f"Let me look.\n{text}").calls == ()


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        (f"<tool_call>{CALL}</tool_call><tool_call>{{oops</tool_call>", [OSLO]),
        (f"<tool_call>{{oops</tool_call><tool_call>{CALL}</tool_call>", [OSLO]),
        ("[get_weather(city), create_meeting()]", [("create_meeting", {})]),
        ("[create_meeting(), get_weather(city)]", [("create_meeting", {})]),
        (f"[{CALL}, 5]", [OSLO]),
        (f"[TOOL_CALLS][{CALL}, {{}}]", [OSLO]),
        ('<|tool_call_start|>[get_weather(city=x), get_weather(city="Oslo")]', [OSLO]),
    ],
)
def test_readable_siblings_of_a_broken_call_are_read(
    text: str, calls: list[object]
) -> None:
    """The good call is kept and the broken one is told."""
    found = read(text)
    assert said(found) == calls
    assert found.malformed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "It is sunny in Oslo.",
        "I can use get_weather and create_meeting.",
        "get_weather(city) tells the weather, create_meeting(title) plans.",
        "get_weather(city: str) -> str",
        "get_weather() tells the weather.",
        'Call it like this: get_weather(city="Oslo").',
        '```python\ndef get_weather(city):\n    return requests.get(f"{city}")\n```',
        '{"name": "unknown_tool", "arguments": {}}',
        "[unknown_tool(a=1)]",
        "unknown_tool(a=1)",
        '```json\n{"name": "unknown_tool", "arguments": {}}\n```',
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
        "See [get_weather(city)](docs.md) for more.",
        f"For example: {CALL}",
        f"You could send this, for instance:\n\n```json\n{CALL}\n```",
        f"A call would look like this: {CALL}",
        "You can call it so:\n```python\nget_weather(city='Oslo')\n```",
    ],
)
def test_talk_about_tools_is_no_attempt(text: str) -> None:
    """Answers, explanations, examples, definitions and code stay answers."""
    found = read(text)
    assert (found.calls, found.malformed, found.rest) == ((), "", text.strip())


def test_only_marks_count_without_offered_tools() -> None:
    """JSON and Python need a tool's name to be seen."""
    assert read_calls(CALL, ()).calls == ()
    assert read_calls("get_weather()", ()).calls == ()
    (call,) = read_calls(f"<tool_call>{CALL}</tool_call>", ()).calls
    assert call.fault == 'unknown tool "get_weather"'


def test_names_are_taken_literally() -> None:
    """A tool name with signs of its own must not act as a pattern."""
    tools = [Tool(name="a.b"), Tool(name="c d"), Tool(name="e+")]
    assert read_calls("aXb()", tools).calls == ()
    for name in ("a.b", "c d", "e+"):
        assert [c.name for c in read_calls(f"{name}()", tools).calls] == [name]
        marked = f'<tool_call>{{"name": "{name}"}}</tool_call>'
        assert [c.name for c in read_calls(marked, tools).calls] == [name]


def test_the_outermost_format_wins() -> None:
    """A call inside an argument of another call is text."""
    for outer, write in WRITERS.items():
        for inner in ("hermes", "json", "pythonic", "mistral v11", "function_tag"):
            quoted = WRITERS[inner]([("create_meeting", {})])
            tag = {"function_tag": "</function>", "hermes": "</tool_call>"}.get(inner)
            if outer in {"qwen3_coder", "glm"} and tag:
                continue
            found = read(write([("get_weather", {"city": f"a {quoted} b"})]))
            assert said(found) == [("get_weather", {"city": f"a {quoted} b"})], outer


def test_thinking_tags_inside_an_argument_are_text() -> None:
    """What a call carries is not taken away from it."""
    for writer, write in WRITERS.items():
        text = write([("get_weather", {"city": "a <think>b</think> c </think>"})])
        for before in ("", "<think>Hm.</think>\n", "Hm.</think>\n"):
            found = read(before + text)
            (call,) = found.calls
            assert call.arguments == {"city": "a <think>b</think> c </think>"}, writer


def test_untyped_values_follow_the_schema() -> None:
    """Text between tags becomes what the tool's schema asks for, if it can."""
    schema: dict[str, Json] = {
        "n": {"type": "integer"},
        "x": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "on": {"type": "boolean"},
        "s": {"type": "string"},
        "o": {"type": "object"},
        "e": {"enum": ["a", 5]},
        "c": {"const": 7},
    }
    tool = Tool(name="f", parameters={"properties": schema})
    given = {
        "n": ("07", 7), "x": ("None", None), "on": ("True", True), "s": ("5", "5"),
        "o": ('{"a": [1]}', {"a": [1]}), "e": ("5", 5), "c": ("7", 7),
        "new": ("5", "5"),
    }  # fmt: skip
    inner = "".join(f"<parameter={k}>{v}</parameter>" for k, (v, _) in given.items())
    (call,) = read_calls(f"<function=f>{inner}</function>", [tool]).calls
    assert call.arguments == {key: value for key, (_, value) in given.items()}
    wrong = "<function=f><parameter=n>many</parameter></function>"
    (call,) = read_calls(wrong, [tool]).calls
    assert call.arguments == {"n": "many"}
    assert call.fault == 'n is "many", not of type "integer"'
