"""One wire dialect per file; the only users of httpx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmbench.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.debuglog import WireLog
    from pytest_llmbench.calls.providers.base import Caller, Provider
    from pytest_llmbench.calls.request import Target

SPOKEN: Final = ("ollama", "embedded")
"""The providers this version can call."""

LOCAL: Final = frozenset({"ollama", "embedded"})
"""Providers whose models share one machine's memory and processors."""


def is_local(target: Target) -> bool:
    """Whether the target's server gets one call at a time, or measures itself."""
    return target.provider in LOCAL


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
        Unauthorised: there is no key; nothing is asked without it.
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
