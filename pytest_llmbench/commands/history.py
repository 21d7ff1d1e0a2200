"""`llmbench history`: what is stored of a spec, and whether it drifts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.commands.stores import insist_on_reports, open_history
from pytest_llmbench.errors import SpecError, UsageFault

if TYPE_CHECKING:
    import argparse

    from pytest_llmbench.analysis.trend import Trend
    from pytest_llmbench.runs.history import History

SCHEMA_VERSION: Final = 1


def add_history(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "history",
        help="list the stored specs, or follow one over time",
        description="Without a spec: what the history holds. With one: its runs over"
        " time, and whether accuracy, variance or latency drift. Status: 0 good,"
        " 1 the spec drifts to the worse, 2 usage.",
    )
    parser.add_argument("spec", nargs="?", metavar="SPEC", help="the spec to follow")
    parser.add_argument("--reports", default="reports", metavar="DIR")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--export",
        action="store_true",
        help="write the loops' cycles into meta_loop_history.json",
    )
    parser.set_defaults(run=run_history)


def run_history(arguments: argparse.Namespace) -> int:
    """Show the history; return 0, 1 if a spec drifts to the worse, 2 on bad usage."""
    try:
        insist_on_reports(Path(arguments.reports))
        with open_history(arguments) as history:
            return _show(history, arguments)
    except UsageFault as fault:
        sys.stderr.write(f"llmbench: history: {fault}\n")
        return 2


def _show(history: History, arguments: argparse.Namespace) -> int:
    if arguments.export:
        path = history.export(Path(arguments.reports))
        sys.stderr.write(f"wrote {path}\n")
    if arguments.spec:
        return _show_trends(history, arguments)
    specs = history.specs()
    counts = history.run_count(), len(history.cycles())
    if arguments.json:
        runs, cycles = counts
        data = {"database": history.shown, "runs": runs, "cycles": cycles}
        _say(_json({**data, "specs": specs}))
        return 0
    from pytest_llmbench.report.trend import history_lines

    _say("\n".join(history_lines(history.shown, counts, specs)))
    return 0


def _show_trends(history: History, arguments: argparse.Namespace) -> int:
    from pytest_llmbench.report.trend import trend_lines

    found = _trends(history, arguments.spec)
    if arguments.json:
        _say(_json({"trends": [trend.to_json() for trend in found]}))
    else:
        _say("\n\n".join("\n".join(trend_lines(trend)) for trend in found))
    return int(any(trend.is_worse for trend in found))


def _trends(history: History, text: str) -> tuple[Trend, ...]:
    """Return the trends of a spec in any spelling.

    Raises:
        UsageFault: it is no spec, or none of its runs is stored.
    """
    from pytest_llmbench.analysis.trend import trends
    from pytest_llmbench.prompts.spec import parse_spec
    from pytest_llmbench.prompts.wording import closest

    jobs = history.jobs_of_spec(text)  # as it is listed: an alias is known to settings
    if not jobs:
        try:
            text = str(parse_spec(text))
        except SpecError as error:
            msg = f"{text!r} is no stored spec and can't be read as one: {error}"
            raise UsageFault(msg) from None
        jobs = history.jobs_of_spec(text)
    if jobs:
        return trends(jobs)
    near = closest(text, (each["spec"] for each in history.specs()))
    hint = f"; did you mean {near!r}?" if near else ""
    msg = f"no stored run of the spec {text!r} in {history.shown}{hint}"
    raise UsageFault(msg)


def _json(data: dict[str, Any]) -> str:
    return json.dumps({"schema_version": SCHEMA_VERSION, **data}, indent=2)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
