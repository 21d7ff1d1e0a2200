"""A real Chromium for the tests of pages, installed once where it may be."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_INSTALL = (
    ["apt-get", "update", "-qq"],
    [
        *("apt-get", "install", "-y", "-qq", "--no-install-recommends"),
        *("chromium", "fonts-dejavu-core"),
    ],
)
_LIMIT_S = 600


@pytest.fixture(scope="session")
def chromium() -> str:
    """Give the path of a Chromium; without one, skip, or fail where CI is set."""
    found = _found() or _installed()
    if found:
        return found
    why = "no Chromium is on the PATH, and `apt-get install chromium` is not possible"
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Start the browser for one file of tests.

    Not for the session: while it runs, no other test can start an event loop.
    """
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        yield started
        started.close()


def _found() -> str | None:
    return next(filter(None, map(shutil.which, _NAMES)), None)


def _installed() -> str | None:
    """Install Debian's Chromium; of several processes one does, and the others wait."""
    if os.geteuid() or not shutil.which("apt-get"):
        return None
    lock = Path(tempfile.gettempdir()) / "llmbench-chromium.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for command in () if _found() else _INSTALL:
            subprocess.run(  # noqa: S603 - our own words
                command,
                check=False,
                timeout=_LIMIT_S,
                capture_output=True,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            )
    return _found()
