"""The shipped suites: each prompt passes a good answer and fails bad ones."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fake_ollama_models import Answer, FakeCall
from suite_answers_extended import EXTENDED, extended_script
from suite_answers_format import FORMAT, format_script
from suite_answers_tool_use import TOOL_USE, tool_use_script

from pytest_llmbench.checks.judge import judge
from pytest_llmbench.checks.merging import merged
from pytest_llmbench.checks.registry import expectation_faults
from pytest_llmbench.checks.reply import Reply, ToolCall
from pytest_llmbench.prompts.loader import load_suite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fake_ollama_models import JsonObject, Script
    from suite_answers import Steps, Tried

    from pytest_llmbench.checks.verdict import Verdict
    from pytest_llmbench.prompts.suite import Json, Prompt, Suite, Turn

SUITES = Path(__file__).parents[2] / "suites"
PATHS = sorted(SUITES.rglob("*.bench.yaml"))
TABLES: dict[str, Mapping[str, tuple[Tried, ...]]] = {
    "extended": EXTENDED,
    "tool_use": {name: (tried,) for name, tried in TOOL_USE.items()},
    "format": {name: (tried,) for name, tried in FORMAT.items()},
}
SCRIPTS = {
    "extended": extended_script(),
    "tool_use": tool_use_script(),
    "format": format_script(),
}
SIZES = {"atomic": 12, "extended": 9, "tool_use": 6, "format": 15, "long_context": 4}
PLACES = [
    pytest.param(name, prompt_id, turn, id=f"{prompt_id}-{turn + 1}")
    for name, table in TABLES.items()
    for prompt_id, turns in table.items()
    for turn in range(len(turns))
]


@cache
def suite_of(name: str) -> Suite:
    """Load a shipped suite."""
    path = SUITES / name / f"{name}.bench.yaml"
    return load_suite(path, expectation_faults=expectation_faults)


def prompt_of(name: str, prompt_id: str) -> Prompt:
    """Return one prompt of a shipped suite."""
    return next(p for p in suite_of(name).prompts if p.id == prompt_id)


def reply_of(steps: Steps) -> Reply:
    """Return all calls of an answer and its last text, as a turn is judged."""
    return merged([one_reply(answer) for answer in steps])


def one_reply(answer: Answer) -> Reply:
    """Return one step of an answer as a reply."""
    calls = [ToolCall(name=name, arguments=given) for name, given in answer.tool_calls]
    return Reply(text=answer.text, tool_calls=tuple(calls))


def why_failed(verdict: Verdict) -> list[str]:
    """Return the checks that do not hold, with their reasons."""
    return [f"{c.name}: {c.why}" for c in verdict.checks if not c.passed]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_suite_says_what_each_prompt_is_for(path: Path) -> None:
    """A suite loads without a fault; its prompts are numbered and explained."""
    suite = load_suite(path, expectation_faults=expectation_faults)
    ids = tuple(dict.fromkeys(prompt.names[-1] for prompt in suite.prompts))
    letter = ids[0][0]
    numbered = tuple(f"{letter}{n}" for n in range(1, len(ids) + 1))
    assert ids == numbered
    assert len(numbered) == SIZES.get(suite.name, len(numbered))
    assert suite.phase == suite.name == path.parent.name
    unexplained = [p.id for p in suite.prompts if not (p.title and p.category)]
    assert unexplained == []
    assert [p.id for p in suite.prompts if len(p.purpose) < len("too short")] == []


def test_ids_name_one_prompt_in_all_suites() -> None:
    """No id stands in two suites, so that a report needs no suite beside it."""
    ids = [i for path in PATHS for i in load_suite(path).prompt_ids()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_page_of_suites_names_each_prompt(path: Path) -> None:
    """The page has one row for each prompt, with its title."""
    page = (SUITES.parent / "docs" / "shipped_suites.md").read_text("utf-8")
    prompts = load_suite(path).prompts
    rows = [(p.id, f"\n| {p.names[-1]} | {p.title} |") for p in prompts]
    missing = [name for name, row in rows if row not in page]
    assert missing == []


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_turn_has_answers(name: str) -> None:
    """Each turn has a good answer and two bad ones, found by a key of its own."""
    prompts = {p.id: max(1, len(p.turns)) for p in suite_of(name).prompts}
    assert {i: len(turns) for i, turns in TABLES[name].items()} == prompts
    asked = [tried for turns in TABLES[name].values() for tried in turns]
    assert [t.key for t in asked if not t.good or len(t.bad) < 2] == []
    texts = [
        p.of_turn(turn).text
        for p in suite_of(name).prompts
        for turn in range(10)[: prompts[p.id]]
    ]
    assert [t.key for t in asked if sum(t.key in text for text in texts) != 1] == []


@pytest.mark.parametrize(("name", "prompt_id", "turn"), PLACES)
def test_good_answers_pass(name: str, prompt_id: str, turn: int) -> None:
    """A model that answers well must pass, in whichever of the usual ways."""
    prompt = prompt_of(name, prompt_id).of_turn(turn)
    for steps in TABLES[name][prompt_id][turn].good:
        assert why_failed(judge(prompt, reply_of(steps))) == [], steps


@pytest.mark.parametrize(("name", "prompt_id", "turn"), PLACES)
def test_bad_answers_fail(name: str, prompt_id: str, turn: int) -> None:
    """An answer that misses what the prompt probes must fail."""
    prompt = prompt_of(name, prompt_id).of_turn(turn)
    passed = [
        steps
        for steps in TABLES[name][prompt_id][turn].bad
        if judge(prompt, reply_of(steps)).passed
    ]
    assert passed == []


def result_for(turn: Turn, name: str, arguments: Mapping[str, Json]) -> Json:
    """Return what the suite answers to a call; its first matching result."""
    return next(
        scripted.result
        for scripted in turn.tool_results
        if scripted.tool == name and scripted.when.items() <= dict(arguments).items()
    )


@pytest.mark.parametrize("prompt_id", sorted(EXTENDED))
def test_good_answers_get_results(prompt_id: str) -> None:
    """Every call of a good answer has its result, and calls need results."""
    prompt = prompt_of("extended", prompt_id)
    for turn, tried in zip(prompt.turns, EXTENDED[prompt_id], strict=True):
        calls = [c for steps in tried.good for step in steps for c in step.tool_calls]
        assert bool(calls) == bool(turn.tool_results)
        for name, arguments in calls:
            assert result_for(turn, name, arguments) is not None


@pytest.mark.parametrize("name", sorted(TABLES))
@pytest.mark.parametrize("has_tools", [True, False])
def test_scripts_answer_their_suite(name: str, *, has_tools: bool) -> None:
    """A script goes through a whole conversation, with or without native tools."""
    for prompt in suite_of(name).prompts:
        offered = prompt.tools if has_tools else ()
        sent: tuple[JsonObject, ...] = tuple(
            {"function": {"name": tool.name}} for tool in offered
        )
        history: list[dict[str, str]] = []
        for turn, tried in enumerate(TABLES[name][prompt.id]):
            history.append({"role": "user", "content": prompt.of_turn(turn).text})
            for step in tried.good[0]:
                got = said(SCRIPTS[name], history, sent)
                assert got.tool_calls == (step.tool_calls if has_tools else ())
                assert all(call in got.text for call, _ in step.tool_calls) or has_tools
                assert got.text.endswith(step.text)
                history.append({"role": "assistant", "content": got.text})
                history.append({"role": "tool", "content": "{}"})


def said(
    script: Script, history: list[dict[str, str]], tools: tuple[JsonObject, ...]
) -> Answer:
    """Return what a script says next in a conversation."""
    answer = script(FakeCall(model="m", messages=tuple(history), tools=tools))
    assert isinstance(answer, Answer)
    return answer
