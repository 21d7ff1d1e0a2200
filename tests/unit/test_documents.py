"""What README and docs say is what the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from pytest_llmbench.checks.registry import EXPECTATIONS, expectation_faults
from pytest_llmbench.checks.verdict import FailureMode
from pytest_llmbench.options import OPTIONS
from pytest_llmbench.prompts.loader import load_suite
from pytest_llmbench.prompts.options import OPTION_KINDS
from pytest_llmbench.prompts.spec import parse_model
from pytest_llmbench.runs.schemas import SCHEMAS, load_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """Return a page's fenced blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return FENCED.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    kept = (re.sub(r"[^\w\- ]", "", h.lower()) for h in HEADING.findall(prose(page)))
    return {heading.replace(" ", "-") for heading in kept}


def fields(schema: object) -> Iterator[str]:
    """Yield the name of every field that a JSON Schema describes."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "properties":
                yield from value
                yield from fields(list(value.values()))
            else:
                yield from fields(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from fields(item)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that is there, and a heading of it."""
    for target, anchor in LINK.findall(prose(page)):
        path = page.parent / target if target else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


def test_every_page_can_be_found() -> None:
    """The README leads to each page of docs, directly or through an index."""
    text = prose(ROOT / "README.md")
    for page in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{page.name}" in text
    assert "(docs/expectations/README.md)" in text


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


def test_the_readme_has_every_option() -> None:
    """The list of options has each flag, the two of warm-up included."""
    text = prose(ROOT / "README.md")
    flags = {option.flag for option in OPTIONS if option.flag}
    for flag in (*flags, "--enable-warmup", "--disable-warmup"):
        assert re.search(rf"`{flag}\b", text), flag


def test_every_written_field_is_documented() -> None:
    """The page of files names each field that a schema of a written file has."""
    quoted = " ".join(re.findall(r"`([^`]+)`", prose(ROOT / "docs" / "files.md")))
    words = set(re.findall(r"\w+", quoted))
    for name in SCHEMAS:
        if name != "suite":  # docs/suites.md
            assert set(fields(load_schema(name))) <= words, name


def test_the_thirteen_models_can_be_asked() -> None:
    """The documented set is one of Ollama names, each of them in the table."""
    page = ROOT / "docs" / "models.md"
    settings = tomllib.loads(blocks(page, "toml")[0])["tool"]["llmbench"]
    assert len(set(settings["model"])) == 13
    for name in settings["model"]:
        assert str(parse_model(name)) == name
        assert parse_model(name).provider == "ollama"
        assert f"| `{name}` |" in page.read_text("utf-8")
        assert name in blocks(page, "sh")[1]


def test_every_module_has_its_place() -> None:
    """The architecture's table names every top-level module and folder."""
    text = prose(ROOT / "ARCHITECTURE.md")
    for path in (ROOT / "pytest_llmbench").iterdir():
        if path.suffix == ".py" and not path.name.startswith("__"):
            assert f"`{path.stem}`" in text, path.name
        elif (path / "__init__.py").exists():
            assert f"`{path.name}/`" in text, path.name


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
