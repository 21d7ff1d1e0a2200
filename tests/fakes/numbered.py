"""A suite of numbered questions, and a model that answers some of them late or wrong.

What was asked, and what was not, can then be read off the numbers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from fake_ollama import FakeModel, FakeSettings, says, slow_first_byte

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from fake_ollama import Answer, FakeCall, FakeOllama, Fault

LATE_S: Final = 60.0
"""So late that no test waits for it."""

PARALLEL: Final = FakeSettings(num_parallel=16)


def numbered_suite(count: int, marks: Mapping[int, str] | None = None) -> str:
    """Return a suite of `count` prompts; `Question n` is to be answered READY.

    Args:
        marks: a mark of some prompts, by their number.
    """
    lines = ["suite: numbered", "phase: atomic", "prompts:"]
    for n in range(1, count + 1):
        mark = (marks or {}).get(n)
        lines += [
            f"  - id: P{n}",
            f"    prompt: Question {n}.",
            "    expect: {exact: READY}",
            *([f"    marks: [{mark}]"] if mark else []),
        ]
    return "\n".join(lines) + "\n"


def numbered_model(
    *,
    late: Container[int] = (),
    wrong: Container[int] = (),
    slow_s: Mapping[int, float] | None = None,
    name: str = "fake:1b",
) -> FakeModel:
    """Return a model that is right and quick but for some questions.

    Args:
        late: numbers of those that it answers after `LATE_S`.
        slow_s: seconds before its answer, by number.
    """
    delays = slow_s or {}

    def answer(call: FakeCall) -> Answer | Fault:
        number = number_in(call.last_user_text)
        said = says("WRONG" if number in wrong else "READY")
        delay_s = LATE_S if number in late else delays.get(number, 0.0)
        return slow_first_byte(delay_s).on(said) if delay_s else said

    return FakeModel(name=name, answer=answer)


def number_in(text: str) -> int:
    """Return the number of a question; 0 if it is another one.

    >>> number_in("Question 12."), number_in("What is 2+2?")
    (12, 0)
    """
    found = re.fullmatch(r"Question (\d+)\.", text)
    return int(found[1]) if found else 0


def asked(server: FakeOllama) -> list[int]:
    """Return the numbers of all questions asked, in order of arrival."""
    bodies = [request.body or {} for request in server.requests_to("/api/chat")]
    texts = [body["messages"][-1]["content"] for body in bodies if body["messages"]]
    return [number for number in map(number_in, texts) if number]
