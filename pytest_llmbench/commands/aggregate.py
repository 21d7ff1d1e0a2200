"""`llmbench aggregate`: all runs, also other machines', per model and suite."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.analysis.aggregation import DIMENSIONS, aggregate
from pytest_llmbench.analysis.rows import continued, merge_copies
from pytest_llmbench.commands.aggregate_file import AGGREGATE, read_rows, write_rows
from pytest_llmbench.commands.run_rows import folders_with_runs, read_run, stamp_of
from pytest_llmbench.errors import UsageFault
from pytest_llmbench.masking import masked_json, masked_text
from pytest_llmbench.prompts.wording import did_you_mean
from pytest_llmbench.report.aggregate import (
    aggregate_lines,
    aggregate_markdown,
    pooling_notes,
)
from pytest_llmbench.report.numbers import counted
from pytest_llmbench.runs.folder import write_text
from pytest_llmbench.runs.stored import locked

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pytest_llmbench.analysis.aggregation import Dimension, Group, PromptSets
    from pytest_llmbench.analysis.rows import RunRow

MARKDOWN: Final = "AGGREGATE_SUMMARY.md"
LOCK: Final = ".aggregate.lock"


class Gathered:
    """Rows of runs from many folders, each run once.

    Attributes:
        runs: rows by run id.
        notes: what could not be read.
    """

    def __init__(self) -> None:
        self.runs: dict[str, RunRow] = {}
        self.prompt_sets: PromptSets = {}
        self.notes: list[str] = []
        self._read: set[Path] = set()

    def add_rows(self, path: Path) -> None:
        """Merge in the rows of an AGGREGATE_SUMMARY.json, once.

        Raises:
            UsageFault: it can't be read.
        """
        if path.resolve() in self._read:
            return
        self._read.add(path.resolve())
        stored = read_rows(path)
        self.prompt_sets |= stored.prompt_sets
        for row in stored.runs:
            self._add(row)

    def add_folder(self, path: Path) -> None:
        """Merge in the runs below a folder that are not known as they stand."""
        if (path / AGGREGATE).is_file():
            try:
                self.add_rows(path / AGGREGATE)
            except UsageFault as fault:
                self.notes.append(f"left out: {fault}")
        problems: list[OSError] = []
        for folder in folders_with_runs(path, problems):
            self._add_run(folder)
        self.notes += [
            f"left out: {each.filename}: {each.strerror}" for each in problems
        ]

    def _add_run(self, folder: Path) -> None:
        known = self.runs.get(folder.name)
        try:
            stamp = stamp_of(folder)
            if known is not None and stamp in known.stamps:
                return
            found = read_run(folder, stamp, self.runs)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self.notes.append(f"left out: {folder}/results.jsonl: {reason}")
            return
        if not found.row.jobs and not found.row.is_replay:
            return  # no finished trial yet
        self.prompt_sets |= found.prompt_sets
        if found.has_grown:
            before = self.runs[found.row.run_id]
            self.runs[found.row.run_id] = continued(before, found.row)
        else:
            self._add(found.row)

    def _add(self, row: RunRow) -> None:
        known = self.runs.get(row.run_id)
        self.runs[row.run_id] = row if known is None else merge_copies(known, row)

    def copies_notes(self) -> Iterator[str]:
        """Tell of runs that are no evidence, or were found with other contents."""
        replays = sum(row.is_replay for row in self.runs.values())
        if replays:
            verb = "counts" if replays == 1 else "count"
            yield f"{counted(replays, 'replay')} of stored replies {verb} for nothing"
        for row in self.runs.values():
            if row.rivals:
                yield (
                    f"run {row.run_id} was found with {len(row.rivals) + 1} different"
                    f" contents: the one with {counted(row.finished, 'finished trial')}"
                    " counts, which has the most"
                )


def add_aggregate(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "aggregate",
        help="add up all runs per model and suite",
        description=f"Add runs to {AGGREGATE} and {MARKDOWN}, each run once; what"
        " they hold already stays, also where its folder is gone. Status: 0 good,"
        " 2 usage.",
    )
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="RUN_OR_FOLDER",
        help="a run's folder, a day's, a reports folder or another machine's"
        f" {AGGREGATE} (default: the reports folder)",
    )
    parser.add_argument("--reports", default="reports", metavar="DIR")
    parser.add_argument(
        "--out", metavar="DIR", help="where to write (default: the reports folder)"
    )
    parser.add_argument(
        "--by",
        default="",
        metavar="WHAT,…",
        help=f"tell apart what is pooled: {', '.join(DIMENSIONS)}",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, without rows")
    parser.set_defaults(run=run_aggregate)


def run_aggregate(arguments: argparse.Namespace) -> int:
    """Merge, write both files, print; return 0, or 2 on a usage error."""
    out = Path(arguments.out or arguments.reports)
    sources = [Path(each) for each in arguments.sources or [arguments.reports]]
    try:
        by = _dimensions(arguments.by)
        _insist_on_sources(sources)
        groups, head = _merged(out, sources, by)
    except UsageFault as fault:
        sys.stderr.write(masked_text(f"llmbench: aggregate: {fault}\n"))
        return 2
    except OSError as error:
        place = error.filename or out
        sys.stderr.write(f"llmbench: aggregate: {place}: {error.strerror}\n")
        return 2
    if arguments.json:
        sys.stdout.write(masked_json({"schema_version": 1, **head}, indent=2) + "\n")
    else:
        sys.stdout.write(masked_text(_shown(out, groups, head["notes"])))
    return 0


def _merged(
    out: Path, sources: Sequence[Path], by: tuple[Dimension, ...]
) -> tuple[tuple[Group, ...], dict[str, Any]]:
    """Read, add and write, while no other `aggregate` does so here.

    Raises:
        UsageFault: there is no run, or what is stored can't be read.
        OSError: the folder can't be written.
    """
    known = out / AGGREGATE
    if not out.is_dir():
        out.mkdir(parents=True)
    with locked(out / LOCK):
        gathered = Gathered()
        if known.exists():
            gathered.add_rows(known)
        for source in sources:
            if source.is_dir():
                gathered.add_folder(source)
            else:
                gathered.add_rows(source)
        return _written(out, gathered, by)


def _written(
    out: Path, gathered: Gathered, by: tuple[Dimension, ...]
) -> tuple[tuple[Group, ...], dict[str, Any]]:
    runs = sorted(gathered.runs.values(), key=lambda row: row.run_id)
    groups = aggregate(runs, gathered.prompt_sets, by)
    if not groups:
        reasons = "".join(f"\n  {note}" for note in gathered.notes)
        msg = f"there is no run with a finished trial to add up{reasons}"
        raise UsageFault(msg)
    notes = [*pooling_notes(groups), *gathered.copies_notes(), *gathered.notes]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    head = {
        "written_at": now,
        "split_by": list(by),
        "groups": [group.to_json() for group in groups],
        "notes": notes,
    }
    used = {job.prompt_set for row in runs for job in row.jobs}
    sets = {key: own for key, own in gathered.prompt_sets.items() if key in used}
    write_rows(out / AGGREGATE, head, sets, runs)
    write_text(out / MARKDOWN, aggregate_markdown(groups, notes, now))
    return groups, head


def _dimensions(text: str) -> tuple[Dimension, ...]:
    """Read `--by`.

    Raises:
        UsageFault: a word is no dimension.
    """
    words = [word for word in text.replace(",", " ").split() if word]
    for word in words:
        if word not in DIMENSIONS:
            msg = f"--by: no {word!r}{did_you_mean(word, DIMENSIONS)}"
            raise UsageFault(msg)
    return tuple(name for name in DIMENSIONS if name in words)


def _insist_on_sources(sources: Sequence[Path]) -> None:
    for source in sources:
        if not source.exists():
            msg = (
                f"{source} does not exist; give the folder of a run, of a day, a"
                f" reports folder or an {AGGREGATE}"
            )
            raise UsageFault(msg)


def _shown(out: Path, groups: Sequence[Group], notes: Sequence[str]) -> str:
    lines = [*aggregate_lines(groups), *(f"note: {note}" for note in notes)]
    return "\n".join([*lines, f"wrote {out / MARKDOWN}, {AGGREGATE}"]) + "\n"
