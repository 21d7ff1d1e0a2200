"""What a gate says: a number, its limit, and what follows."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import asdict

GateName = Literal["evidence", "samples", "variance", "no_regression", "restraint"]
"""The gates in the order in which they decide."""

GateCode = Literal[
    "nothing_judged",
    "incomplete",
    "part_of_suite",
    "too_many_errors",
    "baseline_not_judged",
    "baseline_not_comparable",
    "too_few_runs",
    "no_variance",
    "variance_too_high",
    "no_accuracy",
    "nothing_passes",
    "prompts_not_judged",
    "below_baseline",
    "maybe_below_baseline",
    "restraint_not_judged",
    "restraint_too_low",
]
"""Why a gate fails, in a word for programs; docs/policy.md tells of each."""


class GateResult(Struct, frozen=True, kw_only=True):
    """One gate held against one summary.

    Attributes:
        observed: the number that was judged; None where there is none.
        limit: the number it was held against; None where there is none.
        comparison: how observed must stand to limit.
        margin: how far inside its limit the number is, negative if outside.
        reason: one readable line, for a pass as for a failure.
        code: why it fails; None if it passes.
        more_runs: about how many more runs would let it tell; None where it
            passes, and where no number of runs would.
        applies: whether there was something to judge by this gate's rule. One
            that does not apply passes.
        otherwise: the decision if it fails.
    """

    name: GateName
    passed: bool
    observed: float | None
    limit: float | None
    comparison: Literal["<=", ">="]
    margin: float | None
    reason: str
    code: GateCode | None = None
    more_runs: int | None = None
    applies: bool = True
    otherwise: Literal["HOLD", "REJECT"] = "HOLD"

    def to_json(self) -> dict[str, Any]:
        """Return the gate as plain JSON."""
        return asdict(self)
