"""`llmbench doctor`: is the server up, the model there, the machine free."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmbench.errors import CallError, SpecError
from pytest_llmbench.masking import masked_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.request import Target


def add_doctor(commands: argparse._SubParsersAction[Any]) -> None:
    """Declare the command."""
    doctor = commands.add_parser("doctor", help="check the server, model and machine")
    doctor.add_argument("--model", default="", metavar="M", help="model to look for")
    doctor.set_defaults(run=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    from pytest_llmbench.calls.clock import SystemClock
    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.runs.inventory import host_facts, snapshot

    taken = snapshot(Path.cwd(), SystemClock().utc())
    for key, value in {**host_facts(), **taken}.items():
        _say(f"{key:<10}{json.dumps(value)}")
    try:
        target = _target(arguments.model)
    except SpecError as error:
        sys.stderr.write(f"llmbench: --model: {error}\n")
        return 2
    engine = Engine()
    try:
        return _examine(engine, target, taken)
    finally:
        engine.close()


def _target(model: str) -> Target:
    from pytest_llmbench.calls.providers.ollama_host import base_url_from_host
    from pytest_llmbench.calls.request import Target
    from pytest_llmbench.prompts.spec import parse_model

    url = base_url_from_host(os.environ.get("OLLAMA_HOST", ""))
    if not model:
        return Target(provider="ollama", model="", base_url=url)
    name = parse_model(model)
    is_ollama = name.provider == "ollama"
    return Target(
        provider=name.provider, model=name.name, base_url=url if is_ollama else ""
    )


def _examine(engine: Engine, target: Target, taken: Mapping[str, Any]) -> int:
    """Show what the server says of itself, then what a run would find."""
    status = 0
    try:
        _show_server(engine, target)
    except CallError as error:
        _say(f"{'problem':<10}{error}")
        status = 1
    _show_findings(engine, target, taken)
    return status


def _show_server(engine: Engine, target: Target) -> None:
    if not target.model:
        _say(f"{'models':<10}{', '.join(engine.model_names(target)) or 'none'}")
        return
    for key, value in engine.facts(target).to_json().items():
        _say(f"{key:<16}{value}")


def _show_findings(engine: Engine, target: Target, taken: Mapping[str, Any]) -> None:
    from pytest_llmbench.guarding import look
    from pytest_llmbench.report.guard import finding_text

    for finding in look(engine, [target], taken).findings:
        _say(f"{finding.level:<10}{finding_text(finding)}")


def _say(text: str) -> None:
    sys.stdout.write(masked_text(text) + "\n")
