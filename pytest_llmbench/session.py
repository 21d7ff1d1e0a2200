"""What one pytest session holds: the plan, the models, the records."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import pytest
from msgspec.structs import replace

from pytest_llmbench.analysis.failfast import FailFast
from pytest_llmbench.asking import no_model
from pytest_llmbench.autoruns import AutoRuns, auto_fault
from pytest_llmbench.calls.clock import SystemClock
from pytest_llmbench.calls.engine import Engine
from pytest_llmbench.checks.registry import expectation_faults
from pytest_llmbench.conclusion import Conclusion, conclude
from pytest_llmbench.contest import baseline_of_spec
from pytest_llmbench.delivery import Delivery
from pytest_llmbench.errors import SettingsError, SuiteError, UsageFault
from pytest_llmbench.extras import Extras
from pytest_llmbench.ledger import Ledger
from pytest_llmbench.opening import Opening
from pytest_llmbench.plan import Trial, job_plans, jobs_of
from pytest_llmbench.prompts.loader import load_suite
from pytest_llmbench.prompts.spec import parse_model
from pytest_llmbench.prompts.wording import did_you_mean
from pytest_llmbench.resuming import resumed_settings
from pytest_llmbench.runs.folder import RunFolder, chosen_run_id, new_run_id
from pytest_llmbench.runs.inventory import snapshot
from pytest_llmbench.runs.replay import ReplayFile
from pytest_llmbench.settings import Settings, read_settings
from pytest_llmbench.spending import price_fault, purse
from pytest_llmbench.trials import Trials
from pytest_llmbench.verified import VerifiedSuites
from pytest_llmbench.waiting import WaitingLine
from pytest_llmbench.workplace import workplace_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from pytest_llmbench.calls.debuglog import DebugLog
    from pytest_llmbench.prompts.suite import Prompt, Suite
    from pytest_llmbench.resuming import Resumption
    from pytest_llmbench.runs.record import Record
    from pytest_llmbench.units import Units

_SESSION = pytest.StashKey["BenchSession"]()
_LEFT: Final = "llmbench_left"


def session_of(config: pytest.Config) -> BenchSession:
    """Return the session's one BenchSession, made when it is first needed.

    Raises:
        SettingsError, SpecError: the settings cannot be read.
    """
    if _SESSION not in config.stash:
        extras = Extras.of(config)
        workplace = workplace_of(config)
        settings = read_settings(config, extras.variants, workplace.told_settings)
        run_id = workplace.run_id or settings.resume
        resumed = resumed_settings(config, extras.variants, settings, run_id)
        settings, resumption = resumed
        if fault := auto_fault(settings, config):
            raise SettingsError(fault)
        is_stored = settings.baseline and not settings.axis
        if is_stored and baseline_of_spec(settings) is None:
            msg = (
                f"--baseline: no stored run of '{settings.baseline}' in"
                f" {settings.shown(settings.reports)}; run it first"
            )
            raise SettingsError(msg)
        config.stash[_SESSION] = BenchSession(config, settings, extras, resumption)
    return config.stash[_SESSION]


def settings_of(config: pytest.Config) -> Settings:
    """Read the settings without beginning a session.

    Raises:
        SettingsError, SpecError: they cannot be read.
    """
    return read_settings(config, Extras.of(config).variants)


def readable_settings(config: pytest.Config) -> Settings | None:
    """Return the settings without beginning a session; None if they are wrong."""
    session = active_session(config)
    if session is not None:
        return session.settings
    try:
        return settings_of(config)
    except UsageFault:
        return None


def active_session(config: pytest.Config) -> BenchSession | None:
    """Return the BenchSession if there is bench work, else None."""
    return config.stash.get(_SESSION, None)


class BenchSession:
    """One pytest session's bench work, in a controller, a worker, or both in one.

    Attributes:
        usage_fault: the first fault of the user's input found while collecting.
        first_errors: error texts that were printed in full already.
        rerun_ids: trials whose attempt in progress is run again.
        resumption: the run that is finished here; None for a new one.
        fail_fast: says which specs are given up.
        auto_runs: says when runs end by themselves; None where they don't.

    Raises:
        SettingsError: the run to finish is being written by another process.
    """

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        extras: Extras,
        resumption: Resumption | None = None,
    ) -> None:
        self.config = config
        self.settings = settings
        self._extras = extras
        self._replay = ReplayFile(settings.replay) if settings.replay else None
        self.usage_fault = ""
        self.first_errors: set[str] = set()
        self.rerun_ids: set[str] = set()
        self.conclusion: Conclusion | None = None
        self._clock = SystemClock()
        self._workplace = workplace_of(config)
        self.is_worker = self._workplace.is_worker
        now = self._clock.utc()
        self.resumption = resumption
        self.folder = self._run_folder(now)
        # What a replay takes from a file tells nothing of a server that is down.
        self.fail_fast = FailFast(0 if settings.replay else settings.fail_fast)
        for record in resumption.finished if resumption else ():
            self.fail_fast.note(record)
        self.worker = self._workplace.worker
        self._once = self._workplace.once()
        self._engine: Engine | None = None
        self._trials: Trials | None = None
        self.ledger = Ledger(self.folder)
        parts = (self.ledger, resumption, Opening(self.ledger), self._clock)
        self.delivery = Delivery(*parts)
        if settings.replay:
            self.ledger.replay_of = settings.shown(settings.replay)
        if not self.is_worker:
            self.ledger.before = snapshot(settings.reports, now)
        self._suites: dict[str, Suite] = {}
        self.auto_runs = AutoRuns.of(settings, self.ledger, self.fail_fast.reason)
        self._failed_before: set[tuple[str, str, str]] = set()

    def _run_folder(self, now: datetime) -> RunFolder:
        if self.resumption is None:
            run_id = self._workplace.run_id
            if not run_id and not self.is_worker:
                run_id = chosen_run_id(self.settings.reports)
            run_id = run_id or new_run_id(now)
            return RunFolder.new(self.settings.reports, run_id, now)
        folder = RunFolder(self.resumption.run.path)
        if not self.is_worker and not self.config.option.collectonly:
            folder.hold()
        return folder

    @property
    def trials(self) -> Trials:
        """What runs trials in this process."""
        if self._trials is None:
            self._trials = self._new_trials()
        return self._trials

    @property
    def units(self) -> Units:
        """The rule by which this worker's trials were given to it together."""
        return self._workplace.units(self.settings)

    def _new_trials(self) -> Trials:
        parts = (self.settings, self.engine, self._extras, self.worker)
        if self._replay is None:
            is_strict = _may_stop_early(self.config) or bool(self.settings.fail_fast)
            trials = Trials(*parts, is_strict=is_strict, once=self._once)
            trials.asker.given_up = self.fail_fast.reason
            for record in self.resumption.finished if self.resumption else ():
                trials.cold_starts.note(record.spec, record.run)
            before = self.resumption.calibrations if self.resumption else ()
            trials.calibrator.know(self.folder.run_id, before)
            share = self._workplace.share
            trials.asker.purse = purse(self.settings, self.resumption, share)
            return trials
        from pytest_llmbench.replayed import ReplayTrials

        return ReplayTrials(*parts, file=self._replay)

    @property
    def engine(self) -> Engine:
        """What calls models in this process."""
        if self._engine is None:
            share = (self.settings.patience(), self._workplace.workers)
            self._engine = Engine(self._clock, self._debug_log(), *share)
            self._engine.watch = WaitingLine.of(self.config, self._calls_left)
        return self._engine

    def _calls_left(self) -> tuple[int, int]:
        return self.trials.asker.calls_left()

    def plan_suite(self, path: Path, nodeid: str) -> list[Trial]:
        """Read a suite and return its trials, spec by spec.

        Raises:
            SuiteError: the file has faults.
            SettingsError: no model is given, or a threshold is wrong.
        """

        def faults(prompt: Prompt) -> list[tuple[str, str]]:
            return expectation_faults(prompt, self._extras.checks)

        suite = load_suite(
            path,
            shown_as=nodeid,
            expectation_faults=faults,
            verified=VerifiedSuites(self.config),
        )
        suite = suite.placed(self.settings.context_position)
        twin = self._suites.setdefault(suite.name, suite)
        if twin.path != suite.path:
            msg = f"{nodeid}:1: suite name {suite.name!r} stands in {twin.path} too"
            raise SuiteError(msg)
        if not self.settings.models:
            self._choose_models()
        self.settings.thresholds(suite.phase)
        wanted = set(self.settings.prompts or suite.prompt_ids())
        prompts = [one for one in suite.prompts if wanted.intersection(one.names)]
        return [
            Trial(job, prompt, run)
            for job in jobs_of(nodeid, suite, self.settings)
            for run in range(1, self.settings.runs + 1)
            for prompt in prompts
        ]

    @property
    def suites(self) -> list[Suite]:
        """The suites that were collected."""
        return list(self._suites.values())

    def check_collection(self) -> str:
        """Return the fault of the user's input that collecting has shown."""
        fault = self._workplace.settings_fault(self.settings)
        fault = fault or price_fault(self.settings) or self.usage_fault
        if self._suites and not fault:
            phases = {suite.phase for suite in self._suites.values()}
            fault = self.settings.axis.fault(phases)
        if fault:
            return fault
        known = [name for suite in self._suites.values() for name in suite.names()]
        for prompt_id in self.settings.prompts if known else ():
            if prompt_id not in known:
                hint = did_you_mean(prompt_id, dict.fromkeys(known))
                return f"--prompts: no prompt {prompt_id!r} in any suite{hint}"
        return ""

    def plan(self, trials: Sequence[Trial], bars: Sequence[object]) -> None:
        """Note what will be asked, once selection is done; see `Asker.plan`."""
        if trials:
            self.trials.plan(trials, bars)

    def note_plan(self, trials: Sequence[Trial]) -> None:
        """Note what is meant to run, here or in workers."""
        self.ledger.add_plans(job_plans(trials))
        pairs = {(id(t.job), id(t.prompt)): t for t in trials}
        for trial in pairs.values():
            options = self.trials.asker.options(trial.job, trial.prompt)
            self.ledger.add_options(trial.job.spec_text, options)
            self.ledger.add_prompt(trial.suite.name, trial.prompt)

    def end_reason(self, trial: Trial) -> str:
        """Return why a trial is not run: enough is known; empty if it is."""
        return self.auto_runs.end_reason(trial.run) if self.auto_runs else ""

    def finished(self, trial: Trial) -> Record | None:
        """Return what a trial came to before the run was interrupted, if it did."""
        if self.resumption is None:
            return None
        job = trial.job
        key = (job.spec_text, job.suite.name, trial.prompt.id, trial.run)
        return self.resumption.find(key)

    def is_repeat(self, record: Record) -> bool:
        """Whether this prompt has failed its spec for the same reasons before."""
        why = "; ".join(check.why for check in record.checks if not check.passed)
        key = (record.spec, record.prompt_id, why)
        seen = key in self._failed_before
        self._failed_before.add(key)
        return seen

    def payload(self, record: Record, *, is_to_retry: bool = False) -> str:
        """Return what a trial's report carries to `take`; see `Delivery`.

        Args:
            is_to_retry: a retry is meant to replace this attempt.
        """
        if self.delivery.is_new(record) and record.outcome != "skipped":
            self.fail_fast.note(record, is_to_retry=is_to_retry)
            if self.fail_fast.reason(record.spec):
                self.trials.asker.drop(record.spec)
        self.trials.hand_over()
        if self.is_worker:
            return self.delivery.pack(record, self.trials.take_news())
        return self.delivery.hold(record, is_to_retry=is_to_retry)

    def take(self, payload: str, *, is_replaced: bool = False) -> None:
        """Store what a trial's report carries, the record as soon as can be.

        Args:
            is_replaced: a rerun follows whose record holds this attempt too.
        """
        self.delivery.take(
            payload,
            self.settings,
            self._news,
            is_replaced=is_replaced,
        )

    def _news(self) -> list[dict[str, Any]]:
        return self.trials.take_news()

    def stop_asking(self) -> None:
        """End calls in flight; keep what was answered and never came to its report."""
        if self._trials is None:
            return
        records = [*self.delivery.take_waiting(), *self._trials.close()]
        if self.is_worker:
            output: dict[str, Any] = getattr(self.config, "workeroutput", {})
            news = self._trials.take_news
            output[_LEFT] = [self.delivery.pack(one, news()) for one in records]
            return
        self.ledger.take_news(self._trials.take_news())
        for record in records:
            self.delivery.add(record, self.settings)

    def take_unreported(self, output: Mapping[str, Any]) -> None:
        """Store what a worker had answered and not reported when it ended."""
        for payload in output.get(_LEFT, ()):
            self.delivery.take_late(payload, self.settings)

    def close(self) -> None:
        """End calls, child processes and open files of this process."""
        self.folder.close()
        if self._once is not None:
            self._once.leave()
        if self._engine is not None:
            self._engine.close()

    def conclude(self) -> Conclusion | None:
        """Summarise, decide and write; None where nothing was recorded."""
        if self.is_worker or not self.ledger.has_records:
            return None
        parts = (self.ledger, self.settings, self._clock.utc(), self.auto_runs)
        self.conclusion = conclude(*parts)
        return self.conclusion

    def _choose_models(self) -> None:
        """Take a replay's models where none is named.

        Raises:
            SettingsError: there is no replay either.
        """
        if self._replay is None:
            raise SettingsError(no_model(self.engine, self.settings))
        models = tuple(parse_model(text) for text in self._replay.models)
        self.settings = replace(self.settings, models=models)

    def _debug_log(self) -> DebugLog | None:
        if not self.settings.debug_log:
            return None
        from pytest_llmbench.calls.debuglog import DebugLog

        name = f"{self.worker or 'main'}-{os.getpid()}.jsonl"
        return DebugLog(self.folder.path / "debug" / name, self._clock)


def _may_stop_early(config: pytest.Config) -> bool:
    """Whether pytest may end at a failure: `-x`, `--maxfail`, `--stepwise`."""
    return any(config.getoption(name, None) for name in ("maxfail", "stepwise"))
