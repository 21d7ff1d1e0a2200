"""Which suite texts were checked before, remembered in pytest's cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_FOLDER: Final = "llmbench-suites"


class VerifiedSuites:
    """One empty file per digest: workers and runs side by side need no lock.

    `--cache-clear` forgets them all. Without pytest's cache, and where it can't be
    written, every text is new.
    """

    def __init__(self, config: pytest.Config) -> None:
        cache = getattr(config, "cache", None)  # absent with -p no:cacheprovider
        self._folder: Path | None = None
        try:
            self._folder = cache.mkdir(_FOLDER) if cache else None
        except OSError:
            return

    def __contains__(self, digest: str) -> bool:
        """Whether texts of this digest were found to follow the format."""
        return self._folder is not None and (self._folder / digest).exists()

    def add(self, digest: str) -> None:
        """Note that they follow it."""
        try:
            if self._folder is not None:
                (self._folder / digest).touch()
        except OSError:
            return
