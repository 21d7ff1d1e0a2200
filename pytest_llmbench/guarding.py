"""Before the first trial: is the server idle, is there room."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from pytest_llmbench.masking import masked_text
from pytest_llmbench.policy.guard import machine_of, sighting
from pytest_llmbench.report.guard import busy_fault, header_lines
from pytest_llmbench.retries import retry_delay_s
from pytest_llmbench.signals import heed_sigterm
from pytest_llmbench.units import Units, plain_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.request import Target
    from pytest_llmbench.errors import CallError
    from pytest_llmbench.policy.guard import Sighting
    from pytest_llmbench.prompts.spec import ModelName, Spec
    from pytest_llmbench.session import BenchSession


def look(
    engine: Engine, targets: Iterable[Target], snapshot: Mapping[str, Any]
) -> Sighting:
    """Ask every server once what it holds, and judge that and the machine.

    Args:
        snapshot: the machine's state, as `runs.inventory.snapshot` takes it.
    """
    machine = machine_of(snapshot, os.cpu_count())
    return sighting(machine, engine.occupancies(targets))


def guard_workers(
    session: BenchSession, nodeids: Iterable[str], *, is_seat_shared: bool
) -> str:
    """Look at the servers of these trials, once, and show what is seen.

    From here on the controller has a run to lose, so it heeds SIGTERM.

    Args:
        is_seat_shared: the workers reach the same servers as this process does, so
            that what can't be asked from here can't be asked at all.

    Returns:
        Why the run must not start, or an empty text.
    """
    if session.ledger.sighting is not None:
        return ""
    heed_sigterm(session.config)
    models = _models(session, nodeids)
    fault = ""
    if is_seat_shared:
        specs = session.settings.specs("")
        fault = preflight(session, [spec for spec in specs if spec.model in models])
    fault = fault or guard(session, models)
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not fault:
        reporter.ensure_newline()
        left_out = session.trials.left_out()
        for line in header_lines(session.ledger.sighting, left_out):
            reporter.write_line(masked_text(line))
    return fault


def preflight(session: BenchSession, specs: Sequence[Spec]) -> str:
    """Return why no model at all can be asked; empty if one can.

    A server that may be starting is tried as often as a trial would be.
    """
    faults = _model_faults(session, specs)
    for _ in range(max((spec.retries for spec in specs), default=0)):
        if not any(fault.is_retried for fault in faults):
            break
        time.sleep(retry_delay_s(session.config))
        faults = _model_faults(session, specs)
    for spec in [] if faults else specs:
        if len(session.settings.targets(spec.model)) > 1:
            session.trials.check(spec)  # the header names those that are not there
    return "\n".join(dict.fromkeys(map(str, faults)))


def _model_faults(session: BenchSession, specs: Sequence[Spec]) -> list[CallError]:
    """Return why each model can't be asked; nothing as soon as one can."""
    faults: list[CallError] = []
    for spec in specs:
        fault = session.trials.check(spec)
        if fault is None:
            return []
        faults.append(fault)
    return faults


def _models(session: BenchSession, nodeids: Iterable[str]) -> list[ModelName]:
    """Return the models that are asked: not those whose trials are all finished."""
    units, resumption = Units(session.settings), session.resumption
    finished = {one.trial_id for one in resumption.finished} if resumption else set()
    left = (nodeid for nodeid in nodeids if plain_id(nodeid) not in finished)
    models = dict.fromkeys(map(units.model_of, left))
    return [model for model in models if model is not None]


def guard(session: BenchSession, models: Iterable[ModelName]) -> str:
    """Note what is seen; return why the run must not start, or an empty text.

    A replay asks no server, so none is looked at.
    """
    settings, ledger = session.settings, session.ledger
    if ledger.before is None:
        return ""
    asked = () if settings.replay else models
    targets = [target for model in asked for target in settings.targets(model)]
    ledger.sighting = look(session.engine, dict.fromkeys(targets), ledger.before)
    return busy_fault(ledger.sighting) if settings.require_idle else ""
