"""Models under names of the user's own: keys, headers, rates and prices."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_llmbench.aliases import Alias, read_aliases
from pytest_llmbench.analysis.cost import Prices
from pytest_llmbench.errors import SettingsError
from pytest_llmbench.masking import masked_text
from pytest_llmbench.prompts.spec import PROVIDERS

KEY = "sk-proj-4f9Kx0Planted7"


def read(**entry: Any) -> Alias:  # noqa: ANN401 - any TOML
    """Read one alias of an online model."""
    values = {"provider": "openai", "model": "m", **entry}
    return read_aliases({"a": values}, "f")["a"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_may_have_an_alias(provider: str) -> None:
    """Whoever is a provider in a spec is one in the settings."""
    assert read(provider=provider).provider == provider


def test_all_keys_of_an_online_model_are_read() -> None:
    """Address, key variable, headers, rates and prices come as they are written."""
    found = read(
        base_url="https://host/v1",
        api_key_env="MY_KEY",
        headers={"X-Team": "blue", "x-org": "env:ORG"},
        rpm=60,
        tpm=90_000,
        price_in_usd_per_mtok=3,
        price_out_usd_per_mtok=15.5,
        price_cached_usd_per_mtok=0.3,
    )
    assert found == Alias(
        provider="openai",
        model="m",
        base_urls=("https://host/v1",),
        api_key_env="MY_KEY",
        headers=(("X-Team", "blue"), ("x-org", "env:ORG")),
        rpm=60,
        tpm=90_000,
        prices=Prices(
            in_usd_per_mtok=3.0, out_usd_per_mtok=15.5, cached_usd_per_mtok=0.3
        ),
    )


@pytest.mark.parametrize(
    "command",
    ["keyring get openai 'the user'", ["keyring", "get", "openai", "the user"]],
)
def test_a_command_is_a_text_or_a_list(command: object) -> None:
    """A text is split as a shell would, quotes held together."""
    words = ("keyring", "get", "openai", "the user")
    assert read(api_key_command=command).api_key_command == words


def test_what_is_stored_names_secrets_and_holds_none() -> None:
    """Variables and the command's program are named; secret headers are masked."""
    stored = read(
        base_url="https://me:hunter2@host",
        api_key_command=["vault", "-password=hunter2"],
        headers={"x-api-key": KEY, "x-team": "blue", "x-org": "env:ORG"},
        price_in_usd_per_mtok=0,
        price_out_usd_per_mtok=0,
    ).to_json()
    text = json.dumps(stored)
    assert "hunter2" not in text
    assert KEY not in text
    assert stored["api_key_command"] == "vault"
    shown = {"x-api-key": "***", "x-team": "blue", "x-org": "env:ORG"}
    assert stored["headers"] == shown
    assert stored["prices"]["in_usd_per_mtok"] == 0.0
    assert read(api_key_env="MY_KEY").to_json()["api_key_env"] == "MY_KEY"


def test_literal_secrets_are_masked_from_then_on() -> None:
    """A password in an address and a header of credentials are known to the masks."""
    read(
        base_url="https://me:pass-of-url-71@host",
        headers={"Authorization": "Bearer tok-of-header-82"},
    )
    text = "said pass-of-url-71 and tok-of-header-82"
    assert masked_text(text) == "said *** and ***"


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"api_key_enw": "X"}, "f: models.a: unknown key 'api_key_enw'; did you mean"),
        ({"max_tokens": 5}, "f: models.a: unknown key 'max_tokens'"),
        ({"api_key_env": 5}, "f: models.a.api_key_env must be the name of an env"),
        ({"api_key_env": "MY KEY"}, "f: models.a.api_key_env must be the name of"),
        ({"api_key_env": ""}, "f: models.a.api_key_env must be the name of an env"),
        ({"api_key_command": ""}, "f: models.a.api_key_command must be a command"),
        ({"api_key_command": [1]}, "f: models.a.api_key_command must be a command"),
        ({"api_key_command": "a 'b"}, "f: models.a.api_key_command cannot be split"),
        (
            {"api_key_command": "a", "api_key_env": "B"},
            "f: models.a.api_key_command: api_key_env is set too",
        ),
        ({"headers": "x: y"}, "f: models.a.headers must be a table, not 'x: y'"),
        ({"headers": {"x y": "1"}}, "f: models.a.headers: 'x y' cannot be set"),
        ({"headers": {"Host": "h"}}, "f: models.a.headers: 'Host' cannot be set"),
        ({"headers": {"x": 1}}, "f: models.a.headers.x must be one line of ASCII"),
        ({"headers": {"x": "a\nb"}}, "f: models.a.headers.x must be one line of ASCII"),
        ({"headers": {"x": "env:"}}, "f: models.a.headers.x behind env: must be"),
        ({"rpm": 0}, "f: models.a.rpm is 0; it takes a whole number from 1"),
        ({"tpm": 1.5}, "f: models.a.tpm is 1.5; it takes a whole number from 1"),
        (
            {"price_in_usd_per_mtok": "3"},
            "f: models.a.price_in_usd_per_mtok is '3'; it takes US dollars per million",
        ),
        (
            {"price_in_usd_per_mtok": -1, "price_out_usd_per_mtok": 1},
            "f: models.a.price_in_usd_per_mtok is -1; it takes US dollars",
        ),
        (
            {"price_out_usd_per_mtok": float("inf"), "price_in_usd_per_mtok": 1},
            "f: models.a.price_out_usd_per_mtok is inf; it takes US dollars",
        ),
        (
            {"price_cached_usd_per_mtok": 1},
            "f: models.a lacks price_in_usd_per_mtok, which price_cached_usd_per_mtok",
        ),
        ({"base_url": "host/v1"}, "f: models.a.base_url is 'host/v1'; it must begin"),
        (
            {"provider": "embedded", "api_key_env": "X"},
            "f: models.a.api_key_env: provider 'embedded' is a process of the run",
        ),
    ],
)
def test_faults_name_place_and_remedy(entry: dict[str, Any], fault: str) -> None:
    """A wrong value says where it stands, what was found and what is allowed."""
    with pytest.raises(SettingsError) as raised:
        read(**entry)
    assert str(raised.value).startswith(fault)


@pytest.mark.parametrize(
    "entry",
    [
        {"api_key": KEY},
        {"key": KEY},
        {"token": "plainlookingkey"},
        {"api_key_env": KEY},
        {"api_key_env": "gsk_4f9Kx0PlantedByATest7"},
        {"headers": {"x": f"{KEY}\n"}},
        {"api_key_envs": KEY},
    ],
)
def test_a_literal_key_is_refused_and_not_shown(entry: dict[str, Any]) -> None:
    """A key in the file stops the run with advice, and no piece of it is printed."""
    with pytest.raises(SettingsError, match=r"variable|api_key_env") as raised:
        read(**entry)
    shown = str(raised.value)
    assert not any(part in shown for part in ("4f9Kx0", "Planted", "plainlooking"))


def test_a_literal_key_is_told_where_it_belongs() -> None:
    """The advice names the key to use instead."""
    with pytest.raises(
        SettingsError, match=r'^f: models\.a\.api_key: .*api_key_env = "'
    ):
        read(api_key=KEY)
