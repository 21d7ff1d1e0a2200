"""From trials to pytest's reports, and from the conclusion to its summary."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final, Literal

import pytest

from pytest_llmbench.items import PromptItem
from pytest_llmbench.masking import masked_text
from pytest_llmbench.report.junit import suite_properties, trial_properties
from pytest_llmbench.report.lines import WIDTH
from pytest_llmbench.report.numbers import seconds
from pytest_llmbench.report.terminal import terminal_lines
from pytest_llmbench.unreported import end_workers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.conclusion import Conclusion
    from pytest_llmbench.runs.record import Record
    from pytest_llmbench.session import BenchSession

Status = tuple[str, str, tuple[str, dict[str, bool]]]

_STATUS: Final = {
    "pass": ("passed", ".", "PASSED", "green"),
    "fail": ("failed", "F", "FAILED", "red"),
    "timeout": ("failed", "T", "TIMEOUT", "red"),
    "error": ("error", "E", "ERROR", "red"),
    "skipped": ("skipped", "s", "SKIPPED", "yellow"),
}
"""Outcome to pytest's category, letter, word and colour."""

_ENDED: Final = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
"""Exit codes with which pytest has run to its end, or as far as `-x` lets it."""


def attach_record(
    session: BenchSession,
    item: pytest.Item,
    call: pytest.CallInfo[None],
    report: pytest.TestReport,
) -> None:
    """Put the finished trial's record, properties and times on its report."""
    if not isinstance(item, PromptItem):
        return
    if report.passed:
        report.__dict__["llmbench"] = ""
    if report.when == "setup" and call.excinfo is not None:
        item.note_setup(call.excinfo)
    elif report.when != "call":
        _leave_time_to_call(session.config, report)
        if report.when == "teardown":
            item.forget()
            session.trials.hand_over()
        return
    record = item.complete_record()
    if record is None:
        return
    item.user_properties.extend(trial_properties(record))
    _describe(record, report)
    report.__dict__["llmbench"] = session.payload(record, is_to_retry=item.is_to_retry)
    report.__dict__.update(_GIVES_WAY if item.gives_way else {})


_GIVES_WAY: Final = {"llmbench_gives_way": True}


def _describe(record: Record, report: pytest.TestReport) -> None:
    if record.timings.e2e_ms is not None:
        report.duration = record.timings.e2e_ms / 1e3
    if not hasattr(report, "wasxfail"):
        shown = seconds(record.timings.e2e_ms)
        report.__dict__["llmbench_status"] = f"{record.outcome} {shown}".strip()


def follow_rerun(session: BenchSession, report: pytest.TestReport) -> None:
    """Leave an attempt that is run again out of JUnit XML.

    pytest would write one more testcase for it, without any result, which reads
    as a pass. It is still open when the attempt's teardown is told. Old versions of
    pytest-rerunfailures don't tell that: there the next attempt goes on in it.
    """
    ids = session.rerun_ids
    if str(report.outcome) == "rerun" and hasattr(report, "llmbench"):
        ids.add(report.nodeid)
    elif report.when == "setup":
        ids.discard(report.nodeid)
    # Of an attempt over which a worker died no teardown is told.
    is_end = report.when == "teardown" or hasattr(report, "llmbench_crashed")
    if is_end and report.nodeid in ids:
        ids.remove(report.nodeid)
        for plugin in session.config.pluginmanager.get_plugins():
            if hasattr(plugin, "node_reporters_ordered"):
                plugin.node_reporters_ordered.remove(plugin.node_reporter(report))


def _leave_time_to_call(config: pytest.Config, report: pytest.TestReport) -> None:
    """Keep a testcase's JUnit time to the trial's E2E seconds.

    JUnit adds up setup, call and teardown; the call carries E2E already, and
    set-up holds warm-up and the waiting itself.
    """
    if config.getoption("xmlpath", None):
        report.duration = 0.0


def lighten(report: pytest.TestReport) -> None:
    """Drop what nobody reads of a report once it is logged; pytest keeps them all.

    A worker's report brings its whole record along; the ledger has it now.
    """
    report.__dict__["llmbench"] = ""
    if report.passed:
        report.keywords = _NO_KEYWORDS


_NO_KEYWORDS: Final[Mapping[str, Literal[1]]] = {}


def status_of(report: pytest.TestReport) -> Status:
    """Return category, letter and word of a trial's report."""
    outcome, _, shown = str(report.__dict__["llmbench_status"]).partition(" ")
    category, letter, word, colour = _STATUS[outcome]
    return category, letter, (f"{word} {shown}".strip(), {colour: True})


def finish(session: BenchSession, pytest_session: pytest.Session) -> None:
    """Conclude the run; a gate that is asked for decides the exit status."""
    try:
        if pytest_session.exitstatus not in _ENDED:
            end_workers(session)
        session.stop_asking()
        conclusion = session.conclude()
    finally:
        session.close()
    if session.is_worker:
        return
    _decide_exit(session, conclusion, pytest_session)
    if conclusion is not None:
        _tell_junit(session.config, conclusion)


def _decide_exit(
    session: BenchSession,
    conclusion: Conclusion | None,
    pytest_session: pytest.Session,
) -> None:
    """Follow the gate where pytest has run to its end; its other codes stay."""
    gate_is_met = conclusion.gate_is_met if conclusion else False
    if session.settings.gate == "none" or pytest_session.exitstatus not in _ENDED:
        return
    if session.config.option.collectonly:
        return
    good = gate_is_met and not session.ledger.foreign_failures
    pytest_session.exitstatus = (
        pytest.ExitCode.OK if good else pytest.ExitCode.TESTS_FAILED
    )


def _tell_junit(config: pytest.Config, conclusion: Conclusion) -> None:
    """Add the patterns and decisions to the testsuite's properties."""
    for plugin in config.pluginmanager.get_plugins():
        add = getattr(plugin, "add_global_property", None)
        if add is not None:
            for name, value in suite_properties(conclusion.view):
                add(name, masked_text(value))


def print_summary(conclusion: Conclusion, reporter: pytest.TerminalReporter) -> None:
    """Write the summary's lines; colour only where the terminal has it."""
    reporter.section("llmbench")
    columns = shutil.get_terminal_size(fallback=(WIDTH, 24)).columns
    for line in terminal_lines(conclusion.view, columns):
        reporter.write_line(
            masked_text(line.text), **{line.colour: True} if line.colour else {}
        )
