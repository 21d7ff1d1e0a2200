"""Conversations in a suite file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmbench.errors import SuiteError
from pytest_llmbench.prompts.loader import load_suite
from pytest_llmbench.prompts.suite import ToolResult, Turn

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmbench.prompts.suite import Prompt

HEAD = """
suite: s
tools: [{name: find}, {name: send}]
prompts:
- id: E1
"""


def load(folder: Path, entry: str) -> Prompt:
    """Load a suite of one entry."""
    path = folder / "s.bench.yaml"
    path.write_text(HEAD + entry, encoding="utf-8")
    (prompt,) = load_suite(path, shown_as="s.bench.yaml").prompts
    return prompt


def test_turns_are_read(tmp_path: Path) -> None:
    """Users' words, expectations and scripted results come out as written."""
    prompt = load(
        tmp_path,
        """  turns:
  - user: Find it.
    tool_results:
      find:
      - {when: {pattern: a}, result: [a.txt]}
      - result: []
      send: {ok: true}
    expect: {tools_in_order: [find, send]}
  - user: Thanks.
    expect: none
""",
    )
    assert prompt.text == "Find it."
    assert prompt.turns == (
        Turn(
            text="Find it.",
            expect={"tools_in_order": ["find", "send"]},
            tool_results=(
                ToolResult(tool="find", when={"pattern": "a"}, result=["a.txt"]),
                ToolResult(tool="find", result=[]),
                ToolResult(tool="send", result={"ok": True}),
            ),
        ),
        Turn(text="Thanks."),
    )
    assert prompt.expects_tool
    assert not prompt.expects_no_tool


def test_a_list_that_is_no_script_is_one_result(tmp_path: Path) -> None:
    """Only entries with nothing but when and result are conditions."""
    entry = """  turns:
  - {user: x, expect: none, tool_results: {find: [{result: 1, size: 2}]}}
"""
    (turn,) = load(tmp_path, entry).turns
    assert turn.tool_results == (
        ToolResult(tool="find", result=[{"result": 1, "size": 2}]),
    )


def test_restraint_over_turns(tmp_path: Path) -> None:
    """Only if no turn may call is the whole case one of restraint."""
    both = "  turns:\n" + "  - {user: x, expect: {tools: []}}\n" * 2
    assert load(tmp_path, both).expects_no_tool
    mixed = both + "  - {user: x, expect: {tools: [find]}}\n"
    assert not load(tmp_path, mixed).expects_no_tool


def test_the_hash_knows_the_turns(tmp_path: Path) -> None:
    """Another scripted result makes another question."""
    first = "  turns:\n  - {user: x, expect: none, tool_results: {find: 1}}\n"
    assert load(tmp_path, first).hash != load(tmp_path, first.replace("1", "2")).hash


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (
            "  prompt: x\n  turns: [{user: x, expect: none}]\n  expect: none\n",
            "not both",
        ),
        ("  turns: [{user: x, expect: none}]\n  expect: none\n", "its own 'expect'"),
        ("  title: x\n", "lacks the key 'prompt' (or 'turns')"),
        ("  prompt: x\n", "lacks the key 'expect'; write what must hold"),
        ("  turns: []\n", "must not be empty"),
        ("  turns: [{user: x}]\n", "lacks the key 'expect'"),
        (
            "  turns: [{user: x, expect: none, tool_results: {fnd: 1}}]\n",
            "no tool 'fnd' is offered; did you mean 'find'?",
        ),
    ],
)
def test_what_does_not_fit_together(tmp_path: Path, entry: str, fault: str) -> None:
    """Keys that exclude or need each other are named, with file and line."""
    with pytest.raises(SuiteError, match=r"^s\.bench\.yaml:\d+: ") as caught:
        load(tmp_path, entry)
    assert fault in str(caught.value)
