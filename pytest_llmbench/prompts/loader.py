"""From a `*.bench.yaml` file to a `Suite`, with every fault reported at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from pytest_llmbench.errors import SuiteError
from pytest_llmbench.prompts.entries import build_prompt, entry_faults
from pytest_llmbench.prompts.schema import schema_faults
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


def load_suite(
    path: Path,
    *,
    shown_as: str = "",
    expectation_faults: ExpectationFaults | None = None,
) -> Suite:
    """Read and check one suite file.

    Args:
        path: the file.
        shown_as: the file's name in messages and in the suite; `path` if empty.
        expectation_faults: the checks' own word on each prompt's expectations.

    Raises:
        SuiteError: the message has one line `file:line: fault` per fault.
    """
    reading = _Reading(path=path, shown_as=shown_as or str(path))
    suite = reading.suite()
    if suite is not None and expectation_faults is not None:
        reading.judge_expectations(suite, expectation_faults)
    if suite is None or reading.faults:
        raise SuiteError("\n".join(sorted_lines(reading.faults)))
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
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    document: MarkedYaml = field(default_factory=MarkedYaml)

    def suite(self) -> Suite | None:
        self.document = self._read(self.path, self.shown_as)
        value = self.document.value
        if self.faults and value is None:
            return None
        if not isinstance(value, dict):
            self._fault((), "a suite is a mapping with the keys suite and prompts")
            return None
        self._check(self.document, self.shown_as, "")
        tools = self._tools(value.get("tools", []))
        self._check_entries(value.get("prompts"), tools)
        self._check_ids(value)
        return None if self.faults else self._build(value, tools)

    def judge_expectations(self, suite: Suite, judge: ExpectationFaults) -> None:
        for index, prompt in enumerate(suite.prompts):
            for turn in range(max(1, len(prompt.turns))):
                inside = ("turns", turn) if prompt.turns else ()
                for name, message in judge(prompt.of_turn(turn)):
                    place: KeyPath = ("prompts", index, *inside, "expect", name)
                    where = f"{prompt.id}: turn {turn + 1}" if inside else prompt.id
                    self._fault(place, f"{where}: expect.{name}: {message}")

    def _read(self, path: Path, shown_as: str) -> MarkedYaml:
        text = self._read_text(path, shown_as)
        if text is None:
            return MarkedYaml()
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

    def _tools(self, tools: Any) -> list[Any]:  # noqa: ANN401 - YAML, being checked
        document, shown_as = self.document, self.shown_as
        base: KeyPath = ("tools",)
        if isinstance(tools, str):
            shown_as = str(Path(self.shown_as).parent / tools)
            known = len(self.faults)
            document = self._read(self.path.parent / tools, shown_as)
            if document.value is not None or len(self.faults) == known:
                self._check(document, shown_as, "toolList")
            tools, base = document.value, ()
        for path, message in _tool_faults(tools):
            line = document.line((*base, *path))
            self.faults.append((shown_as, Fault(line, message)))
        return tools if isinstance(tools, list) else []

    def _build(self, value: dict[str, Any], tools: list[Any]) -> Suite:
        offered = tuple(Tool(**tool) for tool in tools)
        prompts = tuple(
            build_prompt(entry, value, offered, self.document.line(("prompts", i)))
            for i, entry in enumerate(value["prompts"])
        )
        phase = value.get("phase", value["suite"])
        return Suite(
            name=value["suite"], phase=phase, prompts=prompts, path=self.shown_as
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
