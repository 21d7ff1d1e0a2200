"""Sentences that say what a pattern rests on."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_ONE_S_IN_MS = 1000.0
_MAX_SPANS = 8
"""Spans of runs that a sentence names before it only counts them."""


def runs_text(runs: Sequence[int]) -> str:
    """Name runs, neighbours as a range.

    >>> runs_text([1, 2, 5]), runs_text([3])
    ('runs 1-2, 5', 'run 3')
    >>> runs_text(range(1, 40, 2))
    'runs 1, 3, 5, 7, 9, 11, 13, 15, ... (20 in all)'
    """
    spans = [
        [run for _, run in span]
        for _, span in groupby(enumerate(sorted(runs)), key=lambda pair: _gap(*pair))
    ]
    names = [
        f"{span[0]}-{span[-1]}" if len(span) > 1 else f"{span[0]}" for span in spans
    ]
    word = "runs" if len(runs) > 1 else "run"
    if len(names) > _MAX_SPANS:
        return f"{word} {', '.join(names[:_MAX_SPANS])}, ... ({len(runs)} in all)"
    return f"{word} {', '.join(names)}"


def seconds_text(duration_ms: float) -> str:
    """Give a duration in seconds.

    >>> seconds_text(1800.0), seconds_text(20.0)
    ('1.8 s', '0.02 s')
    """
    seconds = duration_ms / _ONE_S_IN_MS
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2g} s"


def chance_text(p_value: float, pooled: Sequence[str]) -> str:
    """Give the chance of a pattern and over which prompts it was pooled.

    >>> chance_text(1 / 9261, ["P6", "P7"])
    'chance p = 0.00011 pooled over P6, P7'
    >>> chance_text(0.5, ["P6"])
    'chance p = 0.5'
    """
    over = f" pooled over {', '.join(pooled)}" if len(pooled) > 1 else ""
    return f"chance p = {p_value:.2g}{over}"


def _gap(index: int, run: int) -> int:
    return run - index
