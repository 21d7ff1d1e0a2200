"""Every format, written as its models write it, is read back exactly."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest
from call_cases import UNKNOWN, Case, cases
from call_writers import BAR, LOW, TOOLS, WRITERS, deepseek_mark, format_of
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmbench.checks.calltext import read_calls
from pytest_llmbench.checks.calltext.reading import LAST, MARKED, PLAIN, TextCalls

if TYPE_CHECKING:
    from call_writers import Call

CASES: Final = cases()
FENCED: Final = {"qwen3_coder", "glm", "functiongemma", "gemma4"}
"""Formats without escapes: what ends a string cannot stand in one."""


def read(text: str) -> TextCalls:
    """Read a text with the usual tools."""
    return read_calls(text, TOOLS)


def said(found: TextCalls) -> list[Call]:
    """Return the calls as they were written."""
    return [(call.name, dict(call.arguments or {})) for call in found.calls]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.writer}: {case.title}")
def test_a_case_is_read_exactly(case: Case) -> None:
    """Names, values, types, order and channel are what the model wrote."""
    found = read(case.text)
    assert said(found) == [(name, dict(inputs)) for name, inputs in case.calls]
    assert {call.channel for call in found.calls} == {f"text:{case.format}"}
    assert not found.malformed
    assert not any(call.is_salvaged or call.fault for call in found.calls)


def test_every_format_has_twenty_cases() -> None:
    """No format is tried less than the others."""
    counts = Counter(case.format for case in CASES)
    names = {parser.name for parser in (*MARKED, *PLAIN, *LAST)}
    assert counts.keys() == names
    assert min(counts.values()) >= 20


@pytest.mark.parametrize("writer", WRITERS)
def test_what_stands_around_calls_is_the_rest(writer: str) -> None:
    """Words before and behind a call stay, and nothing of the call does."""
    written = WRITERS[writer]([("run_command", {"text": "df"})])
    assert read(written).rest == ""
    assert read(f"Before.\n{written}").rest == "Before."
    rest = read(f"Before.\n{written}\nBehind.").rest
    assert rest.split() == ["Before.", "Behind."]


@pytest.mark.parametrize(
    "writer", [w for w in WRITERS if format_of(w) in {p.name for p in MARKED}]
)
def test_a_marked_call_of_an_unknown_tool_is_a_call(writer: str) -> None:
    """A hallucinated tool is kept, with what is wrong about it."""
    (call,) = read(WRITERS[writer]([UNKNOWN])).calls
    assert call.name == "launch_rocket"
    assert call.fault.startswith('unknown tool "launch_rocket"')


@pytest.mark.parametrize(
    "writer", [w for w in WRITERS if format_of(w) in {p.name for p in PLAIN}]
)
def test_an_unmarked_call_of_an_unknown_tool_is_text(writer: str) -> None:
    """Without a mark only an offered name makes a call."""
    found = read(WRITERS[writer]([UNKNOWN]))
    assert (found.calls, found.malformed) == ((), "")


@pytest.mark.parametrize("writer", WRITERS)
def test_a_known_tool_may_stand_beside_an_unknown_one(writer: str) -> None:
    """The known call is read, whatever becomes of the other."""
    found = read(WRITERS[writer]([("get_time", {}), UNKNOWN]))
    assert found.calls[0].name == "get_time"
    assert [call.fault[:12] for call in found.calls[1:]] in ([], ["unknown tool"])


@pytest.mark.parametrize("writer", WRITERS)
def test_arguments_are_held_against_the_tools_schema(writer: str) -> None:
    """A call that its schema forbids is a call with a fault."""
    (call,) = read(WRITERS[writer]([("needy", {"count": 2})])).calls
    assert call.fault == 'the value lacks the key "text"'


@pytest.mark.parametrize("writer", WRITERS)
def test_calls_inside_thinking_are_no_calls(writer: str) -> None:
    """What is only thought calls nothing, in any format and any tags."""
    written = WRITERS[writer]([("get_time", {})])
    for thought in (
        f"<think>\n{written}\n</think>",
        f"{written}\n</think>",
        f"[THINK]{written}[/THINK]",
        f"<|START_THINKING|>{written}<|END_THINKING|>",
        f"<think>a</think><think>{written}</think>",
    ):
        found = read(f"{thought}\nIt is noon.")
        assert (found.calls, found.rest, found.malformed) == ((), "It is noon.", "")


def test_thinking_in_the_channels_of_gpt_oss() -> None:
    """Its thinking ends with the next message, which may be a call."""
    thought = "<|channel|>analysis<|message|>Maybe get_time() or this:\nget_time()"
    call = WRITERS["harmony"]([("get_time", {})])
    assert read(f"{thought}<|end|>Noon.").calls == ()
    assert said(read(f"{thought}<|end|><|start|>assistant{call}")) == [("get_time", {})]
    assert said(read(f"{thought}{call}")) == [("get_time", {})]


@pytest.mark.parametrize("writer", WRITERS)
def test_a_call_in_endless_thinking_is_malformed(writer: str) -> None:
    """Nobody can tell thought from answer there: no call, and no restraint."""
    found = read(f"<think>Hm.\n{WRITERS[writer]([('get_time', {})])}")
    assert not found.calls
    assert found.malformed == format_of(writer)


@pytest.mark.parametrize("joint", [LOW, "_", r"\_", " "])
@pytest.mark.parametrize("bar", [BAR, "|"])
def test_misspelt_fullwidth_marks(joint: str, bar: str) -> None:
    """DeepSeek's marks are read in the spellings that models produce."""
    begin, call, sep, end = (
        deepseek_mark(words, joint, bar)
        for words in (
            "tool calls begin",
            "tool call begin",
            "tool sep",
            "tool call end",
        )
    )
    for body in (f'function{sep}get_time\n```json\n{{"a":1}}\n```', 'get_time{"a":1}'):
        found = read(f"{begin}{call}{body}{end}")
        assert said(found) == [("get_time", {"a": 1})]


TEXT: Final = st.text(max_size=30) | st.lists(
    st.sampled_from(
        ["{", "}", "[", "]", "(", ")", '"', "'", "\\", ",", ":", "=", "\n", " ", "a",
         "get_time(", "```", '"""', "'''", "#", "\\u00e9", "</", "1"]
    ),
    max_size=12,
).map("".join)  # fmt: skip
FLOATS: Final = st.floats(allow_nan=False, allow_infinity=False)
KEYS: Final = st.sampled_from(["a", "name", "arguments", "x1", "_y", "from"])


def arguments(text: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for arguments that the first tool's schema allows."""
    scalars = st.none() | st.booleans() | st.integers() | FLOATS | text
    values = st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
        ),
        max_leaves=6,
    )
    return st.fixed_dictionaries(
        {},
        optional={
            "text": text,
            "count": st.integers(),
            "ratio": FLOATS,
            "on": st.booleans(),
            "items": st.lists(values, max_size=3),
            "options": st.dictionaries(KEYS, values, max_size=3),
        },
    )


PLAIN_TEXT: Final = TEXT.filter(lambda text: "<" not in text)


@pytest.mark.parametrize("writer", WRITERS)
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_any_arguments_come_back(writer: str, data: st.DataObject) -> None:
    """Whatever a format can write is read back, type by type."""
    text = PLAIN_TEXT if format_of(writer) in FENCED else TEXT
    calls = data.draw(
        st.lists(
            st.tuples(st.just("run_command"), arguments(text)), min_size=1, max_size=3
        )
    )
    found = read(WRITERS[writer](calls))
    assert repr(said(found)) == repr(calls)
    assert {call.channel for call in found.calls} == {f"text:{format_of(writer)}"}
    assert not found.malformed
    assert not any(call.is_salvaged for call in found.calls)


@pytest.mark.parametrize("writer", WRITERS)
@given(name=st.from_regex(r"\A[a-z][a-z0-9_.:/-]{0,20}\Z"))
@settings(deadline=None, max_examples=30)
def test_any_name_comes_back(writer: str, name: str) -> None:
    """Names of tools may hold dots, colons, slashes and dashes."""
    tool = TOOLS[0].__class__(name=name)
    found = read_calls(WRITERS[writer]([(name, {"text": "x"})]), [tool])
    assert said(found) == [(name, {"text": "x"})]
    assert found.calls[0].fault == ""
