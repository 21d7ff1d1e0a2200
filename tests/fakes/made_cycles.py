"""Job summaries and cycles as they are stored, made from a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from made_records import make_summary

if TYPE_CHECKING:
    from collections.abc import Mapping

COLD: Final = "m:1b / atomic / native_api / t60 r0 i0 w0"
WARM: Final = "m:1b / atomic / native_api / t60 r0 i0 w1"
CONDITIONS: Final = {
    "prompts": {"P1": "hash-P1"},
    "model_digest": "abc",
    "server_version": "0.12",
}


def make_job(grid: Mapping[str, str], **changes: object) -> dict[str, Any]:
    """Make the stored summary of a grid; changes replace its fields."""
    key = {**CONDITIONS, "prompts": {name: f"hash-{name}" for name in grid}}
    stored = {**make_summary(grid).to_json(), "comparability": key, "role": None}
    return {**stored, "run_id": "20261121T095724000Z-c8e9bb", **changes}


def make_effect(
    difference: float, width: float | None, **changes: object
) -> dict[str, Any]:
    """Make an entry of `learned` whose interval is that wide on either side."""
    return {
        "kind": "effect",
        "spec": WARM,
        "knob": "warm_up",
        "from": "0",
        "to": "1",
        "difference": difference,
        "low": None if width is None else difference - width,
        "high": None if width is None else difference + width,
        "prompts": 12,
        "runs": 7,
        "text": "warm-up improved accuracy",
        **changes,
    }


def make_cycle(
    decisions: Mapping[str, str | tuple[str, str]], **changes: object
) -> dict[str, Any]:
    """Make a stored cycle with the baseline `COLD`.

    Args:
        decisions: by candidate the decision, or decision and code.
    """
    pairs = {
        spec: (one, "promoted") if isinstance(one, str) else one
        for spec, one in decisions.items()
    }
    return {
        "cycle_index": 1,
        "position": 1,
        "loop_id": "L1",
        "run_id": "20261121T095724000Z-c8e9bb",
        "at": "2026-11-21T09:57:24+00:00",
        "baseline": COLD,
        "baseline_results": [{"suite": "atomic", "comparability": CONDITIONS}],
        "candidates": [],
        "candidate_results": [],
        "policy_decisions": {
            spec: {"decision": word, "code": code, "reason": "all gates pass"}
            for spec, (word, code) in pairs.items()
        },
        "new_canonical": None,
        "variance": {},
        "learned": [],
        "interrupted": False,
        **changes,
    }
