"""What is left of a key's limits, from the headers of a service's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmbench.calls.keypace import Quota
from pytest_llmbench.calls.providers.limit_headers import seconds_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

_OPENAI: Final = ("requests", "tokens")
_ANTHROPIC: Final = ("requests", "tokens", "input-tokens", "output-tokens")


def _names(form: str, kind: str) -> tuple[str, str, str]:
    remaining, limit, reset = (
        form.format(part=part, kind=kind) for part in ("remaining", "limit", "reset")
    )
    return remaining, limit, reset


_HEADERS: Final = (
    *((kind, _names("x-ratelimit-{part}-{kind}", kind)) for kind in _OPENAI),
    *((kind, _names("anthropic-ratelimit-{kind}-{part}", kind)) for kind in _ANTHROPIC),
)


def quotas_of(headers: Mapping[str, str], now: datetime) -> Iterator[Quota]:
    """Yield each limit of which limit, rest and reset are told and can be read.

    Args:
        headers: names in lower case, or a mapping that doesn't care.
        now: the moment of the answer, with its zone.

    >>> from datetime import UTC, datetime
    >>> told = {"limit": "60", "remaining": "15", "reset": "45s"}
    >>> told = {f"x-ratelimit-{part}-requests": told[part] for part in told}
    >>> list(quotas_of(told, datetime(2026, 11, 21, tzinfo=UTC)))
    [Quota(kind='requests', limit=60, remaining=15, reset_s=45.0)]
    """
    for kind, (remaining, limit, reset) in _HEADERS:
        left = headers.get(remaining)
        if left is None:
            continue
        most, until = headers.get(limit, ""), headers.get(reset, "")
        reset_s = seconds_until(until.strip(), now)
        if left.isdecimal() and most.isdecimal() and reset_s is not None:
            yield Quota(
                kind=kind, limit=int(most), remaining=int(left), reset_s=reset_s
            )
