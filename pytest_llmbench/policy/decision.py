"""From gates to a decision, and from decisions to the exit status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from pytest_llmbench.policy.baseline import other_differences
from pytest_llmbench.policy.gates import evaluate_gates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmbench.analysis.summary import JobSummary
    from pytest_llmbench.policy.baseline import Baseline
    from pytest_llmbench.policy.gate import GateCode, GateName, GateResult
    from pytest_llmbench.policy.sequential import SequentialTest
    from pytest_llmbench.policy.thresholds import PolicyThresholds

DecisionWord = Literal["PROMOTE", "HOLD", "REJECT"]
"""What to do with a spec."""

PromotionCode = Literal["promoted", "no_baseline"]
"""All gates pass; with `no_baseline` there was none to be held against."""

GateMode = Literal["none", "promote", "no-reject"]
"""What `--gate` asks of the decisions."""


class Decision(Struct, frozen=True, kw_only=True):
    """What to do with one spec on one suite, and why.

    Attributes:
        reason: the line of the gate that decided.
        code: the same in a word for programs.
        decided_by: the first gate that failed; None if all pass.
        gates: all of them, in order.
        judged_trials: how many trials stand behind the decision.
        differences: what else differs from the baseline's run; not judged.
        baseline_spec: the spec it was held against; None without a baseline.
        more_runs: about how many more runs a HOLD needs, the most that a gate
            asks for; None where the gate that decided asks for none.
    """

    spec: str
    suite: str
    decision: DecisionWord
    reason: str
    code: PromotionCode | GateCode
    decided_by: GateName | None
    gates: tuple[GateResult, ...]
    judged_trials: int
    differences: tuple[str, ...] = ()
    baseline_spec: str | None = None
    more_runs: int | None = None

    @property
    def becomes_canonical(self) -> bool:
        """Whether the spec may become its phase's baseline.

        Of several for one phase the caller takes the best.
        """
        return self.decision == "PROMOTE"

    def to_json(self) -> dict[str, Any]:
        """Return the entry of `policy_decisions` in summary.json."""
        return {
            "spec": self.spec,
            "suite": self.suite,
            "decision": self.decision,
            "reason": self.reason,
            "code": self.code,
            "decided_by": self.decided_by,
            "becomes_canonical": self.becomes_canonical,
            "baseline_spec": self.baseline_spec,
            "judged_trials": self.judged_trials,
            "more_runs": self.more_runs,
            "differences": list(self.differences),
            "gates": [gate.to_json() for gate in self.gates],
        }


def decide(
    summary: JobSummary,
    thresholds: PolicyThresholds,
    baseline: Baseline | None,
    comparability: Mapping[str, object],
    sequential: SequentialTest | None = None,
) -> Decision:
    """Evaluate all gates; the first that fails decides, none failing promotes.

    Args:
        summary: what the spec showed.
        thresholds: the gates' limits for its phase.
        baseline: the spec to beat; None if there is none yet.
        comparability: what the spec was measured under, to be held against the
            baseline's.
        sequential: the test of the spec in a run with `--runs auto`.
    """
    gates = evaluate_gates(summary, thresholds, baseline, sequential)
    failed = next((gate for gate in gates if not gate.passed), None)
    before = comparability if baseline is None else baseline.comparability
    return Decision(
        spec=summary.spec,
        suite=summary.suite,
        decision="PROMOTE" if failed is None else failed.otherwise,
        reason=_promoted(summary, baseline) if failed is None else failed.reason,
        code=_code(failed, baseline),
        decided_by=None if failed is None else failed.name,
        gates=gates,
        judged_trials=summary.judged_trials,
        differences=other_differences(comparability, before),
        baseline_spec=None if baseline is None else baseline.spec,
        more_runs=_more_runs(failed, gates),
    )


def gate_met(mode: GateMode, decisions: Sequence[Decision]) -> bool | None:
    """Say whether the decisions meet `--gate`; None where it asks for nothing.

    `promote` wants every spec promoted, `no-reject` lets HOLD pass too. Neither
    is met by no decision, nor by one that rests on nothing judged.
    """
    if mode == "none":
        return None
    if not decisions or not all(one.judged_trials for one in decisions):
        return False
    allowed = {"PROMOTE"} if mode == "promote" else {"PROMOTE", "HOLD"}
    return all(one.decision in allowed for one in decisions)


def _promoted(summary: JobSummary, baseline: Baseline | None) -> str:
    becomes = "no baseline yet, so this becomes it" if baseline is None else ""
    return "; ".join(filter(None, ["all gates pass", summary.fit, becomes]))


def _code(
    failed: GateResult | None, baseline: Baseline | None
) -> PromotionCode | GateCode:
    if failed is None:
        return "no_baseline" if baseline is None else "promoted"
    return failed.code or "incomplete"


def _more_runs(failed: GateResult | None, gates: Sequence[GateResult]) -> int | None:
    if failed is None or failed.more_runs is None:
        return None
    return max(gate.more_runs or 0 for gate in gates)
