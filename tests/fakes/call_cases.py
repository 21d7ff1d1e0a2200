"""Calls made to be misread, in every format, with what must be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from call_writers import WRITERS, format_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from call_writers import Call

ONE: Final[Call] = ("run_command", {"text": "df -h"})
TWO: Final[Call] = ("get_time", {})
THREE: Final[Call] = ("run_command", {"count": 3, "on": True})
UNKNOWN: Final[Call] = ("launch_rocket", {"text": "now"})

TEXTS: Final[dict[str, str]] = {
    "empty": "",
    "braces": "{}}{ {{ ]",
    "quotes": """he said "hi", 'ho' and `hu`""",
    "a quote at the end": "it's 5'",
    "backslashes": r"C:\new\table\u0041 \" \\",
    "new lines": "first\n\tsecond\r\nthird",
    "other scripts": "Ålesund 東京 \u202eabc\u202c e\u0301 \U0001f600",
    "JSON": '{"name": "get_time", "arguments": {}}',
    "a call in Python": 'get_time(); [run_command(text="x")]',
    "joints": "a; b, c; d",
    "open brackets": "[1, (2, {3",
    "a fence": "```json\n{}\n```",
    "thinking": "<think>no</think> yes",
    "marks": "[TOOL_CALLS] functools[ <|python_tag|> >>>get_time to=functions.x",
    "white space": "  padded  ",
    "a number": "007",
    "a word": "true",
    "long": "abc " * 2000,
}

OTHERS: Final[dict[str, dict[str, Any]]] = {
    "types": {"count": -5, "ratio": 2.5, "on": False, "from": None},
    "nesting": {"options": {"a": [1, {"b": {"c": [[], {}]}}]}, "items": [[["x"]]]},
    "a large number": {"count": 10**30},
    "a call as an argument": {
        "options": {"name": "get_time", "arguments": {"text": "x"}}
    },
    "many items": {"items": list(range(500))},
    "a reserved word": {"from": "here"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One text and the calls that it holds.

    Attributes:
        writer: the way of writing, the format first.
    """

    writer: str
    title: str
    text: str
    calls: tuple[Call, ...]

    @property
    def format(self) -> str:
        """The format that the calls' channel must name."""
        return format_of(self.writer)


def cases() -> list[Case]:
    """Return every case of every format."""
    return [case for writer in WRITERS for case in _cases(writer)]


def _cases(writer: str) -> Iterator[Case]:
    for title, text in TEXTS.items():
        yield _case(writer, f"text: {title}", (("run_command", {"text": text}),))
    for title, arguments in OTHERS.items():
        yield _case(writer, f"arguments: {title}", (("run_command", arguments),))
    yield _case(writer, "no arguments", (TWO,))
    yield _case(writer, "two calls", (ONE, THREE))
    yield _case(writer, "three calls, one without arguments", (ONE, TWO, THREE))
    yield _case(writer, "thinking before", (ONE,), before="<think>get_time()</think>\n")
    yield _case(
        writer, "thinking without its beginning", (ONE,), before="Hm.\n</think>\n\n"
    )
    yield _case(writer, "prose before", (ONE,), before="I will look at the disk.\n")
    yield _case(writer, "prose behind", (ONE,), behind="\nI wait for the result.")
    yield _case(writer, "an apostrophe before", (ONE,), before="Let's see what's up:\n")
    yield _case(writer, "a brace before", (ONE,), before="Use {x}, [y] and (z.\n")


def _case(
    writer: str,
    title: str,
    calls: tuple[Call, ...],
    *,
    before: str = "",
    behind: str = "",
) -> Case:
    text = f"{before}{WRITERS[writer](calls)}{behind}"
    return Case(writer=writer, title=title, text=text, calls=calls)
