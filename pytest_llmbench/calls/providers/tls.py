"""What TLS needs: whom to trust, how to begin, and how the other side ended it."""

from __future__ import annotations

import os
import ssl
from functools import cache

import httpx

_FILE, _FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"


def client_context() -> ssl.SSLContext:
    """Return the context of all connections of this process, made once.

    It trusts whom httpx trusts: what SSL_CERT_FILE or else SSL_CERT_DIR names,
    certifi's list without them. Making it takes about 20 ms.

    Raises:
        httpx.ConnectError: what a variable names can't be read.
    """
    try:
        return _made(os.environ.get(_FILE), os.environ.get(_FOLDER))
    except OSError as error:
        named = next((name for name in (_FILE, _FOLDER) if os.environ.get(name)), "")
        path = f"{named}={os.environ[named]}" if named else "certifi's list"
        msg = f"{path} cannot be read: {error.strerror or error}"
    raise httpx.ConnectError(msg)  # outside, so that the reason told is this one


@cache
def _made(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Return a context for one state of the environment, which httpx reads."""
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def was_ended(tls: ssl.SSLObject) -> bool:
    """Whether the other side has said that nothing follows (close_notify).

    Asked when a connection has ended: without it somebody in between may have cut
    off what was to come (RFC 8446, 6.1).
    """
    try:
        return not tls.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False
