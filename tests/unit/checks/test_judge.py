"""The judge as a whole: checks, behaviour, and that nothing makes it raise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_values import built

from pytest_llmbench.checks.judge import judge
from pytest_llmbench.checks.registry import EXPECTATIONS, expectation_faults
from pytest_llmbench.checks.reply import Reply, Timings, ToolCall, Usage
from pytest_llmbench.checks.verdict import CheckResult
from pytest_llmbench.prompts.suite import Prompt, Tool

if TYPE_CHECKING:
    from pytest_llmbench.checks.custom import CustomCheck
    from pytest_llmbench.checks.verdict import Verdict
    from pytest_llmbench.prompts.suite import Json

TOOLS = (
    Tool(name="a", parameters={"properties": {"x": {"default": 1}}}),
    Tool(name="b"),
)
CALL_A = ToolCall(name="a", arguments={"x": 1})
CALL_B = ToolCall(name="b", arguments={})
BROKEN_A = ToolCall(name="a", arguments=None, raw='{"x": \x1b')
IN_TEXT = '{"name": "a", "arguments": {"x": 1}}'
CUT_OFF = '{"name": "a", "arguments": {"x": 1'


def offering(**expect: Json) -> Prompt:
    """Return a prompt that offers the tools a and b."""
    return Prompt(id="P1", text="Do it.", tools=TOOLS, expect=expect)


def failed(verdict: Verdict) -> dict[str, CheckResult]:
    """Return the checks that failed, by name."""
    return {check.name: check for check in verdict.checks if not check.passed}


def test_checks_stand_in_file_order_after_those_that_always_apply() -> None:
    """A reader must find the expectations as the file states them."""
    prompt = offering(contains="x", tools=["a"], exact="y")
    names = [check.name for check in judge(prompt, Reply()).checks]
    assert names == ["answered", "contains", "tools", "exact"]
    names = [check.name for check in judge(prompt, Reply(text="x")).checks]
    assert names == ["contains", "tools", "exact"]


def test_a_prompt_without_expectations_needs_an_answer_only() -> None:
    """`expect: none` passes for any whole answer and fails for silence."""
    prompt = Prompt(id="P1", text="Hello?")
    assert judge(prompt, Reply(text="Hi")).passed
    assert not judge(prompt, Reply(text=" \n")).passed


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(), "the model gave no text and called no tool"),
        (
            Reply(usage=Usage(output_tokens=40)),
            (
                "40 tokens were generated but nothing arrived; "
                "the server may have dropped a broken tool call"
            ),
        ),
        (
            Reply(thinking="Hm.", usage=Usage(output_tokens=40)),
            "the model thought (40 tokens) and then gave no answer",
        ),
        (
            Reply(thinking="Hm."),
            "the model thought (3 characters) and then gave no answer",
        ),
        (
            Reply(
                thinking="Hm.", finish_reason="length", usage=Usage(output_tokens=40)
            ),
            "thinking used up the whole output (40 tokens)",
        ),
    ],
)
def test_an_empty_reply_is_explained(reply: Reply, why: str) -> None:
    """Silence, a dropped call and endless thinking each have their own words."""
    assert failed(judge(offering(), reply))["answered"].why == why


def test_a_truncated_reply_fails_and_says_where_it_was_cut() -> None:
    """Half an answer is no answer, even where the words fit."""
    prompt = Prompt(id="P1", text="Hello?", expect={"contains": "Hi"})
    reply = Reply(text="Hi", finish_reason="length", usage=Usage(output_tokens=9))
    verdict = judge(prompt, reply)
    assert failed(verdict).keys() == {"complete"}
    assert failed(verdict)["complete"].why == (
        "the reply was cut off at the output limit after 9 output tokens"
    )
    without_usage = judge(prompt, Reply(text="Hi", finish_reason="max_tokens"))
    assert failed(without_usage)["complete"].why == (
        "the reply was cut off at the output limit"
    )
    assert judge(prompt, Reply(text="Hi", finish_reason="stop")).passed


def test_broken_arguments_fail_and_are_shown() -> None:
    """A call whose arguments are no JSON object must fail whatever is expected."""
    verdict = judge(offering(tools=["a"]), Reply(tool_calls=(CALL_B, BROKEN_A)))
    check = failed(verdict)["well_formed_calls"]
    assert check.why == (r'the arguments of a are no JSON object: "{\"x\": \u001b"')
    assert check.got == "b(), a(<not a JSON object>)"


@pytest.mark.parametrize(
    ("expect", "reply", "behaviour", "passed"),
    [
        ({"tools": ["a"]}, Reply(tool_calls=(CALL_A,)), "called_right", True),
        ({"tools": ["a"]}, Reply(tool_calls=(CALL_B,)), "called_wrong", False),
        ({"tools": ["a"]}, Reply(tool_calls=(CALL_A, CALL_B)), "called_wrong", False),
        ({"tools": ["a"]}, Reply(text="No."), "abstained", False),
        ({"tools": ["a"]}, Reply(text=IN_TEXT), "called_right", True),
        ({"tools": ["b"]}, Reply(text=IN_TEXT), "called_wrong", False),
        ({"arguments": {"a": {"x": 1}}}, Reply(text=IN_TEXT), "called_right", True),
        ({"tools": ["a"]}, Reply(text=CUT_OFF), "malformed", False),
        ({"tools": ["a"]}, Reply(text=f"[{IN_TEXT}, 5]"), "malformed", False),
        ({"contains": "x"}, Reply(text=CUT_OFF), "malformed", False),
        ({"tools": ["a"]}, Reply(tool_calls=(BROKEN_A,)), "malformed", False),
        ({"tools": ["a"]}, Reply(), "malformed", False),
        (
            {"tools": ["a"]},
            Reply(tool_calls=(CALL_A,), text=IN_TEXT),
            "called_right",
            True,
        ),
        (
            {"tools": ["a"]},
            Reply(tool_calls=(CALL_A,), finish_reason="length"),
            "no_reply",
            False,
        ),
        ({"tools": ["a"]}, Reply(finish_reason="length"), "no_reply", False),
        ({"tools": []}, Reply(text="No need."), "abstained", True),
        ({"tools": []}, Reply(text=IN_TEXT), "called_wrong", False),
        ({"tools": []}, Reply(text=CUT_OFF), "malformed", False),
        ({"tools": []}, Reply(tool_calls=(CALL_A,)), "called_wrong", False),
        ({"tools": []}, Reply(), "malformed", False),
        (
            {"tools": []},
            Reply(usage=Usage(output_tokens=5)),
            "malformed",
            False,
        ),
        ({"tools": []}, Reply(text="No", finish_reason="length"), "no_reply", False),
        ({"tools": "any"}, Reply(tool_calls=(CALL_B,)), "called_right", True),
        ({"tools_in_order": ["a"]}, Reply(tool_calls=(CALL_B,)), "called_wrong", False),
        (
            {"arguments": {"a": {"x": 2}}},
            Reply(tool_calls=(CALL_A,)),
            "called_wrong",
            False,
        ),
        (
            {"arguments_schema": {"a": {"required": ["y"]}}},
            Reply(tool_calls=(CALL_A,)),
            "called_wrong",
            False,
        ),
        (
            {"tools": "any", "forbid_tools": ["b"]},
            Reply(tool_calls=(CALL_B,)),
            "called_wrong",
            False,
        ),
        (
            {"tools": ["a"], "contains": "x"},
            Reply(tool_calls=(CALL_A,)),
            "called_right",
            False,
        ),
        ({"contains": "x"}, Reply(text="x"), "abstained", True),
        (
            {"contains": "x"},
            Reply(text="x", tool_calls=(CALL_A,)),
            "called_wrong",
            True,
        ),
    ],
)
def test_five_behaviours_are_kept_apart(
    expect: dict[str, Json], reply: Reply, behaviour: str, *, passed: bool
) -> None:
    """What a model did with its tools is told apart from whether it passed."""
    verdict = judge(offering(**expect), reply)
    assert (verdict.behaviour, verdict.passed) == (behaviour, passed)


def test_without_tools_there_is_no_behaviour() -> None:
    """Nothing can be said of tools that were not offered, but calls stay wrong."""
    prompt = Prompt(id="P1", text="Hello?")
    assert judge(prompt, Reply(text=IN_TEXT)).behaviour is None
    verdict = judge(prompt, Reply(tool_calls=(CALL_A,)))
    assert (verdict.behaviour, verdict.wrong_tools) == (None, ("a",))


def test_wrong_tools_reach_the_verdict() -> None:
    """The names that should not have been called must be kept."""
    verdict = judge(offering(tools=["a"]), Reply(tool_calls=(CALL_B, CALL_A)))
    assert verdict.wrong_tools == ("b",)


def test_faults_are_found_for_every_expectation() -> None:
    """A suite's author must get each fault with the expectation's name."""
    prompt = offering(tools=["z"], regex="(", exact="fine", exakt="x")
    assert [name for name, _ in expectation_faults(prompt)] == [
        "tools",
        "regex",
        "exakt",
    ]
    assert expectation_faults(prompt)[-1] == (
        "exakt",
        "no such expectation; did you mean 'exact'?",
    )
    assert expectation_faults(offering(exact="fine")) == []


def test_an_expectation_that_cannot_be_judged_fails_with_its_fault() -> None:
    """A value that slipped through must not pass, nor raise."""
    verdict = judge(offering(regex="(", exakt="x"), Reply(text="x"))
    assert [check.passed for check in verdict.checks] == [False, False]
    assert verdict.checks[0].why.startswith("no valid pattern")
    assert verdict.checks[0].got == "not judged"
    assert verdict.checks[1].why == "there is no such expectation"


def test_values_too_deep_to_compare_fail() -> None:
    """Recursion must end in a failed check."""
    expected: Json = 1
    got: Json = 2
    for _ in range(3000):
        expected, got = [expected], [got]
    prompt = offering(arguments={"b": {"x": expected}})
    call = ToolCall(name="b", arguments={"x": got})
    (check,) = judge(prompt, Reply(tool_calls=(call,))).checks
    assert check.why == "the values are nested too deeply to compare"


ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([400, 5000]).map(lambda digits: 10**digits),
    st.floats(),
    ANY_TEXT,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(ANY_TEXT | st.sampled_from("abx"), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(["a", "b", "z", ""]) | ANY_TEXT
PIECES = st.sampled_from(
    ["\n", "- ", ". ", "|", "&a ", "*a", "I can't",
     "{", "}", "[", "]", '"', ":", ",", "name", "a", "x", "1", "NaN", "<tool_call>",
     "</think>", "```", "\\ud800", "\ud800", "(", ")", "1e999", "9" * 5000]
)  # fmt: skip
TEXTS = ANY_TEXT | st.lists(PIECES, max_size=12).map("".join)
CALLS = built(
    ToolCall,
    name=NAMES,
    arguments=st.none() | st.dictionaries(st.sampled_from("xy"), VALUES, max_size=2),
    raw=ANY_TEXT,
)
REPLIES = built(
    Reply,
    text=TEXTS,
    thinking=ANY_TEXT,
    tool_calls=st.lists(CALLS, max_size=3).map(tuple),
    finish_reason=st.sampled_from([None, "stop", "length"]),
    usage=built(Usage, output_tokens=st.none() | st.integers(0, 9)),
    timings=built(
        Timings,
        ttft_ms=st.none() | st.floats(0, 1e9),
        e2e_ms=st.none() | st.floats(0, 1e9),
        load_ms=st.none() | st.floats(0, 1e9),
    ),
)
COUNTS: st.SearchStrategy[Json] = st.sampled_from([1, 3, {"min": 1, "max": 2}])
USABLE: dict[str, st.SearchStrategy[Json]] = {
    "tools": st.just("any") | st.lists(st.sampled_from("ab"), max_size=2),
    "tools_in_order": st.lists(st.sampled_from("ab"), min_size=1, max_size=3),
    "forbid_tools": st.lists(st.sampled_from("ab"), min_size=1, max_size=2),
    "arguments": st.dictionaries(
        st.sampled_from("ab"),
        st.dictionaries(st.just("x"), VALUES)
        | st.lists(st.dictionaries(st.just("x"), VALUES), min_size=1, max_size=3),
        min_size=1,
    ),
    "arguments_schema": st.dictionaries(
        st.sampled_from("ab"),
        st.sampled_from([True, {"properties": {"x": {"multipleOf": 0.1}}}]),
        min_size=1,
    ),
    "exact": ANY_TEXT,
    "one_of": st.lists(ANY_TEXT, min_size=1, max_size=3),
    "regex": st.sampled_from([".*", r"\p{L}+", "(?s).+", "(a*)*b"]),
    "contains": ANY_TEXT | st.lists(ANY_TEXT, min_size=1, max_size=2),
    "not_contains": ANY_TEXT | st.lists(ANY_TEXT, min_size=1, max_size=2),
    "json": VALUES,
    "json_schema": st.sampled_from([
        {"type": "object"},
        {"items": {"$ref": "#"}},
        {"multipleOf": 0.5},
        {"patternProperties": {".": False}, "uniqueItems": True},
    ]),
    "yaml": VALUES,
    "csv": st.fixed_dictionaries(
        {},
        optional={
            "header": st.lists(ANY_TEXT, min_size=1, max_size=2),
            "rows": st.integers(1, 3)
            | st.lists(st.lists(SCALARS, min_size=1, max_size=2), max_size=2),
            "separator": st.sampled_from(",;|\t"),
        },
    ),
    "max_words": st.integers(1, 5),
    "max_sentences": st.integers(1, 5),
    "bullets": COUNTS,
    "lines": COUNTS,
    "max_ttft_ms": st.floats(1, 1e6),
    "max_e2e_ms": st.integers(1, 10**6),
    "max_output_tokens": st.integers(1, 9),
    "check": st.sampled_from(["no", "why", "yes", "whole", "missing"]),
}
CUSTOM: dict[str, CustomCheck] = {
    "no": lambda _reply, _prompt: False,
    "why": lambda reply, _prompt: reply.text,
    "yes": lambda _reply, _prompt: None,
    "whole": lambda reply, _prompt: CheckResult(name="", passed=False, got=reply.text),
}
EXPECTS = st.fixed_dictionaries({}, optional=USABLE) | st.dictionaries(
    st.sampled_from(sorted(USABLE)), VALUES, max_size=3
)


@given(expect=EXPECTS, reply=REPLIES, has_tools=st.booleans())
@settings(deadline=None, max_examples=300)
@example(expect={"json": 1}, reply=Reply(text="[" * 100_000), has_tools=True)
@example(
    expect={"json_schema": {"items": {"$ref": "#"}}, "tools": []},
    reply=Reply(text="[" * 5000 + "]" * 5000),
    has_tools=True,
)
@example(expect={"tools": [[], 10**5000]}, reply=Reply(text="0"), has_tools=True)
def test_nothing_makes_the_judge_raise(
    expect: dict[str, Json], reply: Reply, *, has_tools: bool
) -> None:
    """Any reply and any expectation must give a verdict that prints on one line."""
    tools = TOOLS if has_tools else ()
    prompt = Prompt(id="P1", text="Do it.", tools=tools, expect=expect)
    verdict = judge(prompt, reply, CUSTOM)
    assert (verdict.mode is None) == verdict.passed
    names = [check.name for check in verdict.checks]
    assert names[len(names) - len(expect) :] == [*expect]
    assert (verdict.behaviour is None) == (not has_tools)
    for check in verdict.checks:
        assert check.passed == (not check.why)
        shown = check.expected + check.got + check.why
        assert shown.isprintable()
        assert len(shown) < 1500


def test_every_expectation_is_fed_to_the_judge() -> None:
    """A new expectation must join the test above."""
    assert USABLE.keys() == EXPECTATIONS.keys()
