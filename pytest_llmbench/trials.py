"""How one trial is run: prepare the model once, ask, judge, record."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import asdict, replace

from pytest_llmbench.asking import Asker
from pytest_llmbench.calibrating import Calibrator
from pytest_llmbench.calls.providers import outlives_caller
from pytest_llmbench.calls.request import WarmupResult
from pytest_llmbench.coldstart import ColdStarts, Unloading
from pytest_llmbench.conversation import Dialogue
from pytest_llmbench.errors import CallError, CheckBroken
from pytest_llmbench.masking import without_password
from pytest_llmbench.policy.guard import LeftOut
from pytest_llmbench.runs.record import Fault, Record
from pytest_llmbench.stretching import unsent
from pytest_llmbench.verdicts import judged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_llmbench.analysis.cost import Prices
    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.once import Once
    from pytest_llmbench.calls.request import CallRequest, ModelFacts, Target
    from pytest_llmbench.checks.verdict import Verdict
    from pytest_llmbench.extras import Extras
    from pytest_llmbench.plan import Job, Trial
    from pytest_llmbench.prompts.context import SentContext
    from pytest_llmbench.prompts.spec import Spec
    from pytest_llmbench.runs.record import Outcome
    from pytest_llmbench.settings import Settings

_OFF: Final = "switched off"


class _ModelState(Struct):
    """What is known of one model at one server."""

    facts: ModelFacts | None = None
    fault: CallError | None = None
    warmup: WarmupResult | None = None
    failed_warmups: int = 0
    unloading: Unloading | None = None

    def is_to_warm(self, spec: Spec) -> bool:
        """Whether it is there, and not yet in the state that a spec begins from."""
        is_off = self.warmup is not None and self.warmup.detail == _OFF
        is_new = self.warmup is None or (is_off and spec.warm_up)
        return is_new and self.facts is not None


class Trials:
    """Runs trials in this process; knows each model's state.

    `news` gathers what the summary must hear of models: facts and warm-ups, as
    plain JSON, until `take_news` hands them on with the next record.
    """

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        extras: Extras,
        worker: str = "",
        *,
        is_strict: bool = False,
        once: Once | None = None,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._extras = extras
        self._worker = worker
        self._once = once
        self.asker = Asker(settings, engine, extras.variants, is_strict=is_strict)
        self.calibrator = Calibrator(self.asker, engine, once)
        self._states: dict[Target, _ModelState] = {}
        self._ready: set[Job] = set()
        self._runs: dict[Job, int] = {}
        self.cold_starts = ColdStarts(settings, engine)
        self._left_out: dict[tuple[Target, str], LeftOut] = {}
        self._news: list[dict[str, Any]] = []
        self._in_hand: Callable[[], Record] | None = None
        self._again: Trial | None = None

    def check(self, spec: Spec) -> CallError | None:
        """Identify the spec's model, once; return why it can't be asked.

        Only a fault that stays is remembered: a server may come back. Of several
        endpoints, one that can be asked is enough; the others are left out until a
        later look finds them.
        """
        model = str(spec.model)
        targets = self.asker.targets(spec.model)
        faults = {target: self._check(target, model) for target in targets}
        if None not in faults.values():
            return faults[targets[0]]
        for target, fault in faults.items():
            self.asker.leave_out(target, is_out=fault is not None)
            self._tell_left_out(target, model, fault)
        return None

    def _tell_left_out(
        self, target: Target, model: str, fault: CallError | None
    ) -> None:
        """Have the summary hear of an endpoint that goes, or comes back."""
        known = self._left_out.get((target, model))
        if fault is not None:
            server = without_password(target.base_url)
            reason = str(fault).partition("\n")[0]
            one = LeftOut(model=model, server=server, fault=reason)
        elif known is not None:
            one = replace(known, is_back=True)
        else:
            return
        if one != known:
            self._left_out[target, model] = one
            self._news.append({"left_out": asdict(one)})

    def left_out(self) -> list[LeftOut]:
        """Return the endpoints that are asked no trial while others are."""
        return [one for one in self._left_out.values() if not one.is_back]

    def _check(self, target: Target, model: str) -> CallError | None:
        state = self._states.setdefault(target, _ModelState())
        if state.facts is None and state.fault is None:
            try:
                state.facts = self._engine.facts(target)
            except CallError as error:
                if error.is_permanent:
                    state.fault = error
                return error
            if state.facts.context_length:
                self.asker.lengths.rooms[target] = state.facts.context_length
            told = {"model": model, **state.facts.to_json()}
            self._news.append({"facts": told})
        return state.fault

    def facts(self, spec: Spec) -> list[ModelFacts]:
        """Return what identifies the spec's model at each server that has it."""
        self.check(spec)
        states = map(self._states.get, self.asker.targets(spec.model))
        return [state.facts for state in states if state and state.facts]

    def begin_cold(self, trial: Trial) -> None:
        """Unload the trial's model where its spec, or the spec's run, begins cold.

        Every job whose model is warm will warm it again. What has to be counted first
        is counted before that: it loads the model. Never fatal: what went wrong is
        told with the warm-up.
        """
        if not self.cold_starts.is_due(trial) or self.check(trial.spec) is not None:
            return
        self.calibrator.prepare(trial)
        self.cold_starts.note(trial.job.spec_text, trial.run)
        for target in self.asker.targets(trial.spec.model):
            state = self._states[target]
            if state.facts is None:
                continue
            unloading = self.cold_starts.unload(target, trial)
            if unloading is not None:
                state.unloading, state.warmup = unloading, None
                self._ready.clear()

    def prepare(self, trial: Trial) -> WarmupResult | None:
        """Warm the trial's model before its first trial, once per run and machine.

        As a spec's next run begins, endpoints that were left out are looked at again.

        Returns:
            The result on the first call for a model; None afterwards.
        """
        self._begin_run(trial)
        if trial.job in self._ready or self.check(trial.spec) is not None:
            return None
        result: WarmupResult | None = None
        for target in self.asker.targets(trial.spec.model):
            state = self._states[target]
            if state.is_to_warm(trial.spec):
                warmup = self._warmed(target, trial)
                state.warmup = self.cold_starts.of_turn(warmup, trial, state.unloading)
                told = {**state.warmup.to_json(), "model": trial.job.model}
                self._news.append({"warmup": told})
                result = result or state.warmup
        self._ready.add(trial.job)
        return result

    def _begin_run(self, trial: Trial) -> None:
        """Look at endpoints that were not there, as another run begins."""
        before = self._runs.get(trial.job, trial.run)
        self._runs[trial.job] = trial.run
        if before == trial.run:
            return
        for target in self.asker.forget_deaths(trial.spec.model):
            self._states[target] = _ModelState()
            self._ready.discard(trial.job)
        for target in self.asker.left_out(trial.spec.model):
            self._states[target].fault = None
            self._ready.discard(trial.job)

    def _warmed(self, target: Target, trial: Trial) -> WarmupResult:
        if trial.spec.warm_up:
            request = self.asker.request(trial, (), ())
            prices = self.asker.prices(trial.spec.model)
            return self._warmed_once(target, request, prices)
        return WarmupResult(
            model=target.model, server="", status="skipped", detail=_OFF
        )

    def _warmed_once(
        self, target: Target, request: CallRequest, prices: Prices
    ) -> WarmupResult:
        """Warm a model up, unless another process of the run has done so."""
        is_shared = not self.cold_starts.are_any and outlives_caller(target)
        if self._once is None or not is_shared:
            return self._warm_up(target, request, prices)
        work = self._warm_up
        key = f"warm-up {target} {self._states[target].failed_warmups}"
        told = self._once.do(key, lambda: work(target, request, prices).to_json())
        return WarmupResult(**told)

    def _warm_up(
        self, target: Target, request: CallRequest, prices: Prices
    ) -> WarmupResult:
        purse = self.asker.purse
        if purse is None:
            return self._engine.warm_up(target, request)
        server = self._engine.server(target)
        work = partial(server.warm_up, request)
        result = self._engine.wait(purse.warm_up(target.model, prices, work))
        return result or WarmupResult(
            model=target.model,
            server=server.provider.where,
            status="skipped",
            detail=purse.reason,
        )

    def try_again(self, trial: Trial) -> None:
        """Have a failed warm-up done again: a retry may find the server back."""
        self._again = trial
        for target in self.asker.targets(trial.spec.model):
            state = self._states.get(target)
            if state and state.warmup and state.warmup.status == "failed":
                state.warmup = None
                state.failed_warmups += 1
                self._ready.discard(trial.job)

    def plan(self, trials: Sequence[Trial], bars: Sequence[object]) -> None:
        """Note what will be asked, in order; see `Asker.plan`."""
        self.asker.plan(trials, bars)

    def ask(self, trial: Trial, position: int) -> Dialogue:
        """Put the trial's prompt to its model, or return the fault that stays.

        Args:
            position: the trial's place in the plan.
        """
        if trial.job not in self._ready:
            states = map(self._states.get, self.asker.targets(trial.spec.model))
            faults = [state.fault if state else None for state in states]
            if None not in faults:
                return Dialogue(error=faults[0])
        if trial.prompt.context is not None:
            fault = self._calibrated(trial)
            if fault is not None:
                return Dialogue(error=fault)
        dialogue = self.asker.take(position)
        if trial is not self._again and _is_last_word(trial, dialogue):
            self._in_hand = lambda: self.settle(trial, dialogue)
        return dialogue

    def _calibrated(self, trial: Trial) -> CallError | None:
        """Have the trial's server count; return why it didn't, if that matters now."""
        self.check(trial.spec)
        self.calibrator.prepare(trial)
        return self.calibrator.fault(trial)

    def settle(self, trial: Trial, dialogue: Dialogue) -> Record:
        """Turn what came back into the trial's record."""
        is_in_hand, self._in_hand = self._in_hand is not None, None
        record = self._judged(trial, dialogue)
        if is_in_hand:
            self._in_hand = lambda: record
        return record

    def _judged(self, trial: Trial, dialogue: Dialogue) -> Record:
        error = dialogue.error
        if error is not None and error.outcome == "timeout":
            return self.record(trial, "timeout", dialogue=dialogue)
        if error is not None and error.outcome == "error":
            return self.record(trial, "error", dialogue=dialogue)
        if error is not None and error.outcome == "skipped":
            return self.record(trial, "skipped", dialogue=dialogue)
        try:
            verdict = judged(trial.prompt, dialogue, self._extras.checks)
        except CheckBroken as broken:
            fault = Fault(kind="check_broken", message=str(broken))
            return self.record(trial, "error", dialogue=dialogue, fault=fault)
        outcome: Outcome = "pass" if verdict.passed and error is None else "fail"
        return self.record(trial, outcome, dialogue=dialogue, verdict=verdict)

    def hand_over(self) -> None:
        """Let go of the trial asked last: its record was taken, or it has none."""
        self._in_hand = None

    def close(self) -> Iterator[Record]:
        """End calls in flight; yield records of those that nobody came to take.

        What a retry would have asked again is no trial's last word. An interrupt
        may have come between a trial's answer and its report: it is yielded too,
        unless its judging was interrupted, which may never end.
        """
        ahead = sorted(self.asker.close().items())
        if self._in_hand is not None:
            yield self._in_hand()
        for index, dialogue in ahead:
            trial = self.asker.trial(index)
            if _is_last_word(trial, dialogue):
                yield self.settle(trial, dialogue)

    def take_news(self) -> list[dict[str, Any]]:
        """Return what has been learned of models since the last call."""
        news, self._news = [*self._news, *self.calibrator.take_news()], []
        return news

    def record(
        self,
        trial: Trial,
        outcome: Outcome,
        *,
        dialogue: Dialogue | None = None,
        verdict: Verdict | None = None,
        fault: Fault | None = None,
    ) -> Record:
        """Build the trial's record from whatever there is of it."""
        dialogue = dialogue or Dialogue()
        if fault is None and dialogue.error is not None:
            fault = Fault(kind=dialogue.error.kind, message=str(dialogue.error))
        return Record(
            trial_id=trial.trial_id,
            suite=trial.suite.name,
            phase=trial.spec.phase,
            model=trial.job.model,
            variant=trial.spec.variant,
            spec=trial.job.spec_text,
            run=trial.run,
            prompt_id=trial.prompt.id,
            prompt_hash=trial.prompt.hash,
            category=trial.prompt.category,
            outcome=outcome,
            checks=verdict.checks if verdict else (),
            behaviour=verdict.behaviour if verdict else None,
            expects_no_tool=trial.prompt.expects_no_tool,
            expects_tool=trial.prompt.expects_tool,
            wrong_tools=verdict.wrong_tools if verdict else (),
            failure_mode="timeout"
            if outcome == "timeout"
            else (verdict.mode if verdict else None),
            reply=dialogue.reply,
            transcript=tuple(dialogue.transcript),
            fault=fault,
            seed=trial.seed,
            started_at=dialogue.started_at,
            is_resident=dialogue.is_resident,
            worker=self._worker,
            server=dialogue.server,
            backoffs=tuple(dialogue.backoffs),
            context=self._context(trial, dialogue),
        )

    def _context(self, trial: Trial, dialogue: Dialogue) -> SentContext | None:
        """Return the trial's lengths as asked, sent and counted."""
        if trial.prompt.context is None:
            return None
        options = self.asker.options(trial.job, trial.prompt)
        sent = dialogue.context or unsent(trial, options)
        reply = dialogue.reply
        counted = reply.usage.prompt_tokens if reply is not None else None
        return sent and replace(sent, counted_tokens=counted)


def _is_last_word(trial: Trial, dialogue: Dialogue) -> bool:
    error = dialogue.error
    is_to_retry = error is not None and error.is_retried and trial.spec.retries
    is_kept_back = error is not None and error.outcome == "skipped"
    is_unasked = dialogue.skip_reason or (is_kept_back and dialogue.reply is None)
    return not is_to_retry and not is_unasked
