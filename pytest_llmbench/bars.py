"""How far ahead of pytest an item's question may be asked.

Only what will run is asked. A trial that may yet be skipped, and one whose fixtures
do something of their own before each test, waits until pytest has come to it.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from pytest_llmbench.items import PromptItem
    from pytest_llmbench.units import Units

_MAY_SKIP: Final = frozenset({"skip", "skipif", "xfail", "usefixtures"})
_WARMUP: Final = "llmbench_warmup"


def bars(items: Sequence[PromptItem], units: Units | None = None) -> list[object]:
    """Return one value per item: asking ahead ends where it changes or is None.

    Args:
        units: which trials this worker will be given; None if it has them all.
    """
    by_parent: dict[object, object] = {}
    found: list[object] = []
    for item in items:
        parent = item.parent
        if parent not in by_parent:
            by_parent[parent] = _bar_of_fixtures(item)
        is_sure = not any(mark.name in _MAY_SKIP for mark in item.iter_markers())
        bar = by_parent[parent] if is_sure else None
        if bar is not None and units is not None:
            bar = (bar, units.unit_of(item.trial.spec.model, item.trial.run))
        found.append(bar)
    return found


def _bar_of_fixtures(item: PromptItem) -> object:
    """Judge by the user's own fixtures; items of one suite file have the same ones.

    A session's fixtures are set up with the first item: they hold nothing up. Those
    of a module, class or package are set up with their file's first item.
    """
    scopes = set()
    for name, definitions in item.fixture_definitions.items():
        if any(_is_users(one) for one in definitions):
            scopes.add("function" if name == _WARMUP else definitions[-1].scope)
    if "function" in scopes:
        return None
    return item.parent if scopes - {"session"} else "session"


def _is_users(definition: pytest.FixtureDef[object]) -> bool:
    """Whether a fixture stands in a conftest, and not in an installed plugin."""
    try:
        return Path(inspect.getfile(inspect.unwrap(definition.func))).name == (
            "conftest.py"
        )
    except TypeError:  # built in
        return False
