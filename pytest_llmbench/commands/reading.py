"""How a command has pytest read a project's files, without running anything."""

from __future__ import annotations

from typing import Final

READING: Final = (
    *("-p", "llmbench", "-p", "no:cacheprovider"),
    # As we are imported already, pytest could not rewrite our asserts and would warn;
    # where warnings are errors it would not even start.
    "--assert=plain",
)
"""The words with which pytest's own command line begins."""
