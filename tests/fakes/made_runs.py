"""Run folders and histories made from grids of letters, without a pytest session."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from made_records import SPEC, make_summary

from pytest_llmbench.runs.folder import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GRID: Final = {"P1": "PFP", "P2": "PPP"}
AT: Final = "2026-11-21T08:00:00+00:00"


def run_id(day: int = 21, number: int = 0) -> str:
    """Return the id of a run on a day of November 2026, `number` minutes after 8."""
    hour, minute = divmod(8 * 60 + number, 60)
    return f"202611{day:02d}T{hour:02d}{minute:02d}00000Z-{number:06x}"


def made_summary(
    name: str,
    grid: Mapping[str, str] | None = None,
    *,
    decision: str = "HOLD",
    times_resumed: int = 0,
    job: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """Return a summary.json of one job; `job` are changes of its entry."""
    entry = {**make_summary(grid or GRID).to_json(), "comparability": {}, **(job or {})}
    words = {key: entry[key] for key in ("spec", "suite")}
    data = {
        "schema_version": 1,
        "run_id": name,
        "job_summaries": [entry],
        "policy_decisions": [{**words, "decision": decision, "baseline_spec": SPEC}],
        "replay_of": None,
        "resumed": {"times": times_resumed} if times_resumed else None,
    }
    read: dict[str, Any] = json.loads(json.dumps(data))
    return read


def put_run(
    reports: Path, name: str, summary: Mapping[str, Any] | None = None, **job: object
) -> Path:
    """Write the folder of a run as a session leaves it; return it."""
    folder = reports / f"{name[:4]}-{name[4:6]}-{name[6:8]}" / name
    write_json(folder / "summary.json", dict(summary or made_summary(name, job=job)))
    write_json(folder / "inventory.json", {"host": {"host": "box"}})
    return folder


def made_cycle(number: int = 1, **changes: object) -> dict[str, Any]:
    """Return a cycle of a loop, as yet without an index."""
    return {
        "loop_id": "loop-1",
        "run_id": run_id(21, number),
        "at": AT,
        "baseline": SPEC,
        "baseline_results": [],
        "candidates": [],
        "position": number,
        "candidate_results": [],
        "policy_decisions": {SPEC: {"decision": "HOLD", "reason": "", "code": "x"}},
        "new_canonical": None,
        "variance": {SPEC: 0.01},
        "learned": [],
        "interrupted": False,
        **changes,
    }
