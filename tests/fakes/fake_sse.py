"""Server-sent events, and everything that can go wrong with a stream of them.

Each public function below `StreamFault` makes one. A fault is used by putting it
into `server.faults`: the first matching call uses it up, or it is kept with
`.always()`. What refuses a request (a status with a body) is made by `refuse`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from fake_ollama_steps import HangUp, Raw, Reset, Wait

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fake_ollama_models import JsonObject

FOREVER_S: Final = 3600.0
_READ_TIME_S: Final = 0.02
"""A reset drops what the peer has not read yet; this lets it read."""


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event.

    Attributes:
        data: a JSON object, or text sent as it is.
        name: for the `event:` line; empty for none.
        is_delta: a token of the reply is in it: the first one's time is noted.
        is_end: the stream's end marker.
    """

    data: JsonObject | str
    name: str = ""
    is_delta: bool = False
    is_end: bool = False

    def text(self, indent: int | None = None) -> str:
        """Return the data as text."""
        if isinstance(self.data, str):
            return self.data
        return json.dumps(self.data, ensure_ascii=False, indent=indent)


@dataclass(frozen=True, slots=True)
class Open:
    """Send the headers now, before the first event."""


Step = Wait | Event | Open | Raw | HangUp | Reset
"""What a reply is played from. `Raw` is written as it is, comment lines for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How events are put on the wire; all of it is allowed by the standard."""

    line_end: str = "\n"
    space: str = " "
    indent: int | None = None

    def encode(self, event: Event) -> bytes:
        """Return the event's bytes, its blank line included."""
        lines = [f"event:{self.space}{event.name}"] if event.name else []
        data = event.text(self.indent).split("\n")
        lines += [f"data:{self.space}{line}" for line in data]
        return "".join(line + self.line_end for line in (*lines, "")).encode()


Kind = Literal[
    "refuse", "slow_first_byte", "reset_before_headers", "interrupt", "framed", "cut",
    "paired", "no_end", "drop_all", "bom",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFault:
    """One thing that goes wrong with one call.

    Attributes:
        status, body, headers: the answer of a refusal; a text body is sent as it is.
        after_events: events sent before an interruption; a shorter reply is hit
            just before its end.
        steps: what an interruption sends.
        ends: whether an interruption is the end of the reply.
        delay_s: silence before the fault, or between cut writes.
        path, contains: which calls are hit: all of the path, and a part of the
            request's body as JSON text; "" means any.
    """

    kind: Kind
    status: int = 500
    body: JsonObject | str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    after_events: int = 0
    steps: tuple[Step, ...] = ()
    ends: bool = False
    delay_s: float = 0.0
    framing: Framing = Framing()
    path: str = ""
    contains: str = ""
    is_always: bool = False

    def where(self, *, path: str = "", contains: str = "") -> StreamFault:
        """Return the fault narrowed to some calls."""
        return replace(self, path=path, contains=contains)

    def always(self) -> StreamFault:
        """Return the fault so that it hits every matching call."""
        return replace(self, is_always=True)


def refuse(
    status: int,
    body: JsonObject | str,
    headers: Mapping[str, str] | None = None,
    *,
    delay_s: float = 0.0,
) -> StreamFault:
    """Answer with any status, body and headers."""
    return StreamFault(
        kind="refuse", status=status, body=body, headers=headers or {}, delay_s=delay_s
    )


def slow_first_byte(delay_s: float) -> StreamFault:
    """Wait before the status line."""
    return StreamFault(kind="slow_first_byte", delay_s=delay_s)


def resets_before_headers() -> StreamFault:
    """Reset the connection before any byte of an answer."""
    return StreamFault(kind="reset_before_headers")


def sends(*steps: Step, after_events: int = 2) -> StreamFault:
    """Put steps into the stream, which goes on behind them."""
    return StreamFault(kind="interrupt", after_events=after_events, steps=steps)


def ends_with(*steps: Step, after_events: int = 2) -> StreamFault:
    """End the stream with these steps, cleanly unless they break it off."""
    return replace(sends(*steps, after_events=after_events), ends=True)


def ends_early(after_events: int = 2) -> StreamFault:
    """End the stream cleanly, without its end marker."""
    return ends_with(after_events=after_events)


def hangs_up(after_events: int = 2) -> StreamFault:
    """Close the connection without the closing chunk."""
    return ends_with(HangUp(), after_events=after_events)


def resets(after_events: int = 2) -> StreamFault:
    """Reset the connection in mid-stream."""
    return ends_with(Wait(_READ_TIME_S), Reset(), after_events=after_events)


def stalls(after_events: int = 2, delay_s: float = FOREVER_S) -> StreamFault:
    """Fall silent, then go on if the client still waits."""
    return sends(Wait(delay_s), after_events=after_events)


def garbage(after_events: int = 1, text: str = "<html>Bad Gateway") -> StreamFault:
    """Send an event whose data is no JSON."""
    return sends(Event(text), after_events=after_events)


def non_utf8(after_events: int = 1) -> StreamFault:
    """Send an event whose data is no UTF-8."""
    return sends(Raw(b'data: {"a": "\xff\xfe"}\n\n'), after_events=after_events)


def comments(text: str = ": keep-alive\n\n", after_events: int = 0) -> StreamFault:
    """Send a comment, as keep-alives are written."""
    return sends(Raw(text.encode()), after_events=after_events)


def no_end_marker() -> StreamFault:
    """Leave the end marker out, and nothing else."""
    return StreamFault(kind="no_end")


def empty_stream() -> StreamFault:
    """Answer 200 and end the stream at once."""
    return StreamFault(kind="drop_all")


def framed(
    *, line_end: str = "\n", space: str = " ", indent: int | None = None
) -> StreamFault:
    """Write events in another allowed way; an indent makes data of several lines."""
    framing = Framing(line_end=line_end, space=space, indent=indent)
    return StreamFault(kind="framed", framing=framing)


def byte_order_mark() -> StreamFault:
    """Begin the stream with a byte order mark."""
    return StreamFault(kind="bom")


def one_byte_writes(delay_s: float = 0.0) -> StreamFault:
    """Write every byte on its own: characters are split as well."""
    return StreamFault(kind="cut", delay_s=delay_s)


def paired_writes() -> StreamFault:
    """Write events two at a time."""
    return StreamFault(kind="paired")


def bend(steps: Iterable[Step], fault: StreamFault | None) -> Iterator[Step]:
    """Carry out what a fault does to the events of a stream."""
    kind = fault.kind if fault else ""
    if fault and kind == "interrupt":
        yield from _interrupted(steps, fault)
    elif kind == "drop_all":
        yield Open()
    elif kind == "no_end":
        yield from (s for s in steps if not (isinstance(s, Event) and s.is_end))
    else:
        yield from steps


def _interrupted(steps: Iterable[Step], fault: StreamFault) -> Iterator[Step]:
    sent = 0
    is_hit = False
    for step in steps:
        if isinstance(step, Event) and not is_hit:
            is_hit = sent >= fault.after_events or step.is_end
            if is_hit:
                yield from (Wait(fault.delay_s), *fault.steps)
                if fault.ends:
                    return
            sent += 1
        yield step
