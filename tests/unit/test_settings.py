"""The parts of a session's settings that need no session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pytest_llmbench.aliases import Alias, read_aliases
from pytest_llmbench.analysis.cost import Prices
from pytest_llmbench.calls.request import Limits, Target
from pytest_llmbench.errors import SettingsError
from pytest_llmbench.policy.routing_rules import RoutingRules
from pytest_llmbench.prompts.spec import parse_model, parse_spec
from pytest_llmbench.prompts.variants import VARIANTS
from pytest_llmbench.settings import (
    Settings,
    _baseline,
    _models,
    _variants,
)
from pytest_llmbench.settings_file import file_settings

ROOT = Path("/project")
FAST = Alias(provider="ollama", model="m:1b", options={"temperature": 0.1})
SETTINGS = Settings(
    models=(parse_model("a"), parse_model("fast", {"fast"})),
    variants=("native_api", "text"),
    runs=7,
    prompts=(),
    context_position=None,
    call_timeout_s=30.0,
    call_retries=0,
    isolate_call=False,
    concurrency=None,
    fail_fast=0,
    max_cost_usd=None,
    resume="",
    require_idle=False,
    warm_up=False,
    baseline=None,
    gate="none",
    reports=ROOT / "reports",
    replay=None,
    plot=None,
    debug_log=False,
    load_timeout_s=100.0,
    stall_timeout_s=None,
    keep_alive_s=1800.0,
    num_predict=2048,
    backoff_wait_s=120.0,
    backoff_call_s=600.0,
    backoff_run_s=3600.0,
    aliases={"fast": FAST},
    policy={"min_runs": 5, "extended": {"min_runs": 9}},
    routing=RoutingRules(fallback="anthropic/x"),
    root=ROOT,
)


def test_paths_are_shown_from_the_root() -> None:
    """A path below the project is short; another is whole."""
    assert SETTINGS.shown(ROOT / "reports" / "x") == str(Path("reports/x"))
    assert SETTINGS.shown(Path("/elsewhere/x")) == str(Path("/elsewhere/x"))


def test_settings_are_plain_json() -> None:
    """What is stored names models and baseline as the user writes them."""
    baseline = parse_spec("a / atomic / native_api / w0")
    stored = replace(SETTINGS, baseline=baseline).to_json()
    assert json.loads(json.dumps(stored))["models"] == ["a", "fast"]
    assert stored["baseline"] == "a / atomic / native_api / t60 r0 i0 w0"
    assert stored["reports"] == "reports"
    assert "root" not in stored


def test_specs_are_models_by_variants() -> None:
    """Models are the outer axis; limits and warm-up go into each spec."""
    assert [str(spec) for spec in SETTINGS.specs("atomic")] == [
        "a / atomic / native_api / t30 r0 i0 w0",
        "a / atomic / text / t30 r0 i0 w0",
        "fast / atomic / native_api / t30 r0 i0 w0",
        "fast / atomic / text / t30 r0 i0 w0",
    ]


def test_a_phase_has_its_own_thresholds() -> None:
    """A phase's table wins over the general one."""
    assert SETTINGS.thresholds("atomic").min_runs == 5
    assert SETTINGS.thresholds("extended").min_runs == 9


def test_limits_come_from_the_settings() -> None:
    """Call, load and stall limits are handed to each call."""
    assert SETTINGS.limits() == Limits(call_s=30.0, load_s=100.0, stall_s=None)


def test_a_model_has_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """OLLAMA_HOST names Ollama's server; an alias may name another."""
    monkeypatch.setenv("OLLAMA_HOST", "box:8080")
    ollama = Target(provider="ollama", model="a", base_url="http://box:8080")
    assert SETTINGS.target(parse_model("a")) == ollama
    assert SETTINGS.target(parse_model("embedded")) == Target(
        provider="embedded", model="llmbench-tiny"
    )
    fast = parse_model("fast", {"fast"})
    assert SETTINGS.target(fast) == replace(ollama, model="m:1b")
    other = {"fast": replace(FAST, base_urls=("http://other:1", "http://third:1"))}
    elsewhere = replace(SETTINGS, aliases=other)
    assert elsewhere.target(fast).base_url == "http://other:1"
    urls = [target.base_url for target in elsewhere.targets(fast)]
    assert urls == ["http://other:1", "http://third:1"]
    monkeypatch.delenv("OLLAMA_HOST")
    default = SETTINGS.target(parse_model("a")).base_url
    assert default == "http://127.0.0.1:11434"


def test_an_alias_has_its_account() -> None:
    """Key, headers, rates and prices of an alias go to each of its addresses."""
    prices = Prices(in_usd_per_mtok=3.0, out_usd_per_mtok=15.0)
    online = Alias(
        provider="openai",
        model="m",
        base_urls=("https://a", "https://b"),
        api_key_env="MY_KEY",
        headers=(("x-org", "env:ORG"),),
        rpm=60,
        tpm=90_000,
        prices=prices,
    )
    settings = replace(SETTINGS, aliases={"on": online})
    targets = settings.targets(parse_model("on", {"on"}))
    assert [target.base_url for target in targets] == ["https://a", "https://b"]
    for target in targets:
        assert target == Target(
            provider="openai",
            model="m",
            base_url=target.base_url,
            key_env="MY_KEY",
            headers=(("x-org", "env:ORG"),),
            rpm=60,
            tpm=90_000,
        )
    assert settings.prices(parse_model("on", {"on"})) == prices
    assert settings.prices(parse_model("a")) is None


def test_an_alias_has_its_options() -> None:
    """Sampling options of an alias go to its own model only."""
    assert SETTINGS.alias_options(parse_model("fast", {"fast"})) == {"temperature": 0.1}
    assert SETTINGS.alias_options(parse_model("a")) == {}


def test_settings_stand_in_one_of_two_files(tmp_path: Path) -> None:
    """Either file is read; both at once are refused."""
    assert file_settings(tmp_path) == ({}, "pyproject.toml [tool.llmbench]")
    project, own = tmp_path / "pyproject.toml", tmp_path / "llmbench.toml"
    project.write_text("[tool.other]\nx = 1\n", encoding="utf-8")
    own.write_text("runs = 3\n", encoding="utf-8")
    assert file_settings(tmp_path) == ({"runs": 3}, "llmbench.toml")
    project.write_text("[tool.llmbench]\nruns = 4\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="keep them in one"):
        file_settings(tmp_path)
    own.unlink()
    assert file_settings(tmp_path)[0] == {"runs": 4}


@pytest.mark.parametrize("content", [b"runs = ", b"x = 1\nx = 2", b"\xff"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    """What is no TOML is a SettingsError with the file's name."""
    (tmp_path / "llmbench.toml").write_bytes(content)
    with pytest.raises(SettingsError, match=r"^llmbench\.toml: "):
        file_settings(tmp_path)


def test_aliases_are_read() -> None:
    """An alias needs a model; Ollama is its provider by default."""
    found = read_aliases({"fast": {"model": "m:1b", "options": {"top_k": 1}}}, "f")
    assert found == {
        "fast": Alias(provider="ollama", model="m:1b", options={"top_k": 1})
    }
    assert read_aliases({}, "f") == {}


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ([], r"^f: models must be a table, not \[\]$"),
        ({"a": "m"}, r"^f: models\.a must be a table, not 'm'$"),
        ({"a": {}}, r"^f: models\.a lacks the key 'model'$"),
        ({"a": {"model": ""}}, r"^f: models\.a lacks the key 'model'$"),
        ({"a": {"modle": "m"}}, r"unknown key 'modle'; did you mean 'model'\?$"),
        (
            {"a": {"model": "m", "provider": "olama"}},
            r"provider 'olama'; did you mean 'ollama'\?$",
        ),
        (
            {"a": {"model": "m", "options": {"top_k": "x"}}},
            r"^f: models\.a\.options: top_k must be an integer, not 'x'$",
        ),
        (
            {"a": {"model": "m", "options": {"temperature": float("nan")}}},
            r"temperature must be a number, not nan$",
        ),
        (
            {"a": {"model": "m", "options": 3}},
            r"^f: models\.a\.options must be a table, not 3$",
        ),
    ],
)
def test_a_wrong_alias_is_named(value: Any, fault: str) -> None:  # noqa: ANN401 - TOML
    """The message says which alias, what was found and what is allowed."""
    with pytest.raises(SettingsError, match=fault):
        read_aliases(value, "f")


def test_models_and_variants_are_checked() -> None:
    """Each faulty word names its option."""
    assert [m.name for m in _models(("a", "hf.co/b"), {})] == ["a", "hf.co/b"]
    with pytest.raises(SettingsError, match=r"^--model: unknown provider 'olama'"):
        _models(("olama/a",), {})
    assert [m.provider for m in _models(("openai/a",), {})] == ["openai"]
    assert _variants(("native_api",), VARIANTS) == ("native_api",)
    with pytest.raises(SettingsError, match=r"did you mean 'native_api'\?$"):
        _variants(("native",), VARIANTS)


def test_a_wrong_baseline_points_at_its_word() -> None:
    """The spec's own message stands behind the option's name."""
    assert _baseline("a b native_api", {}).phase == "b"
    with pytest.raises(SettingsError) as caught:
        _baseline("a b native_api t0", {})
    assert str(caught.value).splitlines()[:3] == [
        "--baseline: t takes seconds above 0 and up to 86400",
        "  a b native_api t0",
        "                 ^^",
    ]
