"""A fake Ollama that refuses every chat for a while, and says for how long."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Final

from fake_ollama_server import FakeOllama

if TYPE_CHECKING:
    from collections.abc import Callable

    from fake_ollama import FakeModel
    from fake_wire import Wire
    from typing_extensions import override

else:
    from fake_ollama_server import override

_REASONS: Final = {429: "Too Many Requests", 503: "Service Unavailable"}


class LimitedOllama(FakeOllama):
    """A fake Ollama whose quota is used up from its first chat on, for a while.

    Args:
        closed_s: how long; counted from the first chat that is no preload.
        status: of the refusals.
        told: the text of `Retry-After`, from the seconds that are left; whole
            seconds, rounded up, where it is not given, and no header for "".

    Attributes:
        asked: of each chat, the seconds since the first one, and whether it was
            refused; by this server's clock.
        told_s: the seconds that each refusal's header named.
    """

    def __init__(
        self,
        *models: FakeModel,
        closed_s: float,
        status: int = 429,
        told: Callable[[float], str] = lambda left_s: str(math.ceil(left_s)),
    ) -> None:
        super().__init__(*models)
        self.closed_s = closed_s
        self.asked: list[tuple[float, bool]] = []
        self.told_s: list[float] = []
        self._status = status
        self._told = told
        self._first_s: float | None = None

    @property
    def refused(self) -> int:
        """How many chats were refused."""
        return sum(is_refused for _at_s, is_refused in self.asked)

    @override
    def answer(self, wire: Wire, body: bytes) -> None:
        """Answer one request, or refuse it."""
        is_chat = wire.record.path == "/api/chat"
        if not is_chat or not (wire.record.body or {}).get("messages"):
            super().answer(wire, body)
            return
        now_s = time.monotonic()
        self._first_s = now_s if self._first_s is None else self._first_s
        at_s = now_s - self._first_s
        left_s = self.closed_s - at_s
        self.asked.append((at_s, left_s > 0))
        if left_s > 0:
            self._refuse(wire, left_s)
        else:
            super().answer(wire, body)

    def _refuse(self, wire: Wire, left_s: float) -> None:
        told = self._told(left_s)
        header = f"Retry-After: {told}\r\n" if told else ""
        if told:
            self.told_s.append(float(told))
        text = json.dumps({"error": "rate limit reached"})
        head = f"HTTP/1.1 {self._status} {_REASONS[self._status]}\r\n{header}"
        head += "Content-Type: application/json\r\n"
        whole = f"{head}Content-Length: {len(text)}\r\n\r\n{text}"
        wire.write_raw(whole.encode(), self._status)
