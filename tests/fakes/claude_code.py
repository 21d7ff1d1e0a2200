"""Ways to run the real Claude Code against a fake Anthropic, in tests."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_llmbench.calls.request import CallRequest, Limits, Target
from pytest_llmbench.prompts.messages import Message

if TYPE_CHECKING:
    from pathlib import Path

    from fake_anthropic import FakeAnthropic

    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.request import Answer

MODEL: Final = "claude-haiku-5-5"
KEY: Final = "sk-ant-made-up-0123456789"
LIMITS: Final = Limits(call_s=30.0)

needs_claude_code: Final = pytest.mark.skipif(
    importlib.util.find_spec("claude_agent_sdk") is None,
    reason="claude-agent-sdk is not installed (the extra `claude-code`)",
)


def settle(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Give Claude Code a home of its own, and no login but a made-up key."""
    for name in ("ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDECODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(home / "config"))
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


def target_at(server: FakeAnthropic, **fields: Any) -> Target:  # noqa: ANN401 - any field
    """Return Claude Code as a target, its requests led to a fake."""
    given = {"model": MODEL, "base_url": server.url, **fields}
    return Target(provider="claude-code", **given)


def ask_claude_code(
    engine: Engine,
    server: FakeAnthropic,
    *messages: Message,
    target: Target | None = None,
    **fields: Any,  # noqa: ANN401 - any field of a request
) -> Answer:
    """Ask one question, or go on with a conversation."""
    asked = messages or (user("Hi"),)
    given = {"model": MODEL, "limits": LIMITS, **fields}
    request = CallRequest(messages=asked, **given)
    return engine.ask(target or target_at(server), request)


def user(text: str) -> Message:
    """Return a user's message."""
    return Message(role="user", content=text)
