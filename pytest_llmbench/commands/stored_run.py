"""A stored run as reports show it: the view that its own session showed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_llmbench.analysis.cost import FREE, Prices, Terms
from pytest_llmbench.analysis.summary import plan_from_json, summarise_all
from pytest_llmbench.calls.request import WarmupResult
from pytest_llmbench.errors import RecordFault, SpecError, UsageFault
from pytest_llmbench.policy.decision import Decision
from pytest_llmbench.policy.gate import GateResult
from pytest_llmbench.prompts.spec import parse_model
from pytest_llmbench.report.rundata import RunData
from pytest_llmbench.report.view import RunView, gate_text, job_view
from pytest_llmbench.runs.folder import RESULTS, read_records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_llmbench.analysis.summary import JobSummary

_LOCAL = frozenset({"ollama", "embedded"})
"""As in `calls.providers`, which loads what asks them."""

_UNDECIDED = "the run has not come to its end, so nothing is decided"


def stored_run(folder: Path) -> RunData:
    """Read a run's folder.

    A run that was killed has no summary; what its records show is there all the same.

    Raises:
        UsageFault: a file is missing, or is none of this version.
    """
    try:
        return _stored_run(folder)
    except OSError as error:
        msg = f"{error.filename}: {error.strerror}; give the folder of a run"
        raise UsageFault(msg) from None
    except RecordFault as fault:
        msg = f"{fault}; mend or remove that line"
        raise UsageFault(msg) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"{type(error).__name__}: {error}"
        msg = f"{folder} cannot be read as a run of this version ({what})"
        raise UsageFault(msg) from None


def _stored_run(folder: Path) -> RunData:
    config = _object(folder / "config.json")
    summary = _object(folder / "summary.json", is_needed=False)
    inventory = _object(folder / "inventory.json", is_needed=False)
    plans = [plan_from_json(plan) for plan in config["plans"]]
    records = [record.slim() for record in read_records(folder / RESULTS)]
    terms = {plan.model: _terms(plan.model, config, summary) for plan in plans}
    jobs = summarise_all(records, plans, terms)
    return RunData(
        view=_view(folder, config, summary, inventory, jobs),
        summaries=jobs,
        records=records,
        results=folder / RESULTS,
        prompts=config.get("prompts", []),
        inventory=inventory,
        options=config.get("options", {}),
        comparability=_of_jobs("comparability", summary, jobs, {}),
        sequential=summary.get("sequential"),
        cold_start=config["settings"].get("cold_start", "never"),
    )


def _view(
    folder: Path,
    config: Mapping[str, Any],
    summary: Mapping[str, Any],
    inventory: Mapping[str, Any],
    jobs: Sequence[JobSummary],
) -> RunView:
    settings = config["settings"]
    return RunView(
        run_id=folder.name,
        jobs=tuple(
            job_view(
                job,
                decision,
                _warmup(job, inventory),
                calls_at_once=_calls_at_once(job.model, settings),
            )
            for job, decision in zip(
                jobs, _decisions(jobs, config, summary), strict=True
            )
        ),
        gate=gate_text(settings["gate"], summary.get("gate_is_met")),
        gate_is_met=summary.get("gate_is_met"),
        notes=tuple(summary.get("notes", ())) if summary else (_UNDECIDED,),
    )


def _warmup(job: JobSummary, inventory: Mapping[str, Any]) -> WarmupResult | None:
    """Return how warming the model for a spec went first, as the session told."""
    names = WarmupResult.__struct_fields__
    for one in inventory.get("warmups", ()):
        if one["model"] == job.model and one.get("spec", "") in {"", job.spec}:
            return WarmupResult(**{name: one[name] for name in names if name in one})
    return None


def _decisions(
    jobs: Sequence[JobSummary], config: Mapping[str, Any], summary: Mapping[str, Any]
) -> list[Decision | None]:
    """Return what was decided of each job; None for the session's own baseline."""
    decided = {
        (one["spec"], one["suite"]): _decision(one)
        for one in summary.get("policy_decisions", ())
    }
    baselines = config["settings"].get("baselines", ())
    return [
        None
        if job.spec in baselines
        else decided.get((job.spec, job.suite)) or _undecided(job)
        for job in jobs
    ]


def _decision(data: Mapping[str, Any]) -> Decision:
    """Rebuild a decision; what another version has more or less is no fault."""
    known = {name: data[name] for name in Decision.__struct_fields__ if name in data}
    parts = {"code": "", **known}  # there is none in the oldest
    gates = (
        GateResult(**{n: one[n] for n in GateResult.__struct_fields__ if n in one})
        for one in data["gates"]
    )
    differences = tuple(data.get("differences", ()))
    return Decision(**{**parts, "gates": tuple(gates), "differences": differences})


def _undecided(job: JobSummary) -> Decision:
    return Decision(
        spec=job.spec,
        suite=job.suite,
        decision="HOLD",
        reason=_UNDECIDED,
        code="incomplete",
        decided_by=None,
        gates=(),
        judged_trials=job.judged_trials,
    )


def _terms(model: str, config: Mapping[str, Any], summary: Mapping[str, Any]) -> Terms:
    """Return what asking a model cost, as the run's summary says."""
    is_online = _provider(model, config["settings"]) not in _LOCAL
    for job in summary.get("job_summaries", ()):
        if job["model"] == model:
            prices = job["cost"]["prices"]
            return Terms(prices=prices and Prices(**prices), is_online=is_online)
    return Terms(prices=None if is_online else FREE, is_online=is_online)


def _provider(model: str, settings: Mapping[str, Any]) -> str:
    aliases = settings.get("aliases", {})
    try:
        name = parse_model(model, aliases).provider
    except SpecError:
        return ""
    return str(aliases[name]["provider"]) if name in aliases else name


def _calls_at_once(model: str, settings: Mapping[str, Any]) -> int:
    if settings.get("concurrency"):
        return int(settings["concurrency"])
    return 1 if _provider(model, settings) in _LOCAL else 2


def _of_jobs(
    name: str,
    summary: Mapping[str, Any],
    jobs: Sequence[JobSummary],
    default: Any,  # noqa: ANN401 - JSON
) -> list[Any]:
    found = {
        (one["spec"], one["suite"]): one.get(name)
        for one in summary.get("job_summaries", ())
    }
    return [found.get((job.spec, job.suite)) or default for job in jobs]


def _object(path: Path, *, is_needed: bool = True) -> dict[str, Any]:
    if not is_needed and not path.exists():
        return {}
    data = json.loads(path.read_text("utf-8"))
    if not isinstance(data, dict):
        msg = f"{path.name} holds no object"
        raise TypeError(msg)
    return data
