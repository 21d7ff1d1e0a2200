"""`llmbench loop`: cycles of baseline and candidates, the winner kept."""

from __future__ import annotations

import re
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_llmbench.commands.reading import READING
from pytest_llmbench.errors import SettingsError, UsageFault
from pytest_llmbench.prompts.spec import EXAMPLE
from pytest_llmbench.prompts.wording import did_you_mean
from pytest_llmbench.runs.loop_state import (
    DEFAULT_RUNS,
    LoopState,
    only_loop,
    read_state,
)
from pytest_llmbench.runs.stored import read_canonical

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    import pytest

    from pytest_llmbench.picking import Project
    from pytest_llmbench.prompts.spec import Spec

NAME: Final = "loop"
_RUNS: Final = re.compile(r"auto(:[1-9]\d*)?|[1-9]\d*", re.ASCII)
_DEFAULT_CYCLES: Final = 3
_DEFAULT_CANDIDATES: Final = 4
_OWN: Final = (
    *("suites", "baseline", "candidates", "variants"),
    *("runs", "cycles", "max_candidates"),
)
"""What a loop is begun with; a resumed one has it already."""

_NAMED: Final = f"--baseline '{EXAMPLE}'"
_USAGE: Final = (
    "%(prog)s [SUITES ...] [--baseline SPEC] [--candidates SPEC [SPEC ...]]\n"
    "       [--variants V [V ...]] [--cycles N] [--runs N|auto[:MAX]]\n"
    "       [--max-candidates N] [--reports DIR] [-- PYTEST-ARGS ...]\n"
    "       %(prog)s --resume [--reports DIR]"
)


def split_pytest_args(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take what follows `--` in the loop's command line apart: it is pytest's.

    >>> split_pytest_args(["loop", "suites", "--", "-k", "P1"])
    (['loop', 'suites'], ['-k', 'P1'])
    """
    words = list(argv)
    if words[:1] != [NAME] or "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def add_loop(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        NAME,
        usage=_USAGE,
        help="try candidates against a baseline, cycle by cycle, and keep the winner",
        description="Each cycle is one pytest session of baseline and candidates."
        " Status: 0 ended as planned, 1 interrupted or a session gave no evidence,"
        " 2 usage.",
    )
    add = parser.add_argument
    add("suites", nargs="*", metavar="SUITES", help="default: suites/<phase>")
    add("--baseline", metavar="SPEC", help="default: the canonical spec")
    add(
        "--candidates",
        nargs="+",
        action="extend",
        metavar="SPEC",
        help="tried before the discovered ones",
    )
    add(
        "--variants",
        nargs="+",
        action="extend",
        metavar="V",
        help="tried in any case (default: all, where prompts are answered wrong)",
    )
    add("--cycles", type=_count, metavar="N", help="at most (default: 3)")
    add("--runs", type=_runs, metavar="N|auto[:MAX]", help="as pytest's (default: 7)")
    add("--max-candidates", type=_count, metavar="N", help="per cycle (default: 4)")
    add("--reports", default="reports", metavar="DIR")
    add("--resume", action="store_true", help="go on with the loop that was stopped")
    parser.set_defaults(run=run_loop)


def run_loop(arguments: argparse.Namespace) -> int:
    """Run cycles; return 0 if the loop ended, 1 if it was stopped, 2 on wrong usage."""
    try:
        return _run(arguments, Path(arguments.reports))
    except UsageFault as fault:
        sys.stderr.write(f"llmbench: {NAME}: {fault}\n")
        return 2


def _run(arguments: argparse.Namespace, reports: Path) -> int:
    from pytest_llmbench.commands.stores import open_history
    from pytest_llmbench.loop import Loop, Place
    from pytest_llmbench.picking import Picker

    resumed = _resumed(arguments, reports) if arguments.resume else None
    words = resumed.pytest_args if resumed else tuple(arguments.pytest_args)
    suites = resumed.suites if resumed else tuple(arguments.suites)
    project = _project([*suites, *words], reports)
    if project is None:  # pytest has said why
        return 2
    state = resumed or _new(arguments, reports, project)
    with only_loop(reports), open_history(arguments) as memory:
        picker = Picker(project, memory, reports, state.suites)
        place = Place(reports=reports, project=project, memory=memory, picker=picker)
        return Loop(state, place).run()


def _resumed(arguments: argparse.Namespace, reports: Path) -> LoopState:
    """Return the state of the loop that goes on.

    Raises:
        SettingsError: there is none, it has ended, or more than it is asked for.
    """
    given = [name for name in _OWN if getattr(arguments, name)]
    if given or arguments.pytest_args:
        what = f"--{given[0]}".replace("_", "-") if given else "--"
        what = "SUITES" if given[:1] == ["suites"] else what
        msg = f"--resume goes on with what the loop was begun with; leave {what} out"
        raise SettingsError(msg)
    state = read_state(reports)
    if state.status == "ended":
        msg = (
            f"--resume: the loop {state.loop_id} in {reports} has ended"
            f" ({state.outcome}); start one without --resume"
        )
        raise SettingsError(msg)
    return state


def _new(arguments: argparse.Namespace, reports: Path, project: Project) -> LoopState:
    """Return the state of a loop that begins.

    Raises:
        SettingsError, SpecError: a spec, variant or suite is wrong or missing.
    """
    from pytest_llmbench.calls.clock import SystemClock

    baseline = _baseline(arguments, reports, project)
    now = SystemClock().utc()
    return LoopState(
        loop_id=f"{now:%Y%m%dT%H%M%S}Z-{secrets.token_hex(3)}",
        at=now.isoformat(timespec="seconds"),
        first_baseline=str(baseline),
        baseline=str(baseline),
        suites=tuple(arguments.suites) or (_default_suites(baseline.phase),),
        given=_given(arguments.candidates or (), baseline, project),
        variants=_variants(arguments.variants or (), project),
        pytest_args=tuple(arguments.pytest_args),
        runs=arguments.runs or DEFAULT_RUNS,
        cycles=arguments.cycles or _DEFAULT_CYCLES,
        max_candidates=arguments.max_candidates or _DEFAULT_CANDIDATES,
    )


def _baseline(arguments: argparse.Namespace, reports: Path, project: Project) -> Spec:
    if arguments.baseline:
        return _read("--baseline", arguments.baseline, project)
    canonical = {
        phase: str(stored.get("spec"))
        for phase, stored in read_canonical(reports).items()
    }
    if len(canonical) == 1:
        return _read("canonical.json", next(iter(canonical.values())), project)
    msg = f"{reports}/canonical.json has no baseline; name the spec to beat: {_NAMED}"
    if canonical:
        shown = "".join(f"\n  --baseline '{spec}'" for spec in canonical.values())
        msg = f"{reports}/canonical.json has several baselines; name one:{shown}"
    raise SettingsError(msg)


def _given(texts: Sequence[str], baseline: Spec, project: Project) -> tuple[str, ...]:
    found = [_read("--candidates", text, project) for text in texts]
    for spec in found:
        if spec.phase != baseline.phase:
            msg = (
                f"--candidates: '{spec}' is of phase {spec.phase}, the baseline is of"
                f" {baseline.phase}; a loop has one phase"
            )
            raise SettingsError(msg)
        if spec == baseline:
            msg = f"--candidates: '{spec}' is the baseline itself; leave it out"
            raise SettingsError(msg)
    return tuple(dict.fromkeys(map(str, found)))


def _read(where: str, text: str, project: Project) -> Spec:
    try:
        spec = project.spec(text)
    except UsageFault as fault:
        msg = f"{where}: {fault}"
        raise SettingsError(msg) from None
    _variants((spec.variant,), project, where)
    return spec


def _variants(
    names: Sequence[str], project: Project, where: str = "--variants"
) -> tuple[str, ...]:
    for name in names:
        if name not in project.variants:
            near = did_you_mean(name, project.variants)
            msg = f"{where}: unknown variant {name!r}{near}"
            raise SettingsError(msg)
    return tuple(dict.fromkeys(names))


def _default_suites(phase: str) -> str:
    path = Path("suites") / phase
    if not path.is_dir():
        msg = f"there is no folder {path}; name the suites of phase {phase} to run"
        raise SettingsError(msg)
    return str(path)


def _project(words: Sequence[str], reports: Path) -> Project | None:
    """Have pytest read its files and ours as for a run; None if it can't."""
    import pytest

    reader = _Reader()
    own = [*READING, "--reports", str(reports)]
    pytest.main([*own, *words], plugins=[reader])
    if reader.fault is not None:
        raise reader.fault
    return reader.project


class _Reader:
    """A plugin that takes the place of pytest's session.

    Attributes:
        project: None until the settings are read.
        fault: why they can't be.
    """

    def __init__(self) -> None:
        self.project: Project | None = None
        self.fault: UsageFault | None = None

    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        """Read the settings."""
        from pytest_llmbench.extras import Extras
        from pytest_llmbench.picking import Project
        from pytest_llmbench.session import settings_of

        try:
            settings = settings_of(config)
        except UsageFault as fault:
            self.fault = fault
            return 2
        variants = tuple(Extras.of(config).variants)
        self.project = Project(settings=settings, variants=variants)
        return 0


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d*", text, re.ASCII):
        from argparse import ArgumentTypeError

        msg = f"{text!r} is no whole number from 1"
        raise ArgumentTypeError(msg)
    return int(text)


def _runs(text: str) -> str:
    if not _RUNS.fullmatch(text):
        from argparse import ArgumentTypeError

        msg = f"{text!r} is no whole number from 1, nor auto or auto:MAX"
        raise ArgumentTypeError(msg)
    return text
