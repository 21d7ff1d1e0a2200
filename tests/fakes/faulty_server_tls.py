"""A certificate that nobody has signed but itself, made without any library.

The key is no secret: it is worked out from a fixed number, the same each time.
Curve P-256 and ECDSA are those of FIPS 186-4, the encoding is X.509's (RFC 5280).
"""

from __future__ import annotations

import base64
import hashlib
import ssl
import tempfile
from ipaddress import ip_address
from pathlib import Path
from typing import Final

_P: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G: Final = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_KEY: Final = 20261121
_NONCE: Final = 4711

_SEQUENCE, _SET, _INTEGER, _BITS, _OCTETS = 0x30, 0x31, 0x02, 0x03, 0x04
_UTF8, _UTC_TIME, _LONG_TIME = 0x0C, 0x17, 0x18
_EC_KEY: Final = bytes.fromhex("06072a8648ce3d0201")
_P256: Final = bytes.fromhex("06082a8648ce3d030107")
_ECDSA_SHA256: Final = bytes.fromhex("06082a8648ce3d040302")
_COMMON_NAME: Final = bytes.fromhex("0603550403")
_ALSO_NAMED: Final = bytes.fromhex("0603551d11")

_HERE: Final = "127.0.0.1"

Point = tuple[int, int]


def self_signed(host: str = "localhost", address: str = _HERE) -> ssl.SSLContext:
    """Return a server's context whose certificate no client trusts by itself.

    Args:
        host: the name and
        address: the IPv4 address that the certificate is valid for.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "server.pem")
        path.write_text(_pem("EC PRIVATE KEY", _key()) + certificate(host, address))
        context.load_cert_chain(path)
    return context


def certificate(host: str = "localhost", address: str = _HERE) -> str:
    """Return the certificate as PEM text, for a client that shall trust it."""
    return _pem("CERTIFICATE", _cert(host.encode(), ip_address(address).packed))


def _cert(host: bytes, address: bytes) -> bytes:
    name = _der(
        _SEQUENCE,
        _der(_SET, _der(_SEQUENCE, _COMMON_NAME, _der(_UTF8, b"faulty server"))),
    )
    lasts = _der(
        _SEQUENCE,
        _der(_UTC_TIME, b"200101000000Z"),
        _der(_LONG_TIME, b"21000101000000Z"),
    )
    names = _der(_SEQUENCE, _der(0x82, host), _der(0x87, address))
    extension = _der(_SEQUENCE, _ALSO_NAMED, _der(_OCTETS, names))
    algorithm = _der(_SEQUENCE, _ECDSA_SHA256)
    public = _der(_SEQUENCE, _der(_SEQUENCE, _EC_KEY, _P256), _public_bits())
    to_sign = _der(
        _SEQUENCE,
        _der(0xA0, _integer(2)),
        *(_integer(1), algorithm, name, lasts, name, public),
        _der(0xA3, _der(_SEQUENCE, extension)),
    )
    return _der(_SEQUENCE, to_sign, algorithm, _der(_BITS, b"\0", _signature(to_sign)))


def _key() -> bytes:
    return _der(
        _SEQUENCE,
        _integer(1),
        _der(_OCTETS, _KEY.to_bytes(32)),
        _der(0xA0, _P256),
        _der(0xA1, _public_bits()),
    )


def _public_bits() -> bytes:
    x, y = _times(_KEY, _G)
    return _der(_BITS, b"\0\x04", x.to_bytes(32), y.to_bytes(32))


def _signature(data: bytes) -> bytes:
    digest = int.from_bytes(hashlib.sha256(data).digest())
    r = _times(_NONCE, _G)[0] % _N
    s = pow(_NONCE, -1, _N) * (digest + r * _KEY) % _N
    return _der(_SEQUENCE, _integer(r), _integer(s))


def _times(count: int, point: Point) -> Point:
    """Add a point to itself: double, and add where the count has a bit."""
    total = point
    for bit in bin(count)[3:]:
        total = _sum(total, total)
        if bit == "1":
            total = _sum(total, point)
    return total


def _sum(one: Point, other: Point) -> Point:
    (x1, y1), (x2, y2) = one, other
    if one == other:
        slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, _P)
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, _P)
    x = (slope * slope - x1 - x2) % _P
    return x, (slope * (x1 - x) - y1) % _P


def _integer(value: int) -> bytes:
    return _der(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + body


def _pem(label: str, data: bytes) -> str:
    text = base64.encodebytes(data).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n"
