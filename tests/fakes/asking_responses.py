"""Short ways to ask the fake of the responses API one question in a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from asking import question
from fake_responses import FakeResponses

from pytest_llmbench.calls.request import Target

if TYPE_CHECKING:
    from fake_responses_events import Said

    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.request import Answer

MODEL: Final = "gpt-x"


def says(said: Said) -> FakeResponses:
    """Return a fake whose models say one thing."""
    return FakeResponses(lambda _asked: said)


def target_of(server: FakeResponses, model: str = MODEL) -> Target:
    """Return the target of a model at the fake."""
    return Target(
        provider="openai-responses",
        model=model,
        base_url=server.base_url,
        key_env="OPENAI_API_KEY",
    )


def put(
    engine: Engine,
    server: FakeResponses,
    text: str = "Hi",
    **fields: Any,  # noqa: ANN401 - as `question` takes them
) -> Answer:
    """Ask a model at the fake one question."""
    request = question(text, **{"model": MODEL, **fields})
    return engine.ask(target_of(server, request.model), request)
