"""The steps a reply is played from: lines, bytes, waits and broken connections."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fake_ollama_models import JsonObject


class Refusal(Exception):
    """A request answered with an error status and `{"error": text}`."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class ClientGone(Exception):
    """The client closed its connection, or the server is stopping."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for a while, watching whether the client is still there."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Line:
    """Send one JSON object."""

    fields: JsonObject

    @property
    def is_done(self) -> bool:
        """Whether this is the line that ends a reply."""
        return bool(self.fields.get("done"))

    def encode(self) -> bytes:
        """Return the object as UTF-8, without a newline."""
        text = json.dumps(self.fields, ensure_ascii=False, separators=(",", ":"))
        return text.encode()


@dataclass(frozen=True, slots=True)
class Head:
    """Start an answer of known length that is not streamed."""

    length_bytes: int
    status: int = 200


@dataclass(frozen=True, slots=True)
class Raw:
    """Send bytes in one write."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Answer with an error status; only as the first thing sent."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the connection, leaving the reply unfinished."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Break the connection with a TCP reset."""


Step = Wait | Line | Head | Raw | Refuse | HangUp | Reset
