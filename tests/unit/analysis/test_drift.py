"""Latency that drifts over a run, and trials with and without a load."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from made_records import make_record, make_reply

from pytest_llmbench.analysis.drift import drift, warm_and_cold

if TYPE_CHECKING:
    from pytest_llmbench.runs.record import Record

START = datetime(2026, 11, 21, tzinfo=UTC)


def trials(growth: float, runs: int = 5) -> list[Record]:
    """Make a run of 100 s in which E2E grows by a share; P2 takes ten times P1's."""
    made = []
    for place in range(2 * runs):
        share = 1 + growth * place / (2 * runs - 1)
        base_ms = 100.0 if place % 2 == 0 else 1000.0
        started = START + timedelta(seconds=100 * place / (2 * runs - 1))
        reply = make_reply(e2e_ms=base_ms * share + 40, load_ms=40.0)
        prompt_id, run = f"P{1 + place % 2}", 1 + place // 2
        made.append(
            make_record(prompt_id, run, reply=reply, started_at=started.isoformat())
        )
    return made


def test_a_drift_is_found() -> None:
    """30 % over the run is told as 30 %, whatever the prompts take."""
    found = drift(trials(0.3, runs=20))
    assert found.duration_s == pytest.approx(100.0)
    assert found.change == pytest.approx(0.3 / 1.15, rel=0.05)  # of the median
    assert found.is_real
    assert (found.n, found.reason) == (40, "")


def test_a_steady_run_does_not_drift() -> None:
    """Equal times give no change, and none that is real."""
    found = drift(trials(0.0))
    assert found.change == pytest.approx(0.0)
    assert not found.is_real


def test_too_few_repeats_show_no_drift() -> None:
    """One run shows prompts, not time; a record without a start is in none."""
    assert drift(trials(0.3, runs=1)).reason == "needs n >= 10 repeats, n is 0"
    assert drift([make_record("P1", run) for run in range(1, 20)]).n == 0


def test_warm_and_cold_are_held_apart() -> None:
    """Not resident or 1 s of load is cold; unknown is neither."""
    cold = [
        make_record(run=1, is_resident=False, reply=make_reply(load_ms=400.0)),
        make_record(run=2, is_resident=True, reply=make_reply(load_ms=1500.0)),
    ]
    warm = [make_record(run=3, is_resident=True), make_record(run=4, is_resident=None)]
    found = warm_and_cold([*cold, *warm, make_record(run=5, letter="T")])
    assert (found.cold.trials, found.warm.trials) == (2, 1)
    assert found.cold.load_ms.p50 == pytest.approx(950.0)
    assert found.warm.ttft_ms.p50 == pytest.approx(200.0)
