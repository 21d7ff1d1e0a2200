"""What must be as it was before an interrupted run may go on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from pytest_llmbench.analysis.summary import plan_from_json
from pytest_llmbench.errors import SettingsError
from pytest_llmbench.options import OPTIONS
from pytest_llmbench.runs.interrupted import find_run, key_of
from pytest_llmbench.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pytest

    from pytest_llmbench.analysis.summary import JobPlan
    from pytest_llmbench.calls.request import ModelFacts
    from pytest_llmbench.runs.interrupted import InterruptedRun, TrialKey
    from pytest_llmbench.runs.record import Record
    from pytest_llmbench.settings import Settings

BOUND: Final = {
    "models": "model",
    "variants": "variant",
    "runs": "runs",
    "prompts": "prompts",
    "call_timeout_s": "call_timeout",
    "call_retries": "call_retries",
    "isolate_call": "isolate_call",
    "concurrency": "concurrency",
    "warm_up": "warmup",
    "load_timeout_s": "load_timeout",
    "stall_timeout_s": "stall_timeout",
    "keep_alive_s": "keep_alive",
    "num_predict": "num_predict",
    "candidates": "candidate",
    "cold_start": "cold_start",
}
"""Settings that shape a measurement, with their options: one run has one value."""

KEPT: Final = {
    "fail_fast": "fail_fast",
    "max_cost_usd": "max_cost",
    "baseline": "baseline",
    "gate": "gate",
}
"""Settings that go on as they were unless the command line says otherwise."""

_ALIAS_KEYS: Final = ("provider", "model", "options")


class Resumption:
    """A run that goes on: what it has finished, and what it may go on with."""

    def __init__(self, run: InterruptedRun) -> None:
        self.run = run
        self._finished = run.finished()
        self._is_auto = bool(run.config.get("settings", {}).get("runs_auto"))
        self._facts: list[dict[str, Any]] = run.inventory.get("models", [])

    @property
    def finished(self) -> Iterable[Record]:
        """The records of the trials that are not asked again, in their order."""
        return self._finished.values()

    @property
    def calibrations(self) -> list[dict[str, Any]]:
        """What the run's models had counted before, as plain JSON."""
        return list(self.run.inventory.get("calibrations", ()))

    @property
    def finished_trials(self) -> int:
        """How many trials are not asked again."""
        return len(self._finished)

    def find(self, key: TrialKey) -> Record | None:
        """Return a finished trial's record; None if it is to be asked."""
        return self._finished.get(key)

    def has(self, record: Record) -> bool:
        """Whether the record's trial was finished before."""
        return key_of(record) in self._finished

    def plan_fault(
        self, plans: Iterable[JobPlan], options: Mapping[str, Mapping[str, Any]]
    ) -> str:
        """Say in what today's plans differ from the run's; empty where they don't."""
        now = {(plan.spec, plan.suite): plan for plan in plans}
        then = {(p.spec, p.suite): p for p in self._plans()}
        faults = [
            *(self._missing(suite) for _, suite in then.keys() - now),
            *(f"suite {suite}: not in that run" for _, suite in now.keys() - then),
        ]
        for key in then.keys() & now.keys():
            faults += _plan_faults(then[key], now[key], is_auto=self._is_auto)
            faults += self._option_faults(key[0], options)
        if not faults:
            return ""
        told = "\n".join(f"  {fault}" for fault in sorted(set(faults)))
        return (
            f"--resume {self.run.run_id}: what is asked differs from that run:\n"
            f"{told}\n"
            "put it back, name the same paths and options, or start a new run"
        )

    def _missing(self, suite: str) -> str:
        files = (r.trial_id.partition("::")[0] for r in self.run.records)
        names = (r.suite for r in self.run.records)
        place = dict(zip(names, files, strict=True)).get(suite)
        return f"suite {suite}: not collected" + (f" ({place})" if place else "")

    def _option_faults(
        self, spec: str, options: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[str]:
        then, now = self.run.config.get("options", {}).get(spec), options.get(spec, {})
        if then is not None and _plain(then) != _plain(now):
            yield f"{spec}: sampling options {_shown(now)}, then {_shown(then)}"

    def _plans(self) -> list[JobPlan]:
        try:
            return [plan_from_json(plan) for plan in self.run.config["plans"]]
        except (TypeError, KeyError):
            path = self.run.path / "config.json"
            msg = f"--resume: {path} is of another version; start a new run"
            raise SettingsError(msg) from None

    def model_fault(self, model: str, facts: Iterable[ModelFacts]) -> str:
        """Say that a name now means another model; empty where it doesn't.

        Args:
            facts: what each of the model's servers has now.
        """
        before = self._known(model, "digest")
        other = [one.digest for one in facts if one.digest and one.digest not in before]
        if not before or not other:
            return ""
        return (
            f"--resume {self.run.run_id}: {model} is another model now: digest"
            f" {_short(other[0])}, then {', '.join(map(_short, before))}; start a new"
            " run"
        )

    def server_note(self, facts: Mapping[str, Any]) -> str:
        """Say that a model's server is another now; empty where it isn't."""
        model, changes = facts["model"], []
        for key, word in (("server", "address"), ("server_version", "version")):
            before = self._known(model, key)
            if before and facts[key] not in before:
                now = facts[key] or "unknown"
                changes.append(f"{word} {now}, before {', '.join(before)}")
        told = "; ".join(changes)
        return f"the server of {model} is another: {told}" if changes else ""

    def _known(self, model: str, key: str) -> list[str]:
        """Return a fact's values at the model's servers then, each once, no blanks."""
        values = [one.get(key, "") for one in self._facts if one["model"] == model]
        return list(dict.fromkeys(value for value in values if value))


def resumed_settings(
    config: pytest.Config, variants: Iterable[str], today: Settings, run_id: str
) -> tuple[Settings, Resumption | None]:
    """Find the run, and return its settings under today's command line.

    Without `--resume` today's settings are all there is.

    Args:
        today: the settings as they would be for a new run.
        run_id: as the user wrote it, or as the controller found it.

    Raises:
        SettingsError: no such run, or it can't go on so; the message says why.
    """
    if not today.resume:
        return today, None
    if today.replay is not None:
        msg = "--resume and --replay exclude each other: a replay asks nothing"
        raise SettingsError(msg)
    run = find_run(today.reports, run_id)
    before = run.config["settings"]
    if before.get("replay"):
        msg = (
            f"--resume {run.run_id}: it is a replay of {before['replay']}; replay again"
        )
        raise SettingsError(msg)
    names = {**BOUND, **KEPT}
    stored = {key: before[field] for field, key in names.items() if field in before}
    stored["baselines"] = before.get("baselines", ())
    if before.get("runs_auto"):
        stored["runs"] = f"auto:{before['runs']}"
    _check_aliases(run, today)
    settings = read_settings(config, variants, stored)
    values = settings.to_json()
    bound = {**BOUND, "runs_auto": "runs"}
    if before.get("candidates"):
        bound["baseline"] = "baseline"  # it is asked, too
    for field, key in bound.items():
        if field in before and _plain(values[field]) != _plain(before[field]):
            msg = (
                f"--resume {run.run_id}: {_flag(key)} is {_shown(values[field])}, but"
                f" that run has {_shown(before[field])}; leave the option out, or start"
                " a new run"
            )
            raise SettingsError(msg)
    return replace(settings, resume=run.run_id), Resumption(run)


def _check_aliases(run: InterruptedRun, today: Settings) -> None:
    """Refuse a model whose alias now means something else.

    Raises:
        SettingsError: names the alias and both values.
    """
    aliases = run.config["settings"].get("aliases", {})
    for text in run.config["settings"].get("models", ()):
        name = text.partition("?")[0]
        alias = today.aliases.get(name)
        now, then = alias.to_json() if alias else {}, aliases.get(name, {})
        for key in _ALIAS_KEYS:
            if _plain(now.get(key)) != _plain(then.get(key)):
                msg = (
                    f"--resume {run.run_id}: {key} of models.{name} is"
                    f" {_shown(now.get(key))}, but that run has"
                    f" {_shown(then.get(key))}; put it back, or start a new run"
                )
                raise SettingsError(msg)


def _plan_faults(then: JobPlan, now: JobPlan, *, is_auto: bool) -> Iterator[str]:
    """Name the prompts that differ: a hash covers text, system, tools and all else.

    Args:
        is_auto: the run may have ended before its last planned run.
    """
    for prompt_id in dict.fromkeys((*then.suite_prompt_ids, *now.suite_prompt_ids)):
        fault = _prompt_fault(prompt_id, then, now)
        if fault:
            yield f"suite {now.suite}: {prompt_id} {fault}"
    if then.runs != now.runs and not is_auto:
        yield f"suite {now.suite}: runs up to {now.runs}, then up to {then.runs}"


def _prompt_fault(prompt_id: str, then: JobPlan, now: JobPlan) -> str:
    if prompt_id not in now.suite_prompt_ids:
        return "is not in the suite any more"
    if prompt_id not in then.suite_prompt_ids:
        return "is new in the suite"
    before, after = (plan.prompt_hashes.get(prompt_id) for plan in (then, now))
    if before is not None and after is None:
        return "is left out by -k, -m or --lf"
    if before is None and after is not None:
        return "was left out of that run by -k, -m or --lf"
    return "has changed" if before != after else ""


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a value as it reads back from JSON; the order of a list says nothing."""
    read = json.loads(json.dumps(value))
    return sorted(read) if isinstance(read, list) else read


def _shown(value: Any) -> str:  # noqa: ANN401 - any JSON
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "not set"
    return "not set" if value is None else json.dumps(value)


def _flag(key: str) -> str:
    option = next(option for option in OPTIONS if option.key == key)
    return option.flag or f"--enable-{key} / --disable-{key}"


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
