"""Which servers are reached through a proxy, and so over httpx's own connections."""

from __future__ import annotations

import os

import pytest

from pytest_llmbench.calls.clock import SystemClock
from pytest_llmbench.calls.providers.clients import Clients
from pytest_llmbench.calls.providers.direct import DirectTransport
from pytest_llmbench.calls.providers.http import HttpTransport

PROXY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear what the person at work has set."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("given", "url", "way"),
    [
        ({}, "http://box", DirectTransport),
        ({}, "https://box", DirectTransport),
        ({"HTTP_PROXY": PROXY}, "http://box", Clients),
        ({"HTTP_PROXY": PROXY}, "https://box", DirectTransport),
        ({"HTTPS_PROXY": PROXY}, "https://box", Clients),
        ({"ALL_PROXY": PROXY}, "https://box", Clients),
        ({"HTTPS_PROXY": PROXY}, "https://localhost", DirectTransport),
        ({"ALL_PROXY": PROXY}, "https://[::1]:8443", DirectTransport),
        ({"NO_PROXY": "elsewhere"}, "http://box", DirectTransport),
        ({"ALL_PROXY": PROXY, "NO_PROXY": ".lan"}, "http://box.lan", DirectTransport),
        ({"ALL_PROXY": PROXY, "NO_PROXY": ".lan"}, "http://box.wan", Clients),
        ({}, "ftp://box", Clients),
    ],
)
def test_only_a_proxy_leads_away_from_our_transport(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], url: str, way: type
) -> None:
    """A proxy for the address's scheme does, but for this machine and NO_PROXY."""
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert type(HttpTransport(url, SystemClock())._wire) is way
