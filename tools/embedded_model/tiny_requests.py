"""Draw a user's request to a tool, and the call that answers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import tiny_wordings
from tiny_template import Call
from tiny_words import (
    CITIES,
    DAYS,
    EXTENSION_OF_LANGUAGE,
    EXTENSIONS,
    FOLDERS,
    FORECAST_DAYS,
    PEOPLE,
    TOPICS,
    WORDS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tiny_draw import Draw
    from tiny_template import Parameter, Tool
    from tiny_tools import FamilyTool

_WHOLE_SENTENCE: Final = 0.6
_NAMED_LENGTHS: Final[dict[int, tuple[str, ...]]] = {
    60: (" for an hour",),
    30: (" for half an hour",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a user asks of one tool.

    Attributes:
        values: what the text says, by role; a role that it leaves open is absent.
        call: the call that answers it.
    """

    text: str
    values: Mapping[str, Any]
    call: Call


def draw_request(draw: Draw, offered: FamilyTool) -> Request:
    """Draw a request that an offered tool can answer."""
    ask = {"weather": _ask_weather, "files": _ask_files, "meeting": _ask_meeting}
    text, values = ask[offered.family](draw, offered)
    call = Call(name=offered.tool.name, arguments=arguments_for(offered.tool, values))
    return Request(text=polite(draw, text), values=values, call=call)


def arguments_for(tool: Tool, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call, required ones first.

    llama.cpp's tool grammar forces the required arguments first, each group in
    the order of the schema: training in any other order teaches calls that the
    grammar then forbids.
    """
    ordered = sorted(tool.parameters, key=lambda each: not each.is_required)
    return {
        each.name: _argument(each, values[each.role])
        for each in ordered
        if each.role in values
    }


def polite(draw: Draw, text: str) -> str:
    """Add a greeting or thanks at times, and bring the text into its case."""
    if draw.chance(0.3):
        text = draw.any_of(tiny_wordings.GREETINGS) + text
    elif draw.chance(0.2):
        text += draw.any_of(tiny_wordings.THANKS)
    return draw.cased(text)


def _argument(parameter: Parameter, value: Any) -> Any:  # noqa: ANN401  # any JSON
    if parameter.role == "unit":
        return parameter.choices[value]
    if parameter.role == "who" and parameter.type == "string":
        return " and ".join(value)
    return value


def _draw_wording(draw: Draw, kind: str) -> str:
    if draw.chance(_WHOLE_SENTENCE):
        return draw.pick(tiny_wordings.ASKS[kind])
    lead = draw.pick(tiny_wordings.LEADS[kind])
    core = draw.pick(tiny_wordings.CORES[kind])
    return f"{lead} {core}{draw.any_of(('?', '.', '', '.'))}"


def _names(wording: str, role: str) -> bool:
    """Say whether a wording has a place for a value."""
    return f"{{{role}}}" in wording


def _said(wording: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the values whose place is in the wording and that are not empty."""
    return {
        role: value
        for role, value in values.items()
        if _names(wording, role) and value != ""
    }


def _ask_weather(draw: Draw, _: FamilyTool) -> tuple[str, dict[str, Any]]:
    wording = _draw_wording(draw, "weather")
    city = draw.entity(CITIES)
    day = draw.pick(FORECAST_DAYS, "entity") if draw.chance(0.4) else ""
    unit = draw.number(0, 1) if draw.chance(0.4) else ""
    text = wording.format(
        city=city, day=_day_phrase(draw, day), unit=_unit_phrase(draw, unit)
    )
    values = {"city": city, "day": draw.cased(day), "unit": unit}
    return text, _said(wording, values)


def _day_phrase(draw: Draw, day: str) -> str:
    if not day:
        return " right now" if draw.chance(0.1) else ""
    return f" on {day}" if day[0].isupper() else f" {day}"


def _unit_phrase(draw: Draw, unit: int | str) -> str:
    if unit == "":
        return ""
    name, system = (("celsius", "metric"), ("fahrenheit", "imperial"))[int(unit)]
    phrases = (f" in {name}", f", in {name}", f" in degrees {name}")
    return draw.any_of((*phrases, f" in {system} units"))


def _ask_files(draw: Draw, offered: FamilyTool) -> tuple[str, dict[str, Any]]:
    has_glob = offered.has_role("glob")
    kind = "glob" if has_glob and draw.chance(0.75) else "files"
    wording = _draw_wording(draw, kind)
    query = _draw_query(draw)
    language = draw.pick(tuple(EXTENSION_OF_LANGUAGE), "entity")
    said = {
        "query": query,
        "ext": draw.pick(EXTENSIONS, "entity"),
        "limit": draw.number(2, 20),
        "place": draw.pick(FOLDERS, "entity") if draw.chance(0.4) else "",
        "glob": _draw_glob(draw, query),
        "language": language,
    }
    text = wording.format(**{**said, "place": _place_phrase(draw, said["place"])})
    values = _said(wording, said)
    glob = f"*{query}*" if kind == "files" else said["glob"]
    if _names(wording, "language"):
        glob = f"*.{EXTENSION_OF_LANGUAGE[language]}"
    meant = {
        "query": query,
        "glob": draw.cased(str(glob)),
        "extension": values.get("ext"),
        "limit": values.get("limit"),
        "folder": draw.cased(str(values.get("place", ""))) or None,
    }
    return text, {role: value for role, value in meant.items() if value is not None}


def _draw_query(draw: Draw) -> str:
    word = draw.entity(WORDS, 0.3)
    forms = (
        *(word, word),
        f"{word} {draw.entity(WORDS, 0.1)}",
        f"{word}_{draw.number(2000, 2029)}",
        f"{word}.{draw.pick(EXTENSIONS, 'entity')}",
    )
    return draw.any_of(forms)


def _draw_glob(draw: Draw, query: str) -> str:
    by_extension = f"*.{draw.pick(EXTENSIONS, 'entity')}"
    by_start = f"{query.partition(' ')[0]}*"
    return draw.any_of((by_extension, by_extension, by_start))


def _place_phrase(draw: Draw, place: object) -> str:
    phrases = (" in {}", " in the folder {}", " under {}", " inside {}")
    return draw.any_of(phrases).format(place) if place else ""


def _ask_meeting(draw: Draw, offered: FamilyTool) -> tuple[str, dict[str, Any]]:
    has_stamp = offered.has_role("datetime")
    wording = _draw_wording(draw, "meeting")
    is_stamped = has_stamp and draw.chance(0.25)
    if is_stamped:
        wording = draw.any_of(tiny_wordings.STAMP_ASKS)
    who = _draw_attendees(draw)
    day, time = _draw_day(draw), _draw_time(draw)
    start = _draw_stamp(draw, day) if is_stamped else f"{day} at {time}"
    names_title = _names(wording, "title")
    title = _draw_title(draw) if names_title or draw.chance(0.5) else ""
    minutes = draw.any_of((15, 20, 30, 45, 60, 90)) if draw.chance(0.35) else 0
    text = wording.format(
        who=" and ".join(who),
        day=_on_day(day),
        time=start if is_stamped else time,
        title=title,
        subject=_subject_phrase(draw, title),
        length=_length_phrase(draw, minutes),
    ).replace(" for on ", " for ")
    values: dict[str, Any] = {"who": who, "date": draw.cased(day), "time": time}
    values["datetime"] = draw.cased(start)
    if title and (names_title or _names(wording, "subject")):
        values["title"] = title
    elif has_stamp:  # there the title is required
        values["title"] = "Meeting with " + " and ".join(who)
    if minutes and _names(wording, "length"):
        values["minutes"] = minutes
    return text, values


def _on_day(day: str) -> str:
    return f"on {day}" if day[0].isupper() or day[0].isdigit() else day


def _draw_attendees(draw: Draw) -> list[str]:
    names = [draw.entity(PEOPLE) for _ in range(2 if draw.chance(0.25) else 1)]
    if not draw.chance(0.2):
        return names
    hosts = ("co.com", "example.com", "mail.org", f"{draw.word()}.com")
    return [f"{name.lower()}@{draw.any_of(hosts)}" for name in names]


def _draw_day(draw: Draw) -> str:
    if draw.chance(0.12):
        return _draw_date(draw, draw.number(2024, 2029))
    return draw.pick(DAYS, "entity")


def _draw_date(draw: Draw, year: int) -> str:
    return f"{year}-{draw.number(1, 12):02d}-{draw.number(1, 28):02d}"


def _draw_time(draw: Draw) -> str:
    hour = draw.number(1, 12)
    minute = draw.any_of(("00", "15", "30", "45"))
    forms = (f"{hour}pm", f"{hour}am", f"{hour}:{minute}", f"{hour + 11}:30", "noon")
    return draw.any_of((*forms, f"{hour} pm"))


def _draw_stamp(draw: Draw, day: str) -> str:
    date = day if day[0].isdigit() else _draw_date(draw, 2026)
    return f"{date}T{draw.number(8, 19):02d}:{draw.any_of(('00', '30'))}:00"


def _draw_title(draw: Draw) -> str:
    title = draw.entity(TOPICS, 0.2)
    return draw.cased(title.title()) if draw.chance(0.4) else title


def _subject_phrase(draw: Draw, title: str) -> str:
    phrases = (" about {}", " to discuss {}", " regarding {}")
    return draw.any_of(phrases).format(title) if title else ""


def _length_phrase(draw: Draw, minutes: int) -> str:
    if not minutes:
        return ""
    counted = (f" for {minutes} minutes", f", {minutes} min", f" ({minutes} minutes)")
    return draw.any_of((*counted, *_NAMED_LENGTHS.get(minutes, ())))
