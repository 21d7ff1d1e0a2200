"""How xdist shares trials out: each model's on one worker. Needs xdist."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from typing_extensions import override
from xdist.scheduler import LoadGroupScheduling

from pytest_llmbench.guarding import guard
from pytest_llmbench.report.guard import header_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_llmbench.session import BenchSession

_MARK = ".bench.y"


@final
class ModelScheduling(LoadGroupScheduling):  # type: ignore[misc] # xdist is untyped
    """xdist's `loadgroup`, with the model as the group of every trial.

    Two workers that ask one local model at once would measure each other. The
    group is read from the trial's own id and not from an `xdist_group` mark:
    xdist 3.8 hands marks over in a private attribute that pytest 9.2 has not.
    """

    @override
    def _split_scope(self, nodeid: str) -> str:
        """Return what is kept together: a trial's suite-independent model."""
        return trial_group(nodeid) or str(super()._split_scope(nodeid))


def guard_workers(session: BenchSession, nodeids: Iterable[str]) -> str:
    """Look at the servers of these trials, once, and show what is seen.

    Returns:
        Why the run must not start, or an empty text.
    """
    if session.ledger.sighting is not None:
        return ""
    groups = {trial_group(nodeid) for nodeid in nodeids}
    models = [model for model in session.settings.models if str(model) in groups]
    fault = guard(session, models)
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not fault:
        reporter.ensure_newline()
        for line in header_lines(session.ledger.sighting):
            reporter.write_line(line)
    return fault


def trial_group(nodeid: str) -> str:
    """Return the model of a trial's node id; empty for any other test.

    >>> trial_group("suites/a.bench.yaml::P6[hf.co/x/y:q4-native_api-run3]")
    'hf.co/x/y:q4'
    >>> trial_group("tests/test_a.py::test_b[native_api-run3]")
    ''
    """
    file, _, name = nodeid.partition("::")
    if _MARK not in file:
        return ""
    inside = name.partition("[")[2]
    return inside.rpartition("-run")[0].rpartition("-")[0]
