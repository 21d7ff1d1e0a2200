"""The `llmbench` command: what has to be done outside a pytest session."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

STARTER = """\
# A first suite. Run it with: pytest {name} --model MODEL --runs 7
suite: starter
phase: atomic
tools:
  - name: get_weather
    description: Get the current weather of a city.
    parameters:
      type: object
      properties: {{city: {{type: string}}}}
      required: [city]
prompts:
  - id: P1
    title: must call the tool
    category: action
    prompt: What's the weather in Oslo?
    expect: {{tools: [get_weather], arguments: {{get_weather: {{city: Oslo}}}}}}
  - id: P2
    title: must not call it
    category: restraint
    prompt: Which tools do you have?
    expect: {{tools: []}}
  - id: P3
    title: exact format
    category: format
    prompt: Reply with exactly the word READY and nothing else.
    expect: {{exact: READY}}
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status (0 good, 1 not, 2 usage)."""
    from pytest_llmbench.commands.loop import split_pytest_args

    words, behind = split_pytest_args(sys.argv[1:] if argv is None else argv)
    given = argparse.Namespace(pytest_args=behind)
    arguments = _parser().parse_args(words, given)
    command: int = arguments.run(arguments)
    return command


def _parser() -> argparse.ArgumentParser:
    from pytest_llmbench.commands.aggregate import add_aggregate
    from pytest_llmbench.commands.compare import add_compare
    from pytest_llmbench.commands.doctor import add_doctor
    from pytest_llmbench.commands.feedback import add_feedback
    from pytest_llmbench.commands.history import add_history
    from pytest_llmbench.commands.loop import add_loop
    from pytest_llmbench.commands.report import add_report
    from pytest_llmbench.commands.route import add_route
    from pytest_llmbench.commands.verify_warmup import add_verify_warmup
    from pytest_llmbench.runs.schemas import SCHEMAS

    parser = argparse.ArgumentParser(
        prog="llmbench",
        description="What is done outside a pytest session.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    schema = commands.add_parser(
        "schema", help="print the JSON Schema of a suite or of a written file"
    )
    known = ", ".join(SCHEMAS)
    schema.add_argument("name", nargs="?", default="suite", metavar="NAME", help=known)
    schema.set_defaults(run=_schema)
    init = commands.add_parser("init", help="write a starter suite")
    init.add_argument("path", nargs="?", default="suites/starter.bench.yaml")
    init.set_defaults(run=_init)
    add_doctor(commands)
    add_compare(commands)
    add_aggregate(commands)
    add_verify_warmup(commands)
    add_feedback(commands)
    add_route(commands)
    add_history(commands)
    add_loop(commands)
    add_report(commands)
    return parser


def _schema(arguments: argparse.Namespace) -> int:
    from pytest_llmbench.prompts.wording import did_you_mean
    from pytest_llmbench.runs.schemas import SCHEMAS, load_schema

    name = arguments.name
    if name not in SCHEMAS:
        return _complain(f"schema: no schema {name!r}{did_you_mean(name, SCHEMAS)}")
    _say(json.dumps(load_schema(name), indent=2))
    return 0


def _init(arguments: argparse.Namespace) -> int:
    path = Path(arguments.path)
    if not path.name.endswith((".bench.yaml", ".bench.yml")):
        return _complain(f"init: {path} must end in .bench.yaml to be collected")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(STARTER.format(name=path))
    except FileExistsError:
        return _complain(f"init: {path} exists; name another file")
    except OSError as error:
        return _complain(f"init: {path}: {error.strerror}")
    _say(f"wrote {path}\nrun it: pytest {path} --model MODEL --runs 7")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _complain(text: str) -> int:
    sys.stderr.write(f"llmbench: {text}\n")
    return 2
