"""Which stored result a word on the command line means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmbench.errors import SpecError, UsageFault
from pytest_llmbench.prompts.spec import parse_spec
from pytest_llmbench.prompts.wording import closest
from pytest_llmbench.runs.folder import RESULTS, read_records
from pytest_llmbench.runs.stored import (
    newest_job,
    newest_summaries,
    read_summary,
    run_folders,
    stored_jobs,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_llmbench.runs.record import Record

_KINDS: Final = "a run id, a run's folder, RUN:VARIANT, RUN:baseline or a spec"
_MAX_SHOWN: Final = 3


class StoredResult(Struct, frozen=True, kw_only=True):
    """The records that one word names; all of one run.

    Attributes:
        jobs: what the run's summary.json says of its specs; nothing of a killed run.
    """

    run_id: str
    records: tuple[Record, ...]
    jobs: tuple[Mapping[str, Any], ...] = ()

    @property
    def specs(self) -> tuple[str, ...]:
        """The specs of the records, in the order they ran."""
        return tuple(dict.fromkeys(record.spec for record in self.records))

    @property
    def label(self) -> str:
        """Specs and run, for a reader."""
        return f"{', '.join(self.specs)} ({self.run_id})"

    @property
    def comparability(self) -> Mapping[str, Any]:
        """What its first spec was measured under; empty if that is not stored."""
        own = (job for job in self.jobs if job.get("spec") == self.specs[0])
        return next((job.get("comparability") or {} for job in own), {})

    def role(self, spec: str) -> str | None:
        """Return whether a spec was its session's `baseline` or a `candidate`."""
        own = (job for job in self.jobs if job.get("spec") == spec)
        return next((job.get("role") for job in own), None)

    def to_json(self) -> dict[str, Any]:
        """Return run and specs as plain JSON."""
        return {"run_id": self.run_id, "specs": list(self.specs)}

    def only(self, records: Iterable[Record]) -> StoredResult:
        """Return a part of the result."""
        return replace(self, records=tuple(records))


def stored_result(reports: Path, text: str) -> StoredResult:
    """Return the records that a word names.

    Args:
        text: a run id, a run's folder, either with `:WORD` behind it (a variant,
            model, spec or role of that run), or a spec (its newest stored run).

    Raises:
        UsageFault: there is no such result, or it cannot be read.
    """
    folder, word = _folder(reports, text)
    if folder is None:
        spec = _spec(reports, text)
        return stored_result(reports, f"{_newest_run(reports, spec)}:{spec}")
    result = StoredResult(
        run_id=folder.name, records=_records(folder), jobs=stored_jobs(folder)
    )
    if not word:
        return result
    own = result.only(r for r in result.records if word in _words(r, result))
    if not own.records:
        known = ", ".join(dict.fromkeys(r.variant for r in result.records))
        msg = f"run {folder.name} has no {word!r}; its variants: {known}"
        raise UsageFault(msg)
    return own


def one_result(result: StoredResult) -> StoredResult:
    """Return the result if each of its suites ran with one spec only.

    Raises:
        UsageFault: several specs of one suite, so it is unclear which is meant.
    """
    by_suite: dict[str, set[str]] = {}
    for record in result.records:
        by_suite.setdefault(record.suite, set()).add(record.spec)
    crowded = next((suite for suite, own in by_suite.items() if len(own) > 1), None)
    if crowded is None:
        return result
    specs = [spec for spec in result.specs if spec in by_suite[crowded]]
    shown = "".join(f"\n  '{result.run_id}:{spec}'" for spec in specs)
    msg = f"run {result.run_id} has {len(specs)} specs of suite {crowded!r}; name one:"
    raise UsageFault(msg + shown)


def run_folder(reports: Path, text: str) -> Path:
    """Return the folder of the run that a word names: a run id or the folder itself.

    Raises:
        UsageFault: there is no such run.
    """
    folder, word = _folder(reports, text)
    if folder is None or word:
        raise UsageFault(_no_run(reports, text, "a run id or a run's folder"))
    return folder


def run_summary(reports: Path, run_id: str) -> dict[str, Any]:
    """Return the stored summary.json of a run.

    Raises:
        UsageFault: there is no such run, or it has no summary.
    """
    folder = run_folder(reports, run_id)
    summary = read_summary(folder)
    if summary is None:
        msg = (
            f"run {folder.name} has no summary that can be read;"
            f" finish it: pytest --resume {folder.name}"
        )
        raise UsageFault(msg)
    return summary


def _folder(reports: Path, text: str) -> tuple[Path | None, str]:
    """Split RUN[:WORD]; None where it names no run."""
    if _is_folder(text):
        return Path(text).resolve(), ""
    head, _, word = text.partition(":")
    if _is_folder(head):
        return Path(head).resolve(), word
    named = (folder for folder in run_folders(reports) if folder.name == head)
    return next(named, None), word


def _is_folder(text: str) -> bool:
    try:
        return bool(text) and Path(text).is_dir()
    except OSError:  # longer than a file's name may be
        return False


def _spec(reports: Path, text: str) -> str:
    """Read a word that names no run as a spec.

    Raises:
        UsageFault: it is no spec either.
    """
    if " " not in text.strip():
        raise UsageFault(_no_run(reports, text))
    try:
        return str(parse_spec(text))
    except SpecError as error:
        msg = f"{text!r} names no run and is no spec: {error}"
        raise UsageFault(msg) from None


def _no_run(reports: Path, text: str, kinds: str = _KINDS) -> str:
    ids = [folder.name for folder in run_folders(reports)]
    near = closest(text.partition(":")[0], ids)
    if near:
        return f"there is no run {text!r} in {reports}; did you mean {near!r}?"
    newest = f"the newest runs: {', '.join(ids[:_MAX_SHOWN])}" if ids else "it has none"
    return f"there is no run {text!r} in {reports}; {newest}. Give {kinds}"


def _newest_run(reports: Path, spec: str) -> str:
    job = newest_job(reports, spec)
    if job is not None:
        return str(job["run_id"])
    known = {
        str(stored.get("spec"))
        for summary in newest_summaries(reports)
        for stored in summary["job_summaries"]
    }
    near = closest(spec, known)
    hint = f"; did you mean {near!r}?" if near else ""
    msg = f"no stored run of the spec {spec!r} in {reports}{hint}"
    raise UsageFault(msg)


def _records(folder: Path) -> tuple[Record, ...]:
    path = folder / RESULTS
    try:
        records = tuple(read_records(path))
    except OSError as error:
        msg = f"{path}: {error.strerror}; give the folder of a run"
        raise UsageFault(msg) from None
    if not records:
        msg = f"{path} holds no finished trial"
        raise UsageFault(msg)
    return records


def _words(record: Record, result: StoredResult) -> tuple[str | None, ...]:
    return record.variant, record.model, record.spec, result.role(record.spec)
