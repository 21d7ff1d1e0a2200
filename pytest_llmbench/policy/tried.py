"""Which specs need no second try against a baseline."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_REPEATS: Final = 2
"""How often one loop tries a spec that is held for lack of evidence."""

SCATTERS: Final = frozenset({"variance_too_high"})
"""Codes of a HOLD that the same runs once more would not change."""


class Conditions(Struct, frozen=True, kw_only=True):
    """Under what a result was measured, or would be now; None where that is unknown.

    Attributes:
        prompts: `Prompt.hash` by prompt id, by suite.
    """

    prompts: Mapping[str, Mapping[str, str]] | None = None
    model_digest: str | None = None
    server_version: str | None = None

    def has_changed(self, before: Conditions) -> bool:
        """Whether anything that is known of both is not the same."""
        pairs = (
            (self.prompts, before.prompts),
            (self.model_digest, before.model_digest),
            (self.server_version, before.server_version),
        )
        return any(now and then and now != then for now, then in pairs)


class Tried(Struct, frozen=True, kw_only=True):
    """What past cycles have settled.

    Attributes:
        cycles: past cycles, oldest first, as the history stores them.
        now: under what would be measured now.
        loop_id: the loop that asks.
    """

    cycles: Sequence[Mapping[str, Any]]
    now: Conditions = field(default_factory=Conditions)
    loop_id: str = ""

    def settled(self, baseline: str) -> frozenset[str]:
        """Return the specs that were held against a baseline and need no new try.

        Two specs of one session were held against each other, whichever of them
        was its baseline. Prompts, model or server that have changed since are new
        evidence; so is a HOLD for lack of evidence, but not for ever.
        """
        lacking: Counter[str] = Counter()
        settled = set[str]()
        for cycle in self.cycles:
            decisions = cycle["policy_decisions"]
            specs = {cycle["baseline"], *decisions}
            if baseline not in specs or self.now.has_changed(conditions_of(cycle)):
                continue
            for spec in specs - {baseline}:
                if not _lacks_evidence(decisions.get(spec)):
                    settled.add(spec)
                elif cycle.get("loop_id") == self.loop_id:
                    lacking[spec] += 1
        worn_out = {spec for spec, times in lacking.items() if times >= MAX_REPEATS}
        return frozenset(settled | worn_out)


def conditions_of(cycle: Mapping[str, Any]) -> Conditions:
    """Return under what a cycle's baseline was measured."""
    jobs = cycle["baseline_results"]
    keys = [job.get("comparability") or {} for job in jobs]
    prompts = {
        job["suite"]: key["prompts"]
        for job, key in zip(jobs, keys, strict=True)
        if key.get("prompts")
    }
    first = keys[0] if keys else {}
    return Conditions(
        prompts=prompts or None,
        model_digest=first.get("model_digest"),
        server_version=first.get("server_version"),
    )


def _lacks_evidence(decision: Mapping[str, Any] | None) -> bool:
    if decision is None or decision["decision"] != "HOLD":
        return False
    return decision.get("code") not in SCATTERS
