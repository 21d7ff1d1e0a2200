"""Where OpenAI's API is, and who asks: address, key, organisation, project."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import httpx

from pytest_llmbench.calls.providers.keys import read_key
from pytest_llmbench.errors import Unauthorised

if TYPE_CHECKING:
    from pytest_llmbench.calls.request import Target

VENDOR_URL: Final = "https://api.openai.com/v1"
KEY_ENV: Final = "OPENAI_API_KEY"

_OF_ACCOUNT: Final = {
    "openai-organization": "OPENAI_ORG_ID",
    "openai-project": "OPENAI_PROJECT_ID",
}
_CREDENTIALS: Final = frozenset({"authorization", "api-key", "x-api-key"})


def url_of(target: Target) -> str:
    """Return the address: the target's, else OPENAI_BASE_URL, else OpenAI's own.

    An address without a path gets `/v1`, which all these servers have.
    """
    url = target.base_url or os.environ.get("OPENAI_BASE_URL", "") or VENDOR_URL
    return f"{url.rstrip('/')}/v1" if re.fullmatch(r"\w+://[^/]+/?", url) else url


def is_vendors(url: str) -> bool:
    """Whether an address is OpenAI's own.

    >>> is_vendors("https://eu.api.openai.com/v1"), is_vendors("http://localhost/v1")
    (True, False)
    """
    with suppress(httpx.InvalidURL):
        return f".{httpx.URL(url).host}".endswith(".openai.com")
    return False


def headers_of(target: Target) -> dict[str, str]:
    """Return the headers that say who asks.

    OpenAI's own API needs a key. Elsewhere a key is sent if the target names one, or
    if OPENAI_BASE_URL leads there: the key of one service is not shown to another.

    Raises:
        Unauthorised: the key that is needed is missing.
    """
    url = url_of(target)
    if not _CREDENTIALS.isdisjoint(name.lower() for name, _ in target.headers):
        return {}
    if target.key_env or target.key_command:
        return _bearer(target)
    if is_vendors(url):
        return {**_bearer(target), **_account()}
    if not target.base_url and os.environ.get(KEY_ENV):
        return {**_bearer(target), **_account()}
    return {}


def _bearer(target: Target) -> dict[str, str]:
    key = read_key(target, default_env=KEY_ENV)
    return {"authorization": f"Bearer {key.reveal()}"}


def _account() -> dict[str, str]:
    found = {name: os.environ.get(env, "") for name, env in _OF_ACCOUNT.items()}
    for name, value in found.items():
        if not (value.isascii() and (value.isprintable())):
            msg = (
                f"{_OF_ACCOUNT[name]} holds what no header can: set it to the id alone"
            )
            raise Unauthorised(msg)
    return {name: value for name, value in found.items() if value}
