"""Every example on the pages of docs/expectations does what the page says."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmbench.checks.judge import judge
from pytest_llmbench.checks.registry import EXPECTATIONS, expectation_faults
from pytest_llmbench.checks.reply import Reply, Timings, ToolCall, Usage
from pytest_llmbench.prompts.loader import load_suite
from pytest_llmbench.prompts.yamlmarks import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.checks.custom import CustomCheck
    from pytest_llmbench.prompts.suite import Prompt

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "docs" / "expectations"
TOOLS = ROOT / "suites" / "atomic" / "tools.yaml"
INTERVALS = ("ttft_ms", "e2e_ms", "load_ms")


def blocks(name: str, language: str) -> list[str]:
    """Return the fenced blocks of one language on an expectation's page."""
    text = (FOLDER / f"{name}.md").read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def written_checks(name: str, folder: Path) -> Mapping[str, CustomCheck]:
    """Return the checks that a page's Python block registers."""
    checks: dict[str, CustomCheck] = {}
    for number, text in enumerate(blocks(name, "python")):
        path = folder / f"conftest_{number}.py"
        path.write_text(text, encoding="utf-8")
        spec = spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        checks.update(module.pytest_llmbench_checks(None))
    return checks


def written_prompt(text: str, folder: Path, names: Mapping[str, object]) -> Prompt:
    """Load a page's `expect:` block as the prompt of a suite."""
    (folder / "tools.yaml").write_text(TOOLS.read_text("utf-8"), encoding="utf-8")
    path = folder / "page.bench.yaml"
    head = "suite: page\ntools: tools.yaml\nprompts:\n  - id: P1\n    prompt: Go.\n"
    path.write_text(head + indent(text, "    "), encoding="utf-8")
    suite = load_suite(
        path, expectation_faults=lambda prompt: expectation_faults(prompt, names)
    )
    return suite.prompts[0]


def written_reply(value: Any) -> Reply:  # noqa: ANN401 - a text or a mapping
    """Return the reply that a page describes."""
    fields = {"text": value} if not isinstance(value, dict) else dict(value)
    calls = [
        ToolCall(name=name, arguments=arguments)
        for call in fields.pop("calls", [])
        for name, arguments in call.items()
    ]
    times = {key: fields.pop(key) for key in INTERVALS if key in fields}
    usage = Usage(output_tokens=fields.pop("output_tokens", None))
    text = str(fields.pop("text", ""))
    assert not fields
    timings = Timings(**times)
    return Reply(text=text, tool_calls=tuple(calls), usage=usage, timings=timings)


@pytest.mark.parametrize("name", sorted(EXPECTATIONS))
def test_the_examples_of_a_page_are_judged_as_it_says(
    name: str, tmp_path: Path
) -> None:
    """Replies under `passes` pass; those under `fails` fail, with that why and mode."""
    checks = written_checks(name, tmp_path)
    stated, replies = blocks(name, "yaml")
    prompt = written_prompt(stated, tmp_path, checks)
    assert list(prompt.expect) == [name]
    cases: Any = read_yaml(replies).value
    assert cases.keys() == {"passes", "fails"}
    for value in cases["passes"]:
        verdict = judge(prompt, written_reply(value), checks)
        assert [check.why for check in verdict.checks] == [""]
        assert (verdict.mode, verdict.passed) == (None, True)
    for case in cases["fails"]:
        verdict = judge(prompt, written_reply(case["reply"]), checks)
        whys = [check.why for check in verdict.checks if check.name == name]
        assert (whys, verdict.mode) == ([case["why"]], case["mode"])


@pytest.mark.parametrize("name", sorted(EXPECTATIONS))
def test_a_page_has_the_four_parts(name: str) -> None:
    """A reader finds what, why, example and options, on little more than a screen."""
    text = (FOLDER / f"{name}.md").read_text("utf-8")
    parts = ("**What it does.**", "**Why.**", "## Example", "## Options and limits")
    places = [text.index(part) for part in parts]
    assert text.startswith(f"# `{name}`\n")
    assert places == sorted(places)
    assert len(text.splitlines()) <= 60


def test_there_is_a_page_for_each_expectation_and_no_other() -> None:
    """The folder and the registry name the same things, and the index lists them."""
    pages = {path.stem for path in FOLDER.glob("*.md")} - {"README"}
    assert pages == EXPECTATIONS.keys()
    index = (FOLDER / "README.md").read_text("utf-8")
    for name in EXPECTATIONS:
        assert f"[`{name}`]({name}.md)" in index
