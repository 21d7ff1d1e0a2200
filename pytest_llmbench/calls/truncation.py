"""Whether a reply answers the whole prompt, or what a server has left of it.

A server may cut a prompt that is longer than its context and say nothing. Where it is
known what it should have counted, each of these gives it away; where it isn't, only a
count at the context's edge, or at half of it, with too many characters per token.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pytest_llmbench.errors import CallError, PromptTruncated
from pytest_llmbench.prompts.context import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_llmbench.calls.providers.base import Caller
    from pytest_llmbench.calls.request import CallRequest, Residency
    from pytest_llmbench.checks.reply import Reply

_MAX_CHARS_PER_TOKEN: Final = 6.0
"""No tokenizer packs natural text more densely than this on average."""

_LEAST_SHARE: Final = 0.9
"""Of the expected count: far below what any calibration is wrong by."""

_EDGE_TOKENS: Final = 2
"""A reply may end this much before the context does."""


async def seen_in_force(
    provider: Caller, request: CallRequest, before: Residency | None
) -> Residency | None:
    """Return what shows the context that the model answers with.

    A model that was loaded for this call, or with another context, is looked at once
    more, behind the reply: part of no latency.

    Args:
        before: what was seen before the call.
    """
    num_ctx = request.options.get("num_ctx")
    is_asked = request.expected_tokens is not None and num_ctx is not None
    if not is_asked or (before is not None and _is_shown(before, num_ctx)):
        return before
    with suppress(CallError):
        return await provider.residency(request.model)
    return before


def _is_shown(seen: Residency, num_ctx: object) -> bool:
    return seen.is_resident and seen.context_length == num_ctx


def check_whole_prompt(
    reply: Reply, request: CallRequest, in_force: Residency | None
) -> None:
    """Refuse an answer to a prompt that the server has cut.

    Args:
        in_force: shows the context that the model has answered with.

    Raises:
        PromptTruncated: it was cut, or its context ended before the reply.
    """
    told = in_force.context_length if in_force else None
    # The server may grant less than num_ctx: the model's own limit.
    given = (request.options.get("num_ctx"), told)
    contexts = [context for context in given if isinstance(context, int)]
    why = (
        _why_by_density(reply, request, contexts)
        if request.expected_tokens is None
        else _why_by_count(reply, request, request.expected_tokens, contexts)
    )
    if why:
        error = PromptTruncated(why)
        error.partial = reply
        raise error


def _why_by_density(reply: Reply, request: CallRequest, contexts: Iterable[int]) -> str:
    """Judge by characters per token.

    Ollama cuts to the whole context, or to half of it and 2 or 3 tokens, and
    says nothing; a count there with far too many characters per token is a cut.
    """
    counted = reply.usage.prompt_tokens
    if not counted:
        return ""
    sent_chars = sum(len(message.content) for message in request.messages)
    is_dense = sent_chars / counted > _MAX_CHARS_PER_TOKEN
    for context in contexts:
        if is_dense and _is_cut_count(counted, context):
            return (
                f"the server counted {counted} prompt tokens in a context of {context}"
                f" for {sent_chars} characters: it cut the prompt; raise num_ctx"
            )
    return ""


def _why_by_count(
    reply: Reply, request: CallRequest, expected: int, contexts: list[int]
) -> str:
    """Judge by the count that was to be expected, and by the context in force."""
    counted = reply.usage.prompt_tokens
    least = min(contexts, default=None)
    wanted = request.options.get("num_ctx")
    if least is not None and expected > least:
        return (
            f"the server gives a context of {least} tokens where {wanted} were asked"
            f" for, and the prompt has some {expected}: it cut the prompt"
        )
    if counted is None:
        return ""
    if counted < expected * _LEAST_SHARE:
        return (
            f"the server counted {counted} prompt tokens where {expected} were"
            " expected: it cut the prompt; raise its context"
        )
    is_off = abs(counted - expected) > expected * TOLERANCE
    for context in contexts:
        if is_off and _is_cut_count(counted, context):
            return (
                f"the server counted {counted} prompt tokens, {expected} expected, in"
                f" a context of {context}: it cut the prompt"
            )
    return _why_by_end(reply, request, least)


def _why_by_end(reply: Reply, request: CallRequest, least: int | None) -> str:
    """Judge a reply that stopped where the context did, before its own limit."""
    counted, said = reply.usage.prompt_tokens, reply.usage.output_tokens
    limit = request.options.get("num_predict")
    if not reply.is_truncated or least is None or counted is None or said is None:
        return ""
    is_own_limit = isinstance(limit, int) and said >= limit
    if is_own_limit or counted + said < least - _EDGE_TOKENS:
        return ""
    return (
        f"the context of {least} tokens ended behind {counted} of the prompt and {said}"
        " of the reply, before the reply's own limit; raise num_ctx"
    )


def _is_cut_count(counted: int, context: int) -> bool:
    half = context // 2
    return counted in {context, context - 1} or half <= counted < half + 5
