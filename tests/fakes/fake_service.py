"""What all fake online services share: requests, faults, limits, event streams.

A dialect is a subclass of `FakeService` with `serve` and `error_body`::

    class FakeThing(FakeService):
        def serve(self, wire: Wire, fault: StreamFault | None) -> None:
            asked = wire.record  # method, path, headers (lower case), body (JSON)
            if asked.path == "/v1/things":
                event = Event({"text": "Hi"}, name="delta", is_delta=True)
                play([Open(), event], wire, fault)
            else:
                self.send_error(wire, 404, "not_found_error", "no such route")

It is used like the fake Ollama, with the faults of `fake_sse`::

    with FakeThing() as server:
        server.faults.append(stalls(after_events=2).where(contains="Oslo"))
        ...  # talk to server.url
        [asked] = server.requests_to("/v1/things")
        asked.began_at_ns, asked.first_delta_ns, asked.last_byte_ns  # perf_counter

Faults that refuse a call, or that have no bytes come, are carried out before `serve`.
"""

from __future__ import annotations

import json
import threading
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final

from fake_http_server import FakeServer
from fake_ollama_steps import HangUp, Raw, Reset, Wait
from fake_sse import Event, Framing, Open, bend

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Mapping

    from fake_ollama_models import JsonObject
    from fake_sse import Step, StreamFault
    from fake_wire import RecordedRequest, Wire
    from typing_extensions import override

else:
    from fake_http_server import override

_EVENTS: Final = "text/event-stream; charset=utf-8"
_JSON: Final = "application/json"
_PLAIN: Final = "text/plain; charset=utf-8"
_BOM: Final = b"\xef\xbb\xbf"


class FakeService(FakeServer):
    """A fake online service on a real socket of 127.0.0.1.

    Attributes:
        faults: what goes wrong with the next matching calls.
        in_flight: calls being answered now.
        most_in_flight: how many there were at once, at most.
    """

    def __init__(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(port=port, tls=tls)
        self.faults: list[StreamFault] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.lock = threading.Lock()

    @abstractmethod
    def serve(self, wire: Wire, fault: StreamFault | None) -> None:
        """Answer one request, which `wire.record` describes.

        Args:
            fault: for `play` or `send_value`, which carry it out.

        Raises:
            ClientGone: the client left.
        """

    @abstractmethod
    def error_body(self, status: int, kind: str, message: str) -> JsonObject:
        """Return the body of an error as this service words it."""

    @override
    def respond(self, wire: Wire, body: bytes) -> None:
        """Answer one request, or let it go wrong."""
        fault = self.take_fault(wire.record, body)
        with self.lock:
            self.in_flight += 1
            self.most_in_flight = max(self.in_flight, self.most_in_flight)
        try:
            if fault is None or not _is_over_before_it_began(fault, wire):
                self.serve(wire, fault)
        finally:
            with self.lock:
                self.in_flight -= 1

    @override
    def send_bug(self, wire: Wire, error: Exception) -> None:
        """Answer 500 in the service's own words: a test's script failed."""
        self.send_error(wire, 500, "server_error", f"the fake failed: {error!r}")

    def take_fault(self, record: RecordedRequest, body: bytes) -> StreamFault | None:
        """Return the first fault that hits this call, used up unless it is kept."""
        text = body.decode("utf-8", "replace")
        with self.lock:
            for fault in self.faults:
                if fault.path in {"", record.path} and fault.contains in text:
                    if not fault.is_always:
                        self.faults.remove(fault)
                    return fault
        return None

    def send_error(
        self,
        wire: Wire,
        status: int,
        kind: str,
        message: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer with an error in the service's own words."""
        wire.headers.update(headers or {})
        send_value(wire, self.error_body(status, kind, message), status)


def send_value(wire: Wire, value: JsonObject | str, status: int = 200) -> None:
    """Answer with one JSON object, or a text as it is, of known length."""
    if isinstance(value, str):
        wire.send_whole(status, value.encode(), _PLAIN)
    else:
        data = json.dumps(value, ensure_ascii=False).encode()
        wire.send_whole(status, data, _JSON)


def play(steps: Iterable[Step], wire: Wire, fault: StreamFault | None = None) -> None:
    """Send a stream step by step; the headers go out with `Open` or the first bytes.

    Raises:
        ClientGone: the client left before the end.
    """
    writer = _Writer(wire, fault)
    for step in bend(steps, fault):
        if isinstance(step, HangUp | Reset):
            writer.flush()
            wire.hang_up() if isinstance(step, HangUp) else wire.reset()
            return
        writer.take(step)
    writer.flush()
    writer.open()
    wire.finish()


class _Writer:
    """Writes the steps of a stream as its fault has them written."""

    def __init__(self, wire: Wire, fault: StreamFault | None) -> None:
        self._wire = wire
        self._kind = fault.kind if fault else ""
        self._framing = fault.framing if fault else Framing()
        self._delay_s = fault.delay_s if fault else 0.0
        self._lead = _BOM if self._kind == "bom" else b""
        self._held = b""

    def open(self) -> None:
        if not self._wire.has_started:
            self._wire.begin(200, _EVENTS)

    def take(self, step: Wait | Event | Open | Raw) -> None:
        match step:
            case Wait(seconds):
                self._wire.wait(seconds)
            case Open():
                self.open()
            case Raw(data):
                self.flush()
                self._write(data)
            case Event():
                self._event(step)

    def flush(self) -> None:
        held, self._held = self._held, b""
        if held:
            self._write(held)

    def _event(self, event: Event) -> None:
        record = self._wire.record
        if event.is_delta and record.first_delta_ns is None:
            record.first_delta_ns = time.perf_counter_ns()
        data = self._lead + self._framing.encode(event)
        self._lead = b""
        if self._kind == "paired" and not self._held and not event.is_end:
            self._held = data
            return
        data, self._held = self._held + data, b""
        if self._kind != "cut":
            self._write(data)
            return
        for at in range(len(data)):
            self._write(data[at : at + 1])
            self._wire.wait(self._delay_s)

    def _write(self, data: bytes) -> None:
        self.open()
        self._wire.write(data)


def _is_over_before_it_began(fault: StreamFault, wire: Wire) -> bool:
    """Carry out a fault that leaves no reply to bend; say whether it was one."""
    if fault.kind == "reset_before_headers":
        wire.reset()
        return True
    if fault.kind == "refuse":
        wire.wait(fault.delay_s)
        wire.headers.update(fault.headers)
        send_value(wire, fault.body, fault.status)
        return True
    if fault.kind == "slow_first_byte":
        wire.wait(fault.delay_s)
    return False


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message whose content is a text or a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return str(content or "")
