"""SELF_OPTIMIZING_REPORT.md."""

from __future__ import annotations

from made_cycles import COLD, WARM, make_cycle, make_effect, make_job
from made_records import MAIN_EXAMPLE

from pytest_llmbench.policy.cycles import extract
from pytest_llmbench.policy.discovery import Candidate
from pytest_llmbench.policy.learning import candidate_json
from pytest_llmbench.report.loop_report import loop_report
from pytest_llmbench.runs.loop_state import LoopState

STATE = LoopState(
    loop_id="L1",
    at="2026-11-21T09:57:24+00:00",
    first_baseline=COLD,
    baseline=WARM,
    suites=("suites/atomic",),
    done=1,
    status="ended",
    outcome="nothing left to try",
)
WARMED = Candidate(
    spec=WARM, knob="warm_up", before="0", to="1", reason="P6 | P7 failed first"
)
CYCLE = make_cycle(
    {WARM: "PROMOTE"},
    baseline_results=[extract(make_job(MAIN_EXAMPLE))],
    candidates=[candidate_json(WARMED)],
    candidate_results=[extract(make_job({"P1": "PPP"}, spec=WARM))],
    new_canonical=WARM,
    learned=[make_effect(0.071, 0.08)],
)


def test_a_cycle_tells_what_was_tried_measured_decided_and_learned() -> None:
    """Matrix, metrics of both sides, decision with its code, the sentence learned."""
    text = loop_report(STATE, [CYCLE], ())
    assert "| warm-up | 0 | 1 | P6 \\| P7 failed first |" in text
    metrics = (
        "7 runs, 84 trials | 92.9 % (85-97 %) | 100 % | 0.0128 | - | 1.00 s | 1.00 s"
    )
    assert f"/ t60 r0 i0 w0 | baseline | {metrics} |" in text
    assert "/ t60 r0 i0 w1 | candidate | 3 runs, 3 trials | 100 % (44-100 %)" in text
    assert "| PROMOTE | promoted | all gates pass |" in text
    assert text.count("- warm-up improved accuracy") == 2
    assert "| outcome | ended: nothing left to try |" in text
    assert "New canonical: m:1b / atomic / native\\_api / t60 r0 i0 w1" in text
    assert "Nothing is left to try against" in text


def test_the_newest_cycle_comes_first_and_the_next_candidates_last() -> None:
    """A reader sees where it stands, then how it came there, then what is next."""
    second = {**CYCLE, "position": 2, "new_canonical": None, "interrupted": True}
    text = loop_report(STATE, [CYCLE, second], [WARMED])
    places = [
        text.index(part)
        for part in ("## Outcome", "## Cycle 2", "## Cycle 1", "## Next candidates")
    ]
    assert places == sorted(places)
    assert "The baseline stays." in text
    assert "interrupted and finished later" in text
    assert "P6 \\| P7 failed first" in text[places[-1] :]


def test_a_baseline_alone_is_said_to_be_so() -> None:
    """A cycle without candidates has no empty table of them."""
    alone = {**CYCLE, "candidates": [], "candidate_results": [], "policy_decisions": {}}
    text = loop_report(STATE, [alone], ())
    assert "None: no stored run showed how the baseline does, so it ran alone." in text
    assert text.count("### Decisions") == 0
