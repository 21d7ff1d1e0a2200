"""The playing of a fake Ollama's reply onto its socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fake_ollama_faults import shape
from fake_ollama_steps import HangUp, Head, Line, Raw, Refuse, Reset, Step, Wait

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fake_ollama_models import Fault
    from fake_wire import Wire

_JSON: Final = "application/json; charset=utf-8"


def play(steps: Iterable[Step], wire: Wire, fault: Fault | None) -> None:
    """Send a reply step by step; the headers go out with the first bytes.

    Raises:
        ClientGone: the client left before the end.
    """
    for step in shape(_encoded(steps), fault):
        if isinstance(step, Refuse | HangUp | Reset):
            _break_off(step, wire)
            return
        _carry_out(step, wire)
    if not wire.has_started:
        wire.begin()
    wire.finish()


def _carry_out(step: Step, wire: Wire) -> None:
    match step:
        case Wait(seconds):
            wire.wait(seconds)
        case Head(length, status):
            wire.begin(status, _JSON, length)
        case Raw(data):
            if not wire.has_started:
                wire.begin()
            wire.write(data)


def _break_off(step: Refuse | HangUp | Reset, wire: Wire) -> None:
    match step:
        case Refuse():
            wire.send_json(step.status, {"error": step.text})
        case HangUp():
            wire.hang_up()
        case Reset():
            wire.reset()


def _encoded(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        yield Raw(step.encode() + b"\n") if isinstance(step, Line) else step
