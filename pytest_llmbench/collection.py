"""From collected items to the plan of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmbench.bars import bars
from pytest_llmbench.guarding import guard, preflight
from pytest_llmbench.items import PromptItem
from pytest_llmbench.masking import masked_text
from pytest_llmbench.report.guard import header_lines
from pytest_llmbench.report.numbers import counted
from pytest_llmbench.retries import retry_lines
from pytest_llmbench.signals import heed_sigterm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_llmbench.plan import Trial
    from pytest_llmbench.session import BenchSession
    from pytest_llmbench.settings import Settings

    _Rank = Callable[[Trial], tuple[int, ...]]


def arrange(items: list[pytest.Item], settings: Settings) -> None:
    """Order trials model by model and, within a model, by their prompts' lengths.

    Another length takes another context, for which the model is loaded anew. Where
    specs are the axis, each length is measured run by run: each run begins with the
    spec behind the one that the last began with, so that neither drift nor place
    favours any. Where something is done once a run is over, runs come before lengths:
    `--runs auto` looks at whole runs, `--cold-start run` unloads before each of them.

    Sorting is stable: of one length, suite files keep their order, and within a suite,
    runs and prompts theirs. Other items keep their places.
    """
    places = [i for i, item in enumerate(items) if isinstance(item, PromptItem)]
    trials = [item for item in items if isinstance(item, PromptItem)]
    if settings.axis:
        rank = _turns(settings)
    else:
        rank = _models([item.trial for item in trials], settings)
    trials.sort(key=lambda item: rank(item.trial))
    for place, item in zip(places, trials, strict=True):
        items[place] = item


def _models(trials: Sequence[Trial], settings: Settings) -> _Rank:
    """Rank trials by their models, in order of appearance, and their lengths."""
    names = dict.fromkeys(trial.job.model for trial in trials)
    models = {name: rank for rank, name in enumerate(names)}
    jobs = {job: rank for rank, job in enumerate(dict.fromkeys(t.job for t in trials))}

    def turn(trial: Trial) -> tuple[int, ...]:
        model, tokens = models[trial.job.model], trial.prompt.tokens
        if settings.cold_start == "run":
            return model, jobs[trial.job], trial.run, tokens
        return model, tokens

    return turn


def _turns(settings: Settings) -> _Rank:
    """Rank trials by the turns of length, run, phase and spec."""
    axis = settings.axis
    places = {
        str(spec): (rank, place, len(specs))
        for rank, specs in enumerate(map(axis.specs, axis.phases))
        for place, spec in enumerate(specs)
    }

    def turn(trial: Trial) -> tuple[int, ...]:
        rank, place, count = places[trial.job.spec_text]
        spec = (rank, (place - trial.run + 1) % count)
        if settings.cold_start == "run":  # all of a spec's run, behind one unloading
            return trial.run, *spec, trial.prompt.tokens
        if settings.runs_auto:
            return trial.run, trial.prompt.tokens, *spec
        return trial.prompt.tokens, trial.run, *spec

    return turn


def refuse(session: BenchSession, items: list[pytest.Item], fault: str) -> None:
    """Stop before the first trial because of the user's input.

    A worker can only tell its controller, as an error of collection.

    Raises:
        pytest.UsageError: in any process but an xdist worker.
    """
    if not session.is_worker:
        raise pytest.UsageError(fault)
    items.clear()
    report = pytest.CollectReport("llmbench", "failed", longrepr=fault, result=[])
    session.config.hook.pytest_collectreport(report=report)


def start(session: BenchSession, items: list[pytest.Item]) -> str:
    """Note the plan; return why nothing can be asked, or an empty text.

    Raises:
        pytest.UsageError: the run to finish can't go on with this plan.
    """
    found = [item for item in items if isinstance(item, PromptItem)]
    if found and not session.config.option.collectonly:
        heed_sigterm(session.config)
    left = [item for item in found if session.finished(item.trial) is None]
    for position, item in enumerate(left):
        item.position = position
    trials = [item.trial for item in left]
    units = session.units if session.is_worker else None
    session.plan(trials, bars(left, units))
    session.note_plan([item.trial for item in found])
    changed = _resume_fault(session, trials) if found else ""
    if changed:
        refuse(session, items, changed)
    if session.config.option.collectonly or session.is_worker or not trials:
        return ""
    specs = list(dict.fromkeys(trial.spec for trial in trials))
    models = dict.fromkeys(spec.model for spec in specs)
    return preflight(session, specs) or guard(session, models)


def _resume_fault(session: BenchSession, left: Sequence[Trial]) -> str:
    """Return why the run can't go on with this plan; empty if it can.

    Args:
        left: the trials that are not finished.
    """
    if session.resumption is None:
        return ""
    plans, options = session.ledger.plans(), session.ledger.options
    fault = session.resumption.plan_fault(plans, options)
    if fault or session.config.option.collectonly:
        return fault
    for job in {trial.job.model: trial.job for trial in left}.values():
        facts = session.trials.facts(job.spec)
        fault = fault or session.resumption.model_fault(job.model, facts)
    return fault


def plan_lines(session: BenchSession, items: Sequence[pytest.Item]) -> list[str]:
    """Return the lines that say what will be run, and where it is written."""
    trials = _trials(items)
    if not trials:
        return []
    axis = session.settings.axis
    specs = {str(trial.spec) for trial in trials}
    prompts = {(trial.suite.name, trial.prompt.id) for trial in trials}
    runs = {trial.run for trial in trials}
    counts = ", ".join((
        counted(len(specs), "spec"),
        counted(len(prompts), "prompt"),
        counted(len(runs), "run"),
    ))
    warm = "by spec" if axis else "on" if session.settings.warm_up else "off"
    line = f"llmbench: {counts} = {counted(len(trials), 'trial')}; warm-up {warm}"
    retries = () if session.settings.replay else {t.spec.retries for t in trials}
    lines = [
        line,
        *_axis_lines(session),
        *_resumed_lines(session, len(trials)),
        *retry_lines(session.config, retries),
        f"llmbench: records go to {session.settings.shown(session.folder.path)}",
        *header_lines(session.ledger.sighting, session.trials.left_out()),
    ]
    return [masked_text(line) for line in lines]


def _axis_lines(session: BenchSession) -> list[str]:
    """Say what is held against what, and which suites have no candidate."""
    settings = session.settings
    axis = settings.axis
    lines = [f"llmbench: baseline {spec}" for spec in axis.baselines]
    lines += [f"llmbench: candidate {spec}" for spec in axis.candidates]
    for suite in session.suites if axis else ():
        if suite.phase not in axis.phases:
            phase = f"no candidate is of phase {suite.phase}"
            lines.append(f"llmbench: suite {suite.name} is not run: {phase}")
    if settings.cold_start != "never":
        when = {"spec": "each spec's first run", "run": "each run of each spec"}
        told = f"before {when[settings.cold_start]}"
        lines.append(f"llmbench: local models are unloaded {told}")
    return lines


def _resumed_lines(session: BenchSession, trials: int) -> list[str]:
    if session.resumption is None:
        return []
    run, finished = session.resumption.run, session.resumption.finished_trials
    if run.is_complete():
        return [f"llmbench: run {run.run_id} is complete; nothing is asked"]
    told = f"{finished} of {counted(trials, 'trial')} are finished and not asked again"
    return [f"llmbench: run {run.run_id} goes on: {told}"]


def _trials(items: Sequence[pytest.Item]) -> list[Trial]:
    return [item.trial for item in items if isinstance(item, PromptItem)]
