"""What must come of one faulty call, and the comparison with what came."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asking import error_of, question

if TYPE_CHECKING:
    from fake_ollama import Fault

    from pytest_llmbench.calls.request import Answer, CallRequest
    from pytest_llmbench.errors import CallError


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault and what must come of it.

    Attributes:
        fault: put into the fake server; None where the request itself is at fault.
        words: all must be in the message.
        kept: the text that had come before; None where no reply had begun.
        outcome: the trial's outcome.
    """

    fault: Fault | None = None
    error: type[CallError]
    words: tuple[str, ...]
    kept: str | None = None
    outcome: str = "error"
    request: CallRequest = field(default_factory=question)


def check(answer: Answer, row: Row) -> None:
    """Compare an answer with its row."""
    error = error_of(answer)
    assert type(error) is row.error, error
    assert [word for word in row.words if word not in str(error)] == []
    assert error.outcome == row.outcome
    kept = error.partial.text if error.partial else None
    assert kept == row.kept
    if error.partial:
        assert error.partial.timings.queue_ms is not None
