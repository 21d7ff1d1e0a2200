"""AGGREGATE_SUMMARY.json: totals for readers, and the rows they are taken from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct, field

from pytest_llmbench.analysis.rows import RunRow  # noqa: TC001 - decoded into
from pytest_llmbench.errors import UsageFault
from pytest_llmbench.masking import masked_json
from pytest_llmbench.runs.folder import write_masked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pytest_llmbench.analysis.aggregation import PromptSets

AGGREGATE: Final = "AGGREGATE_SUMMARY.json"
SCHEMA_VERSION: Final = 1


class StoredRows(Struct, frozen=True, kw_only=True):
    """The rows of an AGGREGATE_SUMMARY.json."""

    schema_version: int
    prompt_sets: dict[str, dict[str, str]] = field(default_factory=dict)
    runs: tuple[RunRow, ...] = ()


class _Version(Struct):
    schema_version: int


def read_rows(path: Path) -> StoredRows:
    """Read the rows of an AGGREGATE_SUMMARY.json.

    Raises:
        UsageFault: it is none of this version.
    """
    try:
        data = path.read_bytes()
        version = msgspec.json.decode(data, type=_Version).schema_version
        if version != SCHEMA_VERSION:
            msg = (
                f"{path}: its schema_version is {version}, not {SCHEMA_VERSION}; use"
                " the llmbench that wrote it, or move it away"
            )
            raise UsageFault(msg)
        return msgspec.json.decode(data, type=StoredRows)
    except OSError as error:
        msg = f"{path}: {error.strerror}"
        raise UsageFault(msg) from None
    except ValueError as error:
        msg = (
            f"{path} is no aggregate of this version ({error}). It may hold runs whose"
            " folders are gone, so it is not overwritten: repair it or move it away"
        )
        raise UsageFault(msg) from None


def write_rows(
    path: Path, head: Mapping[str, Any], sets: PromptSets, runs: Iterable[RunRow]
) -> Path:
    """Write the file whole, one line per run, so that it can be read by line too.

    Args:
        head: what readers look at; not masked yet. Rows are.
    """
    return write_masked(path, _pieces(head, sets, runs))


def _pieces(
    head: Mapping[str, Any], sets: PromptSets, runs: Iterable[RunRow]
) -> Iterator[str]:
    whole = {"schema_version": SCHEMA_VERSION, **head, "prompt_sets": sets}
    yield masked_json(whole, indent=2).rstrip().removesuffix("}").rstrip()
    start = ',\n  "runs": [\n    '
    encode = msgspec.json.Encoder().encode
    for run in runs:
        yield start + encode(run).decode()
        start = ",\n    "
    yield "\n  ]\n}\n"
