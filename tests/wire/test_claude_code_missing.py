"""Claude Code where its SDK, or its program, is not installed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_OPEN: Final = """
import sys
sys.path[:0] = {first!r}
{prepare}
from pytest_llmbench.calls.clock import SystemClock
from pytest_llmbench.calls.providers import open_provider
from pytest_llmbench.calls.request import Target
from pytest_llmbench.errors import EngineMissing
try:
    open_provider(Target(provider="claude-code", model="haiku"), SystemClock(), None)
except EngineMissing as error:
    print(error)
"""


def _said(prepare: str = "", *, first: str = "") -> str:
    """Open the provider in a process of its own; return what it is refused with."""
    paths = [*([first] if first else []), *sys.path]
    ended = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", _OPEN.format(first=paths, prepare=prepare)],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": ""},
        check=True,
    )
    return ended.stdout


def test_without_the_sdk_the_extra_is_named() -> None:
    """Who lacks the SDK reads what to install, and no traceback."""
    said = _said("sys.modules['claude_agent_sdk'] = None")
    assert "pip install 'pytest-llmbench[claude-code]'" in said


def test_without_the_program_a_wheel_is_named(tmp_path: Path) -> None:
    """An SDK installed without its program, and none on PATH, is told apart."""
    (tmp_path / "claude_agent_sdk").mkdir()
    (tmp_path / "claude_agent_sdk" / "__init__.py").touch()
    said = _said(first=str(tmp_path))
    assert "Claude Code's program is missing" in said
    assert "--force-reinstall claude-agent-sdk" in said


def test_other_providers_do_not_need_it() -> None:
    """Nothing else imports the SDK."""
    said = _said(
        "sys.modules['claude_agent_sdk'] = None\n"
        "import pytest_llmbench.plugin, pytest_llmbench.calls.providers.anthropic\n"
        "print('all there')"
    )
    assert said.startswith("all there\n")
