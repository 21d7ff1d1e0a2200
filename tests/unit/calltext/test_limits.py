"""No text makes a parser raise, hang or take more than linear time."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

import pytest
from call_writers import TOOLS, WRITERS, deepseek_mark
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmbench.checks.calltext import read_calls
from pytest_llmbench.checks.calltext.found import MAX_CALLS
from pytest_llmbench.checks.calltext.offered import offered_tools
from pytest_llmbench.checks.calltext.reading import LAST, MARKED, PLAIN
from pytest_llmbench.prompts.suite import Tool

if TYPE_CHECKING:
    from pytest_llmbench.checks.calltext.found import CallFormat

PARSERS: Final = (*MARKED, *PLAIN, *LAST)
ODD_TOOLS: Final = (*TOOLS, Tool(name="f"), Tool(name=""), Tool(name="a.b("))
MARKS: Final = (
    "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "<|tool_call_start|>",
    "<|tool_call_end|>", "<start_function_call>", "<|tool_call>", "<|python_tag|>",
    "<|START_ACTION|>", "<function_calls>", "<function=f>", "<parameter=a>",
    "</parameter>", "<arg_key>a</arg_key><arg_value>", "functools[", "to=functions.f",
    "```tool_code\n", "```json\n", ">>>f\n", deepseek_mark("tool call begin"),
    deepseek_mark("tool sep"), "<think>", "</think>", "call:f{", "<escape>", '<|"|>',
    "<|channel|>analysis<|message|>",
)  # fmt: skip
BITS: Final = (
    "{", "[", "(", "f(", "[f(", '{"name":"f",', "'", '"', "'''", '"""', "\\", '\\"',
    "\n", " ", "f(a='", "a", "a=", "-", "1", "{'name': 'f', ", "\\'''", "f(a=[1,",
    "{}", "[]", '{"a":"', "f{", "f()\n", "f(a=1)\n", '{"f":{}}', "f ", "}", "`f(",
    "]", ")", ",", "\0", "\ud800", "NaN", "1e999", "9" * 5000,
)  # fmt: skip
PIECES: Final = st.sampled_from([*MARKS, *BITS])
ANY_TEXT: Final = st.text(st.characters(codec=None, exclude_categories=()))
TEXTS: Final = ANY_TEXT | st.lists(PIECES | ANY_TEXT, max_size=20).map("".join)


@given(text=TEXTS)
@settings(deadline=None, max_examples=500)
def test_no_text_raises(text: str) -> None:
    """Any text has an answer, and what is read can be judged."""
    found = read_calls(text, ODD_TOOLS)
    assert all(call.name and call.arguments is not None for call in found.calls)
    assert all(call.channel.startswith("text:") for call in found.calls)


@pytest.mark.parametrize(
    "parser", PARSERS, ids=[f"{n} {parser.name}" for n, parser in enumerate(PARSERS)]
)
@given(text=TEXTS)
@settings(deadline=None, max_examples=100)
def test_no_text_makes_a_parser_raise(parser: CallFormat, text: str) -> None:
    """Each parser stands by itself, and names places that are in the text."""
    found = parser.read(text, offered_tools(ODD_TOOLS))
    assert found is None or found.calls or found.is_broken
    for start, end in found.spans if found else ():
        assert 0 <= start <= end <= len(text)


def took_s(text: str) -> float:
    """Return the processor time that reading a text takes."""
    started_s = time.process_time()
    read_calls(text, ODD_TOOLS)
    return time.process_time() - started_s


SLOW: Final = [
    *MARKS,
    *BITS,
    *(mark + bit for mark in MARKS[::3] for bit in BITS[:12]),
    *WRITERS,
]


@pytest.mark.parametrize("number", range(0, len(SLOW), 12))
def test_slow_texts_take_linear_time(number: int) -> None:
    """A megabyte takes about a second at most, whatever is repeated in it."""
    for piece in SLOW[number : number + 12]:
        write = WRITERS.get(piece)
        unit = write([("f", {"a": 1})]) + "\n" if write else piece
        for before in ("", "f "):
            text = before + unit * math.ceil(100_000 / len(unit))
            assert any(took_s(text) < 0.4 for _ in range(3)), (before, unit)


@pytest.mark.parametrize("opening", ["{", "[", '{"a":', "f(a=[", "<tool_call>[", "'"])
def test_four_times_the_text_takes_four_times_as_long(opening: str) -> None:
    """Time grows with the length and not with its square, which were sixteen."""
    unit = f"f {opening}"
    short = min(took_s(unit * 20_000 + str(number)) for number in range(3))
    long = min(took_s(unit * 80_000 + str(number)) for number in range(3))
    assert long < 9 * short + 0.05


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>" + "[" * 100_000,
        "<tool_call>" + '{"a":' * 100_000,
        "[f(a=" + "[" * 100_000 + "]" * 100_000 + ")]",
        "f(a=" + "-" * 100_000 + "1)",
        "f(a=" + "(" * 5_000 + ")" * 5_000 + ")",
        "f(a=" + "1+" * 3_000 + "1)",
        "f(" + "a." * 3_000 + "b)",
        "<function=f><parameter=a>" + "[" * 100_000 + "</parameter></function>",
        "<start_function_call>call:f{a:" + "{a:" * 100_000,
        '<tool_call>{"name": "f", "arguments": "' + "[" * 100_000 + '"}</tool_call>',
    ],
)
def test_deep_nesting_is_malformed(text: str) -> None:
    """No depth overflows the stack; nothing that deep is a call."""
    found = read_calls(text, ODD_TOOLS)
    assert all(call.arguments == {"a": "[" * 100_000} for call in found.calls)
    assert found.malformed or found.calls or text.startswith("f(a.")


def test_endless_repetition_ends() -> None:
    """A model that goes in circles has its first calls read, and is malformed."""
    for writer, write in WRITERS.items():
        unit = write([("run_command", {"count": 1})])
        found = read_calls(f"{unit}\n" * (MAX_CALLS + 50), TOOLS)
        if not writer.startswith(("pythonic", "lfm2")):
            assert len(found.calls) == MAX_CALLS, writer
            assert found.malformed, writer
