"""Short ways to ask an engine one question in a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.calls.request import CallRequest, Limits, Target
from pytest_llmbench.prompts.messages import Message
from pytest_llmbench.prompts.suite import Tool

if TYPE_CHECKING:
    from fake_ollama_server import FakeOllama

    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.request import Answer
    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.errors import CallError

LIMITS: Final = Limits(call_s=3.0, load_s=3.0)
WEATHER: Final = Tool(
    name="get_weather",
    description="Get the weather.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}},
)


def target_of(server: FakeOllama | str, model: str = "fake:1b") -> Target:
    """Return the target of a model at a fake server or URL."""
    url = server if isinstance(server, str) else server.url
    return Target(provider="ollama", model=model, base_url=url)


def question(text: str = "Hi", **fields: Any) -> CallRequest:  # noqa: ANN401 - any field
    """Return a request with one user message; `fields` are `CallRequest`'s."""
    given = {"model": "fake:1b", "limits": LIMITS, **fields}
    return CallRequest(messages=(Message(role="user", content=text),), **given)


def ask(
    engine: Engine,
    server: FakeOllama | str,
    text: str = "Hi",
    **fields: Any,  # noqa: ANN401 - as above
) -> Answer:
    """Ask a model at a fake server or URL one question."""
    request = question(text, **fields)
    return engine.ask(target_of(server, request.model), request)


def reply_of(answer: Answer) -> Reply:
    """Return the reply of a call that went well."""
    assert answer.error is None, answer.error
    assert answer.reply is not None
    return answer.reply


def error_of(answer: Answer) -> CallError:
    """Return the error of a call that failed."""
    assert answer.reply is None
    assert answer.error is not None
    return answer.error
