"""The reason of a broken connection is the system's own, in one line."""

from __future__ import annotations

import errno
import os

import pytest

from pytest_llmbench.calls.providers.reasons import advice_on, reason_of

REFUSED = os.strerror(errno.ECONNREFUSED)


def test_a_name_with_several_addresses_has_one_reason() -> None:
    """What asyncio writes about every address becomes the system's words for it."""
    both = "; ".join(
        f"[Errno {errno.ECONNREFUSED}] Connect call failed {address}"
        for address in (("::1", 1, 0, 0), ("127.0.0.1", 1))
    )
    assert reason_of(OSError(f"Multiple exceptions: {both}")) == REFUSED


def test_a_reason_is_one_short_line() -> None:
    """What a server sent can neither fill the screen nor steer it."""
    reason = reason_of(ValueError("\x1b[31m\n" + "x" * 9999))
    assert reason.startswith(r"\x1b[31m\nxxx")
    assert len(reason) < 250
    assert reason_of(ValueError()) == "ValueError"


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] it failed", "SSL_CERT_FILE"),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired",
            "have its certificate renewed",
        ),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate is not valid for 'box'",
            "use an address that its certificate names",
        ),
        ("SSL_CERT_FILE=/x cannot be read: No such file", "a file of PEM certificates"),
        ("closed in the TLS handshake", "does it speak https?"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong", "does it speak https?"),
        (REFUSED, "switch it on"),
    ],
)
def test_the_advice_fits_the_reason(reason: str, advice: str) -> None:
    """Nobody is told to start a server that is there."""
    assert advice in advice_on(reason, "switch it on")
