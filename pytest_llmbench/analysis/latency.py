"""Latency of complete replies, model load set apart."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from pytest_llmbench.analysis.percentiles import Percentiles, percentiles
from pytest_llmbench.analysis.trials import is_answered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.runs.record import Record

RateSource = Literal["server", "client", "mixed"]
"""Whose clock the token rates come from."""

_ONE_S_IN_MS: Final = 1000.0
_MIN_TOKENS: Final = 2
_MIN_DELTAS: Final = 2


class Latency(Struct, frozen=True, kw_only=True):
    """Percentiles over trials with a complete reply; each series has its own n.

    Attributes:
        replies: trials with a complete reply: what the series are taken from.
        timed_out: trials without one because the model was too slow. They are
            in no percentile, so read these beside it.
        ttft_ms: first delta of any channel, less load.
        ttfc_ms: first text or tool-call delta, less load.
        e2e_ms: last byte, less load.
        load_ms: model load as the server gave it.
        queue_ms: wait in our own queue; part of no other series.
        isolation_ms: what a child process per call cost; part of no other series.
        prefill_ms: prompt evaluation as the server gave it.
        tpot_ms: time per output token, by our clock (`tpot_ms`).
        client_tokens_per_s: decode rate by our clock: 1000 / TPOT of each reply.
        output_tokens_per_s: decode rate (tokens - 1) / decode time.
        rate_source: `server` where its decode time was given, `client` where
            E2E - TTFT had to do, `mixed` for both; None without a rate.
    """

    replies: int
    timed_out: int
    ttft_ms: Percentiles
    ttfc_ms: Percentiles
    e2e_ms: Percentiles
    load_ms: Percentiles
    queue_ms: Percentiles
    isolation_ms: Percentiles
    prefill_ms: Percentiles
    tpot_ms: Percentiles
    client_tokens_per_s: Percentiles
    output_tokens_per_s: Percentiles
    rate_source: RateSource | None

    def to_json(self) -> dict[str, Any]:
        """Return counts and percentiles as plain JSON."""
        return {
            "replies": self.replies,
            "timed_out": self.timed_out,
            "ttft_ms": self.ttft_ms.to_json(),
            "ttfc_ms": self.ttfc_ms.to_json(),
            "e2e_ms": self.e2e_ms.to_json(),
            "load_ms": self.load_ms.to_json(),
            "queue_ms": self.queue_ms.to_json(),
            "isolation_ms": self.isolation_ms.to_json(),
            "prefill_ms": self.prefill_ms.to_json(),
            "tpot_ms": self.tpot_ms.to_json(),
            "client_tokens_per_s": self.client_tokens_per_s.to_json(),
            "output_tokens_per_s": self.output_tokens_per_s.to_json(),
            "rate_source": self.rate_source,
        }


class Rate(Struct, frozen=True, kw_only=True):
    """One reply's decode rate and whose clock gave it."""

    tokens_per_s: float
    source: Literal["server", "client"]


def latency(records: Iterable[Record]) -> Latency:
    """Take every latency series over the trials with a complete reply."""
    trials = list(records)
    replies = [
        trial.reply
        for trial in trials
        if trial.reply is not None and is_answered(trial)
    ]
    rates = [rate for rate in map(decode_rate, replies) if rate is not None]
    tpots = [tpot for tpot in map(tpot_ms, replies) if tpot is not None]
    timings = [reply.timings for reply in replies]
    return Latency(
        replies=len(replies),
        timed_out=sum(trial.outcome == "timeout" for trial in trials),
        ttft_ms=_given(less_load(t.ttft_ms, t.load_ms) for t in timings),
        ttfc_ms=_given(less_load(t.ttfc_ms, t.load_ms) for t in timings),
        e2e_ms=_given(less_load(t.e2e_ms, t.load_ms) for t in timings),
        load_ms=_given(t.load_ms for t in timings),
        queue_ms=_given(t.queue_ms for t in timings),
        isolation_ms=_given(t.isolation_ms for t in timings),
        prefill_ms=_given(t.prefill_ms for t in timings),
        tpot_ms=percentiles(tpots),
        client_tokens_per_s=percentiles(_ONE_S_IN_MS / tpot for tpot in tpots),
        output_tokens_per_s=percentiles(rate.tokens_per_s for rate in rates),
        rate_source=_source(rates),
    )


def less_load(interval_ms: float | None, load_ms: float | None) -> float | None:
    """Take model load out of an interval that contains it.

    >>> less_load(900.0, 650.0), less_load(900.0, None), less_load(None, 650.0)
    (250.0, 900.0, None)

    Server and client read different clocks, so the rest is never below 0.

    >>> less_load(640.0, 650.0)
    0.0
    """
    if interval_ms is None:
        return None
    return max(0.0, interval_ms - (load_ms or 0.0))


def decode_rate(reply: Reply) -> Rate | None:
    """Return output tokens per second while decoding, None if it can't be told.

    (output_tokens - 1) / decode time: the first token ends prefill, so n tokens
    have n - 1 intervals. Decode time is the server's where given, else
    E2E - TTFT (load is in both). A reply that came in one delta has no such
    interval.
    """
    tokens, timings = reply.usage.output_tokens, reply.timings
    if tokens is None or tokens < _MIN_TOKENS:
        return None
    if timings.decode_ms is not None and timings.decode_ms > 0:
        rate = _per_s(tokens - 1, timings.decode_ms)
        return Rate(tokens_per_s=rate, source="server")
    per_token_ms = _per_token_ms(reply)
    if per_token_ms is None:
        return None
    return Rate(tokens_per_s=_ONE_S_IN_MS / per_token_ms, source="client")


def tpot_ms(reply: Reply) -> float | None:
    """Return the time per output token in ms, by our clock, for every provider.

    (E2E - TTFT) / (output_tokens - 1), as vLLM's and genai-perf's benchmarks define
    it; guidellm's TPOT is another, E2E / output_tokens. Load is in both and falls
    out. None below two tokens or two deltas, and for a conversation of several
    replies, whose TTFT is only the first one's.
    """
    return _per_token_ms(reply) if reply.parts == 1 else None


def _per_token_ms(reply: Reply) -> float | None:
    tokens, timings = reply.usage.output_tokens, reply.timings
    if timings.e2e_ms is None or timings.ttft_ms is None or tokens is None:
        return None
    decode_ms = timings.e2e_ms - timings.ttft_ms
    if decode_ms <= 0 or tokens < _MIN_TOKENS or reply.deltas < _MIN_DELTAS:
        return None
    return decode_ms / (tokens - 1)


def _per_s(count: int, duration_ms: float) -> float:
    return count / (duration_ms / _ONE_S_IN_MS)


def _given(values: Iterable[float | None]) -> Percentiles:
    return percentiles(value for value in values if value is not None)


def _source(rates: Sequence[Rate]) -> RateSource | None:
    sources = Counter(rate.source for rate in rates)
    if len(sources) > 1:
        return "mixed"
    return next(iter(sources), None)
