"""Decisions, and what `--gate` makes of them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import MAIN_EXAMPLE, SPEC, make_summary
from msgspec.structs import replace

from pytest_llmbench.policy.baseline import Baseline
from pytest_llmbench.policy.decision import (
    Decision,
    DecisionWord,
    GateMode,
    decide,
    gate_met,
)
from pytest_llmbench.policy.gates import evaluate_gates
from pytest_llmbench.policy.thresholds import PolicyThresholds

DEFAULTS = PolicyThresholds()
ALL_GOOD = dict.fromkeys(MAIN_EXAMPLE, "PPPPPPP")


def decided(
    grid: dict[str, str], baseline: Baseline | None = None, **changes: object
) -> Decision:
    """Decide on a grid of letters; changes are the records' fields."""
    return decide(make_summary(grid, **changes), DEFAULTS, baseline, {})


def baseline(accuracy: float) -> Baseline:
    """Make a baseline over the main example's prompts."""
    return Baseline(
        spec="base",
        run_id="r1",
        accuracy=accuracy,
        prompt_hashes={name: f"hash-{name}" for name in MAIN_EXAMPLE},
        comparability={"num_ctx": 2048},
    )


def test_main_example_holds_on_variance() -> None:
    """Three prompts failing while cold scatter too much: HOLD, by variance."""
    found = decided(MAIN_EXAMPLE)
    assert (found.decision, found.decided_by) == ("HOLD", "variance")
    assert found.reason == "variance 0.01276 is above 0.0025 over 7 runs"
    assert [gate.passed for gate in found.gates] == [True, True, False, True, True]
    assert not found.becomes_canonical


def test_all_passing_is_promoted() -> None:
    """Twelve of twelve in seven runs becomes the first baseline."""
    found = decided(ALL_GOOD)
    assert (found.decision, found.decided_by) == ("PROMOTE", None)
    assert found.reason == "all gates pass; no baseline yet, so this becomes it"
    assert found.becomes_canonical
    assert found.judged_trials == 84


def test_promoted_over_a_baseline() -> None:
    """An equal median over the same prompts is promoted; differences are shown."""
    found = decide(make_summary(ALL_GOOD), DEFAULTS, baseline(1.0), {"num_ctx": 4096})
    assert (found.decision, found.reason) == ("PROMOTE", "all gates pass")
    assert found.baseline_spec == "base"
    assert found.differences == ("num_ctx: 2048 then, 4096 now",)


def test_below_the_baseline_is_rejected() -> None:
    """Eleven of twelve, steadily, against a perfect baseline: REJECT."""
    found = decided({**ALL_GOOD, "P6": "FFFFFFF"}, baseline(1.0))
    assert (found.decision, found.decided_by) == ("REJECT", "no_regression")


def test_no_restraint_is_rejected() -> None:
    """A model that calls where it must not is rejected."""
    found = decided(ALL_GOOD, expects_no_tool=True, behaviour="called_wrong")
    assert (found.decision, found.decided_by) == ("REJECT", "restraint")


def test_the_first_gate_that_fails_decides() -> None:
    """Too few runs hold before a regression rejects; both are shown."""
    found = decided(dict.fromkeys(MAIN_EXAMPLE, "FF"), baseline(1.0))
    assert (found.decision, found.decided_by) == ("HOLD", "samples")
    failed = [gate.name for gate in found.gates if not gate.passed]
    assert failed == ["samples", "no_regression"]


def test_errors_only_hold_by_evidence() -> None:
    """A server that was down is no reason to reject."""
    found = decided(dict.fromkeys(MAIN_EXAMPLE, "EEE"), baseline(1.0))
    assert (found.decision, found.decided_by) == ("HOLD", "evidence")
    assert found.judged_trials == 0


def test_empty_plan_holds_by_evidence() -> None:
    """No prompt and no run decide nothing."""
    found = decided({})
    assert (found.decision, found.decided_by) == ("HOLD", "evidence")


def test_decision_json() -> None:
    """The entry of `policy_decisions` is plain JSON with every gate."""
    found = json.loads(json.dumps(decided(MAIN_EXAMPLE).to_json(), allow_nan=False))
    assert found["spec"] == SPEC
    assert found["decision"] == "HOLD"
    assert found["gates"][2] == {
        "name": "variance",
        "passed": False,
        "observed": 5 / 392,
        "limit": 0.0025,
        "comparison": "<=",
        "margin": 0.0025 - 5 / 392,
        "reason": "variance 0.01276 is above 0.0025 over 7 runs",
        "code": "variance_too_high",
        "more_runs": None,
        "applies": True,
        "otherwise": "HOLD",
    }


def word(decision: DecisionWord) -> Decision:
    """Make a decision of one word."""
    good = decided(ALL_GOOD)
    return replace(good, decision=decision)


@pytest.mark.parametrize(
    ("words", "promote", "no_reject"),
    [
        (["PROMOTE"], True, True),
        (["PROMOTE", "PROMOTE"], True, True),
        (["HOLD"], False, True),
        (["PROMOTE", "HOLD"], False, True),
        (["REJECT"], False, False),
        (["PROMOTE", "REJECT"], False, False),
        (["HOLD", "REJECT"], False, False),
        ([], False, False),
    ],
)
def test_gate_modes(words: list[DecisionWord], promote: bool, no_reject: bool) -> None:  # noqa: FBT001 - a table
    """`promote` wants every spec promoted; `no-reject` lets HOLD pass."""
    decisions = [word(one) for one in words]
    assert gate_met("promote", decisions) is promote
    assert gate_met("no-reject", decisions) is no_reject
    assert gate_met("none", decisions) is None


@pytest.mark.parametrize("mode", ["promote", "no-reject"])
def test_nothing_judged_is_not_met(mode: GateMode) -> None:
    """A HOLD on nothing judged meets no gate, even beside a good spec."""
    down = decided(dict.fromkeys(MAIN_EXAMPLE, "EEE"))
    assert gate_met(mode, [down]) is False
    assert gate_met(mode, [word("PROMOTE"), down]) is False


grids = st.integers(1, 5).flatmap(
    lambda runs: st.dictionaries(
        st.sampled_from(["P1", "P2", "P3", "P4"]),
        st.text(st.sampled_from("PPPPFTES."), min_size=runs, max_size=runs),
        min_size=1,
    )
)
limits = st.builds(
    PolicyThresholds,
    max_error_rate=st.floats(0, 1),
    min_runs=st.integers(1, 5),
    max_variance=st.floats(0, 0.25),
    min_restraint=st.floats(0, 1),
)


@given(grids, limits, st.none() | st.floats(0, 1))
def test_the_decision_follows_from_the_gates(
    grid: dict[str, str], thresholds: PolicyThresholds, accuracy: float | None
) -> None:
    """PROMOTE if and only if all gates pass; else the first that fails says."""
    summary = make_summary(grid, expects_no_tool=True, behaviour="abstained")
    hashes = {name: f"hash-{name}" for name in grid}
    before = (
        None
        if accuracy is None
        else Baseline(spec="b", run_id="r", accuracy=accuracy, prompt_hashes=hashes)
    )
    found = decide(summary, thresholds, before, {})
    failed = [gate for gate in found.gates if not gate.passed]
    assert (found.decision == "PROMOTE") == (not failed)
    assert found.code in {"promoted", "no_baseline"} or failed
    if failed:
        first = failed[0]
        assert found.code == first.code
        assert (found.decision, found.decided_by) == (first.otherwise, first.name)
    for gate in found.gates:
        assert (gate.code is None) == gate.passed
        if gate.passed and gate.applies:
            assert gate.margin is not None
            assert gate.margin >= -1e-12


@given(grids, st.integers(1, 6), st.floats(0, 0.25), st.floats(0, 1))
def test_gates_are_monotone_in_their_limits(
    grid: dict[str, str], runs: int, variance: float, restraint: float
) -> None:
    """A looser limit never turns a gate that passes into one that fails."""
    summary = make_summary(grid, expects_no_tool=True, behaviour="abstained")
    tight = PolicyThresholds(
        min_runs=runs, max_variance=variance, min_restraint=restraint
    )
    loose = PolicyThresholds(
        min_runs=max(1, runs - 1),
        max_variance=min(0.25, variance * 2),
        min_restraint=restraint / 2,
        max_error_rate=1.0,
    )
    pairs = zip(
        evaluate_gates(summary, tight, None),
        evaluate_gates(summary, loose, None),
        strict=True,
    )
    for one, other in pairs:
        assert other.passed or not one.passed
