"""The pytest hooks; each forwards in a few lines.

Nothing heavy is imported before a suite is collected: a plain `pytest` in a
project without suites pays for option parsing only. PYTEST_DONT_REWRITE: there is
no assert in here.
"""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmbench.exits import ExitHooks
from pytest_llmbench.options import add_options, is_any_given

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from pytest_llmbench.calls.request import WarmupResult
    from pytest_llmbench.items import SuiteFile
    from pytest_llmbench.plan import Trial
    from pytest_llmbench.session import BenchSession

SUFFIXES = (".bench.yaml", ".bench.yml")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare our options and their ini twins."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks that add variants and checks."""
    from pytest_llmbench import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Check given options at once; register the rest of the hooks."""
    if is_any_given(config):
        _checked(config)
    config.pluginmanager.register(BenchHooks(config), "llmbench-hooks")
    config.pluginmanager.register(ExitHooks(config), "llmbench-exits")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SuiteFile | None:
    """Collect `*.bench.yaml` and `*.bench.yml`."""
    if not file_path.name.endswith(SUFFIXES):
        return None
    from pytest_llmbench.items import SuiteFile

    suite: SuiteFile = SuiteFile.from_parent(parent, path=file_path)
    return suite


@pytest.fixture(scope="session")
def llmbench_warmup(
    pytestconfig: pytest.Config,
) -> Callable[[Trial], WarmupResult | None]:
    """Warm each model before its first trial; called once per trial.

    Override it to bring models into memory your own way.
    """
    from pytest_llmbench.session import session_of

    return session_of(pytestconfig).trials.prepare


def _is_trial(nodeid: str) -> bool:
    return nodeid.partition("::")[0].endswith(SUFFIXES)


def _is_bench_project(config: pytest.Config) -> bool:
    root = config.rootpath
    if is_any_given(config) or (root / "llmbench.toml").is_file():
        return True
    project = root / "pyproject.toml"
    return project.is_file() and "[tool.llmbench" in project.read_text("utf-8")


def _is_rerun(report: pytest.TestReport) -> bool:
    """Whether pytest-rerunfailures runs this trial again; it has set its own word."""
    return str(report.outcome) == "rerun"


def _checked(config: pytest.Config) -> BenchSession:
    from pytest_llmbench.errors import UsageFault
    from pytest_llmbench.session import session_of

    try:
        return session_of(config)
    except UsageFault as error:
        raise pytest.UsageError(str(error)) from None


class BenchHooks:
    """The hooks that need the session's state; idle where there is no bench work."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._token = secrets.token_hex(8)

    @property
    def _session(self) -> BenchSession | None:
        module = sys.modules.get("pytest_llmbench.session")
        return module.active_session(self._config) if module else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Stop on wrong input; bring trials into their order."""
        if self._session is not None:
            from pytest_llmbench.collection import arrange, refuse

            fault = self._session.check_collection()
            if fault:
                refuse(self._session, items, fault)
            arrange(items, self._session.settings)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the plan; stop before the first trial if no model can be asked."""
        if self._session is not None:
            from pytest_llmbench.collection import start

            fault = start(self._session, session.items)
            if fault:
                raise pytest.UsageError(fault)

    def pytest_report_collectionfinish(self, items: list[pytest.Item]) -> list[str]:
        """Say what will be run."""
        if self._session is None:
            return []
        from pytest_llmbench.collection import plan_lines

        return plan_lines(self._session, items)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the trial's record to its report."""
        report = yield
        if self._session is not None:
            from pytest_llmbench.reporting import attach_record

            attach_record(self._session, item, call, report)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None]:
        """Store the record first of all, in the controller only."""
        payload = getattr(report, "llmbench", None)
        if hasattr(self._config, "workerinput"):
            yield
            return
        if payload:
            gives_way = _is_rerun(report) and hasattr(report, "llmbench_gives_way")
            _checked(self._config).take(payload, is_replaced=gives_way)
        elif report.failed and payload is None and self._session is not None:
            self._session.ledger.foreign_failures += 1
        if self._session is not None and (_is_rerun(report) or self._session.rerun_ids):
            from pytest_llmbench.reporting import follow_rerun

            follow_rerun(self._session, report)
        yield
        if payload is not None:
            from pytest_llmbench.reporting import lighten

            lighten(report)

    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """Show outcome and latency of a trial."""
        if not hasattr(report, "llmbench_status") or _is_rerun(report):
            return None
        from pytest_llmbench.reporting import status_of

        return status_of(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Summarise, decide, write, and set the exit status."""
        if self._session is not None:
            from pytest_llmbench.reporting import finish

            finish(self._session, session)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> Generator[None]:
        """Print the summary last, below pytest's own, where it is read first."""
        yield
        if self._session is not None and self._session.conclusion is not None:
            from pytest_llmbench.reporting import print_summary

            print_summary(self._session.conclusion, terminalreporter)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # noqa: ANN401 - xdist's class
        """Give each worker the run's id, and what the workers share."""
        if _is_bench_project(self._config):
            from pytest_llmbench.session import readable_settings
            from pytest_llmbench.workplace import tell_worker

            run_id = self._session.folder.run_id if self._session else ""
            settings = readable_settings(self._config)
            tell_worker(node, run_id=run_id, token=self._token, settings=settings)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401 - xdist's class
        """Take what a worker had answered and not reported."""
        output = getattr(node, "workeroutput", None)
        if output and self._session is not None:
            self._session.take_unreported(output)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:  # noqa: ANN401 - xdist's class
        """Look at servers and machine for the workers; stop as one process would."""
        if any(map(_is_trial, ids)):
            from pytest_llmbench.guarding import guard_workers
            from pytest_llmbench.workplace import is_seat_shared

            shared = is_seat_shared(node)
            fault = guard_workers(_checked(self._config), ids, is_seat_shared=shared)
            if fault:
                raise pytest.UsageError(fault)

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:  # noqa: ANN401 - xdist's classes
        """Keep together what must run on one worker, unless each runs all."""
        if config.getoption("dist") == "each" or not _is_bench_project(config):
            return None
        from pytest_llmbench.distribution import new_scheduler

        return new_scheduler(config, log)

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(
        self,
        crashitem: str,
        report: pytest.TestReport,
        sched: Any,  # noqa: ANN401 - xdist's class
    ) -> None:
        """Record the trial that a worker died over."""
        if _is_trial(crashitem):
            from pytest_llmbench.crashes import note_crash

            note_crash(_checked(self._config), report, sched)
