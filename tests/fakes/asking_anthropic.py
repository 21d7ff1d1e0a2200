"""Short ways to ask a fake Anthropic one question in a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from asking import question

from pytest_llmbench.calls.request import Target

if TYPE_CHECKING:
    from fake_anthropic import FakeAnthropic

    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.request import Answer

KEY: Final = "sk-ant-planted"
HAIKU: Final = "claude-haiku-5-5"
OLD_HAIKU: Final = "claude-haiku-4-5"
OPUS: Final = "claude-opus-5-5"


def claude(server: FakeAnthropic | str, model: str = HAIKU, **headers: str) -> Target:
    """Return the target of a model; `_` in a header's name stands for `-`."""
    url = server if isinstance(server, str) else server.url
    return Target(
        provider="anthropic",
        model=model,
        base_url=url,
        headers=tuple((name.replace("_", "-"), to) for name, to in headers.items()),
    )


def ask_claude(
    engine: Engine,
    server: FakeAnthropic | str,
    text: str = "Hi",
    *,
    model: str = HAIKU,
    **fields: Any,  # noqa: ANN401 - any field of a request
) -> Answer:
    """Ask a model at a fake server or URL one question."""
    request = question(text, model=model, **fields)
    return engine.ask(claude(server, model), request)


def sent(server: FakeAnthropic) -> dict[str, Any]:
    """Return the body of the newest message request."""
    body = server.requests_to("/v1/messages")[-1].body
    assert body
    return body
