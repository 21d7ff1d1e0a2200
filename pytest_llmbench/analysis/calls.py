"""What a trial's calls came to as calls, whatever the answer was worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmbench.runs.record import UNBILLED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_llmbench.runs.record import Record

RATE_LIMITED: Final = "rate_limited"
"""The fault kind of a call that the key's own limit refused."""

_NEVER_SENT: Final = "fixture"


def is_called(record: Record) -> bool:
    """Whether the trial came to a call: a skip and a broken fixture come to none."""
    kind = record.fault.kind if record.fault else ""
    return record.outcome != "skipped" and kind != _NEVER_SENT


def is_billed(record: Record) -> bool:
    """Whether the trial was paid for, or may have been.

    A call that was refused by its status costs nothing; one that broke may have been
    answered on the other side. A conversation that was stopped was asked in part.
    """
    if record.reply is not None:
        return True
    kind = record.fault.kind if record.fault else ""
    return is_called(record) and kind not in UNBILLED


def skipped_for(records: Iterable[Record], kind: str) -> str | None:
    """Return why trials were skipped for one kind of reason; None where none was."""
    for record in records:
        fault = record.fault
        if record.outcome == "skipped" and fault and fault.kind == kind:
            return fault.message
    return None
