"""Whose fixtures keep calls from being asked ahead of pytest."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmbench.bars import bars
from pytest_llmbench.items import PromptItem

if TYPE_CHECKING:
    from pathlib import Path

    from bench_project import Bench
    from fake_ollama import FakeOllama

FIXTURE = """
import pytest
@pytest.fixture(autouse=True, scope={scope!r})
def tidy():
    yield
"""


class Spy:
    """A plugin that keeps the bars of what was collected."""

    def __init__(self) -> None:
        self.bars: list[Any] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Work the bars out as the plugin does."""
        trials = [item for item in session.items if isinstance(item, PromptItem)]
        self.bars = bars(trials)


def put(bench: Bench, folder: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder from which plugins can be imported."""
    path = bench.pytester.path / folder
    path.mkdir(parents=True)
    monkeypatch.syspath_prepend(path)
    return path


def bars_of(bench: Bench, *args: str) -> list[Any]:
    """Return the bars of the small suite's three trials."""
    bench.suite()
    spy = Spy()
    options = ("-p", "no:hypothesispytest", "--collect-only", *args)
    bench.pytester.inline_run("--model", "fake:1b", *options, plugins=[spy])
    assert len(spy.bars) == 3
    return spy.bars


def is_one_reach(found: list[Any]) -> bool:
    """Whether all trials may be asked ahead together."""
    return found[0] is not None and len(set(found)) == 1


@pytest.mark.parametrize("how", ["-p", "pytest_plugins"])
def test_a_fixture_of_the_projects_plugin_module_bars(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A function-scoped fixture counts, in whatever file of the user's it stands."""
    text = FIXTURE.format(scope="function")
    (put(bench, "tools", monkeypatch) / "our_plugin.py").write_text(text, "utf-8")
    if how == "pytest_plugins":
        bench.pytester.makeconftest("pytest_plugins = ['our_plugin']")
    options = ("-p", "our_plugin") if how == "-p" else ()
    assert bars_of(bench, *options) == [None] * 3


def test_a_module_fixture_of_a_plugin_module_parts_files(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set up once per file, it has asking ahead end with the file."""
    text = FIXTURE.format(scope="module")
    (put(bench, "tools", monkeypatch) / "our_plugin.py").write_text(text, "utf-8")
    (bar, *others) = bars_of(bench, "-p", "our_plugin")
    assert isinstance(bar, pytest.Module)
    assert others == [bar, bar]


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
def test_a_fixture_of_an_installed_plugin_bars_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """pytest-django and its like have autouse fixtures: calls overlap all the same."""
    text = FIXTURE.format(scope="function")
    place = put(bench, f"lib/{folder}", monkeypatch)
    (place / "their_plugin.py").write_text(text, "utf-8")
    assert is_one_reach(bars_of(bench, "-p", "their_plugin"))


def test_a_conftest_counts_wherever_it_lies(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Suites that lie in an installed package have a conftest of the user's too."""
    place = put(bench, "lib/site-packages/ours", monkeypatch)
    (place / "conftest.py").write_text(FIXTURE.format(scope="function"), "utf-8")
    bench.suite().rename(place / "small.bench.yaml")
    assert bars_of(bench, "lib") == [None] * 3


def test_built_in_fixtures_bar_nothing(bench: Bench) -> None:
    """What pytest itself sets up for a trial holds no call up."""
    bench.pytester.makeconftest(
        """
        import pytest
        @pytest.fixture(autouse=True, scope="session")
        def once(tmp_path_factory, pytestconfig, cache):
            yield
        """
    )
    assert is_one_reach(bars_of(bench, "-o", "usefixtures=tmp_path monkeypatch"))


def test_a_plugin_modules_fixture_comes_before_the_call(
    bench: Bench, small: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No trial is asked before the fixture has done for it what it does."""
    place = put(bench, "tools", monkeypatch)
    (place / "our_plugin.py").write_text(FIXTURE.format(scope="function"), "utf-8")
    bench.suite()
    seen: list[int] = []

    class Watch:
        def pytest_runtest_teardown(self) -> None:
            time.sleep(0.2)  # a call ahead would come to the server by then
            seen.append(len(small.requests_to("/api/chat")))

    args = ("-p", "no:hypothesispytest", "-p", "our_plugin", "--model", "fake:1b")
    bench.pytester.inline_run(*args, plugins=[Watch()])
    assert [count - seen[0] for count in seen] == [0, 1, 2]
