"""Which path and method does what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fake_ollama_chat import Host, converse, play_whole
from fake_ollama_introspection import ps_body, show_body, tags_body
from fake_ollama_requests import read_conversation, read_json
from fake_ollama_steps import Line, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from fake_ollama_models import JsonObject
    from fake_wire import Wire

    Route = Callable[[Host, Wire, bytes], None]

_LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]", "0.0.0.0", ""})
_LOCAL_ENDS: Final = (".localhost", ".local", ".internal")


def answer(host: Host, wire: Wire, body: bytes) -> None:
    """Answer one request.

    Raises:
        ClientGone: the client left before the end.
    """
    try:
        _dispatch(host, wire, body)
    except Refusal as refusal:
        wire.send_json(refusal.status, {"error": refusal.text})


def _dispatch(host: Host, wire: Wire, body: bytes) -> None:
    record = wire.record
    given = record.headers.get("host", "")
    name = given.rpartition(":")[0] or given
    if name not in _LOCAL_HOSTS and not name.endswith(_LOCAL_ENDS):
        wire.send_text(403, "")
        return
    methods, route = _ROUTES.get(record.path, ((), None))
    if route is None:
        wire.send_text(404, "404 page not found")
    elif record.method not in methods:
        wire.send_text(405, "405 method not allowed")
    else:
        route(host, wire, body)


def _root(_host: Host, wire: Wire, _body: bytes) -> None:
    wire.send_text(200, "Ollama is running")


def _tell(host: Host, wire: Wire, body: JsonObject) -> None:
    fault = host.take_fault(wire.record.path)
    play_whole([Line(body)], wire, fault)


def _version(host: Host, wire: Wire, _body: bytes) -> None:
    _tell(host, wire, {"version": host.settings.version})


def _tags(host: Host, wire: Wire, _body: bytes) -> None:
    _tell(host, wire, tags_body(host.models.values()))


def _ps(host: Host, wire: Wire, _body: bytes) -> None:
    _tell(host, wire, ps_body(host.residency.listing()))


def _show(host: Host, wire: Wire, body: bytes) -> None:
    data = read_json(body)
    name = data.get("model") or data.get("name") or ""
    if not name:
        raise Refusal(400, "model is required")
    _tell(host, wire, show_body(host.find(name)))


def _chat(host: Host, wire: Wire, body: bytes) -> None:
    converse(host, read_conversation("chat", read_json(body)), wire)


def _generate(host: Host, wire: Wire, body: bytes) -> None:
    converse(host, read_conversation("generate", read_json(body)), wire)


_READ: Final = ("GET", "HEAD")
_ROUTES: Final[dict[str, tuple[tuple[str, ...], Route]]] = {
    "/": (_READ, _root),
    "/api/version": (_READ, _version),
    "/api/tags": (_READ, _tags),
    "/api/ps": (("GET",), _ps),
    "/api/show": (("POST",), _show),
    "/api/chat": (("POST",), _chat),
    "/api/generate": (("POST",), _generate),
}
