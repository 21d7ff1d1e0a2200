"""What calls cost, from token counts and prices; unknown is None and never 0."""

from __future__ import annotations

from msgspec import Struct


class Prices(Struct, frozen=True, kw_only=True):
    """What a model's tokens cost, in US dollars per million.

    Attributes:
        in_usd_per_mtok: prompt tokens that are neither read from nor put into a
            cache.
        cached_usd_per_mtok: prompt tokens read from the service's cache; None if not
            told: a prompt with such a part has no cost then.
        cache_write_usd_per_mtok: prompt tokens put into the service's cache; None as
            above.
        out_usd_per_mtok: output tokens, thinking included.
    """

    in_usd_per_mtok: float
    out_usd_per_mtok: float
    cached_usd_per_mtok: float | None = None
    cache_write_usd_per_mtok: float | None = None


FREE = Prices(in_usd_per_mtok=0.0, out_usd_per_mtok=0.0)
"""A model of one's own: whatever its counts, nobody is paid."""
