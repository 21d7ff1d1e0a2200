"""The gate against regression by an interval and run by run; reason codes."""

from __future__ import annotations

import json
import math

import pytest
from made_records import make_plan, make_records, make_summary
from msgspec.structs import replace

from pytest_llmbench.analysis.summary import JobSummary, summarise
from pytest_llmbench.policy.baseline import Baseline
from pytest_llmbench.policy.decision import decide
from pytest_llmbench.policy.gates import evaluate_gates
from pytest_llmbench.policy.regression import (
    MAX_MORE_RUNS,
    interval_gate,
    regression_gate,
)
from pytest_llmbench.policy.sequential import SequentialTest
from pytest_llmbench.policy.thresholds import PolicyThresholds

DEFAULTS = PolicyThresholds()
BY_INTERVAL = PolicyThresholds(method="statistical")
TWELVE = [f"P{number}" for number in range(1, 13)]


def grid(row: str, **others: str) -> dict[str, str]:
    """Make twelve prompts with one row, some with another."""
    return {**dict.fromkeys(TWELVE, row), **others}


def base(letters: dict[str, str]) -> Baseline:
    """Take a grid as the one to beat."""
    return Baseline.of_summary(make_summary(letters), "r1", {"num_ctx": 2048})


def test_equal_and_steady_passes_from_seven_runs_on() -> None:
    """All passing on both sides: 7 runs show that it is not worse by 5 points."""
    gate = regression_gate(
        make_summary(grid("P" * 7)), BY_INTERVAL, base(grid("P" * 7))
    )
    assert gate.passed
    assert (gate.code, gate.more_runs) == (None, None)
    assert gate.limit == -0.05
    assert gate.observed == pytest.approx(-0.0437, abs=1e-4)
    assert gate.margin == pytest.approx(0.05 - 0.0437, abs=1e-4)
    assert gate.reason == (
        "mean accuracy less the baseline's +0, 95 % interval -0.04373 to +0.04373:"
        " not below -0.05"
    )


def test_too_little_is_held_and_says_how_many_runs_are_missing() -> None:
    """Three runs hold, and three runs more on both sides pass, as was said."""
    gate = regression_gate(make_summary(grid("PPP")), BY_INTERVAL, base(grid("PPP")))
    assert not gate.passed
    assert (gate.code, gate.otherwise) == ("maybe_below_baseline", "HOLD")
    assert gate.more_runs == 4
    assert gate.reason.endswith(
        "on both sides of -0.05; needs about 4 more runs of both"
    )
    assert gate.margin is not None
    assert gate.margin < 0
    for runs, passed in ((6, False), (7, True)):
        row = grid("P" * runs)
        then = regression_gate(make_summary(row), BY_INTERVAL, base(row))
        assert then.passed is passed


def test_clearly_worse_is_rejected() -> None:
    """Three of twelve prompts lost for good: the whole interval is below."""
    lost = make_summary(grid("P" * 7, P1="F" * 7, P2="F" * 7, P3="F" * 7))
    gate = regression_gate(lost, BY_INTERVAL, base(grid("P" * 7)))
    assert not gate.passed
    assert (gate.code, gate.otherwise) == ("below_baseline", "REJECT")
    assert gate.more_runs is None
    assert gate.reason.endswith(": below -0.05")


def test_clearly_better_passes() -> None:
    """Three of twelve prompts won for good pass with three runs."""
    before = base(grid("PPP", P1="FFF", P2="FFF", P3="FFF"))
    assert regression_gate(make_summary(grid("PPP")), BY_INTERVAL, before).passed


def test_the_interval_on_its_limit_passes() -> None:
    """A lower end on the limit passes, one just below it holds."""
    job, before = make_summary(grid("PPP")), base(grid("PPP"))
    low = interval_gate(job, BY_INTERVAL, before).observed
    assert low is not None
    for margin, passed in ((-low, True), (math.nextafter(-low, 0), False)):
        limits = replace(BY_INTERVAL, non_inferiority_margin=margin)
        assert interval_gate(job, limits, before).passed is passed


def test_a_difference_on_the_limit_is_never_settled() -> None:
    """Where the difference is the margin itself, no number of runs is promised."""
    job = make_summary(grid("PPPP", P1="PPFF"))
    before = base(grid("PPPP"))
    limits = replace(BY_INTERVAL, non_inferiority_margin=0.5 / 12)
    gate = interval_gate(job, limits, before)
    assert (gate.code, gate.more_runs) == ("maybe_below_baseline", None)
    assert f"even {MAX_MORE_RUNS} more runs of both would hardly" in gate.reason


def test_a_higher_confidence_asks_for_more() -> None:
    """What passes at 95 % holds at 99.9 %."""
    job, before = make_summary(grid("P" * 7)), base(grid("P" * 7))
    sure = replace(BY_INTERVAL, confidence=0.999)
    assert interval_gate(job, BY_INTERVAL, before).passed
    assert not interval_gate(job, sure, before).passed


def test_prompts_are_paired_and_not_pooled() -> None:
    """What is hard for both weighs on neither: half never passing narrows no less."""
    half = dict.fromkeys(TWELVE[:6], "F" * 9)
    row = grid("P" * 9, **half)
    assert interval_gate(make_summary(row), BY_INTERVAL, base(row)).passed


def judged(name: str, counts: tuple[int, int] | None) -> Baseline:
    """Make a baseline that knows another count of one prompt, or none."""
    whole = base(grid("P" * 9))
    prompts = {**whole.prompts, name: counts}
    told = {key: pair for key, pair in prompts.items() if pair is not None}
    return replace(whole, prompts=told)


@pytest.mark.parametrize("counts", [None, (0, 0)])
def test_an_interval_needs_each_prompt_of_the_baseline(
    counts: tuple[int, int] | None,
) -> None:
    """A prompt that the baseline was never judged on holds, and is named."""
    job = make_summary(grid("P" * 9))
    gate = interval_gate(job, BY_INTERVAL, judged("P3", counts))
    assert not gate.passed
    assert (gate.code, gate.otherwise) == ("prompts_not_judged", "HOLD")
    assert gate.reason == "prompts not judged on both sides: P3"
    assert interval_gate(job, BY_INTERVAL, judged("P3", (9, 9))).passed


def test_an_interval_needs_each_prompt_of_the_candidate() -> None:
    """A prompt that only erred is not passed over."""
    job = make_summary(grid("P" * 9, P3="E" * 9))
    gate = interval_gate(job, BY_INTERVAL, base(grid("P" * 9)))
    assert gate.reason == "prompts not judged on both sides: P3"
    assert not gate.passed


@pytest.mark.parametrize("prompts", [{}, {"P99": (3, 3)}])
def test_no_common_prompt_is_not_green(prompts: dict[str, tuple[int, int]]) -> None:
    """A baseline of no prompts, or of other ones, holds by every method."""
    other = replace(base(grid("P" * 9)), prompts=prompts)
    job = make_summary(grid("P" * 9))
    assert not interval_gate(job, BY_INTERVAL, other).passed
    assert decide(job, BY_INTERVAL, other, {}).code == "prompts_not_judged"


def test_a_job_without_prompts_is_not_green() -> None:
    """An empty plan has nothing to hold against a baseline."""
    gate = interval_gate(make_summary({}), BY_INTERVAL, base(grid("PPP")))
    assert (gate.passed, gate.code) == (False, "prompts_not_judged")
    assert gate.reason == "prompts not judged on both sides: there is none"


@pytest.mark.parametrize("thresholds", [DEFAULTS, BY_INTERVAL])
@pytest.mark.parametrize("row", ["EEE", "SSS", "..."])
def test_a_baseline_that_was_never_judged_promotes_nobody(
    thresholds: PolicyThresholds, row: str
) -> None:
    """A baseline without a judged trial is no missing baseline: it holds."""
    found = decide(make_summary(grid("P" * 9)), thresholds, base(grid(row)), {})
    assert (found.decision, found.code) == ("HOLD", "baseline_not_judged")
    assert found.reason == "the baseline has no complete run"
    gates = {gate.name: gate for gate in found.gates}
    assert not gates["no_regression"].passed


@pytest.mark.parametrize("thresholds", [DEFAULTS, BY_INTERVAL])
def test_a_candidate_without_complete_runs_is_not_green(
    thresholds: PolicyThresholds,
) -> None:
    """Where each run lacks a trial there is no accuracy, whatever has passed."""
    job = make_summary(grid("PPP", P1="SSS"))
    gate = regression_gate(job, thresholds, base(grid("PPP")))
    assert (gate.passed, gate.code) == (False, "no_accuracy")


def test_without_a_baseline_the_method_is_the_same() -> None:
    """By interval too, the first spec becomes the baseline unless nothing passes."""
    first = decide(make_summary(grid("PPP")), BY_INTERVAL, None, {})
    assert (first.decision, first.code) == ("PROMOTE", "no_baseline")
    nothing = decide(make_summary(grid("FFF")), BY_INTERVAL, None, {})
    assert (nothing.decision, nothing.code) == ("REJECT", "nothing_passes")


def sequential_of(*runs: list[int]) -> SequentialTest:
    """Make a test of these runs at the default limits."""
    test = SequentialTest(DEFAULTS.non_inferiority_margin, DEFAULTS.alpha)
    for run in runs:
        test.add_run(run)
    return test


@pytest.mark.parametrize("thresholds", [DEFAULTS, BY_INTERVAL])
def test_auto_passes_what_is_certain(thresholds: PolicyThresholds) -> None:
    """A verdict of `not_worse` passes by every method, and gives p and alpha."""
    test = sequential_of(*[[0] * 12] * 10)
    assert test.verdict == "not_worse"
    gate = regression_gate(
        make_summary(grid("PPP")), thresholds, base(grid("PPP")), test
    )
    assert gate.passed
    assert (gate.comparison, gate.limit) == ("<=", DEFAULTS.alpha)
    assert (gate.observed, gate.code) == (test.p_not_worse, None)
    assert gate.margin is not None
    assert gate.margin >= 0
    assert "over 10 runs: certain not to be below -0.05 (p 0." in gate.reason


def test_auto_rejects_what_is_certainly_worse() -> None:
    """A verdict of `worse` rejects, though the medians are equal."""
    test = sequential_of(*[[-1] * 6 + [0] * 6] * 6)
    found = decide(make_summary(grid("PPP")), DEFAULTS, base(grid("PPP")), {}, test)
    assert (found.decision, found.code) == ("REJECT", "below_baseline")
    assert "certain to be below -0.05" in found.reason


@pytest.mark.parametrize(
    ("runs", "more"), [([], None), ([[-1] + [0] * 11] * 20, 12), ([[0] * 12] * 5, 3)]
)
def test_auto_holds_what_is_not_certain(runs: list[list[int]], more: int) -> None:
    """No verdict holds, however many runs there were, none at all included."""
    test = sequential_of(*runs)
    assert test.verdict is None
    found = decide(make_summary(grid("PPP")), DEFAULTS, base(grid("PPP")), {}, test)
    assert (found.decision, found.code) == ("HOLD", "maybe_below_baseline")
    assert found.more_runs == more
    assert "not yet certain on which side of -0.05 it lies" in found.reason


def part() -> JobSummary:
    """Sum up a job that leaves prompts of its suite out."""
    plan = make_plan({"P1": "PPP"}, suite_prompt_ids=("P1", "P2"))
    return summarise(make_records({"P1": "PPP"}), plan)


GOOD = make_summary(grid("PPP"))
CALLS = {"expects_no_tool": True, "behaviour": "called_wrong"}


@pytest.mark.parametrize(
    ("job", "baseline", "decision", "code", "more_runs"),
    [
        (GOOD, None, "PROMOTE", "no_baseline", None),
        (GOOD, base(grid("PPP")), "PROMOTE", "promoted", None),
        (make_summary(grid("EEE")), None, "HOLD", "nothing_judged", None),
        (make_summary(grid("PPP", P1="PP.")), None, "HOLD", "incomplete", None),
        (part(), None, "HOLD", "part_of_suite", None),
        (make_summary(grid("PPP", P1="EEE")), None, "HOLD", "too_many_errors", None),
        (GOOD, base(grid("EEE")), "HOLD", "baseline_not_judged", None),
        (GOOD, base({"P1": "PPP"}), "HOLD", "baseline_not_comparable", None),
        (make_summary(grid("P")), None, "HOLD", "too_few_runs", 2),
        (
            make_summary(dict.fromkeys(TWELVE, "PFP")),
            None,
            "HOLD",
            "variance_too_high",
            None,
        ),
        (make_summary(grid("FFF")), None, "REJECT", "nothing_passes", None),
        (
            make_summary(grid("PPP", P1="FFF")),
            base(grid("PPP")),
            "REJECT",
            "below_baseline",
            None,
        ),
        (make_summary(grid("PPP"), **CALLS), None, "REJECT", "restraint_too_low", None),
    ],
)
def test_each_decision_has_its_code(
    job: JobSummary,
    baseline: Baseline | None,
    decision: str,
    code: str,
    more_runs: int | None,
) -> None:
    """The code says in a word what decided."""
    found = decide(job, DEFAULTS, baseline, {})
    assert (found.decision, found.code, found.more_runs) == (decision, code, more_runs)
    stored = json.loads(json.dumps(found.to_json()))
    assert (stored["code"], stored["more_runs"]) == (code, more_runs)


def test_codes_of_gates_behind_the_first() -> None:
    """What does not decide has its code too."""
    gates = evaluate_gates(make_summary({"P1": "P", "P2": "."}), DEFAULTS, None)
    assert [gate.code for gate in gates] == [
        "incomplete",
        "too_few_runs",
        "no_variance",
        "no_accuracy",
        "restraint_not_judged",
    ]
    assert [gate.more_runs for gate in gates] == [None, 3, 2, None, None]


def test_a_hold_asks_for_the_most_runs_that_a_gate_needs() -> None:
    """Two runs: one more for the samples, but five for the interval."""
    found = decide(make_summary(grid("PP")), BY_INTERVAL, base(grid("PP")), {})
    assert found.code == "too_few_runs"
    assert [gate.more_runs for gate in found.gates] == [None, 1, None, 5, None]
    assert found.more_runs == 5


def test_baseline_of_a_summary_is_that_of_the_stored_one() -> None:
    """A summary read back from its JSON is the same baseline."""
    job = make_summary(grid("PPP", P1="PFE"))
    key = {"prompts": dict(job.plan.prompt_hashes), "num_ctx": 2048}
    stored = json.loads(
        json.dumps({**job.to_json(), "comparability": key, "run_id": "r1"})
    )
    found = Baseline.of_summary(job, "r1", key)
    assert found.prompts["P1"] == (1, 2)
    assert Baseline.of_stored(stored) == replace(
        found, prompts={name: tuple(pair) for name, pair in found.prompts.items()}
    )


def test_a_stored_baseline_that_tells_little_holds() -> None:
    """What an entry of another version lacks is absent, and holds by interval."""
    bare = Baseline.of_stored({"spec": "b", "accuracy": 1.0})
    assert (bare.prompts, bare.prompt_hashes) == ({}, {})
    found = decide(make_summary(grid("P" * 9)), BY_INTERVAL, bare, {})
    assert found.decision == "HOLD"
