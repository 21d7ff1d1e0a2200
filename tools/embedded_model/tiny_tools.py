"""Draw tool definitions: three families under many names and argument keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from tiny_template import Parameter, Tool

if TYPE_CHECKING:
    from tiny_draw import Draw

Family = Literal["weather", "files", "meeting"]

FAMILIES: Final[tuple[Family, ...]] = ("weather", "files", "meeting")
UNITS: Final = (("celsius", "fahrenheit"), ("metric", "imperial"), ("C", "F"))
"""Each pair's first is the metric one."""

_VERBS: Final = {
    "weather": "get fetch lookup check find query show read request obtain tell load",
    "files": "search find locate list scan lookup query browse seek retrieve match"
    " grep",
    "meeting": "schedule create book add plan arrange set new make organize put"
    " reserve",
}
_NOUNS: Final = {
    "weather": "weather forecast current_weather conditions temperature weather_report"
    " climate weather_info temp weather_data sky city_weather",
    "files": "files documents docs file_index folder_files local_files disk file"
    " project_files archive notes folder",
    "meeting": "meeting event calendar_event appointment call calendar_entry invite"
    " session calendar slot meetup invitation",
}
_KEYS: Final = {
    "city": "city location place town city_name where place_name area region"
    " destination town_name municipality",
    "unit": "unit units scale temperature_unit degrees system",
    "day": "day date when for_date forecast_day on",
    "query": "query pattern keyword text term search_term q keywords search phrase"
    " name what",
    "glob": "pattern glob file_pattern glob_pattern mask name_pattern wildcard filter"
    " match expr",
    "folder": "path directory folder dir root in_folder dir_path location base where",
    "extension": "extension file_type ext type suffix kind format",
    "limit": "limit max_results count n top max",
    "who": "attendee attendees participants person invitees guest with people guests"
    " who contact members",
    "date": "date day on_date when on meeting_date",
    "time": "time start_time at start hour begin",
    "datetime": "time start datetime when start_time at date_time begins starts_at"
    " slot",
    "title": "title subject topic about name agenda summary purpose",
    "minutes": "duration minutes duration_minutes length mins",
}
_DESCRIPTIONS: Final = {
    "weather": (
        "Get the current weather for a city.",
        "Look up the weather forecast.",
        "Returns weather conditions at a place.",
        "Weather lookup by location.",
        "Fetches temperature and rain for a town.",
        "Tells whether it is sunny, rainy or cold.",
        "Current conditions and forecast.",
        "Provides a weather report.",
    ),
    "files": (
        "Search files by name or content.",
        "Find documents on disk.",
        "Locate a file in a folder.",
        "Full text file search.",
        "Lists files that match a pattern.",
        "Looks through local documents.",
        "Search the file system.",
        "Find a file.",
    ),
    "glob": (
        "Search for files matching a glob pattern.",
        "Find files by pattern.",
        "List files matching a pattern like *.txt.",
        "Glob search in the project directory.",
        "Returns all files whose name fits a mask.",
        "Match file names with wildcards.",
    ),
    "meeting": (
        "Schedule a meeting.",
        "Create a calendar event.",
        "Book an appointment with someone.",
        "Adds a meeting to the calendar.",
        "Plan a call with people.",
        "Arrange a meeting at a date and time.",
        "Creates an invite.",
        "Set up an event.",
    ),
}
# The roles of each family's parameters; a question mark makes one optional.
_SHAPES: Final = {
    "weather": ("city unit? day?",),
    "files": ("query folder? extension? limit?", "glob folder?"),
    "meeting": ("who date time title? minutes?", "title datetime who?"),
}
_INVENTED_NAME: Final = 0.12


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyTool:
    """A drawn tool and what it is for."""

    family: Family
    tool: Tool

    def has_role(self, role: str) -> bool:
        """Say whether a parameter takes values of this meaning."""
        return any(each.role == role for each in self.tool.parameters)


def draw_tool(draw: Draw, family: Family) -> FamilyTool:
    """Draw a tool of a family."""
    roles = draw.any_of(_SHAPES[family]).split()
    parameters = _draw_parameters(draw, draw.some_of(roles, len(roles)))
    is_glob = any(each.role == "glob" for each in parameters)
    descriptions = _DESCRIPTIONS["glob" if is_glob else family]
    tool = Tool(
        name=_draw_name(draw, family),
        description=draw.pick(descriptions, "tool"),
        parameters=parameters,
    )
    return FamilyTool(family=family, tool=tool)


def _draw_name(draw: Draw, family: Family) -> str:
    verb = draw.pick(_VERBS[family].split(), "tool")
    noun = draw.pick(_NOUNS[family].split(), "tool")
    if draw.chance(_INVENTED_NAME):
        word = draw.word()
        return draw.any_of((
            f"{word}_{noun}",
            f"{verb}_{word}",
            f"{word}_{draw.word()}",
        ))
    camel = verb + "".join(part.capitalize() for part in noun.split("_"))
    return draw.any_of((f"{verb}_{noun}", f"{verb}_{noun}", f"{noun}_{verb}", camel))


def _draw_parameters(draw: Draw, roles: list[str]) -> tuple[Parameter, ...]:
    """Draw the parameters; half of the optional ones are left out."""
    drawn: dict[str, Parameter] = {}
    for marked in roles:
        role, is_optional = marked.rstrip("?"), marked.endswith("?")
        if is_optional and draw.chance(0.5):
            continue
        key = draw.pick(_KEYS[role].split(), "tool")
        name = f"{key}_{role}" if key in drawn else key
        drawn[name] = _draw_parameter(draw, name, role, is_required=not is_optional)
    return tuple(drawn.values())


def _draw_parameter(
    draw: Draw, name: str, role: str, *, is_required: bool
) -> Parameter:
    kind: Literal["string", "integer", "array"] = "string"
    if role in {"limit", "minutes"}:
        kind = "integer"
    elif role == "who" and draw.chance(0.5):
        kind = "array"
    choices = draw.any_of(UNITS) if role == "unit" else ()
    return Parameter(
        name=name, role=role, type=kind, choices=choices, is_required=is_required
    )
