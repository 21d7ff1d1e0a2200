"""One wire dialect per file; the only users of httpx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmbench.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.debuglog import WireLog
    from pytest_llmbench.calls.providers.anthropic import AnthropicProvider
    from pytest_llmbench.calls.providers.base import Caller, Provider
    from pytest_llmbench.calls.providers.openai import OpenAIProvider
    from pytest_llmbench.calls.request import Target

SPOKEN: Final = (
    "ollama",
    "openai",
    "openai-responses",
    "anthropic",
    "claude-code",
    "embedded",
)
"""The providers this version can call."""

LOCAL: Final = frozenset({"ollama", "embedded"})
"""Providers whose models share one machine's memory and processors."""


UNSAMPLED: Final = frozenset({"anthropic", "claude-code"})
"""Providers that have given up sampling options: a suite's are not sent there."""


def is_local(target: Target) -> bool:
    """Whether the target's server gets one call at a time, or measures itself."""
    return target.provider in LOCAL


def refuses_sampling(target: Target) -> bool:
    """Whether a target's model takes no temperature and the like.

    A suite sets them for local models; there they are left out.
    """
    if target.provider in {"openai", "openai-responses"}:
        from pytest_llmbench.calls.providers.openai_account import url_of
        from pytest_llmbench.calls.providers.openai_models import reasons

        return reasons(target.model, url_of(target))
    return target.provider in UNSAMPLED


def outlives_caller(target: Target) -> bool:
    """Whether the server still runs when the process that calls it has ended."""
    return target.provider != "embedded"


def open_provider(
    target: Target,
    clock: Clock,
    debug: WireLog | None,
    on_grant: Callable[[float], None] | None = None,
) -> Provider:
    """Return the provider that speaks to a target's server.

    Dialects are imported here, so that a run pays only for those it uses.

    Args:
        on_grant: is told of loads that are granted their time in mid-call.

    Raises:
        Unsupported: no dialect speaks this provider's protocol yet.
        Unauthorised: an online service's key is missing.
        EngineMissing: a program that the provider runs is not installed.
    """
    if target.provider == "ollama":
        from pytest_llmbench.calls.providers.keys import headers_of_local
        from pytest_llmbench.calls.providers.ollama import OllamaProvider

        ollama = OllamaProvider(target.base_url, clock, headers_of_local(target))
        ollama.transport.debug = debug
        ollama.transport.on_grant = on_grant
        return ollama
    if target.provider == "embedded":
        from pytest_llmbench.calls.providers.embedded import EmbeddedProvider

        embedded = EmbeddedProvider(clock)
        embedded.debug = debug
        return embedded
    if target.provider == "claude-code":
        from pytest_llmbench.calls.providers.claude_code import ClaudeCodeProvider

        agent = ClaudeCodeProvider(target, clock)
        agent.debug = debug
        return agent
    service = _service(target, clock)
    service.transport.debug = debug
    service.transport.on_grant = on_grant
    return service


def _service(target: Target, clock: Clock) -> OpenAIProvider | AnthropicProvider:
    if target.provider == "openai":
        from pytest_llmbench.calls.providers.openai import OpenAIProvider

        return OpenAIProvider(target, clock)
    if target.provider == "openai-responses":
        from pytest_llmbench.calls.providers.openai_responses import ResponsesProvider

        return ResponsesProvider(target, clock)
    if target.provider == "anthropic":
        from pytest_llmbench.calls.providers.anthropic import AnthropicProvider

        return AnthropicProvider(target, clock)
    msg = f"no dialect for provider {target.provider!r}; known: {', '.join(SPOKEN)}"
    raise Unsupported(msg)


def open_caller(
    target: Target,
    clock: Clock,
    debug: WireLog | None,
    on_grant: Callable[[float], None],
) -> Caller:
    """Return what asks a target's server, in a process that owns no server.

    Args:
        target: for `embedded`, with the running engine's address.
        on_grant: as for `open_provider`.

    Raises:
        Unsupported: as for `open_provider`.
    """
    if target.provider == "embedded":
        from pytest_llmbench.calls.providers.running_engine import RunningEngine

        running = RunningEngine(target.base_url, clock)
        running.transport.debug = debug
        return running
    return open_provider(target, clock, debug, on_grant)
