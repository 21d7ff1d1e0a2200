"""One trial's call: residency first, then the request, then the judgement of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from pytest_llmbench.calls.clock import elapsed_ms
from pytest_llmbench.calls.request import Answer
from pytest_llmbench.calls.truncation import check_whole_prompt, seen_in_force
from pytest_llmbench.errors import CallError, CallTimeout

if TYPE_CHECKING:
    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.providers.base import Caller
    from pytest_llmbench.calls.request import CallRequest, Limits, Residency
    from pytest_llmbench.checks.reply import Reply

_COLD_LOAD_MS: Final = 1000.0
"""A load this long says that the model was not there after all: Ollama tells some 10
to 150 ms for one that is."""


async def ask(
    provider: Caller,
    request: CallRequest,
    clock: Clock,
    *,
    queued_ns: int,
    known: Residency | None = None,
    backoff_ms: float = 0.0,
) -> Answer:
    """Ask once, under the rules of measurement; never raises a `CallError`.

    While the server does not show the model, the first byte is granted the load
    time on top: closing the connection would abort the load.

    Args:
        queued_ns: when the call could have begun; the wait since then for a slot
            is `queue_ms` and part of no latency.
        known: what the server has loaded, where that is known without asking.
        backoff_ms: waited already, as the server refused the call before.
    """
    queue_ms = elapsed_ms(queued_ns, clock.now_ns())
    answer = Answer(
        started_at=clock.utc().isoformat(), server=provider.where, residency=known
    )
    try:
        residency = known or await provider.residency(request.model)
        answer = replace(answer, residency=residency)
        sent = _with_load_time(request, residency)
        reply = await provider.ask(sent)
        if residency and not sent.limits.is_loading and _has_loaded(reply):
            answer = replace(answer, residency=replace(residency, is_resident=False))
        _check_time(reply, sent.limits, provider.where)
        in_force = await seen_in_force(provider, request, residency)
        check_whole_prompt(reply, request, in_force)
    except CallError as error:
        error.partial = _queued(error.partial, queue_ms, backoff_ms)
        return replace(answer, error=error)
    return replace(answer, reply=_queued(reply, queue_ms, backoff_ms))


def _with_load_time(request: CallRequest, residency: Residency | None) -> CallRequest:
    """Grant load time to a model that is not there, or not with this context."""
    if residency is None or residency.serves(request.options.get("num_ctx")):
        return request
    return replace(request, limits=replace(request.limits, is_loading=True))


def _has_loaded(reply: Reply) -> bool:
    return (reply.timings.load_ms or 0.0) >= _COLD_LOAD_MS


def _check_time(reply: Reply, limits: Limits, where: str) -> None:
    timings = reply.timings
    if timings.e2e_ms is None:
        return
    load_ms = timings.load_ms
    if load_ms is None and limits.is_loading:
        load_ms = timings.ttft_ms  # how much of it was load, nobody tells
    net_s, call_s = (timings.e2e_ms - (load_ms or 0.0)) / 1e3, limits.call_s
    if net_s > call_s:
        msg = f"{where}: the reply took {net_s:.1f} s, load apart; limit {call_s:g} s"
        error = CallTimeout(msg)
        error.partial = reply
        raise error


def _queued(reply: Reply | None, queue_ms: float, backoff_ms: float) -> Reply | None:
    if reply is None:
        return None
    timings = replace(reply.timings, queue_ms=queue_ms, backoff_ms=backoff_ms)
    return replace(reply, timings=timings)
