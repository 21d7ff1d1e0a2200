"""A fake Ollama of whose answers some go wrong on the wire, in every known way.

In a test::

    with FaultyOllama(FakeModel()) as server:
        server.arm("header_bomb")
        ...  # the next chat goes wrong, all others go well

By hand, until it is stopped::

    python tests/fakes/faulty_server.py --fault reset_before_headers --port 11434

`--help` names the faults. Version, tags, show, ps, loads and every request that is
not hit are those of the fake Ollama.
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
import threading
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fake_ollama_atomic import atomic_script
from fake_ollama_faults import (
    FOREVER_S,
    non_utf8,
    one_byte_writes,
    queue_full,
    refuse,
    resets,
    resets_before_headers,
    slow_first_byte,
    stalls,
)
from fake_ollama_models import FakeModel, Fault, last_user_text
from fake_ollama_server import FakeOllama
from faulty_server_plays import PLAYS, STAYS_OPEN, WireFault
from faulty_server_tls import self_signed

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from fake_wire import RecordedRequest, Wire
    from typing_extensions import override

else:
    from fake_http_server import override

BENT: Final[dict[str, Fault]] = {
    "reset_before_headers": resets_before_headers(),
    "reset_mid_stream": resets(),
    "silence_before_headers": slow_first_byte(FOREVER_S),
    "silence_mid_stream": stalls(),
    "slow_drip": one_byte_writes(),
    "non_utf8_line": non_utf8(),
    "status_400": refuse(400, "invalid request"),
    "status_404": refuse(404, "model 'fake:1b' not found"),
    "status_429": refuse(429, "slow down"),
    "status_500": refuse(500, "boom"),
    "status_503": queue_full(),
}
"""Faults that the fake Ollama can do by itself."""

NAMES: Final = (*BENT, *PLAYS)


class FaultyOllama(FakeOllama):
    """A fake Ollama with faults on the wire.

    Attributes:
        wire_faults: those to come, oldest first; `arm` adds to them.
    """

    def __init__(
        self,
        *models: FakeModel,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(*models, port=port, tls=tls)
        self.wire_faults: list[WireFault] = []
        self._used = weakref.WeakSet[socket.socket]()
        self._lock = threading.Lock()

    def arm(self, name: str, **fields: Any) -> None:  # noqa: ANN401 - any field
        """Have a request go wrong; `fields` are those of `WireFault`."""
        fault = WireFault(name=name, **fields)
        if name in PLAYS:
            self.wire_faults.append(fault)
            return
        bent = replace(BENT[name], is_always=fault.is_always)
        if name == "slow_drip":
            bent = replace(bent, delay_s=fault.pause_s)
        self.faults.append(
            bent.where(path=fault.path, prompt_contains=fault.prompt_contains)
        )

    @override
    def answer(self, wire: Wire, body: bytes) -> None:
        """Answer one request, or let it go wrong."""
        fault = self._take(wire)
        if fault is None:
            super().answer(wire, body)
            return
        PLAYS[fault.name](wire, fault)
        if fault.name not in STAYS_OPEN:
            wire.hang_up()

    def _take(self, wire: Wire) -> WireFault | None:
        with self._lock:
            is_used = wire.connection in self._used
            self._used.add(wire.connection)
            for fault in self.wire_faults:
                if _hits(fault, wire.record, is_used=is_used):
                    if not fault.is_always:
                        self.wire_faults.remove(fault)
                    return fault
        return None


def _hits(fault: WireFault, record: RecordedRequest, *, is_used: bool) -> bool:
    if fault.path not in {"", record.path} or (fault.on_used and not is_used):
        return False
    messages = (record.body or {}).get("messages", ())
    is_preload = record.path == "/api/chat" and not messages
    return not is_preload and fault.prompt_contains in last_user_text(messages)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve with one fault until SIGTERM or Ctrl-C."""
    options = _parser().parse_args(arguments)
    model = FakeModel(name=options.model, answer=atomic_script(), load_s=0.01)
    tls = self_signed() if options.tls else None
    server = FaultyOllama(model, port=options.port, tls=tls)
    given = {"path": options.path, "prompt_contains": options.prompt_contains}
    if options.fault:
        server.arm(
            options.fault, pause_s=options.pause, is_always=not options.once, **given
        )
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with server:
        sys.stdout.write(f"{server.url}  {model.name}: {options.fault or 'no fault'}\n")
        sys.stdout.flush()
        stopped.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="faulty_server",
        description="A fake Ollama that answers the atomic suite, with one fault.",
        epilog="faults: " + ", ".join(NAMES),
    )
    parser.add_argument("--port", type=int, default=11434, help="0 picks a free one")
    parser.add_argument("--fault", choices=NAMES, metavar="NAME", help="see below")
    parser.add_argument("--once", action="store_true", help="the first request only")
    parser.add_argument("--path", default="/api/chat", help="which requests are hit")
    parser.add_argument("--prompt-contains", default="", metavar="TEXT")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds per byte")
    parser.add_argument("--model", default="fake:1b", metavar="NAME")
    parser.add_argument("--tls", action="store_true", help="a self-signed certificate")
    return parser


if __name__ == "__main__":
    main()
