"""`llmbench verify-warmup`: the same prompts with and without warm-up."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct, field

from pytest_llmbench.analysis.cold_starts import Turn  # noqa: TC001 - decoded into
from pytest_llmbench.analysis.warmup_effect import WarmupEffect, warmup_effect
from pytest_llmbench.childsession import Interrupts, run_pytest
from pytest_llmbench.commands.reading import READING
from pytest_llmbench.errors import UsageFault
from pytest_llmbench.masking import masked_text
from pytest_llmbench.report.warmup_effect import warmup_effect_lines
from pytest_llmbench.runs.folder import (
    RESULTS,
    new_run_id,
    read_records,
    write_json,
)
from pytest_llmbench.runs.stored import run_folder

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from pytest_llmbench.runs.record import Record
    from pytest_llmbench.settings import Settings

REPORT: Final = "warm_up_effectiveness_report.json"
SCHEMA_VERSION: Final = 1
_USAGE: Final = 2
_ENDED: Final = (0, 1)
"""pytest's status where all trials came to their end, right or wrong."""


class _Summary(Struct):
    warmup_result: list[Turn] = field(default_factory=list)


class Session(Struct, frozen=True, kw_only=True):
    """What pytest would run: its settings, and the phases of its suites."""

    settings: Settings
    phases: tuple[str, ...]


def add_verify_warmup(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "verify-warmup",
        help="run the same prompts with and without warm-up",
        description="Run the suites with and without warm-up, the model unloaded"
        f" before every run, and write {REPORT}. Status: 0 PASS (warm-up gains 20"
        " points or more), 1 not, 2 usage.",
    )
    parser.add_argument("suites", nargs="*", metavar="SUITES", help="as for pytest")
    parser.add_argument("--model", required=True, metavar="M")
    parser.add_argument(
        "--runs", type=_count, default=3, metavar="N", help="of each side (default: 3)"
    )
    parser.add_argument("--prompts", metavar="P1,P2")
    parser.add_argument(
        "--phase", metavar="P", help="which, where the suites are of several"
    )
    parser.add_argument("--variant", default="native_api", metavar="V")
    parser.add_argument("--call-timeout", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--reports", metavar="DIR", help="(default: the settings')")
    parser.set_defaults(run=run_verify_warmup)


def run_verify_warmup(arguments: argparse.Namespace) -> int:
    """Run, hold both sides against each other, write and print.

    Returns:
        0 for PASS, 1 for FAIL and INCONCLUSIVE, 2 for a usage error.
    """
    try:
        session = _session(arguments)
        phase = _phase(session, arguments.phase)
        _insist_on_unloadable(session.settings, arguments.model)
        specs = _specs(arguments, phase)
        run_id = new_run_id(datetime.now(UTC))
        status = _run(arguments, specs, run_id)
        folder = _folder(session.settings.reports, run_id, status)
        effect, model = _effect(folder, specs, arguments.runs)
    except UsageFault as fault:
        sys.stderr.write(masked_text(f"llmbench: verify-warmup: {fault}\n"))
        return _USAGE
    path = _write(session.settings.reports, effect, run_id, model, phase)
    head = f"warm-up of {model} on {phase}, the model unloaded before every run"
    lines = ["", head, "", *warmup_effect_lines(effect)]
    lines += ["", f"  wrote {session.settings.shown(path)}"]
    sys.stdout.write(masked_text("\n".join(lines)) + "\n")
    return 0 if effect.verdict == "PASS" else 1


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        msg = f"{text!r} is no number from 1"
        raise argparse.ArgumentTypeError(msg)
    return number


class _Probe:
    """A plugin that lets pytest collect, and keeps what it came to.

    Attributes:
        found: None until the collection came to its end.
    """

    def __init__(self) -> None:
        self.found: Session | None = None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep the settings, and the phases of the items."""
        from pytest_llmbench.items import PromptItem
        from pytest_llmbench.session import settings_of

        items = [item for item in session.items if isinstance(item, PromptItem)]
        phases = tuple(dict.fromkeys(item.trial.suite.phase for item in items))
        self.found = Session(settings=settings_of(session.config), phases=phases)


def _session(arguments: argparse.Namespace) -> Session:
    """Have pytest read its files and collect the suites, without asking anything.

    Raises:
        UsageFault: there is no suite, or one that can't be read.
    """
    import pytest

    probe = _Probe()
    words = [*READING, "-p", "no:terminal", "--collect-only"]
    words += ["--model", arguments.model, *_common(arguments)]
    status = pytest.main(words, plugins=[probe])
    if status == pytest.ExitCode.USAGE_ERROR:
        msg = "pytest did not start, as said above"
        raise UsageFault(msg)
    if probe.found is None or status not in {0, pytest.ExitCode.NO_TESTS_COLLECTED}:
        command = f"pytest --collect-only {' '.join(arguments.suites)}".rstrip()
        msg = f"the suites can't be collected; `{command}` says why"
        raise UsageFault(msg)
    return probe.found


def _phase(session: Session, chosen: str | None) -> str:
    phases = session.phases
    known = ", ".join(phases)
    if not phases:
        msg = "no suite found; name a *.bench.yaml file or a folder that holds some"
        raise UsageFault(msg)
    if chosen is not None and chosen not in phases:
        msg = f"--phase: no suite is of phase {chosen!r}; there: {known}"
        raise UsageFault(msg)
    if chosen is None and len(phases) > 1:
        msg = f"the suites are of several phases; choose one with --phase: {known}"
        raise UsageFault(msg)
    return chosen or phases[0]


def _insist_on_unloadable(settings: Settings, model: str) -> None:
    """Refuse what holds no model that could be unloaded, and what has several homes."""
    from pytest_llmbench.calls.providers import is_local

    targets = [each for name in settings.models for each in settings.targets(name)]
    services = [target.provider for target in targets if not is_local(target)]
    if services:
        msg = (
            f"--model: {model} is asked through {services[0]}, which can't be told to"
            " unload a model: there is no cold start to hold warm-up against. Models"
            " of ollama and embedded have one"
        )
        raise UsageFault(msg)
    if len(targets) > 1:
        msg = (
            f"--model: {model} stands for {len(targets)} models or addresses; name one,"
            " as each is loaded on its own"
        )
        raise UsageFault(msg)


def _specs(arguments: argparse.Namespace, phase: str) -> tuple[str, str]:
    """Return the specs without and with warm-up, as their canonical text begins."""
    limit = f"{arguments.call_timeout:f}".rstrip("0").rstrip(".")
    base = f"{arguments.model} / {phase} / {arguments.variant} / t{limit} r0 i0"
    return f"{base} w0", f"{base} w1"


def _common(arguments: argparse.Namespace) -> list[str]:
    words = ["--prompts", arguments.prompts] if arguments.prompts else []
    words += ["--reports", arguments.reports] if arguments.reports else []
    return [*words, *arguments.suites]


def _run(arguments: argparse.Namespace, specs: tuple[str, str], run_id: str) -> int:
    """Run both sides in one pytest session, in turns; its output is the user's."""
    words = ["--baseline", specs[0], "--candidate", specs[1], "--cold-start", "run"]
    words += ["--runs", str(arguments.runs), "--gate", "none", *_common(arguments)]
    with Interrupts() as interrupts:
        return run_pytest(["-p", "llmbench", *words], run_id, interrupts)


def _folder(reports: Path, run_id: str, status: int) -> Path:
    """Return the run's folder.

    Raises:
        UsageFault: pytest has not come to a trial.
    """
    folder = run_folder(reports, run_id)
    if folder is None or not (folder / RESULTS).is_file():
        msg = f"pytest ended with status {status} before the first trial"
        raise UsageFault(msg)
    if status not in _ENDED:
        sys.stderr.write(
            f"llmbench: verify-warmup: pytest ended with status {status}; finish the"
            f" run with `pytest --resume {run_id}`\n"
        )
    return folder


def _effect(
    folder: Path, specs: tuple[str, str], runs: int
) -> tuple[WarmupEffect, str]:
    """Read the run and hold its two specs against each other.

    Raises:
        UsageFault: a side has no trial, or the files can't be read.
    """
    try:
        records = list(read_records(folder / RESULTS))
        summary = msgspec.json.decode(
            (folder / "summary.json").read_bytes(), type=_Summary
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{folder} can't be read: {error}"
        raise UsageFault(msg) from None
    sides: dict[bool, list[Record]] = {False: [], True: []}
    for record in records:
        sides[_is_warm(record.spec)].append(record)
    if not all(sides.values()):
        msg = f"{folder}: there is no trial of '{specs[bool(sides[False])]}'"
        raise UsageFault(msg)
    effect = warmup_effect(sides[False], sides[True], summary.warmup_result, runs)
    return effect, records[0].model


def _is_warm(spec: str) -> bool:
    """Whether a spec of ours, as canonical text, says `w1`.

    >>> _is_warm("m w0 / atomic / text / t60 r0 i0 w1 top_k=4")
    True
    """
    return "w1" in spec.rpartition(" / ")[2].split()


def _write(
    reports: Path, effect: WarmupEffect, run_id: str, model: str, phase: str
) -> Path:
    data: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "run_id": run_id,
        "model": model,
        "phase": phase,
        **effect.to_json(),
    }
    return write_json(reports / REPORT, data)
