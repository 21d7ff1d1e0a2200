"""`llmbench feedback`: what the last runs say, and where to send work."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.commands.stored_evidence import evidence_of, stored_runs
from pytest_llmbench.commands.stored_results import run_summary
from pytest_llmbench.errors import UsageFault
from pytest_llmbench.masking import masked_json, masked_text
from pytest_llmbench.policy.feedback import harness_feedback
from pytest_llmbench.policy.window import summary_jobs
from pytest_llmbench.report.compact import DEFAULT_BUDGET_TOKENS, compact
from pytest_llmbench.report.feedback import feedback_lines
from pytest_llmbench.runs.stored import SCHEMA_VERSION, newest_summaries, write_feedback

if TYPE_CHECKING:
    import argparse

    from pytest_llmbench.policy.routing_rules import RoutingRules

_LEAST_TOKENS: Final = 100


def add_feedback(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "feedback",
        help="say what the last runs show of each model and phase",
        description="Look at the last 8 runs of each model and phase, say which"
        " prompts keep failing and why, and where to send work; write"
        " harness_feedback.json. Status: 0 done, 2 usage.",
    )
    parser.add_argument("--reports", default="reports", metavar="DIR")
    parser.add_argument(
        "--run",
        dest="run_id",
        default="",
        metavar="RUN_ID",
        help="look at this run alone, and write nothing",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument(
        "--compact",
        action="store_true",
        help="print decisions, advice and hot failures for a language model",
    )
    parser.add_argument(
        "--budget",
        type=int,
        metavar="TOKENS",
        help=f"what --compact may take (default: {DEFAULT_BUDGET_TOKENS})",
    )
    parser.set_defaults(run=run_feedback)


def run_feedback(arguments: argparse.Namespace) -> int:
    """Print the feedback and store it; return 0, or 2 on a usage error."""
    try:
        text = _feedback(arguments)
    except UsageFault as fault:
        sys.stderr.write(f"llmbench: feedback: {fault}\n")
        return 2
    sys.stdout.write(masked_text(text) + "\n")
    return 0


def _feedback(arguments: argparse.Namespace) -> str:
    from pytest_llmbench.settings import read_routing
    from pytest_llmbench.settings_file import project_root

    budget_tokens = _budget(arguments)
    rules, _ = read_routing(project_root(Path.cwd()))
    reports = Path(arguments.reports)
    if arguments.run_id:
        summary = run_summary(reports, arguments.run_id)
        feedback = harness_feedback(evidence_of(summary_jobs(summary)), rules)
    else:
        summary = None
        feedback = harness_feedback(stored_runs(arguments), rules)
        if feedback["recommendations"]:
            write_feedback(reports, feedback)
    if arguments.compact:
        newest = summary or next(newest_summaries(reports), None)
        return _compact(feedback, newest, rules, budget_tokens)
    if arguments.json:
        return masked_json({"schema_version": SCHEMA_VERSION, **feedback}, indent=2)
    return "\n".join(feedback_lines(feedback, _width()))


def _budget(arguments: argparse.Namespace) -> int:
    given: int | None = arguments.budget
    if given is None:
        return DEFAULT_BUDGET_TOKENS
    if not arguments.compact:
        msg = "--budget belongs to --compact; give both"
        raise UsageFault(msg)
    if given < _LEAST_TOKENS:
        msg = f"--budget is {given}; it takes a whole number from {_LEAST_TOKENS}"
        raise UsageFault(msg)
    return given


def _compact(
    feedback: dict[str, Any],
    summary: dict[str, Any] | None,
    rules: RoutingRules,
    budget_tokens: int,
) -> str:
    """Return the compact text.

    Raises:
        UsageFault: not even its head fits.
    """
    found = compact(feedback, summary, rules.fallback, budget_tokens)
    if found.tokens > budget_tokens:
        need = f"with the names of this project it takes {found.tokens} at least"
        msg = f"--budget is {budget_tokens}; {need}"
        raise UsageFault(msg)
    return found.text.rstrip("\n")


def _width() -> int | None:
    """Return the terminal's columns; None where the output is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
