"""The guard of the wire tests themselves."""

from __future__ import annotations

import os
import socket

import pytest


def test_no_other_machine_can_be_reached() -> None:
    """A socket to any address but the loopback's fails its test at once."""
    for connect in (socket.socket.connect, socket.socket.connect_ex):
        with (
            socket.socket() as sock,
            pytest.raises(pytest.fail.Exception, match=r"192\.0\.2\.1"),
        ):
            connect(sock, ("192.0.2.1", 9))


def test_nothing_in_the_environment_leads_elsewhere() -> None:
    """Neither proxies nor addresses nor keys of the person at work are seen."""
    names = {name.upper() for name in os.environ}
    assert not [name for name in names if name.endswith(("_PROXY", "_API_KEY"))]
    assert "OLLAMA_HOST" not in names
