"""Whether runs that were to begin cold, or warm, have done so."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import asdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_llmbench.runs.record import Record


class Turn(Struct, frozen=True, kw_only=True):
    """What was done to the model before one run of a spec, as summary.json says.

    Attributes:
        status: of its warm-up.
        load_s: seconds that the warm-up's load took.
        unloaded: whether the model was unloaded before, confirmed by its server.
        unload_fault: why it was not.
    """

    spec: str = ""
    run: int = 0
    status: str = ""
    detail: str = ""
    load_s: float | None = None
    unloaded: bool | None = None
    unload_fault: str = ""


class RunStart(Struct, frozen=True, kw_only=True):
    """How one run of a spec began.

    Attributes:
        run: counted from 1.
        unloaded: whether the server confirmed that the model was gone; None where
            nobody asked it.
        is_resident: what the server showed before the run's first call.
        load_ms: model load inside that call; None if the server did not tell.
        later_load_ms: the median of the run's other calls.
        warmup_load_ms: model load inside the warm-up before it.
        fault: why it did not begin as it was meant to; empty if it did.
    """

    run: int
    unloaded: bool | None = None
    is_resident: bool | None = None
    load_ms: float | None = None
    later_load_ms: float | None = None
    warmup_load_ms: float | None = None
    fault: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the start as plain JSON, with `is_confirmed`."""
        return {**asdict(self), "is_confirmed": not self.fault}


def run_starts(
    records: Iterable[Record], turns: Iterable[Turn], *, is_warm: bool
) -> tuple[RunStart, ...]:
    """Say of each run of one spec how it began.

    Args:
        records: of that spec only.
        turns: of that spec only.
        is_warm: whether it was to begin warmed up; else with the model not loaded.
    """
    by_run: defaultdict[int, list[Record]] = defaultdict(list)
    for record in records:
        if record.outcome != "skipped":
            by_run[record.run].append(record)
    told = {turn.run: turn for turn in turns}
    return tuple(
        _start(run, by_run[run], told.get(run), is_warm=is_warm)
        for run in sorted(by_run)
    )


def _start(
    run: int, trials: Sequence[Record], turn: Turn | None, *, is_warm: bool
) -> RunStart:
    ordered = sorted(trials, key=lambda trial: (not trial.started_at, trial.started_at))
    first, *others = ordered
    loads = [load for one in others if (load := one.timings.load_ms) is not None]
    load_s = turn.load_s if turn else None
    start = RunStart(
        run=run,
        unloaded=turn.unloaded if turn else None,
        is_resident=first.is_resident,
        load_ms=first.timings.load_ms,
        later_load_ms=median(loads) if loads else None,
        warmup_load_ms=None if load_s is None else load_s * 1000.0,
    )
    fault = _warm_fault(turn) if is_warm else _cold_fault(start, turn)
    return RunStart(**{**asdict(start), "fault": fault})


def _cold_fault(start: RunStart, turn: Turn | None) -> str:
    """Say why a run's cold start is not shown; empty if everything shows it.

    The server must have confirmed the unloading, shown no model just before the first
    call, and told of a load in it that is longer than in the calls behind it.
    """
    if start.unloaded is not True:
        reason = (turn.unload_fault if turn else "") or "nothing tells that it was"
        return f"the model was not unloaded: {reason}"
    if start.is_resident is not False:
        return "the first call did not find the model gone"
    if not start.load_ms:
        return "the first call tells of no load"
    if start.later_load_ms is not None and start.load_ms <= start.later_load_ms:
        return "the first call loaded no longer than those behind it"
    return ""


def _warm_fault(turn: Turn | None) -> str:
    if turn is None:
        return "nothing tells of a warm-up"
    if turn.status in {"success", "already_loaded"}:
        return ""
    return f"the warm-up {turn.status}: {turn.detail}".removesuffix(": ")
