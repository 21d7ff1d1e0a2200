"""Safe YAML into plain JSON values, with the line of every key and item.

Scalars follow YAML 1.2's core schema: only `true` and `false` are booleans, so
`city: NO` stays a text, and a date stays a text. What JSON has no number for
(`.inf`, `.nan`, `1e999`) stays a text too.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

import yaml
from msgspec import Struct, field

if TYPE_CHECKING:
    from pytest_llmbench.prompts.suite import Json

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_DEPTH: Final = 40
MAX_NODES: Final = 200_000
"""Values a file may hold once its aliases are expanded."""

Path = tuple[str | int, ...]

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUES: Final = frozenset({"true", "True", "TRUE"})
_FALSES: Final = frozenset({"false", "False", "FALSE"})
_INT = re.compile(r"[-+]?[0-9]{1,300}")
_INT_IN_BASE = re.compile(r"0x[0-9a-fA-F]{1,200}|0o[0-7]{1,200}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]{1,300}(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_QUOTED: Final = frozenset("'\"|>")


class Fault(Struct, frozen=True):
    """One fault of a file, at a line counted from 1."""

    line: int
    message: str


class MarkedYaml(Struct):
    """A document's value, where each part stands, and what is wrong with it."""

    value: Json = None
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """Return the line of a path, or of its nearest known parent."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class _TooMuchError(Exception):
    """The document is larger than a suite may be."""


def read_yaml(text: str) -> MarkedYaml:
    """Read one document; faults are collected, never raised."""
    document = MarkedYaml()
    if len(text) > MAX_BYTES:
        size = f"{len(text):,} characters; a suite has at most {MAX_BYTES:,}"
        document.faults.append(Fault(1, size))
        return document
    try:
        _scan_events(text, document.faults)
        node = yaml.compose(text, Loader=_LOADER)
        _Converter(document).convert_root(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        document.faults.append(Fault(line, f"not YAML: {error.problem}"))
    except yaml.reader.ReaderError as error:
        document.faults.append(_character_fault(text, error))
    # ValueError: the Python loader turns escapes into characters without a look.
    except (yaml.YAMLError, _TooMuchError, ValueError, OverflowError) as error:
        document.faults.append(Fault(1, f"not YAML we read: {error}"))
    return document


def _character_fault(text: str, error: yaml.reader.ReaderError) -> Fault:
    """Name the first character that YAML forbids; the loaders count differently."""
    found = error.character
    character = chr(found) if isinstance(found, int) else str(found)
    line = text.count("\n", 0, max(text.find(character), 0)) + 1
    return Fault(line, f"the character U+{ord(character):04X} may not stand in YAML")


def _scan_events(text: str, faults: list[Fault]) -> None:
    """Refuse deep nesting before it is built, and tags, which we never follow."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            msg = f"nested deeper than {MAX_DEPTH} levels"
            raise _TooMuchError(msg)
        if getattr(event, "tag", None):
            line = event.start_mark.line + 1 if event.start_mark else 1
            faults.append(Fault(line, "tags (!...) are not read; quote a text instead"))


class _Converter:
    """Turns nodes into values; aliases are expanded under a limit."""

    def __init__(self, document: MarkedYaml) -> None:
        self._document = document
        self._nodes = 0
        self._open: set[int] = set()

    def convert_root(self, node: yaml.Node | None) -> None:
        if node is not None:
            self._document.value = self._convert(node, ())

    def _convert(self, node: yaml.Node, path: Path) -> Json:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            msg = f"more than {MAX_NODES:,} values (aliases expanded)"
            raise _TooMuchError(msg)
        if id(node) in self._open:
            msg = "an alias contains itself"
            raise _TooMuchError(msg)
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return [self._convert(n, (*path, i)) for i, n in enumerate(node.value)]
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> Json:
        value: dict[str, Json] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(line, "a key must be a plain word")
                continue
            key = key_node.value
            if key == "<<" and key_node.style not in _QUOTED:
                self._fault(line, "merge keys (<<) are not read; write the keys out")
                continue
            if key in value:
                self._fault(line, f"key {key!r} stands twice")
                continue
            self._document.lines[*path, key] = line
            value[key] = self._convert(value_node, (*path, key))
        return value

    def _scalar(self, node: yaml.ScalarNode) -> Json:
        if any("\ud800" <= character <= "\udfff" for character in node.value):
            self._fault(node.start_mark.line + 1, "half a surrogate pair is no text")
        return node.value if node.style in _QUOTED else plain_scalar(node.value)

    def _fault(self, line: int, message: str) -> None:
        self._document.faults.append(Fault(line, message))


def plain_scalar(text: str) -> Json:
    """Read an unquoted scalar by YAML 1.2's core schema.

    >>> [plain_scalar(t) for t in ("NO", "true", "7", "7.5", "~", "2026-11-21")]
    ['NO', True, 7, 7.5, None, '2026-11-21']
    """
    if text in _NULLS:
        return None
    if text in _TRUES or text in _FALSES:
        return text in _TRUES
    if _INT.fullmatch(text):
        return int(text)
    if _INT_IN_BASE.fullmatch(text):
        return int(text, 0)
    number = float(text) if _FLOAT.fullmatch(text) else math.inf
    return number if math.isfinite(number) else text
