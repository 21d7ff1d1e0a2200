"""What came back from a model: the value that checks judge and records store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.prompts.suite import Json

_TRUNCATING_REASONS = frozenset({
    "length", "max_tokens", "max_output_tokens", "model_context_window_exceeded",
})  # fmt: skip


class ToolCall(Struct, frozen=True, kw_only=True):
    """One tool call of a reply.

    Attributes:
        arguments: the decoded JSON object, or None where what the model wrote
            is no JSON object (a malformed attempt; `raw` holds it).
        channel: `native` (the API's own field) or `text:<format>`.
        raw: the arguments as sent, kept only where they could not be decoded.
        id: the server's id of the call, where it gives one.
        is_salvaged: read from a text that breaks its format's rules.
        fault: why the call is invalid (unknown tool, arguments against the
            tool's schema); empty if it is valid or was never looked at.
    """

    name: str
    arguments: Mapping[str, Json] | None
    channel: str = "native"
    raw: str = ""
    id: str = ""
    is_salvaged: bool = False
    fault: str = ""


class Usage(Struct, frozen=True, kw_only=True):
    """Token counts as the server gave them; None where it gave none.

    Attributes:
        prompt_tokens: the whole prompt, cached part included.
        cached_tokens: the part of the prompt taken from the server's cache.
        cache_write_tokens: the part of the prompt put into the server's cache.
        output_tokens: everything generated, thinking included.
        reasoning_tokens: the part of the output that was thinking.
    """

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class Timings(Struct, frozen=True, kw_only=True):
    """Intervals of one call in milliseconds; None where not measured.

    Attributes:
        ttft_ms: from just before the request is sent to the first delta of
            any channel (text, thinking, tool call). None without streaming.
        ttfc_ms: the same to the first text or tool-call delta.
        e2e_ms: the same to the arrival of the last byte.
        queue_ms: wait in our own queue, before the request; part of no other.
        load_ms: model load as the server gave it; inside ttft_ms and e2e_ms.
        prefill_ms: prompt evaluation as the server gave it.
        decode_ms: generation as the server gave it.
        isolation_ms: what making the call in a child process cost on top: its
            start and both hand-overs; part of no other. None without isolation,
            except for claude-code, which is a child process in each call.
        backoff_ms: waits for a busy server, from each refusal until it was asked
            again; part of no other, as all others are the last request's. 0
            without a refusal.
    """

    ttft_ms: float | None = None
    ttfc_ms: float | None = None
    e2e_ms: float | None = None
    queue_ms: float | None = None
    load_ms: float | None = None
    prefill_ms: float | None = None
    decode_ms: float | None = None
    isolation_ms: float | None = None
    backoff_ms: float | None = None


class Backoff(Struct, frozen=True, kw_only=True):
    """One refusal by a busy server, and the wait behind it.

    Attributes:
        kind: the error's stable word: `busy`, `rate_limited` or `faltered`.
        wait_s: seconds from the refusal until the server was asked again.
        at: ISO 8601 UTC, when the refusal came.
    """

    kind: str
    message: str
    wait_s: float
    at: str


class Reply(Struct, frozen=True, kw_only=True):
    """One complete reply.

    Attributes:
        finish_reason: the server's own word, unchanged; None if it gave none.
        deltas: how many non-empty deltas came (chunks, not tokens).
        carried: JSON objects that the service wants back in the next request as
            they came, such as signed or encrypted thinking. Only the dialect that
            made them reads them; they are part of no record.
        parts: how many replies of a conversation it is the sum of.
    """

    text: str = ""
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    deltas: int = 0
    carried: tuple[Mapping[str, Json], ...] = ()
    parts: int = 1

    @property
    def is_truncated(self) -> bool:
        """Whether the model ran into its output limit, or the context's end."""
        return self.finish_reason in _TRUNCATING_REASONS

    @property
    def is_empty(self) -> bool:
        """Whether there is neither text nor a tool call (thinking aside)."""
        return not self.tool_calls and not self.text.strip()
