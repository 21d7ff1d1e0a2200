"""All settings of one session, read once and checked at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import asdict, replace
from typing_extensions import override

from pytest_llmbench.aliases import (
    as_table,
    check_keys,
    default_url,
    read_aliases,
)
from pytest_llmbench.axis import (
    Axis,
    Known,
    command_line_fault,
    read_axis,
    stored_axis,
)
from pytest_llmbench.calls.request import Limits, Patience, Target
from pytest_llmbench.errors import SettingsError, SpecError
from pytest_llmbench.masking import shown_address
from pytest_llmbench.options import OPTIONS, Option, OptionTable
from pytest_llmbench.policy.routing_rules import RoutingRules
from pytest_llmbench.policy.thresholds import PolicyThresholds, policy_table
from pytest_llmbench.prompts.spec import ModelName, Spec, parse_model, parse_spec
from pytest_llmbench.prompts.variants import VARIANTS
from pytest_llmbench.prompts.wording import did_you_mean
from pytest_llmbench.settings_file import file_settings, history_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pytest

    from pytest_llmbench.aliases import Alias
    from pytest_llmbench.analysis.cost import Prices
    from pytest_llmbench.prompts.context import Position

_TABLES: Final = ("models", "policy", "routing")


class Settings(Struct, frozen=True, kw_only=True):
    """What one session works with; seconds are floats, `_s` in their names."""

    models: tuple[ModelName, ...]
    variants: tuple[str, ...]
    runs: int
    prompts: tuple[str, ...]
    context_position: Position | None
    call_timeout_s: float
    call_retries: int
    isolate_call: bool
    concurrency: int | None
    fail_fast: int
    max_cost_usd: float | None
    resume: str
    require_idle: bool
    warm_up: bool
    baseline: Spec | None
    gate: str
    reports: Path
    replay: Path | None
    plot: Path | None
    debug_log: bool
    load_timeout_s: float
    stall_timeout_s: float | None
    keep_alive_s: float
    num_predict: int
    backoff_wait_s: float
    backoff_call_s: float
    backoff_run_s: float
    aliases: Mapping[str, Alias]
    policy: Mapping[str, Any]
    routing: RoutingRules
    history: str = ""
    root: Path
    runs_auto: bool = False
    cold_start: str = "never"
    axis: Axis = Axis()

    def shown(self, path: Path) -> str:
        """Return a path as seen from the project's root, where it is below it."""
        is_below = path.is_relative_to(self.root)
        return str(path.relative_to(self.root) if is_below else path)

    def _shown_history(self) -> str:
        """Return the database as it is stored: as seen from the root, no password."""
        return shown_address(self.history).replace(f":///{self.root}/", ":///", 1)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON, for config.json; no secret is in it."""
        values = asdict(self)
        del values["root"], values["axis"]
        return {
            **values,
            "reports": self.shown(self.reports),
            "replay": self.shown(self.replay) if self.replay else None,
            "plot": self.shown(self.plot) if self.plot else None,
            "models": [str(model) for model in self.models],
            "baseline": str(self.baseline) if self.baseline else None,
            "candidates": [str(spec) for spec in self.axis.candidates],
            "baselines": [str(spec) for spec in self.axis.baselines],
            "history": self._shown_history() or None,
            "aliases": {key: alias.to_json() for key, alias in self.aliases.items()},
            "routing": self.routing.to_json(),
        }

    def thresholds(self, phase: str) -> PolicyThresholds:
        """Return the policy's thresholds for a phase.

        Raises:
            SettingsError: an unknown key or a value out of bounds.
        """
        return PolicyThresholds.for_phase(self.policy, phase, "[policy]")

    def specs(self, phase: str) -> list[Spec]:
        """Return the specs to run in a phase: models by variants, or the axis's own."""
        if self.axis:
            return self.axis.specs(phase)
        return [
            Spec(
                model=model,
                phase=phase,
                variant=variant,
                timeout_s=self.call_timeout_s,
                retries=self.call_retries,
                isolate=self.isolate_call,
                warm_up=self.warm_up,
            )
            for model in self.models
            for variant in self.variants
        ]

    def target(self, model: ModelName) -> Target:
        """Return who is called for a model name; the first of several endpoints."""
        return self.targets(model)[0]

    def targets(
        self, model: ModelName, ollama_host: str | None = None
    ) -> tuple[Target, ...]:
        """Return every endpoint that serves a model name; trials are spread over them.

        A model has several where its alias lists several addresses.

        Args:
            ollama_host: the OLLAMA_HOST of who calls; None for this process's own.
        """
        alias = self.aliases.get(model.provider)
        if alias is None:
            url = default_url(model.provider, ollama_host)
            return (Target(provider=model.provider, model=model.name, base_url=url),)
        urls = alias.base_urls or (default_url(alias.provider, ollama_host),)
        return tuple(
            Target(
                provider=alias.provider,
                model=alias.model,
                base_url=url,
                key_env=alias.api_key_env,
                key_command=alias.api_key_command,
                headers=alias.headers,
                rpm=alias.rpm,
                tpm=alias.tpm,
            )
            for url in urls
        )

    def prices(self, model: ModelName) -> Prices | None:
        """Return what a model's tokens cost; None where its alias does not tell."""
        alias = self.aliases.get(model.provider)
        return alias.prices if alias else None

    def concurrency_of(self, model: ModelName) -> int | None:
        """Return the calls in flight that are set for a model's server; None: default.

        The command line's number wins over the alias's.
        """
        alias = self.aliases.get(model.provider)
        return self.concurrency or (alias.concurrency if alias else None)

    def alias_options(self, model: ModelName) -> Mapping[str, Any]:
        """Return the sampling options that a model's alias sets."""
        alias = self.aliases.get(model.provider)
        return alias.options if alias else {}

    def limits(self) -> Limits:
        """Return the time limits of one call."""
        return Limits(
            call_s=self.call_timeout_s,
            load_s=self.load_timeout_s,
            stall_s=self.stall_timeout_s,
        )

    def patience(self) -> Patience:
        """Return how long a busy server is waited for."""
        return Patience(
            wait_s=self.backoff_wait_s,
            call_s=self.backoff_call_s,
            run_s=self.backoff_run_s,
        )


class _TableOverStored(OptionTable, frozen=True):
    """Takes a resumed run's own values where the command line gives none."""

    stored: Mapping[str, Any]

    def is_given(self, option: Option) -> bool:
        """Whether the command line sets an option."""
        return self.config.getoption(f"llmbench_{option.key}", None) is not None

    @override
    def value(self, option: Option) -> Any:
        if self.is_given(option) or option.key not in self.stored:
            return OptionTable.value(self, option)
        raw = self.stored[option.key]
        try:
            return option.default if raw in (None, [], "") else option.read(raw)
        except ValueError as error:
            msg = f"--resume: {option.key} in config.json is {raw!r}; it takes {error}"
            raise SettingsError(msg) from None


_AS_NAMED: Final = (
    "prompts", "context_position", "call_retries", "isolate_call", "concurrency",
    "fail_fast", "resume", "require_idle", "gate", "debug_log", "num_predict",
)  # fmt: skip
"""Options whose setting has the same name; the others have their unit in it."""


def read_settings(
    config: pytest.Config,
    variants: Iterable[str] = VARIANTS,
    stored: Mapping[str, Any] | None = None,
) -> Settings:
    """Read options, ini values and the settings file.

    Args:
        variants: the names that there are, other plugins' included.
        stored: a resumed run's values by option key; only the command line wins
            over them. `baselines` are those of a run that has begun.

    Raises:
        SettingsError, SpecError: the message names the place and what is allowed.
    """
    variants = list(variants)
    values, name = file_settings(config.rootpath)
    check_keys(values, (*(o.key for o in OPTIONS), *_TABLES, "history"), name)
    table = _TableOverStored(config, values, name, stored or {})
    plain = {option.key: table.value(option) for option in OPTIONS}
    aliases = read_aliases(values.get("models", {}), name)
    baseline, replay, plot = plain["baseline"], plain["replay"], plain["plot"]
    auto, _, runs = str(plain["runs"]).rpartition(":")
    settings = Settings(
        models=_models(
            plain["model"] or (() if replay else tuple(aliases)),
            aliases,
        ),
        variants=_variants(plain["variant"], variants),
        **{name: plain[name] for name in _AS_NAMED},
        runs=int(runs),
        runs_auto=bool(auto),
        cold_start=plain["cold_start"] or "never",
        call_timeout_s=plain["call_timeout"],
        max_cost_usd=plain["max_cost"],
        warm_up=plain["warmup"],
        baseline=_baseline(baseline, aliases) if baseline else None,
        reports=config.rootpath / plain["reports"],
        replay=config.invocation_params.dir / replay if replay else None,
        plot=config.invocation_params.dir / plot if plot else None,
        load_timeout_s=plain["load_timeout"],
        stall_timeout_s=plain["stall_timeout"],
        keep_alive_s=plain["keep_alive"],
        backoff_wait_s=plain["backoff_wait"],
        backoff_call_s=plain["backoff_call"],
        backoff_run_s=plain["backoff_run"],
        aliases=aliases,
        policy=policy_table(values.get("policy", {}), f"{name}: policy"),
        routing=_routing(values, name),
        history=history_url(values, name, config.rootpath),
        root=config.rootpath,
    )
    settings.thresholds("")
    return _with_axis(settings, plain, Known(aliases, variants), table)


def _with_axis(
    settings: Settings, plain: Mapping[str, Any], known: Known, table: _TableOverStored
) -> Settings:
    """Put specs in the place of models and variants, where `--candidate` names any.

    A run that is resumed has its axis in its own settings, read in their turn.

    Raises:
        SettingsError: a spec is wrong, or another option contradicts it.
    """
    texts, stored = plain["candidate"], table.stored.get("baselines")
    if settings.runs_auto and not texts and not settings.resume:
        msg = "--runs auto needs --candidate: it ends runs by comparing specs"
        raise SettingsError(msg)
    if settings.replay and not texts:
        return replace(settings, cold_start="never")
    if not texts or (settings.resume and stored is None):
        return settings
    fault = command_line_fault([o.key for o in OPTIONS if table.is_given(o)])
    if not fault and settings.replay:
        fault = "--candidate and --replay exclude each other: a replay asks nothing"
    if fault:
        raise SettingsError(fault)
    if stored is None:
        axis = read_axis(texts, settings.baseline, known, settings.reports)
    else:
        axis = stored_axis(texts, stored, known)
    return replace(
        settings,
        axis=axis,
        models=tuple(dict.fromkeys(spec.model for spec in axis.specs(""))),
        variants=tuple(dict.fromkeys(spec.variant for spec in axis.specs(""))),
        cold_start=plain["cold_start"] or "spec",
    )


def read_routing(root: Path) -> tuple[RoutingRules, dict[str, Alias]]:
    """Read what the settings file of a root says of routing, and its aliases.

    Raises:
        SettingsError: the message names the file, the key and what is allowed.
    """
    values, name = file_settings(root)
    return _routing(values, name), read_aliases(values.get("models", {}), name)


def _routing(values: Mapping[str, Any], name: str) -> RoutingRules:
    where = f"{name}: routing"
    return RoutingRules.from_mapping(as_table(values.get("routing", {}), where), where)


def _models(
    texts: tuple[str, ...], aliases: Mapping[str, Alias]
) -> tuple[ModelName, ...]:
    models = []
    for text in texts:
        try:
            model = parse_model(text, aliases)
        except SpecError as error:
            msg = f"--model: {error}"
            raise SettingsError(msg) from None
        models.append(model)
    return tuple(dict.fromkeys(models))


def _variants(names: tuple[str, ...], known: Iterable[str]) -> tuple[str, ...]:
    there = list(known)
    for name in names:
        if name not in there:
            msg = f"--variant: unknown variant {name!r}{did_you_mean(name, there)}"
            raise SettingsError(msg)
    return names


def _baseline(text: str, aliases: Mapping[str, Alias]) -> Spec:
    try:
        return parse_spec(text, aliases)
    except SpecError as error:
        msg = f"--baseline: {error}"
        raise SettingsError(msg) from None
