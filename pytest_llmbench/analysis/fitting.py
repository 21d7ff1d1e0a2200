"""Which prompts a model has room for, and what those with lengths show.

What a model has no room for is no part of its plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from pytest_llmbench.prompts.context import split_id
from pytest_llmbench.runs.record import BEYOND_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.analysis.context_curve import JobContext
    from pytest_llmbench.analysis.trials import Grid
    from pytest_llmbench.runs.record import Record


class Beyond(Struct, frozen=True, kw_only=True):
    """Why a prompt can't be asked of a model.

    Attributes:
        reason: its length, and the model's context.
        prompt_hash: `Prompt.hash`.
    """

    reason: str
    prompt_hash: str


def beyond_context(grid: Grid) -> Mapping[str, Beyond]:
    """Return the planned prompts that are longer than the model's context.

    A prompt is one of them where each of its runs was skipped for that: one that was
    asked even once, or has no record yet, is not.
    """
    found = {}
    for prompt_id in grid.prompt_ids:
        reasons = [_beyond(record) for record in grid.of_prompt(prompt_id)]
        whole = [reason for reason in reasons if reason is not None]
        if whole and len(whole) == len(reasons):
            found[prompt_id] = whole[0]
    return found


def curves_by_length(grid: Grid) -> JobContext | None:
    """Return latency and adherence by length; None where no prompt has lengths.

    Most suites have none, and start faster without what draws them.
    """
    if not any(split_id(prompt_id)[1] for prompt_id in grid.prompt_ids):
        return None
    from pytest_llmbench.analysis.context_curve import job_context

    return job_context(grid, grid.prompt_ids)


def _beyond(record: Record | None) -> Beyond | None:
    fault = record.fault if record else None
    if record is None or fault is None or fault.kind != BEYOND_CONTEXT:
        return None
    return Beyond(reason=fault.message, prompt_hash=record.prompt_hash)
