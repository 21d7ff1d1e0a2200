"""Where OLLAMA_HOST points."""

from __future__ import annotations

import re
from typing import Final

DEFAULT_PORT: Final = 11434


def base_url_from_host(host: str) -> str:
    """Return the URL that a value of OLLAMA_HOST means.

    All forms of the server's own documentation are read: `host`, `host:port`,
    `:port`, `[::1]:port`, `http://h` (port 80), `https://h` (443), a path kept;
    `0.0.0.0` and `::` become the loopback address; quotes and blanks are
    trimmed; a port that is none falls back to the default.

    >>> base_url_from_host("0.0.0.0:8080")
    'http://127.0.0.1:8080'
    >>> base_url_from_host("https://box/ollama")
    'https://box:443/ollama'
    >>> base_url_from_host("[::1]")
    'http://[::1]:11434'
    """
    text = host.strip().strip("\"'").strip()
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator:
        scheme, rest = "http", text
    port = {"http": 80, "https": 443}.get(scheme, DEFAULT_PORT)
    default = port if separator else DEFAULT_PORT
    authority, slash, path = rest.partition("/")
    user, at, authority = authority.rpartition("@")
    name, port = _host_and_port(authority, default)
    name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(name, name)  # noqa: S104 - turned into loopback
    return f"{scheme}://{user}{at}{name}:{port}{(slash + path).rstrip('/')}"


def _host_and_port(authority: str, default: int) -> tuple[str, int]:
    if authority.count(":") > 1 and not authority.startswith("["):
        return f"[{authority}]", default
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(.*))?", authority)
    if not match:
        return authority, default
    written = match[2] or ""
    is_number = written.isdecimal() and len(written) < 10  # noqa: PLR2004 - int() has limits
    is_port = is_number and int(written) <= 65535  # noqa: PLR2004 - the highest port
    return match[1], int(written) if is_port else default
