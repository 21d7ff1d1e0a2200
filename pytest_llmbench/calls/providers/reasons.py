"""Why a connection failed, and what a person can do about it."""

from __future__ import annotations

import os
import re
import socket
import ssl
from typing import Final

import httpx

from pytest_llmbench.checks.shown import one_line

_TLS_ADVICE: Final = {
    "SSL_CERT_": "have it name a file of PEM certificates",
    "certificate is not valid for": "use an address that its certificate names",
    "certificate has expired": "have its certificate renewed",
    "CERTIFICATE_VERIFY_FAILED": (
        "have SSL_CERT_FILE name the certificate to trust, if it is the right one"
    ),
    "SSL": "does it speak https?",
    "closed in the TLS handshake": "does it speak https?",
}

_LASTING: Final = ("SSL_CERT_", "CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER")
"""Words of reasons that stand in settings and certificates, not in what is up."""


def is_lasting(error: httpx.TransportError, reason: str) -> bool:
    """Whether asking again in some seconds must come to the same."""
    is_no_scheme = isinstance(error, httpx.UnsupportedProtocol)
    return is_no_scheme or any(word in reason for word in _LASTING)


def advice_on(reason: str, hint: str) -> str:
    """Return what a person can do; `hint` where encryption is not at fault."""
    return next((_TLS_ADVICE[key] for key in _TLS_ADVICE if key in reason), hint)


def is_no_http(error: httpx.TransportError) -> bool:
    """Whether bytes came that are no answer, and not just too few."""
    return isinstance(error, httpx.RemoteProtocolError) and not str(error).startswith(
        "Server disconnected"
    )


def reason_of(error: BaseException) -> str:
    """Return the operating system's own reason if there is one behind an error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, BaseExceptionGroup):  # one per address, IPv4 last
            cause = cause.exceptions[-1]
        if isinstance(cause, ssl.SSLError | socket.gaierror):  # numbers of their own
            return one_line(cause.strerror or str(cause))
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno)
        # asyncio puts the faults of several addresses into one text.
        if number := re.search(r"\[Errno (\d+)\]", str(cause)):
            return os.strerror(int(number[1]))
        cause = cause.__cause__ or cause.__context__
    return one_line(str(error)) or type(error).__name__
