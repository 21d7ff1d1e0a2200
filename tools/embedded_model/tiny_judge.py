"""Judge a reply of the model against the exchange it was asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tiny_words import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tiny_chats import Exchange
    from tiny_template import Call

_STORY_SENTENCES = 4


def fault_of(exchange: Exchange, message: Mapping[str, Any]) -> str:
    """Name what is wrong with a reply; empty where nothing is.

    Args:
        exchange: what was asked, and the learnt answer.
        message: the assistant's message as a chat reply carries it.
    """
    text = message.get("content") or ""
    functions = [call["function"] for call in message.get("tool_calls") or ()]
    if exchange.answer.calls:
        return _fault_of_calls(exchange.answer.calls, functions)
    if functions:
        return "needless call"
    return "" if _is_right_text(exchange, text) else "text"


def _fault_of_calls(
    wanted: tuple[Call, ...], functions: list[Mapping[str, str]]
) -> str:
    if not functions:
        return "no call"
    if len(functions) != len(wanted):
        return "number of calls"
    if [each["name"] for each in functions] != [call.name for call in wanted]:
        return "wrong tool"
    try:
        given = [json.loads(each["arguments"]) for each in functions]
    except ValueError:
        return "bad JSON"
    return "" if given == [call.arguments for call in wanted] else "arguments"


def _is_right_text(exchange: Exchange, text: str) -> bool:
    if exchange.task == "bullets":
        return _is_right_list(exchange.answer.text, text)
    if exchange.task == "story":
        return text.count(".") == _STORY_SENTENCES
    if exchange.task == "json_keys":
        return _ordered_json(text) == _ordered_json(exchange.answer.text)
    return text in exchange.answers


def _is_right_list(learnt: str, text: str) -> bool:
    """Accept any list of as many different items of the same kind."""
    wanted, given = _bullets(learnt), _bullets(text)
    kind = next(each for each in KINDS.values() if set(wanted) <= set(each))
    return len(set(given)) == len(wanted) == len(text.split("\n")) and set(
        given
    ) <= set(kind)


def _bullets(text: str) -> list[str]:
    return [line[2:] for line in text.split("\n") if line.startswith("- ")]


def _ordered_json(text: str) -> list[tuple[str, object]] | None:
    try:
        return list(json.loads(text).items())
    except (ValueError, AttributeError):
        return None
