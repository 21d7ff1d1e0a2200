"""Bring a model into memory before its first trial, and say how that went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from msgspec.structs import asdict, replace

from pytest_llmbench.calls.clock import elapsed_ms
from pytest_llmbench.calls.request import Residency, WarmupResult
from pytest_llmbench.errors import CallError
from pytest_llmbench.prompts.messages import Message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.providers.base import Provider
    from pytest_llmbench.calls.request import CallRequest

_T = TypeVar("_T")
QUESTION: Final = "What is 2+2?"
_ANSWER_TOKENS: Final = 32


class Patiently(Protocol):
    """Does a piece of work, again while the server is busy."""

    async def __call__(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Return the work's result.

        Raises:
            CallError: whatever the work raises.
        """
        ...


async def _at_once(work: Callable[[], Awaitable[_T]]) -> _T:
    return await work()


async def warm_up(
    provider: Provider,
    request: CallRequest,
    clock: Clock,
    patiently: Patiently = _at_once,
) -> WarmupResult:
    """Probe, preload, ask one small question, probe again.

    Args:
        request: carries the model, its load options and the limits.
        patiently: takes each step through the server's refusals.

    Returns:
        The result; a failure is a value too, for warm-up is never fatal. A service
        that has nothing to load is asked nothing.
    """
    if not provider.has_models_to_load:
        detail = "an online service has nothing to load"
        where = provider.where
        return WarmupResult(
            model=request.model, server=where, status="skipped", detail=detail
        )
    started_ns = clock.now_ns()
    result = WarmupResult(model=request.model, server=provider.where, status="success")
    try:
        result = await _warmed(provider, request, result, patiently)
    except CallError as error:
        result = replace(result, status="failed", detail=str(error))
    wall_s = elapsed_ms(started_ns, clock.now_ns()) / 1e3
    return replace(result, wall_s=wall_s)


async def _warmed(
    provider: Provider, request: CallRequest, result: WarmupResult, patiently: Patiently
) -> WarmupResult:
    before = await patiently(lambda: provider.residency(request.model))
    if before and before.serves(request.options.get("num_ctx")):
        result = replace(result, status="already_loaded")
    else:
        load_s = await patiently(lambda: provider.preload(request))
        result = replace(result, load_s=load_s)
    reply = await patiently(lambda: provider.ask(_small_question(request)))
    result = replace(result, usage=asdict(reply.usage))
    return _seen(result, await provider.residency(request.model))


def _small_question(request: CallRequest) -> CallRequest:
    limits = replace(request.limits, is_loading=True)
    options = {**request.options, "num_predict": _ANSWER_TOKENS}
    message = Message(role="user", content=QUESTION)
    return replace(
        request, messages=(message,), tools=(), options=options, limits=limits
    )


def _seen(result: WarmupResult, after: Residency | None) -> WarmupResult:
    if after is None:
        return result
    if not after.is_resident:
        detail = "the server does not show the model after loading it"
        return replace(result, status="failed", detail=detail)
    return replace(
        result,
        gpu_share=after.gpu_share,
        context_length=after.context_length,
        expires_at=after.expires_at,
    )
