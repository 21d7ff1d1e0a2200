"""The spec to beat, and whether it was measured on the same prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_llmbench.analysis.summary import JobSummary

_PROMPT_KEYS: Final = frozenset({"prompts", "prompt_hashes", "beyond_context"})
_ABSENT: Final = "not recorded"


class Baseline(Struct, frozen=True, kw_only=True):
    """A stored result to compare with.

    Attributes:
        accuracy: the median accuracy of its complete runs; None without one.
        prompt_hashes: `Prompt.hash` by prompt id of the prompts it ran.
        comparability: what else its run was measured under.
        prompts: passed and judged trials by prompt id.
    """

    spec: str
    run_id: str
    accuracy: float | None
    prompt_hashes: Mapping[str, str]
    comparability: Mapping[str, object] = field(default_factory=dict)
    prompts: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of_summary(
        cls, summary: JobSummary, run_id: str, comparability: Mapping[str, object]
    ) -> Self:
        """Take a summed-up job as the one to beat.

        Args:
            run_id: the run it was measured in.
            comparability: what it was measured under.
        """
        return cls(
            spec=summary.spec,
            run_id=run_id,
            accuracy=summary.accuracy,
            prompt_hashes=summary.plan.prompt_hashes,
            comparability=comparability,
            prompts={
                prompt.prompt_id: (prompt.passed, prompt.judged)
                for prompt in summary.prompts
            },
        )

    @classmethod
    def of_stored(cls, job: Mapping[str, Any]) -> Self:
        """Take an entry of `job_summaries` in a summary.json, with its `run_id`.

        What it does not tell is absent, and a gate that needs it says so.
        """
        comparability = job.get("comparability") or {}
        return cls(
            spec=job["spec"],
            run_id=job.get("run_id", ""),
            accuracy=job.get("accuracy"),
            prompt_hashes=comparability.get("prompts") or {},
            comparability=comparability,
            prompts={
                prompt["prompt_id"]: (prompt["passed"], prompt["judged"])
                for prompt in job.get("prompts") or ()
            },
        )


def asked_prompts(comparability: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the hash of each prompt that was meant to be asked; None if not told.

    What the model had no room for was meant, too: the suite is the same.
    """
    prompts = comparability.get("prompts")
    if prompts is None:
        return None
    return {**prompts, **(comparability.get("beyond_context") or {})}


def prompt_differences(now: Mapping[str, str], before: Mapping[str, str]) -> list[str]:
    """Name the prompts that were added, removed or changed since the baseline.

    >>> prompt_differences({"P1": "a", "P3": "c"}, {"P1": "b", "P2": "c"})
    ['added: P3', 'removed: P2', 'changed: P1']
    """
    groups = {
        "added": [name for name in now if name not in before],
        "removed": [name for name in before if name not in now],
        "changed": [
            name for name in now if name in before and now[name] != before[name]
        ],
    }
    return [f"{word}: {', '.join(names)}" for word, names in groups.items() if names]


def other_differences(
    now: Mapping[str, object], before: Mapping[str, object]
) -> tuple[str, ...]:
    """Name what else differs from the baseline's run: shown, not judged.

    >>> other_differences({"num_ctx": 8192}, {"num_ctx": 4096})
    ('num_ctx: 4096 then, 8192 now',)
    """
    return tuple(_differences(now, before))


def _differences(
    now: Mapping[str, object], before: Mapping[str, object]
) -> Iterator[str]:
    for key in sorted({*now, *before} - _PROMPT_KEYS):
        then, current = before.get(key, _ABSENT), now.get(key, _ABSENT)
        if then != current:
            yield f"{key}: {_told(then)} then, {_told(current)} now"


def _told(value: object) -> object:
    """Show what was not recorded as such, and not as an empty place."""
    return _ABSENT if value is None or value == "" else value
