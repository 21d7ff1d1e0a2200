"""Run folders, wherever they were copied to, read into rows."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from pytest_llmbench.analysis.rows import JobRow, RunRow, job_rows
from pytest_llmbench.masking import masked_json
from pytest_llmbench.runs.folder import RESULTS
from pytest_llmbench.runs.trial_lines import read_trial_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_llmbench.analysis.aggregation import PromptSets
    from pytest_llmbench.runs.record import Record

_DEPTH: Final = 2
"""A run lies in a day, a day in a reports folder."""

_HEX: Final = 16
_DIGEST: Final = 12


class FolderRow(Struct, frozen=True, kw_only=True):
    """What one run folder holds.

    Attributes:
        prompt_sets: those that its jobs name.
        has_grown: what was read of it before is how it begins.
    """

    row: RunRow
    prompt_sets: PromptSets
    has_grown: bool


class _Decision(Struct):
    spec: str = ""
    suite: str = ""
    decision: str | None = None


class _Summary(Struct):
    run_id: str = ""
    replay_of: str | None = None
    policy_decisions: list[_Decision] = field(default_factory=list)


class _Settings(Struct):
    replay: str | None = None


class _Config(Struct):
    settings: _Settings = field(default_factory=_Settings)


class _Host(Struct):
    host: str | None = None


class _Model(Struct):
    model: str = ""
    digest: str | None = None
    server_version: str | None = None


class _Inventory(Struct):
    host: _Host = field(default_factory=_Host)
    models: list[_Model] = field(default_factory=list)

    def told(self, model: str, name: str) -> str:
        """Return what the servers told of a model, each answer once."""
        own = (getattr(one, name) for one in self.models if one.model == model)
        return ", ".join(dict.fromkeys(text for text in own if text))


def folders_with_runs(
    path: Path, problems: list[OSError], depth: int = _DEPTH
) -> Iterator[Path]:
    """Yield every run folder of a run, day or reports folder, oldest first.

    Args:
        problems: gets the error of each folder that can't be listed.
    """
    try:
        if (path / RESULTS).is_file():
            yield path
            return
        children = sorted(path.iterdir(), key=lambda each: each.name) if depth else []
    except NotADirectoryError:
        return
    except OSError as error:
        problems.append(error)
        return
    for child in children:
        if not child.name.startswith("."):
            yield from folders_with_runs(child, problems, depth - 1)


def stamp_of(folder: Path) -> str:
    """Identify what a run folder holds without reading it: sizes and times.

    Raises:
        OSError: there is no results.jsonl to be read.
    """
    results = (folder / RESULTS).stat()
    try:
        summary = (folder / "summary.json").stat()
    except OSError:
        return f"{results.st_size:x}.{results.st_mtime_ns:x}"
    return ".".join(
        f"{number:x}"
        for each in (results, summary)
        for number in (each.st_size, each.st_mtime_ns)
    )


def read_run(folder: Path, stamp: str, known: Mapping[str, RunRow]) -> FolderRow:
    """Read one run folder; only results.jsonl must be there.

    Args:
        stamp: the folder's, taken before.
        known: rows by run id, to see whether the run has gone on since.

    Raises:
        OSError, ValueError: results.jsonl can't be read as records.
    """
    data = (folder / RESULTS).read_bytes()
    data = data[: data.rfind(b"\n") + 1]  # `--resume` drops what was cut off
    summary = _read(folder / "summary.json", _Summary) or _Summary()
    is_replay = bool(summary.replay_of)
    if not summary.run_id:  # killed before its summary was written
        config = _read(folder / "config.json", _Config) or _Config()
        is_replay = bool(config.settings.replay)
    inventory = _read(folder / "inventory.json", _Inventory) or _Inventory()
    found = [] if is_replay else list(job_rows(read_trial_lines(data)))
    starts = (trial.started_at for _, trials in found for trial in trials)
    sets = [_prompt_set(trials) for _, trials in found]
    jobs = (
        _told(job, key, inventory, summary)
        for (job, _), (key, _) in zip(found, sets, strict=True)
    )
    row = RunRow(
        run_id=summary.run_id or folder.name,
        at=min(filter(None, starts), default=""),
        machine=inventory.host.host or "",
        content=_content(data),
        size=len(data),
        stamps=(stamp,),
        is_replay=is_replay,
        jobs=tuple(jobs),
    )
    before = known.get(row.run_id)
    has_grown = before is not None and _content(data[: before.size]) == before.content
    return FolderRow(row=_masked(row), prompt_sets=dict(sets), has_grown=has_grown)


def _told(job: JobRow, key: str, inventory: _Inventory, summary: _Summary) -> JobRow:
    """Add to a row what only the run's other files tell."""
    decisions = (
        one.decision
        for one in summary.policy_decisions
        if (one.spec, one.suite) == (job.spec, job.suite)
    )
    digest = inventory.told(job.model, "digest").removeprefix("sha256:")
    return replace(
        job,
        prompt_set=key,
        digest=digest[:_DIGEST],
        server_version=inventory.told(job.model, "server_version"),
        decision=next(decisions, None),
    )


def _prompt_set(trials: tuple[Record, ...]) -> tuple[str, dict[str, str]]:
    """Return the hashes of the prompts that were asked, and a key for them."""
    hashes = dict(sorted((trial.prompt_id, trial.prompt_hash) for trial in trials))
    return _content(json.dumps(hashes).encode())[:_DIGEST], hashes


def _content(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_HEX]


def _masked(row: RunRow) -> RunRow:
    return msgspec.json.decode(masked_json(msgspec.to_builtins(row)), type=RunRow)


def _read(path: Path, kind: type[Any]) -> Any:  # noqa: ANN401 - of that type, or None
    """Read the wanted fields of a JSON file; None where they can't be."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, ValueError, RecursionError):
        return None
