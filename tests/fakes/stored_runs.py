"""Stored runs made from grids of letters: what a session would have left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from made_records import SPEC, make_plan, make_records
from msgspec import to_builtins

from pytest_llmbench.analysis.summary import summarise
from pytest_llmbench.policy.decision import decide
from pytest_llmbench.policy.thresholds import PolicyThresholds
from pytest_llmbench.runs.folder import RESULTS, json_line, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_llmbench.analysis.summary import JobPlan
    from pytest_llmbench.runs.record import Record

RUN_ID = "20261121T080000000Z-abcdef"


def named(model: str, variant: str = "native_api") -> dict[str, str]:
    """Return the fields by which a model's records and plan are its own."""
    spec = SPEC.replace("m:1b", model).replace("native_api", variant)
    return {"model": model, "variant": variant, "spec": spec}


def store_run(
    reports: Path,
    grids: Mapping[str, Mapping[str, str]],
    *,
    run_id: str = RUN_ID,
    notes: Sequence[str] = (),
    **changes: object,
) -> Path:
    """Store a run of one grid per model; changes are the records' fields."""
    jobs = [
        (
            make_plan(grid, **named(model)),
            make_records(grid, **{**named(model), **changes}),
        )
        for model, grid in grids.items()
    ]
    return store_jobs(reports, jobs, run_id=run_id, notes=notes)


def store_jobs(
    reports: Path,
    jobs: Sequence[tuple[JobPlan, Sequence[Record]]],
    *,
    run_id: str = RUN_ID,
    notes: Sequence[str] = (),
) -> Path:
    """Store a run of planned jobs with their records; return its folder."""
    folder = reports / "2026-11-21" / run_id
    folder.mkdir(parents=True)
    lines = [json_line(record.to_json()) for _, records in jobs for record in records]
    (folder / RESULTS).write_text("".join(lines), "utf-8", "backslashreplace")
    write_json(folder / "config.json", _config(run_id, [plan for plan, _ in jobs]))
    write_json(folder / "summary.json", _summary(run_id, jobs, notes))
    write_json(folder / "inventory.json", {"host": {"host": "box"}, "models": []})
    return folder


def _config(run_id: str, plans: Sequence[JobPlan]) -> dict[str, Any]:
    ids = {prompt_id: plan.suite for plan in plans for prompt_id in plan.prompt_ids}
    return {
        "schema_version": 1,
        "run_id": run_id,
        "settings": {"gate": "promote", "concurrency": None, "aliases": {}},
        "plans": [to_builtins(plan) for plan in plans],
        "options": {},
        "prompts": [
            {
                "suite": suite,
                "prompt_id": prompt_id,
                "title": f"title of {prompt_id}",
                "text": f"question of {prompt_id}",
                "system": "be brief",
                "tools": ["get_weather"],
                "expect": {"exact": "READY"},
                "turns": [],
            }
            for prompt_id, suite in ids.items()
        ],
        "resumed": [],
    }


def _summary(
    run_id: str, jobs: Sequence[tuple[JobPlan, Sequence[Record]]], notes: Sequence[str]
) -> dict[str, Any]:
    summaries = [summarise(records, plan) for plan, records in jobs]
    decisions = [decide(one, PolicyThresholds(), None, {}) for one in summaries]
    return {
        "run_id": run_id,
        "job_summaries": [
            {
                **one.to_json(),
                "comparability": {
                    "prompts": dict(one.plan.prompt_hashes),
                    "model_digest": "0123456789ab",
                },
            }
            for one in summaries
        ],
        "policy_decisions": [one.to_json() for one in decisions],
        "gate_is_met": all(one.decision == "PROMOTE" for one in decisions),
        "replay_of": None,
        "notes": list(notes),
    }
