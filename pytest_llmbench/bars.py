"""How far ahead of pytest an item's question may be asked.

Only what will run is asked. A trial that may yet be skipped, and one before which the
user's own fixtures or hooks do something, waits until pytest has come to it.
"""

from __future__ import annotations

import inspect
import sysconfig
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_llmbench.items import PromptItem
    from pytest_llmbench.units import Units

_MAY_SKIP: Final = frozenset({"skip", "skipif", "xfail", "usefixtures"})
_WARMUP: Final = "llmbench_warmup"
_HOOKS: Final = ("pytest_runtest_protocol", "pytest_runtest_setup")
_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
_HARMLESS: Final = frozenset({"_pytest", "pytest", __name__.partition(".")[0]})
"""Packages, wherever they lie: xdist copies pytest's beside the suites."""


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

    A session's fixtures are set up with the first item that needs them. Those of a
    module, class or package are set up with their file's first item.
    """
    scopes = {"function"} if _has_hooks(item) else set()
    session: list[object] = []
    for name, definitions in item.fixture_definitions.items():
        if any(_is_users(one.func) for one in definitions):
            scope = "function" if name == _WARMUP else definitions[-1].scope
            scopes.add(scope)
            session += definitions if scope == "session" else ()
    if "function" in scopes:
        return None
    return item.parent if scopes - {"session"} else frozenset(session)


def _has_hooks(item: PromptItem) -> bool:
    """Whether a hook of the user's own comes before the item's set-up."""
    callers = (getattr(item.ihook, name) for name in _HOOKS)
    impls = [impl for caller in callers for impl in caller.get_hookimpls()]
    return any(_is_users(impl.function) for impl in impls)


def _is_users(function: Callable[..., object]) -> bool:
    """Whether a fixture or hook stands in a file of the user's.

    What is installed, of the standard library, pytest's or ours is not; that nothing
    in an installed plugin touches a model's server is taken for granted.
    """
    function = inspect.unwrap(function)
    if str(function.__module__).partition(".")[0] in _HARMLESS:
        return False
    try:
        return _is_users_file(inspect.getfile(function))
    except TypeError:  # built in
        return False


@cache
def _is_users_file(name: str) -> bool:
    """Whether a file is the user's; a conftest is, wherever it lies."""
    path = Path(name)
    if path.name == "conftest.py":
        return True
    library = Path(sysconfig.get_path("stdlib"))
    return not (_INSTALLED.intersection(path.parts) or path.is_relative_to(library))
