"""Right answers to the atomic suite, found by a piece of each prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fake_ollama_models import (
    Answer,
    answers_by_prompt,
    calls,
    says,
    wrong_while_cold,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fake_ollama_models import Script

PROMPTS: Final = 12

ATOMIC_ANSWERS: Final[Mapping[str, Answer]] = {
    "weather in Oslo": calls("get_weather", city="Oslo"),
    "files matching *.pdf": calls("search_files", pattern="*.pdf"),
    "called Budget Review": calls(
        "schedule_meeting",
        title="Budget Review",
        time="Tuesday 15:00",
        attendees=["Alice", "Bob"],
    ),
    "out in Bergen": calls("get_weather", city="Bergen"),
    "Which tools do you have": says(
        "I can look up the weather, search your files and schedule meetings."
    ),
    "to the usual time": says("Which meeting do you mean, and at what time?"),
    "weather in Tokyo": calls("get_weather", city="Tokyo"),
    "weather in Paris": Answer(
        tool_calls=(
            ("get_weather", {"city": "Paris"}),
            ("search_files", {"pattern": "report.docx"}),
        )
    ),
    "Celsius into Fahrenheit": says("def to_f(c):\n    return c * 9 / 5 + 32"),
    "last week's budget meeting": calls("search_files", pattern="*budget*"),
    "holiday.txt": calls("search_files", pattern="holiday.txt"),
    "called Plan B": calls(
        "schedule_meeting", title="Plan B", time="Friday 10:00", attendees=["Emma"]
    ),
}
"""One key and one right answer for each of P1 to P12, in their order."""

COLD_TEXTS: Final = (
    "to the usual time",
    "weather in Tokyo",
    "Celsius into Fahrenheit",
)
"""The keys of P6, P7 and P9."""


def atomic_script() -> Script:
    """Answer all of the atomic suite right, and anything else with 4."""
    return answers_by_prompt(ATOMIC_ANSWERS, says("4"))


def cold_atomic_script(runs: int = 2) -> Script:
    """Answer P6, P7 and P9 wrong in the first runs, unless warmed up."""
    wrong = calls("search_files", pattern="*")
    return wrong_while_cold(atomic_script(), COLD_TEXTS, runs * PROMPTS, wrong)
