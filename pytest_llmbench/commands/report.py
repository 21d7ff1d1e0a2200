"""`llmbench report`: the page of stored runs, or their text for a pull request."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_llmbench.commands.stored_results import run_folder
from pytest_llmbench.commands.stored_run import stored_run
from pytest_llmbench.commands.stores import open_history
from pytest_llmbench.errors import UsageFault
from pytest_llmbench.masking import masked_text
from pytest_llmbench.report.markdown import COMMENT_CHARACTERS, pr_comment
from pytest_llmbench.report.past import past_of_jobs, past_of_summaries
from pytest_llmbench.report.saved import HOW_TO_GET, REPORT, has_extra, write_report
from pytest_llmbench.runs.stored import run_folders

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pytest_llmbench.analysis.trend import Trend
    from pytest_llmbench.report.rundata import RunData

_MIN_CHARACTERS: Final = 500


def add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "report",
        help="write the HTML page of one or more stored runs",
        description="Write the page of stored runs (several side by side), or print"
        " their text for a pull request. Status: 0 good, 2 usage.",
    )
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="a run id or a run's folder (default: the newest run)",
    )
    parser.add_argument("--reports", default="reports", metavar="DIR")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help=f"where the page goes (default: {REPORT} in the run's folder, of several"
        " runs in the folder of all reports)",
    )
    parser.add_argument(
        "--plot", metavar="DIR", help="write the curves as SVG and PNG instead"
    )
    parser.add_argument(
        "--pr-comment",
        action="store_true",
        help="print Markdown for a pull request instead",
    )
    parser.add_argument(
        "--max-chars",
        default=COMMENT_CHARACTERS,
        type=int,
        metavar="N",
        help=f"cut that by whole sections (default: {COMMENT_CHARACTERS}, GitHub's"
        " limit)",
    )
    parser.set_defaults(run=run_report)


def run_report(arguments: argparse.Namespace) -> int:
    """Write or print; return 0, or 2 on a usage error."""
    reports = Path(arguments.reports)
    try:
        _check(arguments)
        folders = _folders(reports, arguments.runs)
        runs = [stored_run(folder) for folder in folders]
        lines = _result(arguments, reports, folders, runs)
    except UsageFault as fault:
        sys.stderr.write(f"llmbench: report: {fault}\n")
        return 2
    for line in lines:
        sys.stdout.write(f"{line}\n")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Refuse options that don't go together.

    Raises:
        UsageFault: says what to give instead.
    """
    if arguments.max_chars < _MIN_CHARACTERS:
        msg = (
            f"--max-chars is {arguments.max_chars}; it takes {_MIN_CHARACTERS} or more"
        )
        raise UsageFault(msg)
    given = {
        "--pr-comment": arguments.pr_comment,
        "--plot": arguments.plot,
        "--out": arguments.out,
    }
    together = [name for name, value in given.items() if value]
    if len(together) > 1:
        msg = f"{' and '.join(together)} don't go together; give one of them"
        raise UsageFault(msg)
    if not together and not has_extra():
        msg = f"the extra `report` is not installed: {HOW_TO_GET}"
        raise UsageFault(msg)


def _result(
    arguments: argparse.Namespace,
    reports: Path,
    folders: Sequence[Path],
    runs: Sequence[RunData],
) -> list[str]:
    """Do what is asked; return what to print."""
    if arguments.pr_comment:
        text = pr_comment([run.view for run in runs], arguments.max_chars)
        return [masked_text(text).rstrip("\n")]
    try:
        if arguments.plot:
            from pytest_llmbench.report.plots import write_plots

            return [str(path) for path in write_plots(runs, Path(arguments.plot))]
        path = _path(arguments.out, reports, folders)
        write_report(runs, _past(arguments, runs), path)
    except OSError as error:
        msg = f"{error.filename}: {error.strerror}"
        raise UsageFault(msg) from None
    return [f"wrote {path}"]


def _past(
    arguments: argparse.Namespace, runs: Sequence[RunData]
) -> dict[tuple[str, str], Trend]:
    """Return the trends of the runs' specs from the history.

    A page is made without it, too: from the newest run folders, with one line that
    says why.
    """
    specs = dict.fromkeys(one.spec for run in runs for one in run.summaries)
    reports = Path(arguments.reports)
    if not reports.is_dir():  # runs by their folders, from elsewhere
        return {}
    try:
        with open_history(arguments) as history:
            return past_of_jobs([history.jobs_of_spec(spec) for spec in specs])
    except UsageFault as fault:
        told = f"the past is told by the newest run folders only: {fault}"
        sys.stderr.write(f"llmbench: report: {told}\n")
        return past_of_summaries(reports)


def _path(out: str | None, reports: Path, folders: Sequence[Path]) -> Path:
    if out:
        path = Path(out)
        return path / REPORT if path.is_dir() else path
    return (folders[0] if len(folders) == 1 else reports) / REPORT


def _folders(reports: Path, words: Sequence[str]) -> list[Path]:
    """Return the folders of the named runs, or of the newest.

    Raises:
        UsageFault: one is not there.
    """
    if words:
        folders = [run_folder(reports, word) for word in words]
        return list(dict.fromkeys(folders))
    newest = next((f for f in run_folders(reports) if f.is_dir()), None)
    if newest is None:
        msg = f"there is no run in {reports}; name its folder with --reports"
        raise UsageFault(msg)
    return [newest]
