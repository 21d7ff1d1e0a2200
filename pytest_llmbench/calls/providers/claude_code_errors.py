"""What Claude Code's words for a failed call mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from pytest_llmbench.calls.providers.limit_headers import wait_of
from pytest_llmbench.checks.shown import one_line
from pytest_llmbench.errors import (
    Busy,
    CallError,
    ContextOverflow,
    Faltered,
    ModelMissing,
    QuotaSpent,
    RateLimited,
    ServerFault,
    StreamTruncated,
    Unauthorised,
    Unreachable,
    Unsupported,
)

if TYPE_CHECKING:
    from datetime import datetime

_BY_STATUS: Final[dict[int, type[CallError]]] = {
    400: Unsupported,
    401: Unauthorised,
    402: QuotaSpent,
    403: Unauthorised,
    404: ModelMissing,
    408: Faltered,
    409: Faltered,
    413: ContextOverflow,
    422: Unsupported,
    429: RateLimited,
    501: ServerFault,
    503: Busy,
    529: Busy,
}
_BY_WORD: Final[dict[str, type[CallError]]] = {
    "authentication_failed": Unauthorised,
    "billing_error": QuotaSpent,
    "model_not_found": ModelMissing,
    "rate_limit": RateLimited,
}
_BY_TEXT: Final[tuple[tuple[str, type[CallError]], ...]] = (
    ("spend limit", QuotaSpent),
    ("usage limits", QuotaSpent),
    ("usage threshold", QuotaSpent),
    ("prompt is too long", ContextOverflow),
    ("econnrefused", Unreachable),
    ("enotfound", Unreachable),
    ("unable to connect", Unreachable),
    ("was lost", StreamTruncated),
    ("connection closed", StreamTruncated),
)
"""Parts of its messages that say more than a status, in lower case."""

_FIRST_SERVER_FAULT: Final = 500
_ADVICE: Final[dict[type[CallError], str]] = {
    Unauthorised: "check the key, or run `claude auth login`",
    QuotaSpent: "waiting does not help: add credit, or raise the spend limit",
    ModelMissing: "check the model's name",
    ContextOverflow: "shorten the prompt",
}


class Failure(Struct):
    """What Claude Code told of a failed call, as far as it did.

    Attributes:
        word: its class of the error.
        status: the HTTP status behind it; 0 if there was none.
        resets_at: when the account's limit starts anew, in seconds since the epoch.
        has_begun: whether a part of the reply had come.
    """

    word: str = ""
    status: int = 0
    text: str = ""
    resets_at: int | None = None
    has_begun: bool = False

    def error(self, where: str, now: datetime) -> CallError:
        """Return the error that this means.

        Args:
            now: the moment of the answer, for limits that tell a time of day.
        """
        kind = self._kind()
        status = f"HTTP {self.status} " if self.status else ""
        advice = _ADVICE.get(kind, "")
        shown = one_line(self.text.strip()) or "an error without a message"
        msg = f"{where}: {status}{shown}" + (f"; {advice}" if advice else "")
        error = kind(msg)
        if isinstance(error, Busy):
            error.retry_after_s = self._wait_s(now)
        return error

    def _kind(self) -> type[CallError]:
        text = self.text.lower()
        told = next((kind for part, kind in _BY_TEXT if part in text), None)
        kind = told or _BY_WORD.get(self.word) or _BY_STATUS.get(self.status)
        if kind is not None:
            return kind
        if self.status >= _FIRST_SERVER_FAULT:
            return Faltered
        return StreamTruncated if self.has_begun else ServerFault

    def _wait_s(self, now: datetime) -> float | None:
        if self.resets_at is not None:
            return max(0.0, self.resets_at - now.timestamp())
        return wait_of({}, self.text, now)
