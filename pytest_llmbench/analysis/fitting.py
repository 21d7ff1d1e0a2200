"""Which prompts a model has room for: the others are no part of its plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from pytest_llmbench.runs.record import BEYOND_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def _beyond(record: Record | None) -> Beyond | None:
    fault = record.fault if record else None
    if record is None or fault is None or fault.kind != BEYOND_CONTEXT:
        return None
    return Beyond(reason=fault.message, prompt_hash=record.prompt_hash)
