"""How many calls came through: a service's part in a run, not the model's."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from pytest_llmbench.analysis.calls import RATE_LIMITED, is_called
from pytest_llmbench.analysis.trials import is_judged

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_llmbench.runs.record import Record

LIMIT: Final = 0.90
"""The success rate from which a run shows the model and not its service."""


class Accounting(Struct, frozen=True, kw_only=True):
    """Trials by what became of their calls.

    A time-out is judged, against the model: it is in `ok`. Trials that a retry or a
    back-off has brought through are in `ok` too.

    Attributes:
        called: trials that came to a call; `ok`, `rate_limited` and errors together.
        ok: judged, right or wrong.
        rate_limited: the key's limit refused them to the end.
        errors: all other errors by their kind, the commonest first.
    """

    called: int
    ok: int
    rate_limited: int
    errors: Mapping[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float | None:
        """`ok` of `called`; None if nothing was called."""
        return self.ok / self.called if self.called else None

    @property
    def is_enough(self) -> bool:
        """Whether the rate reaches its limit; nothing called is not too little."""
        return self.rate is None or self.rate >= LIMIT

    @property
    def faults(self) -> Mapping[str, int]:
        """What is not ok by its kind, rate limits first."""
        limited = {RATE_LIMITED: self.rate_limited} if self.rate_limited else {}
        return {**limited, **self.errors}

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain JSON."""
        return {
            "called": self.called,
            "ok": self.ok,
            "rate_limited": self.rate_limited,
            "error": sum(self.errors.values()),
            "errors": dict(self.errors),
            "rate": self.rate,
            "limit": LIMIT,
            "is_enough": self.is_enough,
        }


def accounting(records: Iterable[Record]) -> Accounting:
    """Count trials by what became of their calls."""
    called = [record for record in records if is_called(record)]
    kinds = Counter(_kind(record) for record in called if not is_judged(record))
    limited = kinds.pop(RATE_LIMITED, 0)
    return Accounting(
        called=len(called),
        ok=sum(map(is_judged, called)),
        rate_limited=limited,
        errors=dict(kinds.most_common()),
    )


def _kind(record: Record) -> str:
    return record.fault.kind if record.fault else "call_error"
