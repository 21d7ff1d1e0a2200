"""How failed trials failed, counted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_llmbench.analysis.trials import FAILED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_llmbench.checks.verdict import FailureMode
    from pytest_llmbench.runs.record import Record


def failure_modes(records: Iterable[Record]) -> dict[FailureMode, int]:
    """Count the failed trials by failure mode, the commonest first.

    A timeout is a mode of its own, even where its record names none. A failed
    trial stored before modes were recorded is in no count.
    """
    modes = (_mode(record) for record in records if record.outcome in FAILED)
    return ordered(Counter(mode for mode in modes if mode))


def ordered(counts: Counter[FailureMode]) -> dict[FailureMode, int]:
    """Put the commonest first, equals by their word.

    >>> ordered(Counter(empty=1, wrong_tool=2, refused=1))
    {'wrong_tool': 2, 'empty': 1, 'refused': 1}
    """
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _mode(record: Record) -> FailureMode | None:
    return "timeout" if record.outcome == "timeout" else record.failure_mode
