"""Latency series, load set apart, and token rates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import make_record, make_reply
from msgspec.structs import replace

from pytest_llmbench.analysis.latency import (
    Rate,
    decode_rate,
    latency,
    less_load,
    tpot_ms,
)
from pytest_llmbench.checks.reply import Reply, Timings


def test_load_is_taken_out_of_every_percentile() -> None:
    """TTFT, TTFC and E2E are less load; load is a series of its own."""
    found = latency([
        make_record(reply=make_reply(load_ms=150.0, queue_ms=7.0, prefill_ms=40.0)),
        make_record(reply=make_reply(load_ms=None)),
    ])
    assert (found.ttft_ms.p50, found.ttft_ms.n) == (125.0, 2)
    assert (found.ttfc_ms.p50, found.ttfc_ms.n) == (225.0, 2)
    assert (found.e2e_ms.p50, found.e2e_ms.n) == (925.0, 2)
    assert (found.load_ms.p50, found.load_ms.n) == (150.0, 1)
    assert (found.queue_ms.p50, found.queue_ms.n) == (7.0, 1)
    assert (found.prefill_ms.p50, found.prefill_ms.n) == (40.0, 1)


@given(
    st.floats(0, 1e6),
    st.floats(0, 1e6) | st.none(),
)
def test_less_load_lies_between_zero_and_the_interval(
    interval_ms: float, load_ms: float | None
) -> None:
    """Taking load out never adds time and never goes below nothing."""
    left = less_load(interval_ms, load_ms)
    assert left is not None
    assert 0 <= left <= interval_ms
    assert less_load(None, load_ms) is None


def test_only_complete_replies_count() -> None:
    """Timeouts, errors and skips are in no series; timeouts are counted beside."""
    partial = make_reply(e2e_ms=60_000.0)
    found = latency([
        make_record(reply=make_reply()),
        make_record(letter="F", reply=make_reply(e2e_ms=3000.0)),
        make_record(letter="T", reply=partial),
        make_record(letter="T"),
        make_record(letter="E", reply=partial),
        make_record(letter="S"),
        make_record(letter="F", reply=None),
    ])
    assert found.replies == 2
    assert found.timed_out == 2
    assert found.e2e_ms.n == 2
    assert found.e2e_ms.p50 == 2000.0


def test_isolation_is_a_series_of_its_own() -> None:
    """What a child process cost is in no latency, and counted where there was one."""
    found = latency([
        make_record(reply=make_reply(isolation_ms=80.0)),
        make_record(reply=make_reply(isolation_ms=90.0)),
        make_record(reply=make_reply()),
    ])
    assert (found.isolation_ms.p50, found.isolation_ms.n) == (85.0, 2)
    assert found.isolation_ms.reason_p95 == "p95 needs n >= 20, n is 2"
    assert (found.ttft_ms.p50, found.e2e_ms.p50) == (200.0, 1000.0)
    assert found.to_json()["isolation_ms"]["p50"] == 85.0


def test_without_streaming_ttft_is_absent() -> None:
    """A reply without a first delta is in E2E and in no TTFT."""
    found = latency([make_record(reply=make_reply(ttft_ms=None, ttfc_ms=None))])
    assert (found.ttft_ms.n, found.ttft_ms.p50) == (0, None)
    assert found.e2e_ms.n == 1


def test_nothing_gives_empty_series() -> None:
    """No trial at all gives no number at all."""
    found = latency([])
    assert found.to_json()["e2e_ms"]["p50"] is None
    assert found.rate_source is None
    assert found.replies == 0


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        # 10 intervals in 0.5 s by the server's clock, whatever ours says.
        (make_reply(decode_ms=500.0), Rate(tokens_per_s=20.0, source="server")),
        # 10 intervals in 1000 - 200 ms by our clock.
        (make_reply(), Rate(tokens_per_s=12.5, source="client")),
        (make_reply(decode_ms=0.0), Rate(tokens_per_s=12.5, source="client")),
        (make_reply(decode_ms=0.5), Rate(tokens_per_s=20_000.0, source="server")),
        (make_reply(e2e_ms=200.5), Rate(tokens_per_s=20_000.0, source="client")),
        # Load is in both ends and cancels.
        (make_reply(load_ms=150.0), Rate(tokens_per_s=12.5, source="client")),
        (make_reply(output_tokens=2), Rate(tokens_per_s=1.25, source="client")),
        (make_reply(output_tokens=1, decode_ms=5.0), None),
        (make_reply(output_tokens=0), None),
        (make_reply(output_tokens=None), None),
        (make_reply(ttft_ms=None), None),
        (make_reply(ttft_ms=1000.0), None),
        (make_reply(deltas=1), None),
        (make_reply(deltas=2), Rate(tokens_per_s=12.5, source="client")),
        (make_reply(deltas=1, decode_ms=500.0), Rate(tokens_per_s=20, source="server")),
        (Reply(timings=Timings(e2e_ms=5.0)), None),
    ],
)
def test_decode_rate(reply: Reply, expected: Rate | None) -> None:
    """The rate is (tokens - 1) / decode time, from the better clock there is."""
    assert decode_rate(reply) == expected


@pytest.mark.parametrize(
    ("decode_ms", "source"),
    [
        ([500.0, 500.0], "server"),
        ([None, None], "client"),
        ([500.0, None], "mixed"),
    ],
)
def test_rates_name_their_clock(decode_ms: list[float | None], source: str) -> None:
    """The series says whose clock it is from."""
    replies = [make_reply(decode_ms=value) for value in decode_ms]
    found = latency([make_record(reply=reply) for reply in replies])
    assert found.rate_source == source
    assert found.output_tokens_per_s.n == 2


def test_tpot_is_read_by_our_clock() -> None:
    """(E2E - TTFT) / (tokens - 1), whatever the server tells, and its inverse."""
    found = latency([make_record(reply=make_reply(decode_ms=1.0, load_ms=150.0))])
    assert found.tpot_ms.p50 == (1000 - 200) / 10
    assert found.client_tokens_per_s.p50 == 12.5
    assert found.rate_source == "server"
    assert found.to_json()["tpot_ms"]["n"] == 1


@pytest.mark.parametrize(
    "reply",
    [
        make_reply(output_tokens=1),
        make_reply(output_tokens=None),
        make_reply(deltas=1),
        make_reply(ttft_ms=None),
        make_reply(ttft_ms=1000.0),
        replace(make_reply(), parts=2),
    ],
)
def test_tpot_needs_two_tokens_of_one_reply(reply: Reply) -> None:
    """One token or delta has no interval, a conversation several first tokens."""
    assert tpot_ms(reply) is None
