"""Tool calls as JSON values: the many keys and wrappers that models use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmbench.checks.calltext.decoding import Decoder
from pytest_llmbench.checks.calltext.found import Written
from pytest_llmbench.checks.jsontext import is_storable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_llmbench.checks.calltext.decoding import Decoded
    from pytest_llmbench.checks.calltext.offered import Offered
    from pytest_llmbench.prompts.suite import Json

NAME_KEYS: Final = ("name", "function", "tool", "tool_name")
ARGUMENT_KEYS: Final = ("arguments", "parameters", "args", "input")
_FRAME_KEYS: Final = frozenset({*NAME_KEYS, "type", "id", "tool_call_id", "index"})
_WRAPPERS: Final = ("tool_calls", "tool_call", "function_calls", "function_call")
_DEFINITION_KEYS: Final = frozenset({"properties", "parameters", "description"})
_MAX_WRAPPERS: Final = 3


class Listed(Struct, frozen=True, kw_only=True):
    """The calls that one JSON value holds.

    Attributes:
        is_broken: something in the value tries to be a call and is none.
    """

    calls: tuple[Written, ...] = ()
    is_broken: bool = False


def decoded_calls(decoded: Decoded, tools: Offered, *, is_marked: bool) -> Listed:
    """Read the calls of a value as it was decoded.

    Where the text ends too early, a call without arguments has lost them.
    """
    listed = listed_calls(decoded.value, tools, is_marked=is_marked)
    calls = listed.calls
    if decoded.is_cut:
        calls = tuple(call for call in calls if call.arguments)
    if decoded.is_salvaged:
        calls = tuple(replace(call, is_salvaged=True) for call in calls)
    is_broken = listed.is_broken or len(calls) < len(listed.calls)
    return Listed(calls=calls, is_broken=is_broken)


def listed_calls(value: Json, tools: Offered, *, is_marked: bool) -> Listed:
    """Read the calls of a JSON value.

    Args:
        is_marked: a mark says that this is a call, so that a tool that is not
            offered is a call too, and what is no call is broken. Without a mark
            at least one call must name an offered tool.

    >>> from pytest_llmbench.checks.calltext.offered import Offered
    >>> from pytest_llmbench.prompts.suite import Tool
    >>> value = {"tool_calls": [{"tool": "f", "args": '{"a": 1}'}]}
    >>> listed_calls(value, Offered([Tool(name="f")]), is_marked=False).calls
    (Written(name='f', arguments={'a': 1}, is_salvaged=False),)
    """
    items = _unwrapped(value)
    calls = tuple(call for call in (_call(item, tools) for item in items) if call)
    is_sure = is_marked or any(_is_plain_call(item, tools) for item in items)
    if is_sure and calls:
        return Listed(calls=calls, is_broken=len(calls) < len(items))
    return Listed(is_broken=is_marked or _holds_call(value, tools))


def _unwrapped(value: Json) -> list[Json]:
    for _ in range(_MAX_WRAPPERS):
        if not isinstance(value, dict):
            break
        key = next((key for key in _WRAPPERS if _is_nest(value.get(key))), None)
        if key is None:
            break
        value = value[key]
    return value if isinstance(value, list) else [value]


def _is_nest(value: Json) -> bool:
    return isinstance(value, dict | list)


def _call(item: Json, tools: Offered) -> Written | None:
    """Read one call, whatever its name."""
    frame = _frame(item)
    if frame is None:
        return None
    keyed = _keyed(frame, tools)
    name, inputs = keyed or (_name(frame), _inputs(frame))
    if not name or inputs is _NOTHING:
        return None
    resolved = tools.resolved(name)
    if resolved not in tools.by_name and not tools.any_name.fullmatch(resolved):
        return None
    return _written(resolved, inputs)


def _frame(item: Json) -> Mapping[str, Json] | None:
    """Return the object that holds name and arguments, OpenAI's wrapper removed."""
    if not isinstance(item, dict):
        return None
    inner = item.get("function")
    return inner if isinstance(inner, dict) else item


def _name(frame: Mapping[str, Json]) -> str:
    named = (frame.get(key) for key in NAME_KEYS)
    return next((name for name in named if isinstance(name, str)), "")


_NOTHING: Final = object()


def _inputs(frame: Mapping[str, Json]) -> object:
    """Return the arguments as written; `_NOTHING` where the object is no call."""
    for key in ARGUMENT_KEYS:
        if key in frame:
            return frame[key]
    return {} if frame.keys() <= _FRAME_KEYS else _NOTHING


def _keyed(
    frame: Mapping[str, Json], tools: Offered
) -> tuple[str, Mapping[str, Json]] | None:
    """Read `{"tool": {arguments}}`."""
    if len(frame) != 1:
        return None
    ((name, inner),) = frame.items()
    if name not in tools.by_name or not isinstance(inner, dict):
        return None
    known = tools.properties(name)
    is_call = all(key in known for key in _DEFINITION_KEYS & inner.keys())
    return (name, inner) if is_call else None


def _written(name: str, inputs: object) -> Written | None:
    is_salvaged = False
    if isinstance(inputs, str):
        decoded = _decoded_text(inputs.strip() or "{}")
        if decoded is None:
            return None
        inputs, is_salvaged = decoded
    arguments = {} if inputs is None else inputs
    if not isinstance(arguments, dict) or not is_storable(arguments):
        return None
    return Written(name=name, arguments=arguments, is_salvaged=is_salvaged)


def _decoded_text(text: str) -> tuple[object, bool] | None:
    try:
        return json.loads(text), False
    except (ValueError, RecursionError):
        decoded = Decoder(text).lenient(0, len(text))
    return (decoded.value, True) if decoded and decoded.end == len(text) else None


def _is_plain_call(item: Json, tools: Offered) -> bool:
    """Tell a call of an offered tool from other objects that name it."""
    frame = _frame(item)
    if frame is None:
        return False
    if _keyed(frame, tools):
        return True
    name = tools.resolved(_name(frame))
    return name in tools.by_name and not _is_definition(frame, tools.properties(name))


def _is_definition(frame: Mapping[str, Json], known: Mapping[str, Json]) -> bool:
    inputs = _inputs(frame)
    is_schema = isinstance(inputs, dict) and "properties" in inputs
    return "description" in frame or (is_schema and "properties" not in known)


def _holds_call(value: Json, tools: Offered) -> bool:
    """Tell whether an object inside a value, however deep, calls an offered tool."""
    return any(
        _is_plain_call(inner, tools) and _inputs(inner) is not _NOTHING
        for inner in _objects(value)
    )


def _objects(value: Json) -> Iterator[dict[str, Json]]:
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            yield current
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)
