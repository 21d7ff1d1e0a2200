"""How one trial is run: prepare the model once, ask, judge, record."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_llmbench.calls.request import Answer, CallRequest, WarmupResult
from pytest_llmbench.checks.judge import judge
from pytest_llmbench.checks.reply import Reply
from pytest_llmbench.checks.verdict import Verdict
from pytest_llmbench.errors import CallError
from pytest_llmbench.prompts.variants import VARIANTS
from pytest_llmbench.runs.record import Fault, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.request import ModelFacts, Target
    from pytest_llmbench.prompts.spec import Spec
    from pytest_llmbench.prompts.suite import Json, Prompt, Suite
    from pytest_llmbench.runs.record import Outcome
    from pytest_llmbench.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One prompt in one run of one spec.

    Attributes:
        trial_id: the pytest node id, without anything xdist puts behind it.
        run: counted from 1.
    """

    trial_id: str
    spec: Spec
    suite: Suite
    prompt: Prompt
    run: int


@dataclass(slots=True)
class _ModelState:
    """What is known of one model at one server."""

    facts: ModelFacts | None = None
    fault: CallError | None = None
    warmup: WarmupResult | None = None


class Trials:
    """Runs trials in this process; knows each model's state.

    `news` gathers what the summary must hear of models: facts and warm-ups, as
    plain JSON, until `take_news` hands them on with the next record.
    """

    def __init__(self, settings: Settings, engine: Engine, worker: str = "") -> None:
        self._settings = settings
        self._engine = engine
        self._worker = worker
        self._states: dict[Target, _ModelState] = {}
        self._news: list[dict[str, Any]] = []

    def check(self, spec: Spec) -> CallError | None:
        """Identify the spec's model, once; return why it can't be asked.

        Only a fault that stays is remembered: a server may come back.
        """
        target = self._settings.target(spec.model)
        state = self._states.setdefault(target, _ModelState())
        if state.facts is None and state.fault is None:
            try:
                state.facts = self._engine.facts(target)
            except CallError as error:
                if error.is_permanent:
                    state.fault = error
                return error
            told = {"model": str(spec.model), **state.facts.to_json()}
            self._news.append({"facts": told})
        return state.fault

    def prepare(self, trial: Trial) -> WarmupResult | None:
        """Warm the trial's model before its first trial, once per session.

        Returns:
            The result on the first call for a model; None afterwards.
        """
        target = self._settings.target(trial.spec.model)
        if self.check(trial.spec) is not None:
            return None
        state = self._states[target]
        if state.warmup is not None:
            return None
        if trial.spec.warm_up:
            state.warmup = self._engine.warm_up(target, self._request(trial))
        else:
            state.warmup = WarmupResult(
                model=target.model, server="", status="skipped", detail="switched off"
            )
        told = {**state.warmup.to_json(), "model": str(trial.spec.model)}
        self._news.append({"warmup": told})
        return state.warmup

    def ask(self, trial: Trial) -> Answer:
        """Ask the trial's prompt, or return the fault that stays."""
        target = self._settings.target(trial.spec.model)
        state = self._states.get(target)
        if state is not None and state.fault is not None:
            return Answer(error=state.fault)
        return self._engine.ask(target, self._request(trial))

    def take_news(self) -> list[dict[str, Any]]:
        """Return what has been learned of models since the last call."""
        news, self._news = self._news, []
        return news

    def options(self, spec: Spec, prompt: Prompt) -> dict[str, Json]:
        """Merge sampling options; a later source wins.

        Order: built-in default, suite and prompt, alias, spec.
        """
        return {
            "num_predict": self._settings.num_predict,
            **prompt.options,
            **self._settings.alias_options(spec.model),
            **spec.sampling,
        }

    def record(
        self,
        trial: Trial,
        outcome: Outcome,
        *,
        answer: Answer | None = None,
        verdict: Verdict | None = None,
        fault: Fault | None = None,
    ) -> Record:
        """Build the trial's record from whatever there is of it."""
        answer = answer or Answer()
        verdict = verdict or Verdict(checks=())
        reply = answer.reply or (answer.error.partial if answer.error else None)
        return Record(
            trial_id=trial.trial_id,
            suite=trial.suite.name,
            phase=trial.spec.phase,
            model=str(trial.spec.model),
            variant=trial.spec.variant,
            spec=str(trial.spec),
            run=trial.run,
            prompt_id=trial.prompt.id,
            prompt_hash=trial.prompt.hash,
            category=trial.prompt.category,
            outcome=outcome,
            checks=verdict.checks,
            behaviour=verdict.behaviour,
            expects_no_tool=trial.prompt.expects_no_tool,
            expects_tool=trial.prompt.expects_tool,
            wrong_tools=verdict.wrong_tools,
            reply=reply,
            fault=fault or fault_of(answer.error),
            seed=trial.spec.seed(trial.run),
            started_at=answer.started_at,
            is_resident=answer.is_resident,
            worker=self._worker,
        )

    def _request(self, trial: Trial) -> CallRequest:
        rendered = VARIANTS[trial.spec.variant].render(trial.prompt)
        limits = replace(self._settings.limits(), call_s=trial.spec.timeout_s)
        return CallRequest(
            model=self._settings.target(trial.spec.model).model,
            messages=rendered.messages,
            tools=rendered.tools,
            options=self.options(trial.spec, trial.prompt),
            seed=trial.spec.seed(trial.run),
            keep_alive_s=self._settings.keep_alive_s,
            limits=limits,
        )


def judged(trial: Trial, answer: Answer) -> Verdict:
    """Judge what came; a call that the server could not parse fails its checks."""
    if answer.reply is not None:
        return judge(trial.prompt, answer.reply)
    verdict = judge(trial.prompt, (answer.error and answer.error.partial) or Reply())
    return replace(verdict, behaviour="malformed" if trial.prompt.tools else None)


def fault_of(error: CallError | None) -> Fault | None:
    """Return the storable form of a call's error."""
    return None if error is None else Fault(kind=error.kind, message=str(error))


def to_wire(data: Mapping[str, Any]) -> str:
    """Pack JSON into ASCII, which every channel of xdist carries whole."""
    return json.dumps(data)
