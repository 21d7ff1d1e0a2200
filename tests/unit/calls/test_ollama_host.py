"""Where OLLAMA_HOST points, in all its forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.calls.providers.ollama_host import base_url_from_host


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("  ", "http://127.0.0.1:11434"),
        ("box", "http://box:11434"),
        ("box.example", "http://box.example:11434"),
        ("box:8080", "http://box:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("10.0.0.5", "http://10.0.0.5:11434"),
        ("10.0.0.5:80", "http://10.0.0.5:80"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("http://0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:11434"),
        ("[::]", "http://[::1]:11434"),
        ("[::]:8080", "http://[::1]:8080"),
        ("http://[::]:8080", "http://[::1]:8080"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("fe80::1", "http://[fe80::1]:11434"),
        ("[2001:db8::1]:443", "http://[2001:db8::1]:443"),
        ("http://box", "http://box:80"),
        ("https://box", "https://box:443"),
        ("http://box:8080", "http://box:8080"),
        ("https://box:8443", "https://box:8443"),
        ("https://[::1]", "https://[::1]:443"),
        ("http://box:8080/ollama", "http://box:8080/ollama"),
        ("https://box/a/b/", "https://box:443/a/b"),
        ("box:8080/ollama", "http://box:8080/ollama"),
        ("box/ollama", "http://box:11434/ollama"),
        ("http://box/", "http://box:80"),
        ("HTTPS://box", "https://box:443"),
        ('"box:8080"', "http://box:8080"),
        ("'box:8080'", "http://box:8080"),
        (' "http://box" ', "http://box:80"),
        ("' box '", "http://box:11434"),
        ("box:", "http://box:11434"),
        ("box:http", "http://box:11434"),
        ("box:65536", "http://box:11434"),
        ("box:65535", "http://box:65535"),
        ("box:0", "http://box:0"),
        ("box:-1", "http://box:11434"),
        ("box:1e3", "http://box:11434"),
        ("https://box:99999", "https://box:443"),
        ("box:" + "9" * 5000, "http://box:11434"),
        ("http://", "http://127.0.0.1:80"),
        ("https://me:pw@box:8443/a", "https://me:pw@box:8443/a"),
        ("me@box", "http://me@box:11434"),
    ],
)
def test_every_form(host: str, url: str) -> None:
    """Each documented form, and each mistake it forgives, leads to one URL."""
    assert base_url_from_host(host) == url


@given(st.text() | st.text("[]:/@.0123456789h "))
def test_any_text_is_an_url(host: str) -> None:
    """A strange value is a strange URL, never an exception."""
    assert "://" in base_url_from_host(host)
