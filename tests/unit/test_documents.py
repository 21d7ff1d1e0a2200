"""What README and docs say is what the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from pytest_llmbench.checks.registry import EXPECTATIONS, expectation_faults
from pytest_llmbench.checks.verdict import FailureMode
from pytest_llmbench.options import OPTIONS
from pytest_llmbench.prompts.loader import load_suite
from pytest_llmbench.prompts.options import OPTION_KINDS

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def blocks(page: Path, language: str) -> list[str]:
    """Return a page's fenced blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file that is there."""
    for target in LINK.findall(page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_the_readme_suite_loads(tmp_path: Path) -> None:
    """The suite shown in the README is a right one."""
    (text,) = blocks(ROOT / "README.md", "yaml")
    path = tmp_path / "readme.bench.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_suite(path, expectation_faults=expectation_faults).name == "greetings"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_toml_is_toml(page: Path) -> None:
    """Every settings example can be read."""
    for text in blocks(page, "toml"):
        assert "llmbench" in tomllib.loads(text)["tool"]


def test_every_option_is_documented() -> None:
    """The settings page has each option's flag, ini key and settings key."""
    text = (ROOT / "docs" / "settings.md").read_text("utf-8")
    for option in OPTIONS:
        assert f"`llmbench_{option.key}`" in text
        assert f"`{option.key}`" in text
        assert f"`{option.flag}`" in text or not option.flag


def test_every_expectation_and_sampling_option_is_documented() -> None:
    """The suites page names all of both, and leads to each expectation's page."""
    text = (ROOT / "docs" / "suites.md").read_text("utf-8")
    for name in EXPECTATIONS:
        assert f"[`{name}`](expectations/{name}.md)" in text
        assert (ROOT / "docs" / "expectations" / f"{name}.md").exists()
    for name in OPTION_KINDS:
        assert f"`{name}`" in text


def test_every_failure_mode_is_documented() -> None:
    """The page of decisions has a row for each."""
    text = (ROOT / "docs" / "decisions.md").read_text("utf-8")
    for mode in get_args(FailureMode):
        assert f"| `{mode}` |" in text


def test_the_readme_is_short() -> None:
    """A newcomer reads at most 150 lines."""
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def test_the_shipped_suites_load() -> None:
    """Every suite of the project is right, and says what each prompt is for."""
    for path in ROOT.glob("suites/**/*.bench.yaml"):
        suite = load_suite(path, expectation_faults=expectation_faults)
        assert all(prompt.purpose and prompt.title for prompt in suite.prompts)
