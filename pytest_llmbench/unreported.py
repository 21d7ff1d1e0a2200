"""What xdist's workers still had to tell when the run was interrupted."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from pytest_llmbench.session import BenchSession


def end_workers(session: BenchSession) -> None:
    """End the workers of an interrupted run; take what they had finished.

    xdist does so too, but only once the session is over: their last reports, and
    what they had answered ahead of pytest, would come too late for the summary.
    Another interrupt ends the waiting, which xdist limits to ten seconds.
    """
    dsession = session.config.pluginmanager.get_plugin("dsession")
    nodes = getattr(dsession, "nodemanager", None)
    if nodes is None:
        return
    with suppress(KeyboardInterrupt):
        nodes.teardown_nodes()
    for name, told in _left(dsession):
        if name == "testreport":
            report: pytest.TestReport = told["rep"]
            report.__dict__["node"] = told["node"]
            session.config.hook.pytest_runtest_logreport(report=report)
        elif name == "workerfinished":
            session.take_unreported(told["node"].workeroutput)


def _left(dsession: Any) -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: ANN401 - xdist's class
    """Yield the workers' events that xdist has not come to."""
    with suppress(Empty):
        while True:
            yield dsession.queue.get_nowait()
