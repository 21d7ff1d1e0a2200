"""From a `*.bench.yaml` file to a `Suite`, with every fault reported at once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct, field

from pytest_llmbench import __version__
from pytest_llmbench.errors import SuiteError
from pytest_llmbench.prompts.context import filler_fault
from pytest_llmbench.prompts.entries import build_prompts, entry_faults
from pytest_llmbench.prompts.schema import schema_faults, schema_text
from pytest_llmbench.prompts.suite import Suite, Tool
from pytest_llmbench.prompts.yamlmarks import (
    MAX_BYTES,
    Fault,
    MarkedYaml,
    read_yaml,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_llmbench.prompts.suite import Prompt
    from pytest_llmbench.prompts.yamlmarks import Path as KeyPath

    ExpectationFaults = Callable[[Prompt], Iterable[tuple[str, str]]]
    """Gives (expectation, message) for values that its check cannot use."""


class Verified(Protocol):
    """The digests of texts that were found to follow the format; a set will do."""

    def __contains__(self, digest: str, /) -> bool:
        """Whether texts of this digest need not be held against the format again."""
        ...

    def add(self, digest: str, /) -> None:
        """Note that they follow it."""
        ...


def load_suite(
    path: Path,
    *,
    shown_as: str = "",
    expectation_faults: ExpectationFaults | None = None,
    verified: Verified | None = None,
) -> Suite:
    """Read and check one suite file.

    Args:
        path: the file.
        shown_as: the file's name in messages and in the suite; `path` if empty.
        expectation_faults: the checks' own word on each prompt's expectations.
        verified: spares a known text the JSON Schemas, whose library takes longer
            to load than a short suite to run; a new text without faults is added.

    Raises:
        SuiteError: the message has one line `file:line: fault` per fault.
    """
    known = set[str]() if verified is None else verified
    reading = _Reading(path=path, shown_as=shown_as or str(path), verified=known)
    suite = reading.suite()
    if suite is not None and expectation_faults is not None:
        reading.judge_expectations(suite, expectation_faults)
    if suite is None or reading.faults:
        raise SuiteError("\n".join(sorted_lines(reading.faults)))
    if not reading.is_verified:
        known.add(reading.digest())
    return suite


def sorted_lines(faults: Iterable[tuple[str, Fault]]) -> list[str]:
    """Return `file:line: message` lines, by file and line, each once."""
    ordered = sorted(faults, key=lambda fault: (fault[0], fault[1].line))
    lines = (f"{name}:{fault.line}: {fault.message}" for name, fault in ordered)
    # A key of the file may hold line ends; a fault is one line all the same.
    return list(dict.fromkeys(" ".join(line.splitlines()) for line in lines))


class _Reading(Struct):
    """One file being read: its faults gather here."""

    path: Path
    shown_as: str
    verified: Verified
    is_verified: bool = False
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    document: MarkedYaml = field(default_factory=MarkedYaml)
    texts: list[str] = field(default_factory=list)

    def suite(self) -> Suite | None:
        self.document = self._read(self.path, self.shown_as)
        value = self.document.value
        if self.faults and value is None:
            return None
        if not isinstance(value, dict):
            self._fault((), "a suite is a mapping with the keys suite and prompts")
            return None
        given = value.get("tools", [])
        name = self._beside(given) if isinstance(given, str) else ""
        tools_file = self._read(self.path.parent / str(given), name) if name else None
        tools = given if tools_file is None else tools_file.value
        self.is_verified = self.digest() in self.verified
        if not self.is_verified:
            self._check(self.document, self.shown_as, "")
            self._check_tools(tools, tools_file, name)
        tools = tools if isinstance(tools, list) else []
        self._check_entries(value.get("prompts"), tools)
        self._check_ids(value)
        return None if self.faults else self._build(value, tools)

    def digest(self) -> str:
        """Return what stands for the texts, the format and the code that checks it."""
        whole = "\0".join([__version__, schema_text(), *self.texts])
        return hashlib.sha256(whole.encode()).hexdigest()

    def judge_expectations(self, suite: Suite, judge: ExpectationFaults) -> None:
        entries = {prompt.names[-1]: prompt for prompt in suite.prompts}
        for index, (name_in_file, prompt) in enumerate(entries.items()):
            for turn in range(max(1, len(prompt.turns))):
                inside = ("turns", turn) if prompt.turns else ()
                for name, message in judge(prompt.of_turn(turn)):
                    place: KeyPath = ("prompts", index, *inside, "expect", name)
                    where = name_in_file + (f": turn {turn + 1}" if inside else "")
                    self._fault(place, f"{where}: expect.{name}: {message}")

    def _read(self, path: Path, shown_as: str) -> MarkedYaml:
        text = self._read_text(path, shown_as)
        if text is None:
            return MarkedYaml()
        self.texts.append(text)
        document = read_yaml(text)
        self.faults.extend((shown_as, fault) for fault in document.faults)
        return document

    def _read_text(self, path: Path, shown_as: str) -> str | None:
        try:
            with path.open("rb") as file:
                return file.read(MAX_BYTES + 1).decode("utf-8")
        except OSError as error:
            reason = error.strerror or str(error)
        except UnicodeDecodeError:
            reason = "not UTF-8 text"
        except ValueError as error:  # a file name that no file can have
            reason = str(error)
        self.faults.append((shown_as, Fault(1, f"cannot be read: {reason}")))
        return None

    def _check(self, document: MarkedYaml, shown_as: str, definition: str) -> None:
        for path, message in schema_faults(document.value, definition):
            self.faults.append((shown_as, Fault(document.line(path), message)))

    def _check_ids(self, value: dict[str, Any]) -> None:
        for index, name in _repeated(value.get("prompts"), "id"):
            self._fault(("prompts", index, "id"), f"prompt id {name!r} stands twice")

    def _check_entries(self, entries: object, tools: list[Any]) -> None:
        names = [tool["name"] for tool in tools if _has_name(tool)]
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            for path, message in entry_faults(entry, names):
                colon = "" if message.startswith("lacks") else ":"
                named = f"prompts[{index}]{colon} {message}"
                self._fault(("prompts", index, *path), named)

    def _beside(self, name: str) -> str:
        return str(Path(self.shown_as).parent / name)

    def _check_tools(
        self, tools: object, file: MarkedYaml | None, file_name: str
    ) -> None:
        """Check the tools, where they stand in the suite or in a file of their own."""
        document, shown_as = self.document, self.shown_as
        base: KeyPath = ("tools",)
        if file is not None:
            document, shown_as, base = file, file_name, ()
            is_told = any(name == file_name for name, _ in self.faults)
            if tools is not None or not is_told:
                self._check(file, file_name, "toolList")
        for path, message in _tool_faults(tools):
            line = document.line((*base, *path))
            self.faults.append((shown_as, Fault(line, message)))

    def _build(self, value: dict[str, Any], tools: list[Any]) -> Suite:
        offered = tuple(Tool(**tool) for tool in tools)
        prompts: list[Prompt] = []
        for index, entry in enumerate(value["prompts"]):
            line = self.document.line(("prompts", index))
            built = build_prompts(entry, value, offered, line)
            fault = filler_fault(built[0]) if built[0].context is not None else ""
            if fault:
                self._fault(("prompts", index, "context"), f"{entry['id']}: {fault}")
            prompts += built
        return Suite(
            name=value["suite"],
            phase=value.get("phase", value["suite"]),
            prompts=tuple(prompts),
            path=self.shown_as,
        )

    def _fault(self, path: KeyPath, message: str) -> None:
        self.faults.append((self.shown_as, Fault(self.document.line(path), message)))


def _repeated(entries: object, key: str) -> Iterator[tuple[int, str]]:
    """Yield index and value of each entry whose key repeats an earlier one's."""
    seen = set()
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        name = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(name, str):
            if name in seen:
                yield index, name
            seen.add(name)


def _has_name(tool: object) -> bool:
    return isinstance(tool, dict) and isinstance(tool.get("name"), str)


def _tool_faults(tools: object) -> Iterator[tuple[KeyPath, str]]:
    for index, name in _repeated(tools, "name"):
        yield (index, "name"), f"tool {name!r} stands twice"
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        parameters = tool.get("parameters") if isinstance(tool, dict) else None
        message = _schema_fault(parameters) if isinstance(parameters, dict) else ""
        if message:
            yield (
                (index, "parameters"),
                f"tool {tool.get('name')!r}: parameters: {message}",
            )


def _schema_fault(schema: dict[str, Any]) -> str:
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return error.message
    return ""
