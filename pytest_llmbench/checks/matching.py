"""One-to-one matching of expected entries with what came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Sequence


def unmatched_row(fits: Sequence[Sequence[bool]]) -> int | None:
    """Return a row that is left over when rows and columns are paired off.

    Each row takes a column of its own that fits. A greedy choice can block a
    later row, so rows may be moved: maximum bipartite matching by augmenting
    paths (Kuhn, 1955).

    Args:
        fits: for each row, whether each column fits it.

    Returns:
        The first row without a column, counted from 0, or None if all have one.

    >>> unmatched_row([[True, True], [True, False]]) is None
    True
    >>> unmatched_row([[True, False], [True, False]])
    1
    """
    pairing = _Pairing(fits=fits)
    rows = range(len(fits))
    return next((row for row in rows if not pairing.seat(row, set())), None)


class _Pairing(Struct, frozen=True, kw_only=True):
    """The row that holds each column so far."""

    fits: Sequence[Sequence[bool]]
    holder: dict[int, int] = field(default_factory=dict)

    def seat(self, row: int, tried: set[int]) -> bool:
        """Give a row a column, moving the rows before it where that helps."""
        for column, is_fit in enumerate(self.fits[row]):
            if not is_fit or column in tried:
                continue
            tried.add(column)
            holder = self.holder.get(column)
            if holder is None or self.seat(holder, tried):
                self.holder[column] = row
                return True
        return False
