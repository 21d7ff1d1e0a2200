"""Replies that have the right content in a form that was not asked for."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Final

from pytest_llmbench.checks.expectation import texts_of
from pytest_llmbench.checks.fences import fenced_texts
from pytest_llmbench.checks.jsontext import embedded_values, parse_only_json
from pytest_llmbench.checks.regexes import matches_fully, matches_within
from pytest_llmbench.checks.registry import EXPECTATIONS
from pytest_llmbench.checks.reply import Reply
from pytest_llmbench.prompts.yamlmarks import read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_llmbench.prompts.suite import Json, Prompt

_MOST_TRIED: Final = 32
_LONGEST_GUESS: Final = 10_000
"""Characters of a text that is read again as something else than asked for."""

_OPENING: Final = "\"'\u2018\u201c\u00ab([{<*_`~#"
_CLOSING: Final = "\"'\u2019\u201d\u00bb)]}>*_`~.,;:!?\u2026"
_TELLING_LETTERS: Final = 4
"""A word with fewer is too common to be told from the words around it."""


def is_near_miss(name: str, expected: Json, reply: Reply, prompt: Prompt) -> bool:
    """Tell whether what an expectation asks for stands in a reply that failed it.

    Args:
        name: the expectation.
        expected: its value, in which it finds no fault.
    """
    compared = _COMPARED.get(name)
    if compared is not None:
        return compared(expected, reply.text)
    readings = _READINGS.get(name)
    is_in_form = readings is _as_json and not parse_only_json(reply.text).why
    if readings is None or is_in_form:
        return False
    if _is_scalar(expected) and _stands_in(json.dumps(expected), reply.text):
        return True
    check = EXPECTATIONS[name].check
    tried = islice(readings(reply.text), _MOST_TRIED)
    return any(check(expected, Reply(text=text), prompt).passed for text in tried)


def _is_scalar(value: Json) -> bool:
    return isinstance(value, str | int | float)


def _stands_in(wanted: str, text: str) -> bool:
    """Tell whether the words stand in the text, case, quotes and dots aside.

    A word as short as "no" stands in many texts that do not say it: it must be the
    first or the last.

    >>> _stands_in("Oslo", "It is **oslo**."), _stands_in("5", "15 km")
    (True, False)
    >>> _stands_in("no", "No, it is not."), _stands_in("no", "I have no tool.")
    (True, False)
    """
    words, said = _bare_words(wanted), _bare_words(text)
    if words.isalpha() and len(words) < _TELLING_LETTERS:
        ends = said.split()[:1] + said.split()[-1:]
        return words in ends
    return bool(words) and f" {words} " in f" {said} "


def _bare_words(text: str) -> str:
    words = (word.lstrip(_OPENING).rstrip(_CLOSING) for word in text.split())
    return " ".join(word for word in words if word).casefold()


def _some_stands_in(expected: Json, text: str) -> bool:
    return any(_stands_in(wanted, text) for wanted in texts_of(expected))


def _all_stand_in(expected: Json, text: str) -> bool:
    folded = text.casefold()
    return all(
        wanted.casefold() in folded or _stands_in(wanted, text)
        for wanted in texts_of(expected)
    )


def _matches_a_part(expected: Json, text: str) -> bool:
    pattern = str(expected)
    # What matches nothing at all stands in every text.
    return not matches_fully(pattern, "") and matches_within(pattern, text)


def _as_json(text: str) -> Iterator[str]:
    """Yield the JSON inside a text, and what would be JSON but for its quotes."""
    for value in embedded_values(text):
        yield json.dumps(value)
    for part in (*fenced_texts(text), text):
        document = read_yaml(part) if len(part) <= _LONGEST_GUESS else None
        if document is not None and not document.faults:
            yield json.dumps(document.value)


def _as_blocks(text: str) -> Iterator[str]:
    """Yield what code fences hold, and the text less its first or last paragraph."""
    yield from fenced_texts(text)
    lines = text.strip().splitlines(keepends=True)
    yield "".join(lines[1:])
    yield "".join(lines[:-1])
    yield "".join(lines[1:-1])
    paragraphs = [part for part in text.split("\n\n") if part.strip()]
    yield from paragraphs
    yield "\n\n".join(paragraphs[1:])
    yield "\n\n".join(paragraphs[:-1])
    yield "\n\n".join(paragraphs[1:-1])


_COMPARED: Final[Mapping[str, Callable[[Json, str], bool]]] = {
    "exact": _some_stands_in,
    "one_of": _some_stands_in,
    "contains": _all_stand_in,
    "regex": _matches_a_part,
}
"""How the expected texts may stand in a reply."""

_READINGS: Final[Mapping[str, Callable[[str], Iterator[str]]]] = {
    "json": _as_json,
    "json_schema": _as_json,
    "yaml": _as_blocks,
    "csv": _as_blocks,
}
"""The parts of a reply to which a format may have been kept."""
