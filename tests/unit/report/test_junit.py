"""What JUnit XML carries beyond pytest's own."""

from __future__ import annotations

from made_records import MAIN_EXAMPLE, SPEC, make_record, make_reply, make_summary

from pytest_llmbench.policy.decision import decide
from pytest_llmbench.policy.thresholds import PolicyThresholds
from pytest_llmbench.report.junit import suite_properties, trial_properties
from pytest_llmbench.report.view import RunView, job_view


def test_a_trial_has_what_was_measured() -> None:
    """Times and tokens stand beside names; what is null is left out."""
    record = make_record(reply=make_reply(ttft_ms=None, load_ms=0.0, output_tokens=0))
    assert trial_properties(record) == [
        ("model", "m:1b"),
        ("spec", SPEC),
        ("run", 1),
        ("prompt_id", "P1"),
        ("outcome", "pass"),
        ("e2e_ms", 1000.0),
        ("load_ms", 0.0),
        ("output_tokens", 0),
    ]


def test_a_trial_without_a_reply_has_its_error() -> None:
    """Where nothing came, the error's stable word stands."""
    assert trial_properties(make_record(letter="E"))[4:] == [
        ("outcome", "error"),
        ("error", "timeout"),
    ]


def test_a_failed_trial_has_its_failure_mode() -> None:
    """Dashboards can count failures by mode."""
    record = make_record(letter="F", failure_mode="wrong_tool")
    assert ("failure_mode", "wrong_tool") in trial_properties(record)


def test_a_suite_has_decisions_and_patterns() -> None:
    """A pattern is of a prompt over all runs, so it stands with the suite."""
    summary = make_summary({**MAIN_EXAMPLE, "P12": "......."})
    decision = decide(summary, PolicyThresholds(), None, {})
    run = RunView(run_id="r1", jobs=(job_view(summary, decision, None),))
    found = dict(suite_properties(run))
    assert found["run_id"] == "r1"
    assert found[f"decision {SPEC}"].startswith("HOLD: ")
    assert found[f"pattern {SPEC} P6"] == "cold_start"
    assert found[f"pattern {SPEC} P1"] == "stable"
    assert f"pattern {SPEC} P12" not in found
    assert len(found) == 2 + 11
