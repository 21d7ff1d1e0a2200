"""Every gate at its limit, just inside and just outside."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from made_records import MAIN_EXAMPLE, make_plan, make_records, make_summary
from msgspec.structs import replace

from pytest_llmbench.analysis.proportion import Proportion
from pytest_llmbench.analysis.summary import JobSummary, summarise
from pytest_llmbench.policy.baseline import (
    Baseline,
    other_differences,
    prompt_differences,
)
from pytest_llmbench.policy.gates import (
    evaluate_gates,
    evidence_gate,
    restraint_gate,
    samples_gate,
    variance_gate,
)
from pytest_llmbench.policy.regression import regression_gate
from pytest_llmbench.policy.thresholds import PolicyThresholds

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULTS = PolicyThresholds()
GOOD = {"P1": "PPP", "P2": "PPP"}


def with_numbers(
    *, accuracy: float | None = 1.0, variance: float | None = 0.0
) -> JobSummary:
    """Make a good summary with other numbers over its runs."""
    summary = make_summary(GOOD)
    numbers = replace(summary.over_runs, accuracy=accuracy, variance=variance)
    return replace(summary, over_runs=numbers)


def with_restraint(hits: int, n: int) -> JobSummary:
    """Make a good summary with another restraint score."""
    summary = make_summary(GOOD)
    share = Proportion(hits=hits, n=n)
    return replace(summary, scores=replace(summary.scores, restraint=share))


def baseline(
    accuracy: float = 1.0, hashes: Mapping[str, str] | None = None
) -> Baseline:
    """Make a baseline over the good prompts."""
    own = {name: f"hash-{name}" for name in GOOD}
    return Baseline(
        spec="base",
        run_id="r1",
        accuracy=accuracy,
        prompt_hashes=own if hashes is None else hashes,
    )


def row(passed: int, errors: int) -> dict[str, str]:
    """Make one prompt with so many runs passed and erred."""
    return {"P1": "P" * passed + "E" * errors}


@pytest.mark.parametrize(
    ("passed_trials", "errors", "passed"),
    [(20, 0, True), (96, 4, True), (95, 5, True), (94, 6, False), (18, 1, False)],
)
def test_evidence_at_the_error_limit(
    passed_trials: int,
    errors: int,
    passed: bool,  # noqa: FBT001 - a table
) -> None:
    """Five errors in a hundred trials pass, six do not."""
    gate = evidence_gate(make_summary(row(passed_trials, errors)), DEFAULTS, None)
    rate = errors / (passed_trials + errors)
    assert gate.passed is passed
    assert gate.observed == rate
    assert gate.margin == 0.05 - rate
    assert gate.otherwise == "HOLD"


def test_evidence_names_the_errors() -> None:
    """The reason counts errors and gives rate and limit."""
    gate = evidence_gate(make_summary(row(94, 6)), DEFAULTS, None)
    assert gate.reason == "6 of 100 trials erred (6.0%, limit 5.0%)"


def test_evidence_needs_every_planned_trial() -> None:
    """A run that was cut short holds, and says how far it came."""
    records = make_records(MAIN_EXAMPLE)[:41]
    gate = evidence_gate(summarise(records, make_plan(MAIN_EXAMPLE)), DEFAULTS, None)
    assert not gate.passed
    assert gate.reason == "41 of 84 trials ran"


@pytest.mark.parametrize("letter", [".", "S"])
def test_evidence_falls_by_one_trial(letter: str) -> None:
    """One missing or skipped trial is enough to hold."""
    gate = evidence_gate(make_summary({"P1": "PPP" + letter}), DEFAULTS, None)
    assert not gate.passed
    assert gate.reason == "3 of 4 trials ran"


def test_evidence_needs_the_whole_suite() -> None:
    """A choice of prompts holds, and says how many of the suite it was."""
    plan = make_plan({"P6": "PPP"}, suite_prompt_ids=tuple(MAIN_EXAMPLE))
    gate = evidence_gate(summarise(make_records({"P6": "PPP"}), plan), DEFAULTS, None)
    assert not gate.passed
    assert gate.reason == "only 1 of the suite's 12 prompts chosen"


def test_evidence_needs_to_know_the_suite() -> None:
    """A plan that does not say what the suite holds cannot show that all ran."""
    plan = make_plan(GOOD, suite_prompt_ids=())
    gate = evidence_gate(summarise(make_records(GOOD), plan), DEFAULTS, None)
    assert gate.reason == "only 0 of the suite's 0 prompts chosen"
    assert not gate.passed


def test_evidence_that_is_whole() -> None:
    """All trials and few errors pass, and the reason says so."""
    gate = evidence_gate(make_summary(row(99, 1)), DEFAULTS, None)
    assert gate.passed
    assert gate.reason == "all 100 trials ran, 1 error"


@pytest.mark.parametrize(
    ("hashes", "reason"),
    [
        ({"P1": "hash-P1"}, "prompts added: P2"),
        ({"P1": "hash-P1", "P2": "hash-P2", "P0": "x"}, "prompts removed: P0"),
        ({"P1": "hash-P1", "P2": "old"}, "prompts changed: P2"),
        ({"P1": "old", "P3": "x"}, "prompts added: P2; removed: P3; changed: P1"),
        ({}, "prompts added: P1, P2"),
    ],
)
def test_evidence_needs_a_comparable_baseline(
    hashes: Mapping[str, str], reason: str
) -> None:
    """Another set of prompts can't be compared; the reason names them."""
    gate = evidence_gate(make_summary(GOOD), DEFAULTS, baseline(hashes=hashes))
    assert not gate.passed
    assert gate.reason == f"baseline not comparable: {reason}"


def test_evidence_with_the_same_prompts() -> None:
    """The same prompts by hash, in any order, are comparable."""
    hashes = {"P2": "hash-P2", "P1": "hash-P1"}
    assert evidence_gate(make_summary(GOOD), DEFAULTS, baseline(hashes=hashes)).passed


def test_evidence_without_hashes_is_not_comparable() -> None:
    """Two plans without hashes are not the same questions by that."""
    summary = summarise(make_records(GOOD), make_plan(GOOD, prompt_hashes={}))
    gate = evidence_gate(summary, DEFAULTS, baseline(hashes={}))
    assert gate.reason == "baseline not comparable: prompt hashes are missing"
    assert not gate.passed


@pytest.mark.parametrize(
    ("runs", "passed", "reason"),
    [
        (1, False, "1 complete run of the needed 3"),
        (2, False, "2 complete runs of the needed 3"),
        (3, True, "3 complete runs of at least 3"),
        (4, True, "4 complete runs of at least 3"),
    ],
)
def test_samples_at_the_limit(runs: int, passed: bool, reason: str) -> None:  # noqa: FBT001 - a table
    """Three complete runs are enough, two are not."""
    gate = samples_gate(make_summary({"P1": "P" * runs}), DEFAULTS)
    assert gate.passed is passed
    assert gate.reason == reason
    assert (gate.observed, gate.margin) == (runs, runs - 3)
    assert gate.otherwise == "HOLD"


def test_samples_count_complete_runs_only() -> None:
    """A run with a skipped trial is no sample."""
    summary = make_summary({"P1": "PPP", "P2": "PPS"})
    assert not samples_gate(summary, DEFAULTS).passed


@pytest.mark.parametrize(
    ("variance", "passed"),
    [
        (0.0, True),
        (math.nextafter(0.0025, 0), True),
        (0.0025, True),
        (math.nextafter(0.0025, 1), False),
        (5 / 392, False),
        (None, False),
    ],
)
def test_variance_at_the_limit(variance: float | None, passed: bool) -> None:  # noqa: FBT001 - a table
    """A variance of 0.0025 passes, the next number above does not, nor does none."""
    gate = variance_gate(with_numbers(variance=variance), DEFAULTS)
    assert gate.passed is passed
    assert gate.otherwise == "HOLD"
    assert (gate.margin is None) == (variance is None)


def test_variance_says_what_it_saw() -> None:
    """The reason gives number, limit and n."""
    gate = variance_gate(make_summary(MAIN_EXAMPLE), DEFAULTS)
    assert gate.reason == "variance 0.01276 is above 0.0025 over 7 runs"
    assert gate.margin == 0.0025 - 5 / 392
    one = variance_gate(make_summary({"P1": "P"}), DEFAULTS)
    assert one.reason == "no variance: it needs 2 complete runs, there are 1"


@pytest.mark.parametrize(
    ("accuracy", "before", "margin", "passed"),
    [
        (0.75, 0.75, 0.0, True),
        (0.76, 0.75, 0.0, True),
        (0.75 - 1e-9, 0.75, 0.0, False),
        (0.75 - 1e-13, 0.75, 0.0, True),
        (0.74, 0.75, 0.0, False),
        (0.7, 0.8, 0.1, True),
        (0.7 - 1e-9, 0.8, 0.1, False),
        (0.0, 0.0, 0.0, True),
        (None, 0.0, 0.0, False),
    ],
)
def test_regression_at_the_limit(
    accuracy: float | None,
    before: float,
    margin: float,
    passed: bool,  # noqa: FBT001 - a table
) -> None:
    """An equal median passes, a lower one is rejected, margin allowed for."""
    gate = regression_gate(
        with_numbers(accuracy=accuracy),
        PolicyThresholds(regression_margin=margin),
        baseline(before),
    )
    assert gate.passed is passed
    assert gate.otherwise == "REJECT"
    assert gate.limit == before - margin
    if accuracy is not None:
        assert gate.margin == accuracy - gate.limit
        assert ("is at least" if passed else "is below") in gate.reason


def test_regression_says_what_it_saw() -> None:
    """The reason gives both medians and the margin if there is one."""
    lower = with_numbers(accuracy=0.7)
    gate = regression_gate(lower, DEFAULTS, baseline(0.75))
    assert gate.reason == "median accuracy 0.7 is below the baseline's 0.75"
    loose = regression_gate(
        lower, PolicyThresholds(regression_margin=0.25), baseline(0.75)
    )
    assert loose.reason == (
        "median accuracy 0.7 is at least the baseline's 0.75 less 0.25"
    )


def test_no_baseline_passes_by_default() -> None:
    """Without a baseline there is nothing to fall below."""
    gate = regression_gate(with_numbers(accuracy=0.1), DEFAULTS, None)
    assert gate.passed
    assert not gate.applies
    assert gate.reason == "no baseline yet"
    assert (gate.limit, gate.margin) == (None, None)


def test_nothing_right_is_no_baseline() -> None:
    """A model that is steadily wrong must not become the one to beat."""
    gate = regression_gate(with_numbers(accuracy=0.0), DEFAULTS, None)
    assert not gate.passed
    assert gate.applies
    assert gate.otherwise == "REJECT"
    assert gate.reason == "no baseline yet, and in the median run nothing passes"
    assert regression_gate(with_numbers(accuracy=1e-9), DEFAULTS, None).passed


@pytest.mark.parametrize(
    ("hits", "n", "passed"),
    [
        (4, 5, True),
        (800, 1000, True),
        (801, 1000, True),
        (799, 1000, False),
        (0, 7, False),
        (7, 7, True),
        (0, 0, False),
    ],
)
def test_restraint_at_the_limit(hits: int, n: int, passed: bool) -> None:  # noqa: FBT001 - a table
    """A restraint of 0.80 passes, less does not, nor does none at all."""
    gate = restraint_gate(with_restraint(hits, n), DEFAULTS)
    assert gate.passed is passed
    assert gate.applies
    assert gate.otherwise == "REJECT"
    assert gate.margin == (hits / n - 0.80 if n else None)


def test_restraint_says_what_it_saw() -> None:
    """The reason gives score, limit and n."""
    gate = restraint_gate(with_restraint(5, 7), DEFAULTS)
    assert gate.reason == "restraint 0.7143 is below 0.8 (n=7)"


def test_restraint_does_not_apply_without_such_prompts() -> None:
    """A suite that asks for no restraint passes, and says that it does not apply."""
    assert restraint_gate(make_summary({"P1": "F"}), DEFAULTS).passed
    gate = restraint_gate(make_summary(GOOD), DEFAULTS)
    assert gate.passed
    assert not gate.applies
    assert gate.reason == "no prompt asks for restraint"


def test_a_prompt_that_only_erred_is_still_known() -> None:
    """One prompt's errors do not turn a suite without restraint into a reject."""
    gate = restraint_gate(make_summary({"P1": "PPP", "P2": "EEE"}), DEFAULTS)
    assert gate.passed


def test_restraint_may_hide_among_prompts_never_seen() -> None:
    """Where a prompt left no record, its kind is unknown: no pass on that."""
    gate = restraint_gate(make_summary({"P1": "PPP", "P2": "..."}), DEFAULTS)
    assert not gate.passed


@pytest.mark.parametrize("row", ["...", "SSS", "EEE"])
def test_no_gate_is_green_on_nothing(row: str) -> None:
    """Where nothing was judged, no gate passes."""
    summary = make_summary({"P1": row})
    gates = evaluate_gates(summary, DEFAULTS, None)
    assert [gate.name for gate in gates if gate.passed] == []
    assert "nothing was judged" in gates[0].reason


def test_gates_come_in_order() -> None:
    """The order is the one in which they decide."""
    gates = evaluate_gates(make_summary(GOOD), DEFAULTS, None)
    assert [gate.name for gate in gates] == [
        "evidence",
        "samples",
        "variance",
        "no_regression",
        "restraint",
    ]


def test_differences_are_named_by_kind() -> None:
    """Same prompts differ in nothing; other keys are shown with both values."""
    assert prompt_differences({"P1": "a"}, {"P1": "a"}) == []
    now = {"variant": "text", "num_ctx": 4096, "prompt_hashes": {"P1": "a"}}
    before = {"variant": "text", "num_ctx": 2048, "server": "0.30"}
    assert other_differences(now, before) == (
        "num_ctx: 2048 then, 4096 now",
        "server: 0.30 then, not recorded now",
    )
