"""`llmbench route`: who gets a piece of work, by what the stored runs show."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmbench.calls.clock import SystemClock
from pytest_llmbench.commands.stored_evidence import stored_runs
from pytest_llmbench.errors import SpecError, UsageFault
from pytest_llmbench.masking import masked_json, masked_text
from pytest_llmbench.policy.routing import best_for, known_phases, may_do
from pytest_llmbench.policy.window import last_runs
from pytest_llmbench.prompts.spec import parse_model
from pytest_llmbench.prompts.wording import did_you_mean
from pytest_llmbench.report.feedback import routing_lines
from pytest_llmbench.runs.stored import SCHEMA_VERSION, append_routing

if TYPE_CHECKING:
    import argparse
    from datetime import datetime

    from pytest_llmbench.policy.routing import RoutingAnswer


def add_route(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "route",
        help="say who gets work of a phase, and note the answer",
        description="Without a model: the best one for the phase by what the stored"
        " runs show. Answer and evidence go into routing_decisions.jsonl. Status: 0 a"
        " model is allowed, 1 none is (the fallback is printed), 2 usage.",
    )
    parser.add_argument("--phase", required=True, metavar="P")
    parser.add_argument("--model", default="", metavar="M", help="may this one do it?")
    parser.add_argument("--reports", default="reports", metavar="DIR")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run_route)


def run_route(arguments: argparse.Namespace) -> int:
    """Answer, print and note; return 0 if a model is allowed, 1 if not, 2 on usage."""
    now = SystemClock().utc()
    try:
        answer = _answer(arguments, now)
        decision = {"at": now.isoformat(), **answer.to_json()}
        append_routing(Path(arguments.reports), decision)
    except UsageFault as fault:
        sys.stderr.write(f"llmbench: route: {fault}\n")
        return 2
    if arguments.json:
        data = {"schema_version": SCHEMA_VERSION, **decision}
        text = masked_json(data, indent=2)
    else:
        text = masked_text("\n".join(routing_lines(answer)))
    sys.stdout.write(text + "\n")
    return 0 if answer.verdict == "allow" else 1


def _answer(arguments: argparse.Namespace, now: datetime) -> RoutingAnswer:
    """Ask the evidence.

    Raises:
        UsageFault: a phase that neither a rule nor a stored run names, or a model's
            name that cannot be read.
    """
    from pytest_llmbench.settings import read_routing
    from pytest_llmbench.settings_file import project_root

    rules, aliases = read_routing(project_root(Path.cwd()))
    windows = last_runs(stored_runs(arguments))
    phases = known_phases(windows, rules)
    if arguments.phase not in phases:
        hint = did_you_mean(arguments.phase, phases)
        msg = f"--phase: no stored run of the phase {arguments.phase!r}{hint}"
        raise UsageFault(msg)
    if not arguments.model:
        return best_for(windows, arguments.phase, rules, now)
    try:
        model = str(parse_model(arguments.model, aliases))
    except SpecError as error:
        msg = f"--model: {error}"
        raise UsageFault(msg) from None
    return may_do(windows, arguments.phase, model, rules, now)
