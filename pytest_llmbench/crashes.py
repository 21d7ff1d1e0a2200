"""What becomes of the trial over which an xdist worker has died."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from pytest_llmbench.errors import LlmbenchError
from pytest_llmbench.runs.record import Fault
from pytest_llmbench.units import name_parts, plain_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from pytest_llmbench.plan import Trial
    from pytest_llmbench.session import BenchSession


def note_crash(
    session: BenchSession,
    report: pytest.TestReport,
    sched: Any,  # noqa: ANN401 - one of xdist's schedulers
) -> None:
    """Make xdist's report of a crash the error of its trial, with a record.

    A trial that was recorded before its worker died keeps that record. A worker that
    was interrupted has ended in order: nothing crashed.
    """
    worker = report.__dict__["node"]
    trial = _trial(session, plain_id(report.nodeid))
    if trial is None or hasattr(worker, "workeroutput"):
        return
    report.when = "setup"  # which makes it an error, never a failure of the model
    if session.ledger.has_record(trial.trial_id):
        return
    if not session.ledger.plans():
        collected = getattr(sched, "collection", None)  # not all of xdist's have it
        session.note_plan(_planned(session, collected or [report.nodeid]))
    name = worker.gateway.id
    message = f"worker {name} died during this trial: killed, out of memory or crashed"
    fault = Fault(kind="worker_crashed", message=message)
    record = session.trials.record(trial, "error", fault=fault)
    report.longrepr = message
    file, _, title = trial.trial_id.partition("::")
    report.location = (file, trial.prompt.line - 1, title)
    report.__dict__["llmbench_status"] = "error"
    report.__dict__["llmbench_gives_way"] = True
    report.__dict__["llmbench_crashed"] = True
    report.__dict__["llmbench"] = session.payload(replace(record, worker=name))


def _trial(session: BenchSession, trial_id: str) -> Trial | None:
    """Find the trial of an id in its suite file."""
    trials = _planned(session, [trial_id])
    return trials[0] if trials else None


def _planned(session: BenchSession, nodeids: Iterable[str]) -> list[Trial]:
    """Return the trials among the tests that the workers have collected.

    The controller collects nothing itself, and a worker sends the plan with its
    first report, to which it may not have come. Suites that can't be read any more
    are left out.
    """
    wanted = dict.fromkeys(plain_id(nodeid) for nodeid in nodeids if name_parts(nodeid))
    trials: list[Trial] = []
    for file in dict.fromkeys(nodeid.partition("::")[0] for nodeid in wanted):
        try:
            suite = session.plan_suite(session.settings.root / file, file)
        except (LlmbenchError, OSError):
            continue
        trials.extend(trial for trial in suite if trial.trial_id in wanted)
    return trials
