"""Models under names of the user's own: `[tool.llmbench.models.<alias>]`."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field
from msgspec.structs import asdict

from pytest_llmbench.calls.providers import SPOKEN
from pytest_llmbench.calls.providers.ollama_host import base_url_from_host
from pytest_llmbench.errors import SettingsError
from pytest_llmbench.option_values import read_count
from pytest_llmbench.prompts.options import option_fault
from pytest_llmbench.prompts.spec import PROVIDERS
from pytest_llmbench.prompts.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS: Final = ("provider", "model", "base_url", "options", "concurrency")


class Alias(Struct, frozen=True, kw_only=True):
    """One configured model.

    Attributes:
        base_urls: where its servers are, each once; empty for the provider's
            default. Several serve the same model, and share its trials.
        options: sampling options of every call.
        concurrency: calls in flight per address; None for the provider's default.
    """

    provider: str
    model: str
    base_urls: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    concurrency: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the alias as plain JSON, without a password in its addresses."""
        urls = [without_password(url) for url in self.base_urls]
        return {**asdict(self), "base_urls": urls}


def without_password(url: str) -> str:
    """Return an address that may be shown and stored.

    >>> without_password("http://me:secret@box:11434")
    'http://box:11434'
    """
    return re.sub("//[^/]*@", "//", url)


def read_aliases(value: object, file: str) -> dict[str, Alias]:
    """Read the table `models` of a settings file.

    Raises:
        SettingsError: names the alias, the key and what is allowed.
    """
    where = f"{file}: models"
    return {
        alias: _alias(alias, as_table(entry, f"{where}.{alias}"), f"{where}.{alias}")
        for alias, entry in as_table(value, where).items()
    }


def default_url(provider: str, ollama_host: str | None = None) -> str:
    """Return where a provider is if nothing says otherwise.

    Args:
        ollama_host: a value of OLLAMA_HOST; None for this process's own.
    """
    if provider != "ollama":
        return ""
    if ollama_host is None:
        ollama_host = os.environ.get("OLLAMA_HOST", "")
    return base_url_from_host(ollama_host)


def as_table(value: object, where: str) -> dict[str, Any]:
    """Return the value if it is a table.

    Raises:
        SettingsError: it is none.
    """
    if not isinstance(value, dict):
        msg = f"{where} must be a table, not {value!r}"
        raise SettingsError(msg)
    return value


def check_keys(values: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """Refuse unknown keys.

    Raises:
        SettingsError: names the key and the nearest known one.
    """
    for key in values:
        if key not in known:
            msg = f"{where}: unknown key {key!r}{did_you_mean(key, known)}"
            raise SettingsError(msg)


def _alias(name: str, entry: dict[str, Any], where: str) -> Alias:
    check_keys(entry, _KEYS, where)
    if name in PROVIDERS:
        msg = f"{where}: {name!r} is a provider's word; choose another name"
        raise SettingsError(msg)
    provider = _text(entry, "provider", where, "ollama")
    if provider not in SPOKEN:
        msg = f"{where}: provider {provider!r}{did_you_mean(provider, SPOKEN)}"
        raise SettingsError(msg)
    options = as_table(entry.get("options", {}), f"{where}.options")
    for key, option in options.items():
        fault = option_fault(key, option)
        if fault:
            msg = f"{where}.options: {fault}"
            raise SettingsError(msg)
    return Alias(
        provider=provider,
        model=_text(entry, "model", where),
        base_urls=_urls(entry.get("base_url", []), provider, f"{where}.base_url"),
        options=options,
        concurrency=_concurrency(entry.get("concurrency"), f"{where}.concurrency"),
    )


def _urls(value: object, provider: str, where: str) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(
        isinstance(text, str) and text.strip() for text in texts
    ):
        msg = f"{where} must be an address or a list of addresses, not {value!r}"
        raise SettingsError(msg)
    urls = (base_url_from_host(t) if provider == "ollama" else t for t in texts)
    return tuple(dict.fromkeys(urls))


def _concurrency(value: object, where: str) -> int | None:
    try:
        return None if value is None else read_count(value)
    except ValueError as error:
        msg = f"{where} is {value!r}; it takes {error}"
        raise SettingsError(msg) from None


def _text(
    entry: dict[str, Any], key: str, where: str, default: str | None = None
) -> str:
    value = entry.get(key, default)
    if value is None or value == "" != default:
        msg = f"{where} lacks the key {key!r}"
        raise SettingsError(msg)
    if not isinstance(value, str):
        msg = f"{where}: {key} must be a text, not {value!r}"
        raise SettingsError(msg)
    return value
