"""Code fences in a model's text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

FENCE: Final = "```"


def fenced_texts(text: str) -> Iterator[str]:
    r"""Yield what stands inside each code fence, in order; the last may be open.

    >>> list(fenced_texts("Here:\n```yaml\na: 1\n```\nDone."))
    ['a: 1\n']
    """
    inside: list[str] | None = None
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith(FENCE):
            if inside is not None:
                yield "".join(inside)
            inside = [] if inside is None else None
        elif inside is not None:
            inside.append(line)
    if inside:
        yield "".join(inside)
