"""`llmbench doctor`: is the server up, the model there, the machine free."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from pytest_llmbench.commands.reading import READING
from pytest_llmbench.errors import CallError, UsageFault
from pytest_llmbench.masking import masked_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    import pytest

    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.request import Target
    from pytest_llmbench.settings import Settings


def add_doctor(commands: argparse._SubParsersAction[Any]) -> None:
    """Declare the command."""
    doctor = commands.add_parser(
        "doctor",
        help="check the server, model and machine",
        description="Look at all that a run with today's settings would use: its"
        " models at each of their addresses, and the machine. Status: 0 good,"
        " 1 something can't be asked, 2 usage.",
    )
    doctor.add_argument(
        "--model",
        default="",
        metavar="M",
        help="model or alias to look for (default: those of the settings; without"
        " any, the server's are listed)",
    )
    doctor.set_defaults(run=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    """Have pytest read its files and ours as for a run, and look instead of running."""
    import pytest

    doctor = _Doctor()
    words = [*READING, *(["--model", arguments.model] if arguments.model else [])]
    pytest.main(words, plugins=[doctor])
    return doctor.status


class _Doctor:
    """A plugin that takes the place of pytest's session.

    Attributes:
        status: 2 until there were settings to look by.
    """

    def __init__(self) -> None:
        self.status = 2

    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        """Look at machine, servers and models."""
        from pytest_llmbench.calls.engine import Engine
        from pytest_llmbench.session import settings_of

        try:
            settings = settings_of(config)
        except UsageFault as error:
            sys.stderr.write(f"llmbench: {error}\n")
            return self.status
        engine = Engine()
        try:
            self.status = _examine(engine, settings)
        finally:
            engine.close()
        return self.status


def _examine(engine: Engine, settings: Settings) -> int:
    """Show the machine, what servers say of themselves, then what a run would find."""
    from pytest_llmbench.calls.clock import SystemClock
    from pytest_llmbench.runs.inventory import host_facts, snapshot

    taken = snapshot(settings.reports, SystemClock().utc())
    for key, value in {**host_facts(), **taken}.items():
        _say(f"{key:<10}{json.dumps(value)}")
    _say(f"{'reports':<10}{settings.shown(settings.reports)}")
    targets = _targets(settings)
    problems = [_problem(engine, target) for target in targets]
    _show_findings(engine, targets, taken)
    return int(any(problems))


def _targets(settings: Settings) -> list[Target]:
    """Return each model's endpoints; without a model, the default server."""
    from pytest_llmbench.prompts.spec import ModelName

    models = settings.models or (ModelName(provider="ollama", name=""),)
    found = (target for model in models for target in settings.targets(model))
    return list(dict.fromkeys(found))


def _problem(engine: Engine, target: Target) -> bool:
    """Show what a server says, or why it can't be asked; whether that is so."""
    try:
        _show_server(engine, target)
    except CallError as error:
        _say(f"{'problem':<10}{error}")
        return True
    return False


def _show_server(engine: Engine, target: Target) -> None:
    if not target.model:
        _say(f"{'models':<10}{', '.join(engine.model_names(target)) or 'none'}")
        return
    facts = engine.facts(target).to_json()
    for key, value in {"model": target.model, **facts}.items():
        _say(f"{key:<16}{value}")


def _show_findings(
    engine: Engine, targets: Sequence[Target], taken: Mapping[str, Any]
) -> None:
    from pytest_llmbench.guarding import look
    from pytest_llmbench.report.guard import finding_text

    for finding in look(engine, targets, taken).findings:
        _say(f"{finding.level:<10}{finding_text(finding)}")


def _say(text: str) -> None:
    sys.stdout.write(masked_text(text) + "\n")
