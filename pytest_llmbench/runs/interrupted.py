"""A stored run that is to be finished: found by its id, and read strictly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from pytest_llmbench.errors import RecordFault, SettingsError
from pytest_llmbench.prompts.wording import closest
from pytest_llmbench.runs.folder import RESULTS, read_records
from pytest_llmbench.runs.record import (
    FINISHED,
    SCHEMA_VERSION,
    Record,
)
from pytest_llmbench.runs.stored import run_folders

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAST: Final = "last"
"""What stands for the newest run that is not complete."""

_MAX_NAMED: Final = 5

TrialKey = tuple[str, str, str, int]
"""What tells trials apart in any run: spec, suite, prompt id, run."""


def key_of(record: Record) -> TrialKey:
    """Return which trial a record is of."""
    return (record.spec, record.suite, record.prompt_id, record.run)


class InterruptedRun(Struct, frozen=True, kw_only=True):
    """What a run has left, complete or not.

    Attributes:
        config: its config.json.
        inventory: its inventory.json; empty if it never came to that.
        records: one per trial, in the order in which trials were first stored: the
            later line holds, but neither a skip nor an error hides a judged answer.
        has_summary: whether it came to its end, or to a Ctrl-C.
        replaced: records that later ones have taken the place of, without texts.
    """

    path: Path
    config: dict[str, Any]
    inventory: dict[str, Any]
    records: tuple[Record, ...]
    has_summary: bool
    replaced: tuple[Record, ...] = ()

    @property
    def run_id(self) -> str:
        """The run's id, which is its folder's name."""
        return self.path.name

    def finished(self) -> dict[TrialKey, Record]:
        """Return the trials that are not asked again: pass, fail or timeout."""
        return {key_of(r): r for r in self.records if r.outcome in FINISHED}

    def is_complete(self) -> bool:
        """Whether every planned trial is finished."""
        finished = self.finished()
        return all(
            (plan["spec"], plan["suite"], prompt_id, run) in finished
            for plan in self.config["plans"]
            for prompt_id in plan["prompt_ids"]
            for run in range(1, plan["runs"] + 1)
        )


def find_run(reports: Path, wanted: str) -> InterruptedRun:
    """Return the run of an id, of an id's unique beginning, or of `last`.

    Raises:
        SettingsError: there is none, there are several, or it cannot be read.
    """
    paths = {path.name: path for path in run_folders(reports) if path.is_dir()}
    if wanted == LAST:
        return _newest_unfinished(list(paths.values()))
    if wanted in paths:
        return read_run(paths[wanted])
    found = [name for name in paths if name.startswith(wanted)]
    if len(found) == 1:
        return read_run(paths[found[0]])
    if found:
        msg = f"--resume {wanted}: {len(found)} runs begin so: {_named(found)}"
        raise SettingsError(msg)
    near = closest(wanted, paths)
    hint = f"; did you mean {near}?" if near else ""
    newest = f"; the newest runs: {_named(list(paths))}" if paths else "; it holds none"
    msg = f"--resume {wanted}: no such run in {reports}{hint}{newest}"
    raise SettingsError(msg)


def _newest_unfinished(newest_first: list[Path]) -> InterruptedRun:
    """Pass over replays, and over runs that have left nothing to finish."""
    for path in newest_first:
        if (path / "config.json").is_file():
            run = read_run(path)
            if not run.config["settings"].get("replay") and not run.is_complete():
                return run
    msg = f"--resume {LAST}: every stored run is complete; start one without --resume"
    raise SettingsError(msg)


def _named(names: list[str]) -> str:
    more = f", and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + more


def read_run(path: Path) -> InterruptedRun:
    """Read what a run has left.

    Raises:
        SettingsError: a file is missing or unreadable; the message names it, and
            for records the line. Nothing is changed.
    """
    config = _read_object(path / "config.json")
    if not _is_config(config):
        msg = f"--resume: {path / 'config.json'} is of another version; start a new run"
        raise SettingsError(msg)
    inventory = path / "inventory.json"
    latest, replaced = _latest(path / RESULTS)
    return InterruptedRun(
        path=path,
        config=config,
        inventory=_read_object(inventory) if inventory.exists() else {},
        records=tuple(latest.values()),
        has_summary=(path / "summary.json").is_file(),
        replaced=tuple(replaced),
    )


def _is_config(config: dict[str, Any]) -> bool:
    settings, plans = config.get("settings"), config.get("plans")
    needed = {"spec", "suite", "prompt_ids", "runs", "prompt_hashes"}
    return (
        config.get("schema_version") == SCHEMA_VERSION
        and isinstance(settings, dict)
        and isinstance(plans, list)
        and all(isinstance(plan, dict) and needed <= plan.keys() for plan in plans)
    )


def _read_object(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        reason = "is missing: the run ended before its first trial, or is an older one"
    except (OSError, ValueError, RecursionError) as error:
        reason = f"cannot be read ({error})"
    else:
        if isinstance(data, dict):
            return data
        reason = "holds no object"
    msg = f"--resume: {path} {reason}; start a new run"
    raise SettingsError(msg)


def _latest(path: Path) -> tuple[dict[TrialKey, Record], list[Record]]:
    """Return the record that holds of each trial, and those that don't."""
    found: dict[TrialKey, Record] = {}
    replaced: list[Record] = []
    for record in _records(path):
        before = found.get(key_of(record))
        is_judged = before is not None and before.outcome in FINISHED
        is_hidden = before is not None and record.outcome == "skipped"
        if not is_judged and not is_hidden:
            is_told = record.outcome == "pass"  # of the others the texts are shown
            found[key_of(record)] = record.slim() if is_told else record
            replaced += [before.slim()] if before else []
        else:
            replaced.append(record.slim())
    return found, replaced


def _records(path: Path) -> Iterator[Record]:
    if not path.exists():
        return
    try:
        yield from read_records(path)
    except RecordFault as fault:
        msg = f"--resume: {fault}; mend or remove that line, or start a new run"
        raise SettingsError(msg) from None
