"""From records to decisions and files, once the trials are over."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmbench.analysis.spent import Spending, Spent, spending, spent_on
from pytest_llmbench.analysis.summary import summarise_all, variance_report
from pytest_llmbench.contest import contenders, new_canonical
from pytest_llmbench.errors import UsageFault
from pytest_llmbench.opening import inventory_json
from pytest_llmbench.policy.decision import gate_met
from pytest_llmbench.policy.feedback import harness_feedback
from pytest_llmbench.policy.window import job_runs, summary_jobs
from pytest_llmbench.report.calls import run_notes
from pytest_llmbench.report.context import context_notes
from pytest_llmbench.report.guard import left_out_note, warnings
from pytest_llmbench.report.markdown import markdown
from pytest_llmbench.report.saved import (
    HOW_TO_GET,
    REPORT,
    has_extra,
    try_plots,
    try_report,
)
from pytest_llmbench.report.view import RunView, gate_text, job_view
from pytest_llmbench.runs.folder import RESULTS, mark_day
from pytest_llmbench.runs.inventory import snapshot
from pytest_llmbench.runs.stored import (
    newest_summaries,
    update_canonical,
    write_feedback,
)
from pytest_llmbench.spending import as_warmup, terms_by_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from pytest_llmbench.analysis.cost import Terms
    from pytest_llmbench.analysis.summary import JobSummary
    from pytest_llmbench.autoruns import AutoRuns
    from pytest_llmbench.calls.request import WarmupResult
    from pytest_llmbench.contest import Canonical, Contender
    from pytest_llmbench.ledger import Ledger
    from pytest_llmbench.report.view import JobView
    from pytest_llmbench.settings import Settings

SCHEMA_VERSION: Final = 1
_HISTORY_SUMMARIES: Final = 200


class Conclusion(Struct, frozen=True, kw_only=True):
    """What the run came to.

    Attributes:
        sequential: how `--runs auto` has ended; None without it.
        contenders: every spec on every suite, in the order of the plan.
        gate_is_met: None where `--gate` asks for nothing.
    """

    contenders: tuple[Contender, ...]
    gate_is_met: bool | None
    view: RunView
    spending: Spending
    sequential: dict[str, Any] | None = None


def conclude(
    ledger: Ledger,
    settings: Settings,
    now: datetime,
    auto_runs: AutoRuns | None = None,
) -> Conclusion:
    """Summarise, decide, and write every file of the run.

    A run that is over, and of which nothing was asked now, is left as it is.
    """
    sequential, auto_notes = auto_runs.conclude() if auto_runs else (None, [])
    inventory = inventory_json(ledger, snapshot(settings.reports, now))
    terms = _terms(ledger, settings)
    summaries = summarise_all(ledger.records(), ledger.plans(), terms)
    spent = _spending(ledger, settings, summaries, terms)
    keys = [_comparability(job, ledger, inventory) for job in summaries]
    tests = auto_runs.tests if auto_runs else {}
    found = contenders(summaries, keys, settings, ledger.folder.run_id, tests)
    canonical = new_canonical(found, settings)
    decisions = tuple(one.decision for one in found if one.decision is not None)
    met = gate_met(_gate_mode(settings.gate), decisions)
    view = RunView(
        run_id=ledger.folder.run_id,
        jobs=tuple(_job_view(one, ledger, settings) for one in found),
        gate=gate_text(settings.gate, met),
        gate_is_met=met,
        files=_files(ledger, settings),
        notes=(
            *_notes(ledger),
            *context_notes(ledger.calibrations, [job.context for job in summaries]),
            *run_notes(summaries, spent, ledger.folder.run_id),
            *canonical.notes,
            *auto_notes,
        ),
    )
    conclusion = Conclusion(
        contenders=found,
        gate_is_met=met,
        view=view,
        spending=spent,
        sequential=sequential,
    )
    if not ledger.has_news and (ledger.folder.path / "summary.json").exists():
        return conclusion
    ledger.folder.write_json("config.json", ledger.config_json(settings, now))
    ledger.folder.write_json("inventory.json", inventory)
    summary = _summary_json(ledger, conclusion, settings)
    ledger.folder.write_json("summary.json", summary)
    ledger.folder.write_text("summary.md", markdown(view))
    if settings.replay is None:
        _promote(settings, canonical, summary)
        _write_feedback(settings)
        conclusion = _with_history(conclusion, ledger, settings)
    return _with_report(conclusion, ledger, settings, summary, inventory)


def _with_report(
    conclusion: Conclusion,
    ledger: Ledger,
    settings: Settings,
    summary: dict[str, Any],
    inventory: dict[str, Any],
) -> Conclusion:
    """Write report.html, last of all; add where it is, or why it isn't, to the view."""
    files = list(conclusion.view.files)
    if settings.plot is None and not has_extra():
        files.append(("report", HOW_TO_GET))
        return replace(conclusion, view=replace(conclusion.view, files=tuple(files)))
    from pytest_llmbench.report.rundata import RunData

    path = ledger.folder.path / REPORT
    run = RunData(
        view=conclusion.view,
        summaries=tuple(one.job for one in conclusion.contenders),
        records=ledger.records(),
        results=ledger.folder.path / RESULTS,
        prompts=list(ledger.prompts.values()),
        inventory=inventory,
        options=ledger.options,
        comparability=[job["comparability"] for job in summary["job_summaries"]],
        sequential=conclusion.sequential,
        cold_start=settings.cold_start,
    )
    fault = try_report(run, settings.reports, path)
    files.append(("report", fault or settings.shown(path)))
    if settings.plot is not None:
        fault = try_plots(run, settings.plot)
        files.append(("curves", fault or settings.shown(settings.plot)))
    return replace(conclusion, view=replace(conclusion.view, files=tuple(files)))


def _with_history(
    conclusion: Conclusion, ledger: Ledger, settings: Settings
) -> Conclusion:
    """Store the run in the history if one is set; say so if it can't be.

    Its files are written: whatever reads the history later finds it there.
    """
    if ledger.resumed:
        mark_day(ledger.folder.path)
    if not settings.history:
        return conclusion
    from pytest_llmbench.runs.history import History

    try:
        with History.open(settings.history) as history:
            history.add_folder(ledger.folder.path)
    except UsageFault as fault:
        note = f"not stored in the history now, but by the next command: {fault}"
        view = replace(conclusion.view, notes=(*conclusion.view.notes, note))
        return replace(conclusion, view=view)
    return conclusion


def _job_view(one: Contender, ledger: Ledger, settings: Settings) -> JobView:
    job = one.job
    return job_view(
        job,
        one.decision,
        ledger.warmup(job.model, job.spec),
        calls_at_once=_calls_at_once(job.model, settings),
    )


def _calls_at_once(name: str, settings: Settings) -> int:
    """Return how many calls a model's addresses may have in flight together."""
    return sum(
        settings.concurrency_of(model) or 1  # the default of all that are spoken to
        for model in settings.models
        if str(model) == name
        for _address in settings.targets(model)
    )


def _terms(ledger: Ledger, settings: Settings) -> Mapping[str, Terms]:
    """Return what asking costs, of every model that the run knows of."""
    planned = (plan.model for plan in ledger.plans())
    warmed = (warmup.model for warmup in ledger.warmups)
    asked = (record.model for record in (*ledger.records(), *ledger.replaced))
    return terms_by_name(settings, (*planned, *warmed, *asked))


def _spending(
    ledger: Ledger,
    settings: Settings,
    jobs: Sequence[JobSummary],
    terms: Mapping[str, Terms],
) -> Spending:
    records = ledger.records()
    if settings.replay is not None:  # nothing was asked
        return spending(jobs, records, Spent(), terms, None)
    beside = (*ledger.warmups, *map(as_warmup, ledger.calibrations))
    spent = spent_on(records, ledger.replaced, beside, terms)
    return spending(jobs, records, spent, terms, settings.max_cost_usd)


def _comparability(
    job: JobSummary, ledger: Ledger, inventory: dict[str, Any]
) -> dict[str, Any]:
    """Return what must be known to compare this job with another (DESIGN §7)."""
    digests = [
        text.removeprefix("sha256:") for text in ledger.known(job.model, "digest")
    ]
    options = ledger.options.get(job.spec, {})
    gpus = inventory["snapshots"]["after"]["gpus"] or []
    beyond = {name: one.prompt_hash for name, one in job.beyond_context.items()}
    return {
        "prompts": dict(job.plan.prompt_hashes),
        **({"beyond_context": beyond} if beyond else {}),
        "model": job.model,
        "variant": job.variant,
        "options": {k: v for k, v in options.items() if k != "num_ctx"},
        "num_ctx": options.get("num_ctx"),
        "model_digest": ", ".join(digest[:12] for digest in digests),
        "quantization": ", ".join(ledger.known(job.model, "quantization")),
        "server_version": ", ".join(ledger.known(job.model, "server_version")),
        "cpu": inventory["host"]["cpu"],
        "gpu": [gpu["name"] for gpu in gpus],
    }


def _summary_json(
    ledger: Ledger, conclusion: Conclusion, settings: Settings
) -> dict[str, Any]:
    found = conclusion.contenders
    jobs = [one.job for one in found]
    warmups = [warmup.to_json() for warmup in ledger.warmups]
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": ledger.folder.run_id,
        "warmup_enabled": any(w["status"] != "skipped" for w in warmups),
        "warmup_result": warmups,
        "results": [
            {"spec": job.spec, "suite": job.suite, **run.to_json()}
            for job in jobs
            for run in job.runs
        ],
        "job_summaries": [
            {
                **one.job.to_json(),
                "role": one.role,
                "cold_start": settings.cold_start,
                "comparability": one.comparability,
            }
            for one in found
        ],
        "variance": variance_report(jobs),
        "policy_decisions": [
            one.decision.to_json() for one in found if one.decision is not None
        ],
        "spending": conclusion.spending.to_json(),
        "gate_is_met": conclusion.gate_is_met,
        "replay_of": ledger.replay_of,
        "resumed": _resumed(ledger),
        "sequential": conclusion.sequential,
        "notes": list(conclusion.view.notes),
    }


def _resumed(ledger: Ledger) -> dict[str, Any] | None:
    if not ledger.resumed:
        return None
    before = ledger.resumed[-1]["trials_before"]
    return {"times": len(ledger.resumed), "trials_before": before}


def _promote(settings: Settings, canonical: Canonical, summary: dict[str, Any]) -> None:
    """Write the entries of job_summaries that become canonical baselines."""
    entries = {(job["spec"], job["suite"]): job for job in summary["job_summaries"]}
    changed = {
        phase: {
            **entries[one.job.spec, one.job.suite],
            "run_id": summary["run_id"],
        }
        for phase, one in canonical.jobs.items()
    }
    if changed:
        update_canonical(settings.reports, changed)


def _write_feedback(settings: Settings) -> None:
    newest = islice(newest_summaries(settings.reports), _HISTORY_SUMMARIES)
    newest_first = [
        [run for job in summary_jobs(summary) for run in job_runs(job)]
        for summary in newest
    ]
    history = [run for runs in reversed(newest_first) for run in runs]
    write_feedback(settings.reports, harness_feedback(history, settings.routing))


def _gate_mode(gate: str) -> Any:  # noqa: ANN401 - read_gate has checked the word
    return gate


def _files(ledger: Ledger, settings: Settings) -> tuple[tuple[str, str], ...]:
    folder = settings.shown(ledger.folder.path)
    feedback = f"{settings.shown(settings.reports)}/harness_feedback.json"
    return (
        ("records", f"{folder}/{RESULTS}"),
        ("summary", f"{folder}/summary.json, summary.md"),
        *(() if ledger.replay_of else (("feedback", feedback),)),
    )


def _notes(ledger: Ledger) -> Iterator[str]:
    for warning in warnings(ledger.sighting):
        yield f"before the run: {warning}"
    warmups: Sequence[WarmupResult] = ledger.warmups
    for warmup in warmups:
        if warmup.status == "failed":
            yield f"warm-up of {warmup.model} failed: {warmup.detail}"
        if warmup.unloaded is False:
            before = f"before run {warmup.run} of '{warmup.spec}'"
            yield (
                f"{warmup.model} could not be unloaded {before}, which so began from"
                f" whatever state it was in: {warmup.unload_fault}"
            )
    yield from map(left_out_note, ledger.left_out)
    yield from _other_builds(ledger)
    yield from ledger.notes
    yield from _resumed_notes(ledger)
    if ledger.replay_of:
        yield (
            f"judged again from {ledger.replay_of}: nothing was asked, no baseline"
            " and no feedback was changed"
        )
    if ledger.changed_prompts:
        names = ", ".join(sorted(ledger.changed_prompts))
        yield f"the stored replies answer other versions of these prompts: {names}"
    if ledger.reruns:
        yield (
            f"{ledger.reruns} reruns of judged trials were left out: the first judged"
            " attempt of a trial counts"
        )


def _resumed_notes(ledger: Ledger) -> Iterator[str]:
    resumed = _resumed(ledger)
    if resumed is None:
        return
    before, trials = resumed["trials_before"], sum(p.trials for p in ledger.plans())
    if not ledger.has_news:
        yield f"{before} of {trials} trials were finished before; nothing was asked now"
        return
    yield (
        f"the run was interrupted and went on: {before} of {trials} trials were"
        " finished before and not asked again"
    )


def _other_builds(ledger: Ledger) -> Iterator[str]:
    """Say where servers have different files under one model name."""
    for model in dict.fromkeys(one["model"] for one in ledger.facts):
        digests = ledger.known(model, "digest")
        if len(digests) > 1:
            shown = ", ".join(digest.removeprefix("sha256:")[:12] for digest in digests)
            yield f"the servers have different builds of {model}: {shown}"
