"""How many trials were tried again, and why."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import asdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_llmbench.runs.record import Attempt, Record


class RetryCount(Struct, frozen=True, kw_only=True):
    """Attempts that retries have replaced; they are in no other figure.

    Attributes:
        trials: trials with an attempt that was replaced.
        attempts: attempts that were replaced.
        reasons: these by `timeout` or their error's word, the commonest first.
    """

    trials: int
    attempts: int
    reasons: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain JSON."""
        return asdict(self)


def retry_count(records: Iterable[Record]) -> RetryCount:
    """Count the replaced attempts of trials."""
    retried = [record for record in records if record.earlier_attempts]
    counts = Counter(_reason(a) for record in retried for a in record.earlier_attempts)
    return RetryCount(
        trials=len(retried),
        attempts=counts.total(),
        reasons=dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
    )


def _reason(attempt: Attempt) -> str:
    return "timeout" if attempt.outcome == "timeout" else attempt.kind
