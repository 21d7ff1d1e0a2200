"""Fixtures of the plugin's own tests: a project with a suite, and a fake Ollama."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

# pytester forgets what an inner run has imported. PyYAML's C half, httpx's map
# of httpcore's errors, httptools' errors and what alembic tells SQLAlchemy do not
# survive that, so everything is imported here, once.
import alembic.command  # noqa: F401
import httpcore  # noqa: F401
import httptools  # noqa: F401
import pytest
from bench_project import SMALL_ANSWERS, Bench
from fake_ollama import FakeModel, FakeOllama, FakeSettings, answers_by_prompt, says
from fake_ollama_atomic import atomic_script, cold_atomic_script

import pytest_llmbench.reporting  # noqa: F401
import pytest_llmbench.runs.history  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_OPEN_FILES: Final = 8192


@pytest.fixture(scope="session", autouse=True)
def _many_files() -> None:
    """Allow more open files than some systems do at first.

    pytest-rerunfailures keeps one socket of each inner run until the process ends.
    """
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _OPEN_FILES:
        wanted = _OPEN_FILES if hard < 0 else min(_OPEN_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@pytest.fixture
def bench(pytester: pytest.Pytester) -> Bench:
    """Give an empty project."""
    return Bench(pytester)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's proxies, keys and servers out of the tests."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
    # Nothing listens on port 1: a test that names no server reaches none.
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:1")


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FakeOllama]]:
    """Give a function that starts a fake Ollama and points OLLAMA_HOST at it."""
    started: list[FakeOllama] = []

    def start(*models: FakeModel, settings: FakeSettings | None = None) -> FakeOllama:
        server = FakeOllama(*models, settings=settings)
        server.start()
        started.append(server)
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def small(serve: Callable[..., FakeOllama]) -> FakeOllama:
    """Serve the model `fake:1b` that answers the small suite right."""
    return serve(FakeModel(answer=answers_by_prompt(SMALL_ANSWERS, says("4"))))


@pytest.fixture
def atomic(serve: Callable[..., FakeOllama]) -> FakeOllama:
    """Serve `fake:1b`, always right on the atomic suite."""
    return serve(FakeModel(answer=atomic_script()))


@pytest.fixture
def cold(serve: Callable[..., FakeOllama]) -> FakeOllama:
    """Serve `fake:1b`: P6, P7, P9 wrong on runs 1 and 2 unless warmed up."""
    return serve(FakeModel(answer=cold_atomic_script(), load_s=0.2))
