"""results.jsonl without its texts, read fast: what counts and timings need."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from pytest_llmbench.checks.reply import Reply, Timings
from pytest_llmbench.runs.record import Attempt, Fault, Record

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Reply(Struct):
    timings: Timings = Timings()


class _Fault(Struct):
    kind: str = ""


class _Attempt(Struct):
    outcome: str
    started_at: str = ""


class _Line(Struct):
    """The fields of a record that are read; all others are passed over."""

    suite: str
    phase: str
    model: str
    variant: str
    spec: str
    run: int
    prompt_id: str
    prompt_hash: str
    outcome: str
    behaviour: str | None = None
    expects_no_tool: bool = False
    expects_tool: bool = False
    reply: _Reply | None = None
    fault: _Fault | None = None
    earlier_attempts: tuple[_Attempt, ...] = ()
    started_at: str = ""
    server: str = ""


_DECODER = msgspec.json.Decoder(_Line)


def read_trial_lines(data: bytes) -> Iterator[Record]:
    """Yield slim records from the bytes of a results.jsonl.

    They have no texts, checks, tool calls or usage. What stands behind the last
    line end was cut off by a crash and is left out. A third of the time that
    `read_records` takes.

    Raises:
        ValueError: a line is no record of this schema version; the message says
            which.
    """
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        try:
            yield _record(_decoded(line))
        except (ValueError, TypeError) as error:
            msg = f"line {number} is no record of this version: {error}"
            raise ValueError(msg) from None


def _decoded(line: bytes) -> _Line:
    try:
        return _DECODER.decode(line)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:  # a lone surrogate, which json reads
        return msgspec.convert(json.loads(line), _Line)


def _record(line: _Line) -> Record:
    fields: dict[str, Any] = msgspec.structs.asdict(line)
    if line.reply is not None:
        fields["reply"] = Reply(timings=line.reply.timings)
    if line.fault is not None:
        fields["fault"] = Fault(kind=line.fault.kind, message="")
    fields["earlier_attempts"] = tuple(
        Attempt(outcome=one.outcome, kind="", message="", started_at=one.started_at)  # type: ignore[arg-type]
        for one in line.earlier_attempts
    )
    return Record(trial_id="", **fields)
