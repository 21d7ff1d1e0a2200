"""Calls that were read by bending rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_llmbench.checks.calltext.found import Written


def as_salvaged(calls: Iterable[Written]) -> tuple[Written, ...]:
    """Return the same calls, marked as salvaged."""
    return tuple(replace(call, is_salvaged=True) for call in calls)
