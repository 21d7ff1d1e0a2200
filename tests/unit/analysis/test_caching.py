"""Prompt caches that make repeats look fast."""

from __future__ import annotations

import pytest
from made_records import make_record, make_reply

from pytest_llmbench.analysis.caching import CacheNote, cache_note
from pytest_llmbench.analysis.trials import lay_out


def noted(first_ms: float | None, second_ms: float | None) -> CacheNote:
    """Note the cache over two runs of one prompt with these prefill times."""
    records = [
        make_record(run=1, reply=make_reply(prefill_ms=first_ms)),
        make_record(run=2, reply=make_reply(prefill_ms=second_ms)),
    ]
    return cache_note(lay_out(records, ("P1",), 2))


@pytest.mark.parametrize(
    ("first_ms", "second_ms", "suspected"),
    [
        (100.0, 49.9, 1),
        (100.0, 50.0, 0),
        (100.0, 50.1, 0),
        (49.0, 100.0, 0),
        (None, 10.0, 0),
        (100.0, None, 0),
        (0.0, 0.0, 0),
    ],
)
def test_a_prefill_below_half_of_run_1_is_suspect(
    first_ms: float | None, second_ms: float | None, suspected: int
) -> None:
    """Only a prefill below half of the same prompt's first is flagged."""
    expected = CacheNote(reported=0, suspected=suspected, trials=2)
    assert noted(first_ms, second_ms) == expected


def test_reported_tokens_count_and_end_suspicion() -> None:
    """Where the server tells cached tokens, its word holds."""
    records = [
        make_record(run=1, reply=make_reply(prefill_ms=100.0, cached_tokens=0)),
        make_record(run=2, reply=make_reply(prefill_ms=9.0, cached_tokens=1)),
        make_record(run=3, reply=make_reply(prefill_ms=9.0, cached_tokens=0)),
    ]
    note = cache_note(lay_out(records, ("P1",), 3))
    assert note.to_json() == {"reported": 1, "suspected": 0, "trials": 3}


def test_without_run_1_nothing_is_suspect() -> None:
    """A prompt without a first run has nothing to be compared with."""
    records = [
        make_record(run=1, letter="T"),
        make_record(run=2, reply=make_reply(prefill_ms=9.0)),
    ]
    expected = CacheNote(reported=0, suspected=0, trials=1)
    assert cache_note(lay_out(records, ("P1",), 2)) == expected
    assert cache_note(lay_out(records[1:], ("P1",), 2)) == expected
