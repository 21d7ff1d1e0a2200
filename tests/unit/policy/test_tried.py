"""What need not be tried twice."""

from __future__ import annotations

import pytest
from made_cycles import COLD, CONDITIONS, WARM, make_cycle

from pytest_llmbench.policy.tried import Conditions, Tried, conditions_of

OTHER = "m:1b / atomic / text / t60 r0 i0 w0"
NOW = conditions_of(make_cycle({}))


def settled(
    *cycles: dict[str, object], now: Conditions = NOW, loop: str = "L1"
) -> set[str]:
    """Return what these cycles settle against the cold baseline."""
    return set(Tried(cycles=cycles, now=now, loop_id=loop).settled(COLD))


def test_a_decided_candidate_is_settled() -> None:
    """Promoted or rejected, it is not tried against that baseline again."""
    cycle = make_cycle({WARM: "PROMOTE", OTHER: ("REJECT", "below_baseline")})
    assert settled(cycle) == {WARM, OTHER}


def test_specs_of_one_session_are_settled_among_each_other() -> None:
    """The winner is not held against what it has beaten, its old baseline included."""
    cycle = make_cycle({WARM: "PROMOTE", OTHER: ("REJECT", "below_baseline")})
    tried = Tried(cycles=[cycle], now=NOW)
    assert tried.settled(WARM) == {COLD, OTHER}
    assert not tried.settled("m:1b / atomic / xml / t60 r0 i0 w0")


@pytest.mark.parametrize(
    ("now", "is_settled"),
    [
        (NOW, True),
        (Conditions(), True),
        (Conditions(prompts={"atomic": {"P1": "other"}}), False),
        (Conditions(model_digest="def"), False),
        (Conditions(server_version="0.13"), False),
    ],
)
def test_other_conditions_are_new_evidence(now: Conditions, is_settled: bool) -> None:  # noqa: FBT001 - one fact
    """Prompts, digest or version that have changed let a spec be tried again."""
    assert (WARM in settled(make_cycle({WARM: "PROMOTE"}), now=now)) is is_settled


def test_a_hold_for_lack_of_evidence_is_tried_again_but_not_for_ever() -> None:
    """Twice in one loop at most; one that scatters too much stays settled."""
    held = make_cycle({WARM: ("HOLD", "too_many_errors")})
    assert settled(held) == set()
    assert settled(held, held) == {WARM}
    assert settled(held, held, loop="L2") == set()
    assert settled(make_cycle({WARM: ("HOLD", "variance_too_high")})) == {WARM}


def test_what_was_not_stored_is_unknown() -> None:
    """A cycle without results compares with anything."""
    bare = make_cycle({WARM: "PROMOTE"}, baseline_results=[])
    assert conditions_of(bare) == Conditions()
    assert settled(bare) == {WARM}
    assert CONDITIONS["model_digest"] == NOW.model_digest
