"""What one session of baseline and candidates comes to, as the history keeps it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.policy.baseline import asked_prompts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_KEPT: Final = (
    *("spec", "suite", "role", "passed", "total", "accuracy", "variance", "n"),
    *("judged_trials", "error_rate", "timed_out", "restraint_score"),
    *("latency_p50_ms", "failed_prompts"),
)
"""Fields of a job summary that a cycle keeps."""

_CONDITIONS: Final = ("model_digest", "server_version")
_WORST_FIRST: Final = ("REJECT", "HOLD", "PROMOTE")


def jobs_by_spec(
    jobs: Sequence[Mapping[str, Any]],
) -> dict[str, list[Mapping[str, Any]]]:
    """Sort stored job summaries by spec; a phase may have several suites."""
    found: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for job in jobs:
        found[job["spec"]].append(job)
    return dict(found)


def extract(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a cycle keeps of a stored job summary."""
    key = job.get("comparability") or {}
    return {
        **{name: job.get(name) for name in _KEPT},
        "latency_p95_ms": job["latency"]["e2e_ms"]["p95"],
        "success": job["scores"]["success"],
        "comparability": {
            "prompts": asked_prompts(key),
            **{name: key.get(name) for name in _CONDITIONS},
        },
    }


def decisions_by_spec(
    decisions: Sequence[Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Return the decision on each spec: over several suites the worst of them."""
    found: dict[str, dict[str, Any]] = {}
    for one in sorted(decisions, key=lambda one: _WORST_FIRST.index(one["decision"])):
        names = ("decision", "reason", "code")
        found.setdefault(one["spec"], {name: one.get(name) for name in names})
    return found


def best_promoted(
    decisions: Mapping[str, Mapping[str, Any]],
    jobs: Mapping[str, Sequence[Mapping[str, Any]]],
) -> str | None:
    """Return the promoted spec with the best accuracy, of equals the quickest."""
    promoted = [spec for spec, one in decisions.items() if one["decision"] == "PROMOTE"]

    def rank(spec: str) -> tuple[float, float]:
        own = jobs[spec]
        accuracy = min(job["accuracy"] or 0.0 for job in own)
        return accuracy, -max(job["latency_p50_ms"] or 0.0 for job in own)

    return max(promoted, key=rank, default=None)


def variances(jobs: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Return the variance of each spec's accuracy; of several suites the largest."""
    return {
        spec: max(
            (j["variance"] for j in own if j["variance"] is not None), default=None
        )
        for spec, own in jobs.items()
    }


def judged(jobs: Sequence[Mapping[str, Any]]) -> int:
    """Return how many trials count for or against a model."""
    return sum(job["judged_trials"] for job in jobs)
