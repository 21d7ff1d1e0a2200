"""An SQLite history: what any history does, and JSON of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from history_cases import StoreCases

from pytest_llmbench.runs.history import History

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    """Give a new history in a file."""
    with History.open(f"sqlite:///{tmp_path}/history.db") as opened:
        yield opened


class TestSqlite(StoreCases):
    """The default."""
