"""When a gain by warm-up is claimed, and when the evidence for it is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from made_records import SPEC, make_records, make_reply
from msgspec.structs import replace

from pytest_llmbench.analysis.cold_starts import Turn
from pytest_llmbench.analysis.warmup_effect import WarmupEffect, warmup_effect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.runs.record import Record

WARM = SPEC.replace("w0", "w1")
FIVE = {f"P{n}": "PP" for n in range(1, 6)}
ONE_WRONG = {**FIVE, "P3": "FF"}


def begun(records: list[Record], first_load_ms: float) -> list[Record]:
    """Give records their times, and the first of each run its load."""
    runs: set[int] = set()
    found = []
    for second, record in enumerate(records):
        is_first = record.run not in runs
        runs.add(record.run)
        load_ms = first_load_ms if is_first else 2.0
        at = f"2026-11-19T08:00:{second:02d}+00:00"
        is_resident = not (is_first and record.spec == SPEC)
        reply = make_reply(load_ms=load_ms, e2e_ms=1000.0 + load_ms)
        changed = replace(record, started_at=at, is_resident=is_resident)
        found.append(replace(changed, reply=reply if record.reply else None))
    return found


def turns(**changes: object) -> list[Turn]:
    """Make what was done before each run; changes are of the first cold one."""
    cold = [Turn(spec=SPEC, run=n, status="skipped", unloaded=True) for n in (1, 2)]
    warm = [
        Turn(spec=WARM, run=n, status="success", unloaded=True, load_s=0.3)
        for n in (1, 2)
    ]
    return [replace(cold[0], **changes), *cold[1:], *warm]


def effect(
    without: Mapping[str, str], warmed: Mapping[str, str] = FIVE, load_ms: float = 300.0
) -> WarmupEffect:
    """Hold two grids against each other, everything confirmed."""
    cold = begun(make_records(without), load_ms)
    warm = begun(make_records(warmed, spec=WARM), 2.0)
    return warmup_effect(cold, warm, turns(), 2)


def test_twenty_points_are_enough() -> None:
    """One prompt of five is 20 points: PASS, and not a hair less."""
    found = effect(ONE_WRONG)
    assert found.verdict == "PASS"
    assert found.improvement == pytest.approx(0.2)
    assert found.to_json()["improvement_percent"] == 20.0
    assert (found.gained, found.lost) == (("P3",), ())
    less = effect({**FIVE, "P3": "FP"})
    assert less.verdict == "FAIL"
    assert less.improvement == pytest.approx(0.1)


def test_a_loss_is_no_gain() -> None:
    """Warm-up that makes things worse fails, with the prompts named."""
    found = effect(FIVE, ONE_WRONG)
    assert (found.verdict, found.lost) == ("FAIL", ("P3",))
    assert found.improvement == pytest.approx(-0.2)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"unloaded": False, "unload_fault": "is busy"}, "not unloaded: is busy"),
        ({"unloaded": None}, "not unloaded: nothing tells that it was"),
        ({"run": 9}, "not unloaded: nothing tells that it was"),
    ],
)
def test_an_unloading_must_be_confirmed(
    changes: dict[str, object], reason: str
) -> None:
    """Without the server's word that the model went there is no cold start."""
    cold = begun(make_records(ONE_WRONG), 300.0)
    warm = begun(make_records(FIVE, spec=WARM), 2.0)
    found = warmup_effect(cold, warm, turns(**changes), 2)
    assert (found.verdict, found.improvement) == ("INCONCLUSIVE", None)
    (fault,) = found.faults
    assert fault == f"run 1 without warm-up: the model was {reason}"


@pytest.mark.parametrize(
    ("load_ms", "reason"),
    [
        (0.0, "the first call tells of no load"),
        (2.0, "the first call loaded no longer than those behind it"),
    ],
)
def test_a_load_must_be_seen(load_ms: float, reason: str) -> None:
    """A first call that loads nothing was not the first."""
    found = effect(ONE_WRONG, load_ms=load_ms)
    assert found.faults == (
        f"run 1 without warm-up: {reason}",
        f"run 2 without warm-up: {reason}",
    )


def test_a_model_that_was_there_was_not_cold() -> None:
    """Somebody else may have loaded it in between."""
    cold = begun(make_records(ONE_WRONG), 300.0)
    cold[0] = replace(cold[0], is_resident=True)
    warm = begun(make_records(FIVE, spec=WARM), 2.0)
    found = warmup_effect(cold, warm, turns(), 2)
    (fault,) = found.faults
    assert fault.endswith("the first call did not find the model gone")


def test_a_failed_warmup_warms_nothing() -> None:
    """Each run with warm-up needs one that succeeded."""
    cold = begun(make_records(ONE_WRONG), 300.0)
    warm = begun(make_records(FIVE, spec=WARM), 2.0)
    told = turns()
    told[-1] = replace(told[-1], status="failed", detail="out of memory")
    found = warmup_effect(cold, warm, told, 2)
    assert found.faults == ("run 2 with warm-up: the warm-up failed: out of memory",)


def test_trials_must_be_there() -> None:
    """Errors above 5 %, skips and runs that never began leave it open."""
    errors = effect({**ONE_WRONG, "P2": "EP"})
    assert errors.faults == ("1 of 10 trials without warm-up are errors (limit 5 %)",)
    skipped = effect(ONE_WRONG, {**FIVE, "P1": "PS"})
    assert skipped.faults == ("1 of 10 trials with warm-up were not tried",)
    cut = effect({prompt: row[:1] for prompt, row in ONE_WRONG.items()})
    assert cut.faults == ("5 of 10 trials without warm-up were not tried",)
    never = effect({**ONE_WRONG, "P1": "SS"})
    assert "not judged on both sides: P1" in never.faults
