"""Latency and adherence by length, from records of known values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from made_records import make_plan, make_record, make_reply
from msgspec.structs import replace

from pytest_llmbench.analysis.context_curve import job_context
from pytest_llmbench.analysis.summary import summarise

if TYPE_CHECKING:
    from pytest_llmbench.runs.record import Record

IDS = ("L1:2048", "L1:8192", "L1:32768", "L2:2048", "P1")


def record(prompt_id: str, run: int, letter: str = "P", **changes: object) -> Record:
    """Make a record whose server reads 1,000 tokens in 100 ms, and loads for 50."""
    _, _, tokens = prompt_id.partition(":")
    counted = int(tokens or 0) + run
    reply = make_reply(
        ttft_ms=150 + counted / 10, e2e_ms=350 + counted / 10, load_ms=50.0,
        prefill_ms=counted / 10, decode_ms=200.0,
    )  # fmt: skip
    usage = replace(reply.usage, prompt_tokens=counted)
    made = make_record(prompt_id, run, letter, **changes)
    return replace(made, reply=made.reply and replace(reply, usage=usage))


def test_slopes_are_the_servers() -> None:
    """TTFT, prefill and E2E grow by 100 ms per 1,000 tokens, load left out."""
    found = job_context([record(i, run) for i in IDS for run in range(1, 5)], IDS)
    assert found is not None
    for line in (found.whole.ttft, found.whole.prefill, found.whole.e2e):
        assert line.slope == pytest.approx(100.0)
        assert line.shape == "linear"
        assert line.n == 16
    assert found.whole.ttft.intercept == pytest.approx(100.0)
    assert [curve.prompt_id for curve in found.prompts] == ["L1", "L2"]
    assert found.prompts[1].ttft.slope is None


def test_points_hold_counts_times_and_rates() -> None:
    """Each length has its own medians, and the server's count beside what was asked."""
    found = job_context([record(i, run) for i in IDS for run in (1, 2, 3)], IDS)
    assert found is not None
    point = found.prompts[0].points[1]
    assert (point.tokens, point.counted_tokens, point.n) == (8192, 8194, 3)
    assert point.ttft_ms.p50 == pytest.approx(100 + 819.4)
    assert point.prefill_tokens_per_s.p50 == pytest.approx(10_000)
    assert point.output_tokens_per_s.p50 == pytest.approx(50.0)
    assert point.is_reached
    assert [p.tokens for p in found.whole.points] == [2048, 8192, 32768]
    assert found.whole.points[0].n == 6


def test_a_missed_length_is_told() -> None:
    """A count more than 2 % beside the length is none of it; no count tells nothing."""
    found = job_context([record("L1:2048", run) for run in (60, 70)], IDS)
    assert found is not None
    assert found.prompts[0].points[0].is_reached is False
    assert found.prompts[0].points[1].is_reached is None


def test_adherence_falls_where_it_does() -> None:
    """Prose from 8,192 tokens on: the length is named, with its interval and modes."""
    letters = {"L1:2048": "PPPPP", "L1:8192": "PPPFF", "L1:32768": "FFFFT"}
    records = [
        record(
            name, run, letter,
            failure_mode="format_drift" if letter == "F" else None,
        )
        for name, row in letters.items()
        for run, letter in enumerate(row, 1)
    ]  # fmt: skip
    found = job_context(records, tuple(letters))
    assert found is not None
    short, middle, long = found.whole.points
    assert (short.adherence.hits, short.adherence.n) == (5, 5)
    assert (middle.adherence.hits, middle.drifted.hits, middle.in_form.hits) == (
        3,
        2,
        3,
    )
    assert (long.n, long.outcomes) == (4, {"fail": 4, "timeout": 1})
    assert long.failure_modes == {"format_drift": 4, "timeout": 1}
    fall = found.whole.falls_at
    assert fall is not None
    assert (fall.tokens, fall.adherence.hits, fall.is_certain) == (8192, 3, False)


def test_a_wrong_answer_keeps_its_form() -> None:
    """What fails by content counts against adherence and not against the form."""
    wrong = [record("L1:2048", run, "F", failure_mode="wrong_answer") for run in (1, 2)]
    found = job_context(wrong, IDS)
    assert found is not None
    point = found.whole.points[0]
    assert (point.adherence.value, point.in_form.value, point.drifted.value) == (
        0,
        1,
        0,
    )


def test_skipped_lengths_stay_on_the_curve() -> None:
    """A length beyond the model has a point without replies."""
    skipped = make_record("L1:32768", 1, "S")
    found = job_context([record("L1:2048", 1), skipped], IDS)
    assert found is not None
    assert [(p.n, p.outcomes) for p in found.whole.points] == [
        (1, {"pass": 1}), (0, {}), (0, {"skipped": 1}),
    ]  # fmt: skip


def test_a_job_without_lengths_has_no_curve() -> None:
    """Prompts of their own length make no curve, and the summary says null."""
    assert job_context([record("P1", 1)], ("P1",)) is None
    assert summarise([], make_plan({"P1": "P"})).to_json()["context"] is None
