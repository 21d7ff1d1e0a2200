"""Values of the program's own classes, for property tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


def built(
    kind: Callable[..., _T], /, **parts: st.SearchStrategy[object]
) -> st.SearchStrategy[_T]:
    """Draw values of a class from strategies for its fields.

    `st.builds` looks at the types of all fields, and some are imported for type
    checkers only.
    """
    return st.fixed_dictionaries(parts).map(lambda values: kind(**values))
