"""Notes when a pytest session starts, has collected, has run; a measured conftest.

Written as `phases-main.json`, or `phases-gw0.json` by a worker, in seconds of the
machine's monotonic clock; `start_cpu` are the CPU seconds up to the start.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

NOTED: dict[str, float] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart() -> None:
    """Note the start."""
    NOTED["start"] = time.perf_counter()
    NOTED["start_cpu"] = time.process_time()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Note that all trials are known."""
    NOTED["collected"] = time.perf_counter()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Note that the last trial has ended."""
    NOTED["ran"] = time.perf_counter()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Write what was noted."""
    name = os.environ.get("PYTEST_XDIST_WORKER", "main")
    Path(config.rootpath, f"phases-{name}.json").write_text(json.dumps(NOTED), "utf-8")
