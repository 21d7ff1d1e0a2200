"""Keys for caches of what is slow to make from values that never change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from typing_extensions import override

CACHE_SIZE: Final = 512
"""What a cache by these keys may hold: more than one session's suites state."""

Objects = TypeVar("Objects", bound=tuple[object, ...])


@dataclass(frozen=True, slots=True, eq=False)
class Same(Generic[Objects]):
    """A key equal to another exactly if both hold the same objects.

    Suites hold mappings, which have no hash. They are not changed once read, so
    the object itself can stand for its contents. The key keeps its objects alive:
    their addresses cannot come to mean others.

    >>> schema = {"type": "object"}
    >>> Same((schema,)) == Same((schema,)), Same((schema,)) == Same(({},))
    (True, False)
    """

    objects: Objects

    @override
    def __hash__(self) -> int:
        return hash(tuple(map(id, self.objects)))

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Same) or len(self.objects) != len(other.objects):
            return False
        pairs = zip(self.objects, other.objects, strict=True)
        return all(mine is theirs for mine, theirs in pairs)
