"""Wire tests never leave this machine, whatever its environment says."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_llmbench.calls.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

_STEERING: Final = ("_PROXY", "_API_KEY", "_BASE_URL", "OLLAMA_HOST")
"""How the names of variables end that lead calls elsewhere."""


@pytest.fixture(autouse=True)
def stays_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear what steers calls, and refuse sockets to any other machine."""
    for name in list(os.environ):
        if name.upper().endswith(_STEERING):
            monkeypatch.delenv(name)
    for method in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, method, _guarded(method))


@pytest.fixture(autouse=True, scope="session")
def hears_interrupts() -> None:
    """Python's own handler, also where a shell's background job ignores SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _guarded(method: str) -> object:
    real = getattr(socket.socket, method)

    def connect(sock: socket.socket, address: Any) -> object:  # noqa: ANN401 - per family
        is_ip = sock.family in {socket.AF_INET, socket.AF_INET6}
        if is_ip and not address[0].startswith("127.") and address[0] != "::1":
            pytest.fail(f"a test tried to reach {address}")
        return real(sock, address)

    return connect


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Give an engine, and close it after the test."""
    made = Engine()
    yield made
    made.close()
