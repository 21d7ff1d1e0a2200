"""Models under names of the user's own: `[tool.llmbench.models.<alias>]`."""

from __future__ import annotations

import math
import os
import re
import shlex
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field, to_builtins

from pytest_llmbench.analysis.cost import Prices
from pytest_llmbench.calls.providers import LOCAL
from pytest_llmbench.calls.providers.keys import FROM_ENV
from pytest_llmbench.calls.providers.ollama_host import base_url_from_host
from pytest_llmbench.errors import SettingsError
from pytest_llmbench.masking import (
    MASK,
    is_secret_name,
    masked_text,
    masks,
    without_password,
)
from pytest_llmbench.option_values import read_count
from pytest_llmbench.prompts.options import option_fault
from pytest_llmbench.prompts.spec import PROVIDERS
from pytest_llmbench.prompts.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

_OF_SERVERS: Final = ("api_key_env", "api_key_command", "headers", "rpm", "tpm")
"""What a process of our own has no use for."""

_PRICES: Final = tuple(f"price_{field}" for field in Prices.__struct_fields__)
_KEYS: Final = (
    *("provider", "model", "base_url", "options", "concurrency"),
    *_OF_SERVERS,
    *_PRICES,
)
_VENDORS: Final = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
)
_ADDRESSES: Final = ("_BASE_URL", "_HOST", "_PROXY")
"""How variables end that hold addresses, passwords included."""

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_OURS: Final = frozenset({
    *("accept-encoding", "connection", "content-length", "content-type", "host"),
    "transfer-encoding",
})
"""Headers that belong to how a request is sent, whatever is asked."""


class Alias(Struct, frozen=True, kw_only=True):
    """One configured model.

    Attributes:
        base_urls: where its servers are, each once; empty for the provider's
            default. Several serve the same model, and share its trials.
        options: sampling options of every call.
        concurrency: calls in flight per address; None for the provider's default.
        api_key_env: the variable that holds the key; empty for the dialect's own.
        api_key_command: prints the key; empty where no command does.
        headers: sent with each call, as written: a value may be `env:NAME`.
        rpm: requests a minute that the key allows; None if not told.
        tpm: tokens a minute that the key allows; None if not told.
        prices: what its tokens cost; None if not told.
    """

    provider: str
    model: str
    base_urls: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    concurrency: int | None = None
    api_key_env: str = ""
    api_key_command: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    rpm: int | None = None
    tpm: int | None = None
    prices: Prices | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the alias as plain JSON: names of secrets, and none of them.

        Of a command its program is named; a password may be among its arguments.
        """
        values: dict[str, Any] = to_builtins(self)
        return {
            **values,
            "base_urls": [without_password(url) for url in self.base_urls],
            "api_key_command": "".join(self.api_key_command[:1]),
            "headers": {name: _shown_header(name, text) for name, text in self.headers},
        }


def read_aliases(value: object, file: str) -> dict[str, Alias]:
    """Read the table `models` of a settings file; note the secrets it leads to.

    Raises:
        SettingsError: names the alias, the key and what is allowed.
    """
    where = f"{file}: models"
    aliases = {
        alias: _alias(alias, as_table(entry, f"{where}.{alias}"), f"{where}.{alias}")
        for alias, entry in as_table(value, where).items()
    }
    _note_secrets(aliases)
    return aliases


def _note_secrets(aliases: Mapping[str, Alias]) -> None:
    """Have what the environment holds for these models masked, before it is sent.

    The vendors' own variables are noted too, as a model needs no alias to use them,
    and the passwords of servers and proxies.
    """
    for alias in aliases.values():
        names = [text.removeprefix(FROM_ENV) for _, text in alias.headers]
        for name in (alias.api_key_env, *names):
            masks.add_header(os.environ.get(name, ""))
    for name in _VENDORS:
        masks.add(os.environ.get(name, ""))
    for name, value in os.environ.items():
        if name.upper().endswith(_ADDRESSES):
            masks.add_password(value)


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
    _refuse_literal_keys(entry, where)
    check_keys(entry, _KEYS, where)
    if name in PROVIDERS:
        msg = f"{where}: {name!r} is a provider's word; choose another name"
        raise SettingsError(msg)
    provider = _text(entry, "provider", where, "ollama")
    if provider not in PROVIDERS:
        msg = f"{where}: provider {provider!r}{did_you_mean(provider, PROVIDERS)}"
        raise SettingsError(msg)
    _refuse_for_child(provider, entry, where)
    return Alias(
        provider=provider,
        model=_text(entry, "model", where),
        base_urls=_urls(entry.get("base_url", []), provider, f"{where}.base_url"),
        options=_options(entry, where),
        concurrency=_count(entry, "concurrency", where),
        api_key_env=_variable(entry.get("api_key_env"), f"{where}.api_key_env"),
        api_key_command=_command(entry, f"{where}.api_key_command"),
        headers=_headers(entry, f"{where}.headers"),
        rpm=_count(entry, "rpm", where),
        tpm=_count(entry, "tpm", where),
        prices=_prices(entry, where),
    )


def _refuse_literal_keys(entry: Mapping[str, Any], where: str) -> None:
    """Refuse a key that stands in the file, without showing it."""
    for key, value in entry.items():
        is_known = key in _KEYS or key.startswith("api_key_")
        if isinstance(value, str) and is_secret_name(key) and not is_known:
            msg = (
                f"{where}.{key}: a key does not belong in a file that others read; put"
                " it into an environment variable and name that here:"
                ' api_key_env = "NAME"'
            )
            raise SettingsError(msg)


def _refuse_for_child(provider: str, entry: Mapping[str, Any], where: str) -> None:
    found = [key for key in _OF_SERVERS if key in entry]
    if provider == "embedded" and found:
        msg = (
            f"{where}.{found[0]}: provider 'embedded' is a process of the run itself"
            " and takes none; remove it"
        )
        raise SettingsError(msg)


def _options(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    options = as_table(entry.get("options", {}), f"{where}.options")
    for key, option in options.items():
        fault = option_fault(key, option)
        if fault:
            msg = f"{where}.options: {fault}"
            raise SettingsError(msg)
    return options


def _urls(value: object, provider: str, where: str) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(
        isinstance(text, str) and text.strip() for text in texts
    ):
        msg = f"{where} must be an address or a list of addresses, not {value!r}"
        raise SettingsError(msg)
    for text in texts:
        masks.add_password(text)
        if provider not in LOCAL and not re.match("https?://[^/]", text):
            msg = f"{where} is {text!r}; it must begin with https:// or http://"
            raise SettingsError(msg)
    urls = (base_url_from_host(t) if provider == "ollama" else t for t in texts)
    return tuple(dict.fromkeys(urls))


def _count(entry: Mapping[str, Any], key: str, where: str) -> int | None:
    value = entry.get(key)
    try:
        return None if value is None else read_count(value)
    except ValueError as error:
        msg = f"{where}.{key} is {value!r}; it takes {error}"
        raise SettingsError(msg) from None


def _variable(value: object, where: str) -> str:
    """Read a variable's name; what is none may be a key, and is not shown."""
    if value is None:
        return ""
    if not isinstance(value, str) or not _is_variable(value):
        msg = (
            f"{where} must be the name of an environment variable, such as"
            " OPENAI_API_KEY; what stands there is none, and not shown: it may be a key"
        )
        raise SettingsError(msg)
    return value


def _is_variable(text: str) -> bool:
    return bool(_VARIABLE.fullmatch(text)) and masked_text(text) == text


def _command(entry: Mapping[str, Any], where: str) -> tuple[str, ...]:
    value = entry.get("api_key_command")
    if value is None:
        return ()
    if "api_key_env" in entry:
        msg = f"{where}: api_key_env is set too; keep the one that holds the key"
        raise SettingsError(msg)
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        msg = f"{where} cannot be split into words: {error}; give a list of them"
        raise SettingsError(msg) from None
    is_list = isinstance(words, list) and all(isinstance(w, str) for w in words)
    if not is_list or not words or not words[0].strip():
        msg = (
            f"{where} must be a command that prints the key, as a text or a list of"
            ' words, such as "keyring get openai me"'
        )
        raise SettingsError(msg)
    return tuple(words)


def _headers(entry: Mapping[str, Any], where: str) -> tuple[tuple[str, str], ...]:
    table = as_table(entry.get("headers", {}), where)
    for name, value in table.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
            msg = f"{where}: {name!r} cannot be set; name a header of the service"
            raise SettingsError(msg)
        if not isinstance(value, str) or not _is_sendable(value):
            msg = (
                f"{where}.{name} must be one line of ASCII text, or env:NAME for what a"
                " variable holds"
            )
            raise SettingsError(msg)
        if value.startswith(FROM_ENV):
            _variable(value.removeprefix(FROM_ENV), f"{where}.{name} behind env:")
        elif is_secret_name(name):
            masks.add_header(value)
    return tuple(table.items())


def _is_sendable(text: str) -> bool:
    return text.isascii() and text.isprintable() and text == text.strip()


def _shown_header(name: str, value: str) -> str:
    if value.startswith(FROM_ENV):
        return value
    return MASK if is_secret_name(name) else masked_text(value)


def _prices(entry: Mapping[str, Any], where: str) -> Prices | None:
    found = {key: entry[key] for key in _PRICES if key in entry}
    if not found:
        return None
    for key, value in found.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value < math.inf:
            msg = (
                f"{where}.{key} is {value!r}; it takes US dollars per million tokens,"
                " from 0"
            )
            raise SettingsError(msg)
    for key in ("price_in_usd_per_mtok", "price_out_usd_per_mtok"):
        if key not in found:
            msg = f"{where} lacks {key}, which {next(iter(found))} needs beside it"
            raise SettingsError(msg)
    return Prices(**{k.removeprefix("price_"): float(v) for k, v in found.items()})


def _text(
    entry: Mapping[str, Any], key: str, where: str, default: str | None = None
) -> str:
    value = entry.get(key, default)
    if value is None or value == "" != default:
        msg = f"{where} lacks the key {key!r}"
        raise SettingsError(msg)
    if not isinstance(value, str):
        msg = f"{where}: {key} must be a text, not {value!r}"
        raise SettingsError(msg)
    return value
