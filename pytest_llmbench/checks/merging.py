"""Several replies of one trial as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from pytest_llmbench.checks.reply import Timings, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_llmbench.checks.reply import Reply


def merged(replies: Sequence[Reply]) -> Reply:
    """Return all calls, the last text, and times and tokens added up.

    TTFT, TTFC and load are the first reply's. The load of later replies is taken
    out of E2E, so that TTFT and E2E less load stay what they say. A sum with an
    unknown part is unknown.

    Args:
        replies: at least one, in order.
    """
    if len(replies) == 1:
        return replies[0]
    last = replies[-1]
    sums = {
        name: _sum(getattr(reply.timings, name) for reply in replies)
        for name in Timings.__struct_fields__
    }
    first = replies[0].timings
    later_load_ms = sum(reply.timings.load_ms or 0.0 for reply in replies[1:])
    e2e_ms = sums["e2e_ms"]
    timings = replace(
        Timings(**sums),
        ttft_ms=first.ttft_ms,
        ttfc_ms=first.ttfc_ms,
        load_ms=first.load_ms,
        e2e_ms=None if e2e_ms is None else e2e_ms - later_load_ms,
    )
    counts = {
        name: _whole(getattr(reply.usage, name) for reply in replies)
        for name in Usage.__struct_fields__
    }
    return replace(
        last,
        thinking="\n".join(reply.thinking for reply in replies if reply.thinking),
        tool_calls=tuple(call for reply in replies for call in reply.tool_calls),
        usage=Usage(**counts),
        timings=timings,
        deltas=sum(reply.deltas for reply in replies),
        parts=sum(reply.parts for reply in replies),
    )


def _sum(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)


def _whole(values: Iterable[int | None]) -> int | None:
    total = _sum(values)
    return None if total is None else int(total)
