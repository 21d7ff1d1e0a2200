"""A server that speaks enough of Ollama and costs a client's neighbour little.

Every chat is answered with the same five lines. Its own clock goes into Ollama's
duration fields, so that a client's figures can be held against it:
`prompt_eval_duration` is from reading the request's first byte to just before the
first delta is written, `eval_duration` from there to just before the last line is,
`total_duration` both; all in nanoseconds. A client that reads its clock rightly is
never faster. `load_duration` is absent: the models are always loaded.

    python benchmarks/fast_ollama.py PORT [--first-token-ms D] [--gap-ms G]

Port 0 takes any free port; the one taken is printed first. SIGTERM ends it; it then
prints how many chats it answered and the CPU seconds that took, as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from typing import Final

MODELS: Final = ("m:1b", "n:1b")
DELTAS: Final = ("The ", "answer ", "is ", "4")

_JSON: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_STREAM: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_DONE: Final = (
    b'{"model":"%b","created_at":"2026-11-20T11:00:00Z",'
    b'"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop",'
    b'"total_duration":%d,"prompt_eval_count":26,"prompt_eval_duration":%d,'
    b'"eval_count":5,"eval_duration":%d}\n'
)


def _line(model: str, content: str) -> bytes:
    message = {"role": "assistant", "content": content}
    value = {"model": model, "created_at": "2026-11-20T11:00:00Z", "message": message}
    return json.dumps({**value, "done": False}).encode() + b"\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _whole(value: object) -> bytes:
    body = json.dumps(value).encode()
    return _JSON + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def _streamed(model: str) -> tuple[bytes, ...]:
    first, *others = (_chunk(_line(model, delta)) for delta in DELTAS)
    return (_STREAM + first, *others)


_DETAILS: Final = {"quantization_level": "Q4_K_M", "parameter_size": "1B"}
_LISTED: Final = [
    {"name": name, "model": name, "size": 2100, "digest": "ab", "details": _DETAILS}
    for name in MODELS
]
_RUNNING: Final = [
    {"name": name, "model": name, "size": 2100, "size_vram": 2100}
    | {"context_length": 4096, "expires_at": "2026-11-20T11:05:00Z"}
    for name in MODELS
]
_FIXED: Final = {
    b"/api/version": _whole({"version": "0.33.0"}),
    b"/api/tags": _whole({"models": _LISTED}),
    b"/api/ps": _whole({"models": _RUNNING}),
    b"/api/show": _whole({"details": _DETAILS, "capabilities": ["completion"]}),
}
_LOADED: Final = _whole({"model": MODELS[0], "done": True, "done_reason": "load"})
_MISSING: Final = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_CHATS: Final = {name.encode(): _streamed(name) for name in MODELS}


class Pace:
    """How fast chats are answered, and how many were."""

    def __init__(self, first_token_s: float, gap_s: float) -> None:
        self.first_token_s = first_token_s
        self.gap_s = gap_s
        self.chats = 0


class Connection(asyncio.Protocol):
    """One kept-alive connection; one request at a time."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        self._held = b""
        self._received_ns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to answer."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that has arrived whole."""
        if not self._held:
            self._received_ns = time.perf_counter_ns()
        self._held += data
        while size := _whole_size(self._held):
            request, self._held = self._held[:size], self._held[size:]
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        path = request.split(b" ", 2)[1]
        if path != b"/api/chat":
            self._transport.write(_FIXED.get(path, _MISSING))
            return
        body = request[request.index(b"\r\n\r\n") + 4 :]
        if b'"messages":[]' in body or b'"messages": []' in body:
            self._transport.write(_LOADED)
            return
        self._pace.chats += 1
        model = body.split(b'"', 4)[3]
        chat = Chat(self._transport, self._loop, model, self._received_ns)
        chat.start(self._pace)


class Chat:
    """One streamed answer."""

    def __init__(
        self,
        transport: asyncio.WriteTransport,
        loop: asyncio.AbstractEventLoop,
        model: bytes,
        received_ns: int,
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._model = model if model in _CHATS else MODELS[0].encode()
        self._received_ns = received_ns
        self._first_ns = 0

    def start(self, pace: Pace) -> None:
        """Write the first delta after the time to first token."""
        write = self._spread if pace.gap_s else self._at_once
        if pace.first_token_s:
            self._loop.call_later(pace.first_token_s, write, pace.gap_s)
        else:
            write(pace.gap_s)

    def _at_once(self, _gap_s: float) -> None:
        first, *others = _CHATS[self._model]
        self._first_ns = time.perf_counter_ns()
        self._transport.write(first)
        for chunk in others:
            self._transport.write(chunk)
        self._end()

    def _spread(self, gap_s: float, index: int = 0) -> None:
        chunks = _CHATS[self._model]
        if index == len(chunks):
            self._end()
            return
        if not index:
            self._first_ns = time.perf_counter_ns()
        self._transport.write(chunks[index])
        self._loop.call_later(gap_s, self._spread, gap_s, index + 1)

    def _end(self) -> None:
        now_ns = time.perf_counter_ns()
        total_ns, first_ns = now_ns - self._received_ns, self._first_ns
        prefill_ns, decode_ns = first_ns - self._received_ns, now_ns - first_ns
        done = _DONE % (self._model, total_ns, prefill_ns, decode_ns)
        self._transport.write(_chunk(done) + b"0\r\n\r\n")


def _whole_size(held: bytes) -> int:
    """Return the size of the first request, 0 while it is not whole."""
    end = held.find(b"\r\n\r\n")
    if end < 0:
        return 0
    head = held[:end].lower()
    _, found, rest = head.partition(b"content-length:")
    size = end + 4 + (int(rest.split(b"\r\n", 1)[0]) if found else 0)
    return size if len(held) >= size else 0


async def serve(port: int, pace: Pace) -> None:
    """Answer until SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    server = await loop.create_server(
        lambda: Connection(pace), "127.0.0.1", port, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    start_s = time.process_time()
    await stopped.wait()
    cpu_s = time.process_time() - start_s
    print(json.dumps({"chats": pace.chats, "cpu_s": cpu_s}), flush=True)


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--first-token-ms", type=float, default=0.0)
    parser.add_argument("--gap-ms", type=float, default=0.0)
    asked = parser.parse_args()
    pace = Pace(asked.first_token_ms / 1e3, asked.gap_ms / 1e3)
    asyncio.run(serve(asked.port, pace))


if __name__ == "__main__":
    main()
