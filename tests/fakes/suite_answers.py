"""Answers whose verdicts are known, and a model that gives the right ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fake_ollama_models import Answer, says

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fake_ollama_models import FakeCall, Script

Steps = tuple[Answer, ...]
"""What a model says to one question: calls first, each with results, then a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Answers to one question.

    Attributes:
        key: a piece of the question that stands in no other one of its suite.
        good: each passes; a script gives the first.
        bad: each fails.
    """

    key: str
    good: tuple[Steps, ...]
    bad: tuple[Steps, ...]


def tried(
    key: str, *, good: Iterable[Answer | Steps], bad: Iterable[Answer | Steps]
) -> Tried:
    """Return answers of one step, or of several in a tuple."""
    return Tried(key=key, good=tuple(map(_steps, good)), bad=tuple(map(_steps, bad)))


def tried_texts(key: str, *, good: Iterable[str], bad: Iterable[str]) -> Tried:
    """Return answers that are texts."""
    return tried(key, good=map(says, good), bad=map(says, bad))


def _steps(answer: Answer | Steps) -> Steps:
    return (answer,) if isinstance(answer, Answer) else answer


def suite_script(questions: Iterable[Tried], default: Answer | None = None) -> Script:
    """Answer every question with its first good answer, step by step.

    Where a question is asked without tools in the API's own field, calls are
    written into the text, in tags.

    Args:
        default: the answer to anything else; a 4, which warm-up asks for.
    """
    first = {question.key: question.good[0] for question in questions}

    def answer(call: FakeCall) -> Answer:
        said = _next_step(first, call.messages) or default or says("4")
        return said if call.tools else _as_text(said)

    return answer


def _next_step(
    first: Mapping[str, Steps], messages: Sequence[Mapping[str, object]]
) -> Answer | None:
    """Find the newest question that is known, and how far its answer has come."""
    given = 0
    for message in reversed(messages):
        if message.get("role") == "assistant":
            given += 1
        if message.get("role") != "user":
            continue
        content = str(message.get("content", ""))
        for key, steps in first.items():
            if key in content:
                return steps[min(given, len(steps) - 1)]
    return None


def _as_text(answer: Answer) -> Answer:
    lines = [
        f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"
        for name, arguments in answer.tool_calls
    ]
    return says("\n".join([*lines, *([answer.text] if answer.text else [])]))
