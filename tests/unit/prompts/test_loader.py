"""From suite files to suites, with every fault at once."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmbench.errors import SuiteError
from pytest_llmbench.prompts.loader import load_suite
from pytest_llmbench.prompts.suite import Prompt, Suite, Tool
from pytest_llmbench.prompts.yamlmarks import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FULL = """\
suite: demo
phase: atomic
description: for readers
system: Be brief.
tools:
  - name: f
    description: Does.
    parameters: {type: object, properties: {city: {type: string}}}
defaults: {options: {temperature: 0.7, top_k: 4}, marks: [smoke]}

prompts:
  - id: P1
    title: greets
    purpose: warms up
    category: action
    prompt: Weather in NO?
    options: {temperature: 0}
    marks: [slow]
    expect:
      tools: [f]
      not_contains: bye

  - id: P2
    prompt: Hi
    system: ""
    expect: none
"""


def load(folder: Path, text: str | bytes, **files: str) -> Suite:
    """Write a suite, and files beside it, and read it."""
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "a.bench.yaml").write_bytes(data)
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content, encoding="utf-8")
    return load_suite(folder / "a.bench.yaml", shown_as="sub/a.bench.yaml")


def faults(folder: Path, text: str | bytes, **files: str) -> list[str]:
    """Return the lines of the error that a suite's faults raise."""
    with pytest.raises(SuiteError) as caught:
        load(folder, text, **files)
    return str(caught.value).split("\n")


def one_prompt(rest: str = "", **keys: str) -> str:
    """Write a suite of one prompt; more top-level lines may follow."""
    given = {"id": "P1", "prompt": "Hi", "expect": "none", **keys}
    inside = ", ".join(f"{key}: {value}" for key, value in given.items())
    return f"suite: s\nprompts:\n  - {{{inside}}}\n{rest}"


def test_what_was_verified_stands_for_all_its_texts(tmp_path: Path) -> None:
    """A faultless suite is noted once; another tools file makes it another."""
    verified: set[str] = set()

    def noted(tools: str, suite: str = one_prompt("tools: t.yaml")) -> int:
        (tmp_path / "a.bench.yaml").write_text(suite)
        (tmp_path / "t.yaml").write_text(tools)
        load_suite(tmp_path / "a.bench.yaml", verified=verified)
        return len(verified)

    assert noted("[{name: f}]") == 1
    assert noted("[{name: f}]") == 1
    assert noted("[{name: g}]") == 2
    for tools in ("[{nam: f}]", "[{name: f}, {name: f}]", "[]x", "{}"):
        with pytest.raises(SuiteError):
            noted(tools)
    with pytest.raises(SuiteError):
        noted("[{name: g}]", one_prompt("tools: t.yaml", expect="x"))
    assert len(verified) == 2


def test_a_suite_is_read_whole(tmp_path: Path) -> None:
    """Every field lands where it belongs, defaults merged, lines counted."""
    tool = Tool(
        name="f",
        description="Does.",
        parameters={"type": "object", "properties": {"city": {"type": "string"}}},
    )
    assert load(tmp_path, FULL) == Suite(
        name="demo",
        phase="atomic",
        path="sub/a.bench.yaml",
        prompts=(
            Prompt(
                id="P1",
                text="Weather in NO?",
                title="greets",
                purpose="warms up",
                category="action",
                system="Be brief.",
                tools=(tool,),
                expect={"tools": ["f"], "not_contains": "bye"},
                options={"temperature": 0, "top_k": 4},
                marks=("smoke", "slow"),
                line=12,
            ),
            Prompt(
                id="P2",
                text="Hi",
                tools=(tool,),
                options={"temperature": 0.7, "top_k": 4},
                marks=("smoke",),
                line=23,
            ),
        ),
    )


def test_the_phase_is_the_suite_by_default(tmp_path: Path) -> None:
    """A suite that names no phase is of its own."""
    suite = load(tmp_path, one_prompt())
    assert (suite.name, suite.phase) == ("s", "s")
    assert suite.prompts[0].tools == ()


def test_a_file_is_shown_by_its_path_by_default(tmp_path: Path) -> None:
    """Without a name to show, the path is the name."""
    path = tmp_path / "a.bench.yaml"
    path.write_text(one_prompt(), encoding="utf-8")
    assert load_suite(path).path == str(path)


def test_tools_come_from_a_file_beside(tmp_path: Path) -> None:
    """A text under `tools` is the name of a file with the list."""
    text = one_prompt("tools: tools.yaml")
    suite = load(tmp_path, text, tools="- name: f\n- {name: g, description: Does.}")
    assert suite.prompts[0].tools == (
        Tool(name="f"),
        Tool(name="g", description="Does."),
    )


def test_every_fault_is_reported_at_once_in_order(tmp_path: Path) -> None:
    """Faults of syntax, schema and meaning come together, by file and line."""
    text = """\
suite: 1st
phse: atomic
tools: t.yaml
prompts:
  - id: P1
    promt: Hi
    expect: none
  - id: P1
    prompt: Hi
    prompt: Ho
  - id: [P1]
    prompt: NO
    expect: {tools: none, jsn: 1}
    options: {temperature: hot}
  - 7
"""
    tools = "- name: f\n  parameters: {type: objekt}\n- {nme: g}\n- name: f\n"
    assert faults(tmp_path, text, t=tools) == [
        (
            'sub/a.bench.yaml:1: suite is "1st", which does not match'
            " ^[A-Za-z][A-Za-z0-9_-]*$"
        ),
        "sub/a.bench.yaml:2: unknown key 'phse'; did you mean 'phase'?",
        "sub/a.bench.yaml:5: prompts[0] lacks the key 'prompt' (or 'turns')",
        "sub/a.bench.yaml:6: unknown key 'promt'; did you mean 'prompt'?",
        (
            "sub/a.bench.yaml:8: prompts[1] lacks the key 'expect'; write what must"
            " hold, or 'expect: none' if any answer will do"
        ),
        "sub/a.bench.yaml:8: prompt id 'P1' stands twice",
        "sub/a.bench.yaml:10: key 'prompt' stands twice",
        'sub/a.bench.yaml:11: prompts[2].id must be a text, not ["P1"]',
        "sub/a.bench.yaml:13: unknown key 'jsn'; did you mean 'json'?",
        (
            "sub/a.bench.yaml:13: prompts[2].expect.tools must be the word 'any' or a"
            ' list, not "none"'
        ),
        (
            "sub/a.bench.yaml:14: prompts[2].options.temperature must be a number, not"
            ' "hot"'
        ),
        "sub/a.bench.yaml:15: prompts[3] must be a mapping, not 7",
        (
            "sub/t.yaml:2: tool 'f': parameters: 'objekt' is not valid under any of the"
            " given schemas"
        ),
        "sub/t.yaml:3: [1] lacks the key 'name'",
        "sub/t.yaml:3: unknown key 'nme'; did you mean 'name'?",
        "sub/t.yaml:4: tool 'f' stands twice",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ":1: a suite is a mapping with the keys suite and prompts"),
        ("- a", ":1: a suite is a mapping with the keys suite and prompts"),
        ("x: 1\nsuite: [", ":3: not YAML: did not find expected node content"),
        (b"suite: \xff\n", ":1: cannot be read: not UTF-8 text"),
        ("suite: s\nx: \x07", ":2: the character U+0007 may not stand in YAML"),
        (
            b"#" + b"x" * MAX_BYTES,
            ":1: 4,194,305 characters; a suite has at most 4,194,304",
        ),
        (
            one_prompt(id="P1, id: P2"),
            ":3: key 'id' stands twice",
        ),
        (
            one_prompt(id='"P1\\n"'),
            (
                ':3: prompts[0].id is "P1\\n", which does not match'
                " ^[A-Za-z0-9][A-Za-z0-9_.-]*$"
            ),
        ),
        (
            one_prompt(expect='{arguments: {"a\\nb\\u2028c": 3}}'),
            ":3: prompts[0].expect.arguments.a b c must be a mapping or a list, not 3",
        ),
        (
            one_prompt("tools: [{name: f, parameters: {pattern: '('}}]"),
            ":4: tool 'f': parameters: '(' is not a 'regex'",
        ),
    ],
)
def test_one_fault_is_one_line(
    tmp_path: Path, text: str | bytes, expected: str
) -> None:
    """A lone fault is a lone line with the file's name and the place."""
    found = faults(tmp_path, text)
    assert len(found) == 1
    assert found[0].removeprefix("sub/a.bench.yaml").startswith(expected)


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        ("nope.yaml", "sub/nope.yaml:1: cannot be read: No such file or directory"),
        ("t.yaml", "sub/t.yaml:2: not YAML: did not find expected node content"),
        ('"\\0"', "sub/\0:1: cannot be read: embedded null byte"),
    ],
)
def test_a_bad_tools_file_is_one_fault(
    tmp_path: Path, tools: str, expected: str
) -> None:
    """A file that can't be read has no second fault for being empty."""
    assert faults(tmp_path, one_prompt(f"tools: {tools}"), t="[\n") == [expected]


@pytest.mark.parametrize("content", ["", "# nothing\n", "null"])
def test_an_empty_tools_file_is_a_fault(tmp_path: Path, content: str) -> None:
    """Whoever names a file wants tools from it."""
    assert faults(tmp_path, one_prompt("tools: t.yaml"), t=content) == [
        "sub/t.yaml:1: the file must be a list, not null"
    ]


def test_a_missing_suite_file_is_a_suite_error(tmp_path: Path) -> None:
    """A file that has gone is reported like any other fault."""
    with pytest.raises(SuiteError, match=r"gone\.bench\.yaml:1: cannot be read: No"):
        load_suite(tmp_path / "gone.bench.yaml")


def test_faults_of_expectations_are_placed(tmp_path: Path) -> None:
    """What the checks say of a value stands at the value's own line."""
    (tmp_path / "a.bench.yaml").write_text(FULL, encoding="utf-8")

    def judge(prompt: Prompt) -> Iterator[tuple[str, str]]:
        for name in prompt.expect:
            yield name, "no good"

    with pytest.raises(SuiteError) as caught:
        load_suite(
            tmp_path / "a.bench.yaml", shown_as="a.yaml", expectation_faults=judge
        )
    assert str(caught.value).split("\n") == [
        "a.yaml:20: P1: expect.tools: no good",
        "a.yaml:21: P1: expect.not_contains: no good",
    ]


def test_deep_schemas_are_checked(tmp_path: Path) -> None:
    """As deep as YAML may nest, a tool's parameters are checked without a crash."""
    deep = "{not: " * 33 + "{type: objekt}" + "}" * 33
    text = one_prompt(f"tools: [{{name: f, parameters: {deep}}}]")
    assert len(faults(tmp_path, text)) == 1


KEYS = st.sampled_from([
    "suite",
    "phase",
    "system",
    "tools",
    "defaults",
    "prompts",
    "id",
    "prompt",
    "title",
    "category",
    "marks",
    "options",
    "expect",
    "temperature",
    "none",
    "any",
    "contains",
    "exact",
    "json",
    "arguments",
    "name",
    "parameters",
])
LEAVES = KEYS | st.text(max_size=3) | st.integers(-2, 2) | st.booleans() | st.none()
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=10,
)
PROMPTS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "id": st.sampled_from(["P1", "P2"]) | VALUES,
            "prompt": st.just("Hi") | VALUES,
            "expect": st.just("none") | VALUES,
            "options": VALUES,
        },
    )
    | VALUES,
    max_size=3,
)
SUITES = st.fixed_dictionaries(
    {"suite": st.just("s") | VALUES, "prompts": PROMPTS | VALUES},
    optional={"tools": VALUES, "defaults": VALUES, "phase": VALUES, "x": VALUES},
)


def give_suite_or_fault(path: Path, data: bytes) -> None:
    """Load a file; what it raises must be a SuiteError of well-made lines."""
    path.write_bytes(data)
    try:
        suite = load_suite(path, shown_as="a.yaml")
    except SuiteError as error:
        for line in str(error).split("\n"):
            assert re.match(r".+:[1-9]\d*: \S", line)
            assert len(line.splitlines()) == 1
        return
    assert all(prompt.hash for prompt in suite.prompts)
    assert len(set(suite.prompt_ids())) == len(suite.prompts)


@given(value=SUITES)
@settings(max_examples=120, deadline=None)
def test_any_document_gives_a_suite_or_a_suite_error(
    value: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """However wrong the shape, nothing but a SuiteError is raised."""
    path = tmp_path_factory.getbasetemp() / "any.bench.yaml"
    give_suite_or_fault(path, json.dumps(value).encode())


@given(data=st.binary() | st.text().map(lambda text: text.encode("utf-8", "replace")))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_a_suite_or_a_suite_error(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """However wrong the bytes, nothing but a SuiteError is raised."""
    path = tmp_path_factory.getbasetemp() / "any.bench.yaml"
    give_suite_or_fault(path, data)


LINES = st.lists(st.sampled_from(FULL.splitlines()) | st.text(max_size=10))


@given(lines=LINES)
@settings(max_examples=150, deadline=None)
def test_shuffled_lines_give_a_suite_or_a_suite_error(
    lines: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Lines of a right suite, mixed and with others, raise a SuiteError at most."""
    path = tmp_path_factory.getbasetemp() / "any.bench.yaml"
    give_suite_or_fault(path, "\n".join(lines).encode("utf-8", "replace"))
