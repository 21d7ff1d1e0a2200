"""From a prompt's entry in a suite file to a `Prompt`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from pytest_llmbench.prompts.context import Context, length_id
from pytest_llmbench.prompts.suite import Prompt, ToolResult, Turn
from pytest_llmbench.prompts.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_llmbench.prompts.suite import Tool
    from pytest_llmbench.prompts.yamlmarks import Path

_EXPECT_HINT = "; write what must hold, or 'expect: none' if any answer will do"


def build_prompts(
    entry: dict[str, Any],
    suite: Mapping[str, Any],
    tools: tuple[Tool, ...],
    line: int,
) -> tuple[Prompt, ...]:
    """Return the prompts that a checked entry describes: one, or one per length."""
    prompt = build_prompt(entry, suite, tools, line)
    given = entry.get("context")
    if given is None:
        return (prompt,)
    position = given.get("position", "end")
    return tuple(
        replace(
            prompt,
            id=length_id(prompt.id, tokens),
            context=Context(of=prompt.id, tokens=tokens, position=position),
        )
        for tokens in sorted(given["tokens"])
    )


def build_prompt(
    entry: dict[str, Any],
    suite: Mapping[str, Any],
    tools: tuple[Tool, ...],
    line: int,
) -> Prompt:
    """Return the prompt that a checked entry describes."""
    defaults = suite.get("defaults") or {}
    turns = tuple(_turn(turn) for turn in entry.get("turns", ()))
    return Prompt(
        id=entry["id"],
        text=turns[0].text if turns else entry["prompt"],
        title=entry.get("title", ""),
        purpose=entry.get("purpose", ""),
        category=entry.get("category", ""),
        system=entry.get("system", suite.get("system", "")),
        tools=tools,
        expect=_expect(entry.get("expect", "none")),
        turns=turns,
        options={**defaults.get("options", {}), **entry.get("options", {})},
        marks=(*defaults.get("marks", ()), *entry.get("marks", ())),
        line=line,
    )


def entry_faults(entry: object, offered: list[str]) -> Iterator[tuple[Path, str]]:
    """Yield what the schema can't say of one entry: which keys belong together.

    Args:
        offered: names of the suite's tools.
    """
    if not isinstance(entry, dict):
        return
    has_turns, has_prompt = "turns" in entry, "prompt" in entry
    if has_turns and has_prompt:
        yield ("turns",), "a prompt has either 'prompt' or 'turns', not both"
    elif has_turns and "expect" in entry:
        yield ("expect",), "with 'turns', each turn has its own 'expect'"
    elif not has_turns and not has_prompt:
        yield (), "lacks the key 'prompt' (or 'turns')"
    if has_turns and "context" in entry:
        yield ("context",), "'context' stretches a single prompt, not 'turns'"
    if not has_turns and "expect" not in entry:
        yield (), f"lacks the key 'expect'{_EXPECT_HINT}"
    yield from _result_faults(entry.get("turns"), offered)


def _result_faults(turns: object, offered: list[str]) -> Iterator[tuple[Path, str]]:
    for index, turn in enumerate(turns if isinstance(turns, list) else ()):
        results = turn.get("tool_results") if isinstance(turn, dict) else None
        for tool in results if isinstance(results, dict) else ():
            if tool not in offered:
                hint = did_you_mean(tool, offered) if offered else ""
                message = f"tool_results: no tool {tool!r} is offered{hint}"
                yield ("turns", index, "tool_results", tool), message


def _turn(turn: dict[str, Any]) -> Turn:
    results = turn.get("tool_results", {})
    return Turn(
        text=turn["user"],
        expect=_expect(turn["expect"]),
        tool_results=tuple(
            one for tool, value in results.items() for one in _results(tool, value)
        ),
    )


def _results(tool: str, value: Any) -> list[ToolResult]:  # noqa: ANN401 - YAML
    """Read one result, or a list of `{when, result}` with nothing else in it."""
    if isinstance(value, list) and value and all(map(_is_conditional, value)):
        return [
            ToolResult(tool=tool, when=one.get("when", {}), result=one["result"])
            for one in value
        ]
    return [ToolResult(tool=tool, result=value)]


def _is_conditional(value: object) -> bool:
    return (
        isinstance(value, dict)
        and "result" in value
        and value.keys() <= {"when", "result"}
        and isinstance(value.get("when", {}), dict)
    )


def _expect(value: Any) -> dict[str, Any]:  # noqa: ANN401 - YAML
    return {} if value == "none" else value
