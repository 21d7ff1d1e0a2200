"""What a model has no room for leaves the plan, if it never was asked."""

from __future__ import annotations

import pytest
from made_records import make_plan, make_record

from pytest_llmbench.analysis.summary import summarise
from pytest_llmbench.policy.gates import evidence_gate
from pytest_llmbench.policy.thresholds import PolicyThresholds
from pytest_llmbench.runs.record import BEYOND_CONTEXT, Fault, Record

GRID = {"L1:400": "PPP", "L1:800": "PFP", "L1:1600": "SSS"}


def records(last: str = "SSS", kind: str = BEYOND_CONTEXT) -> list[Record]:
    """Make the records of the grid, with other outcomes of the longest length."""
    rows = {**GRID, "L1:1600": last}
    fault = Fault(kind=kind, message="too long")
    return [
        make_record(name, run, letter, **({"fault": fault} if letter == "S" else {}))
        for name, row in rows.items()
        for run, letter in enumerate(row, 1)
        if letter != "."
    ]


def test_a_prompt_that_never_fits_is_no_part_of_the_plan() -> None:
    """Total, completeness, accuracy, hashes and rows are of the others."""
    job = summarise(records(), make_plan(GRID))
    assert (job.n, job.total, job.planned_trials) == (3, 2, 6)
    assert (job.passed, job.accuracy) == (2, 1.0)
    assert job.plan.prompt_hashes.keys() == {"L1:400", "L1:800"}
    assert job.beyond_context["L1:1600"].reason == "too long"
    assert job.beyond_context["L1:1600"].prompt_hash == "hash-L1:1600"
    assert job.fit == "2 of the suite's 3 prompts fit this model's context"
    gate = evidence_gate(job, PolicyThresholds(), None)
    assert gate.passed
    assert job.context is not None
    (*_, last) = job.context.whole.points
    assert (last.tokens, last.outcomes) == (1600, {"skipped": 3})


@pytest.mark.parametrize(
    ("last", "kind"),
    [("SPS", BEYOND_CONTEXT), ("SS.", BEYOND_CONTEXT), ("SSS", "skipped")],
)
def test_any_other_prompt_stays_planned(last: str, kind: str) -> None:
    """Asked once, not yet recorded, or skipped for another reason: it is missing."""
    job = summarise(records(last, kind), make_plan(GRID))
    assert (job.total, dict(job.beyond_context), job.fit) == (3, {}, "")
    assert job.n < 3
    assert evidence_gate(job, PolicyThresholds(), None).code == "incomplete"


def test_a_part_of_the_suite_is_still_a_part() -> None:
    """Lengths that don't fit excuse no prompt that was not chosen."""
    plan = make_plan(GRID, suite_prompt_ids=("L0", *GRID))
    gate = evidence_gate(summarise(records(), plan), PolicyThresholds(), None)
    assert gate.code == "part_of_suite"
    assert "only 3 of the suite's 4 prompts chosen" in gate.reason
