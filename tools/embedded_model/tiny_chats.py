"""Draw whole chats: offered tools, what users say, and the right answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tiny_requests import draw_request, polite
from tiny_tasks import CASE_MATTERS, SHARES, TASKS, favoured
from tiny_template import Message, Tool
from tiny_tools import FAMILIES, FamilyTool, draw_tool
from tiny_words import CONDITIONS, EXTENSIONS, SYSTEM_TEXTS, WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tiny_draw import Draw
    from tiny_requests import Request

_TASK_NAMES: Final = tuple(SHARES)
_TASK_SHARES: Final = tuple(SHARES.values())
_REFUSALS: Final = (
    "I have no tool for that.",
    "Sorry, I cannot do that without a tool.",
)
_TOOL_QUESTIONS: Final = (
    "What tools do you have?",
    "Which tools can you use?",
    "List your tools.",
    "What can you call?",
    "Tell me which functions are available.",
    "Name the tools you can access.",
)
_DEEDS: Final = {
    "weather": "check the weather",
    "files": "search any files",
    "meeting": "schedule anything",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the exchanges of a row share: a system text and tools."""

    system: str
    offered: tuple[FamilyTool, ...]

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The offered tools."""
        return tuple(each.tool for each in self.offered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Messages that end with the assistant's, and how to judge that one.

    Attributes:
        task: what kind of exchange it is.
        answers: every text that is as right as the learnt one; empty for calls.
    """

    task: str
    messages: tuple[Message, ...]
    answers: tuple[str, ...] = ()

    @property
    def asked(self) -> tuple[Message, ...]:
        """All but the last message."""
        return self.messages[:-1]

    @property
    def answer(self) -> Message:
        """The assistant's last message."""
        return self.messages[-1]


def draw_setting(draw: Draw) -> Setting:
    """Draw a system text and tools: mostly all families, at times fewer."""
    count = 3 if draw.chance(0.75) else draw.any_of((0, 0, 0, 1, 2))
    families = draw.some_of(FAMILIES, count)
    system = draw.any_of(SYSTEM_TEXTS) if draw.chance(0.5) else ""
    return Setting(
        system=system, offered=tuple(draw_tool(draw, family) for family in families)
    )


def draw_exchange(draw: Draw, setting: Setting) -> Exchange:
    """Draw an exchange, at times with an earlier one before it."""
    exchange = _draw_single(draw, setting)
    if not draw.chance(0.08):
        return exchange
    earlier = _draw_single(draw, setting)
    return replace(exchange, messages=earlier.messages + exchange.messages)


def _draw_single(draw: Draw, setting: Setting) -> Exchange:
    draw = draw.with_case(is_lower=draw.chance(0.12))
    if setting.offered and draw.chance(0.6):
        return _draw_tool_use(draw, setting)
    families = {each.family for each in setting.offered}
    missing = [family for family in FAMILIES if family not in families]
    if missing and draw.chance(0.3):
        wish = draw_request(draw, draw_tool(draw, draw.any_of(missing)))
        return _told("no_tool", wish.text, favoured(draw, _REFUSALS), _REFUSALS)
    if draw.chance(0.05):
        return _draw_tool_question(draw, setting)
    return _draw_task(draw)


def _told(
    task: str, question: str, answer: str, answers: tuple[str, ...] = ()
) -> Exchange:
    messages = (
        Message(role="user", text=question),
        Message(role="assistant", text=answer),
    )
    return Exchange(task=task, messages=messages, answers=answers or (answer,))


def _draw_tool_question(draw: Draw, setting: Setting) -> Exchange:
    names = ", ".join(tool.name for tool in setting.tools)
    question = polite(draw, draw.pick(_TOOL_QUESTIONS))
    answer = f"My tools: {names}." if names else "I have no tools."
    return _told("meta", question, answer)


def _draw_task(draw: Draw) -> Exchange:
    name = draw.source.choices(_TASK_NAMES, _TASK_SHARES)[0]
    if name in CASE_MATTERS:
        draw = draw.with_case(is_lower=False)
    task = TASKS[name](draw)
    question = task.question if task.is_verbatim else polite(draw, task.question)
    return _told(name, question, task.answer, task.answers)


def _draw_tool_use(draw: Draw, setting: Setting) -> Exchange:
    used = draw.any_of(setting.offered)
    request = draw_request(draw, used)
    others = [each for each in setting.offered if each is not used]
    text = request.text
    if others and draw.chance(0.04):
        text = draw.cased(_with_negation(draw, text, draw.any_of(others)))
    elif others and draw.chance(0.05):
        return _with_second_call(draw, request, draw.any_of(others))
    messages = (
        Message(role="user", text=text),
        Message(role="assistant", calls=(request.call,)),
    )
    if draw.chance(0.15):
        return _with_result(draw, used, request.values, messages)
    return Exchange(task=f"tool_{used.family}", messages=messages)


def _with_negation(draw: Draw, text: str, other: FamilyTool) -> str:
    deed = _DEEDS[other.family]
    forms = ("Don't {}. {}", "Do not {}, just do this: {}", "No need to {}. {}")
    return draw.any_of(forms).format(deed, text)


def _with_second_call(draw: Draw, first: Request, other: FamilyTool) -> Exchange:
    second = draw_request(draw, other)
    joint = draw.cased(draw.any_of((" Also: ", " And then: ", " ")))
    messages = (
        Message(role="user", text=first.text + joint + second.text),
        Message(role="assistant", calls=(first.call, second.call)),
    )
    return Exchange(task="tool_two", messages=messages)


def _with_result(
    draw: Draw,
    used: FamilyTool,
    values: Mapping[str, Any],
    messages: tuple[Message, ...],
) -> Exchange:
    """Go on with the tool's result and what the assistant says of it."""
    draw_result = {
        "weather": _weather_result,
        "files": _files_result,
        "meeting": _meeting_result,
    }
    result, answers = draw_result[used.family](draw, values)
    told = (
        Message(role="tool", text=json.dumps(result)),
        Message(role="assistant", text=favoured(draw, answers)),
    )
    return Exchange(task="tool_result", messages=messages + told, answers=answers)


def _weather_result(
    draw: Draw, values: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    degrees, sky, city = draw.number(-9, 38), draw.any_of(CONDITIONS), values["city"]
    answers = (
        f"It is {degrees} degrees and {sky} in {city}.",
        f"{city}: {degrees} degrees, {sky}.",
    )
    return {"temperature": degrees, "conditions": sky}, answers


def _files_result(
    draw: Draw, _: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    found = [
        f"{draw.entity(WORDS, 0.3)}.{draw.pick(EXTENSIONS, 'entity')}"
        for _ in range(draw.number(0, 3))
    ]
    noun = "file" if len(found) == 1 else "files"
    listing = f"I found {len(found)} {noun}: {', '.join(found)}."
    return {"files": found}, (listing if found else "I found no matching files.",)


def _meeting_result(
    draw: Draw, values: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    who, start = " and ".join(values["who"]), values["datetime"]
    answers = (
        f"Done. The meeting with {who} is set for {start}.",
        "Your meeting is scheduled.",
    )
    return {"status": "ok", "id": draw.number(0, 99)}, answers
