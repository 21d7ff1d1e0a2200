"""How one trial is run: prepare the model once, ask, judge, record."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_llmbench.calls.request import CallRequest, WarmupResult
from pytest_llmbench.conversation import Dialogue, converse
from pytest_llmbench.errors import CallError
from pytest_llmbench.runs.record import Fault, Record
from pytest_llmbench.verdicts import judged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.request import Answer, ModelFacts, Target
    from pytest_llmbench.checks.custom import CustomCheck
    from pytest_llmbench.checks.verdict import Verdict
    from pytest_llmbench.prompts.messages import Message
    from pytest_llmbench.prompts.spec import Spec
    from pytest_llmbench.prompts.suite import Json, Prompt, Suite, Tool
    from pytest_llmbench.prompts.variants import Variant
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What other plugins have added, by name; the package's own included."""

    variants: Mapping[str, Variant]
    checks: Mapping[str, CustomCheck]


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

    def __init__(
        self, settings: Settings, engine: Engine, extras: Extras, worker: str = ""
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._extras = extras
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
            request = self._request(trial, (), ())
            state.warmup = self._engine.warm_up(target, request)
        else:
            state.warmup = WarmupResult(
                model=target.model, server="", status="skipped", detail="switched off"
            )
        told = {**state.warmup.to_json(), "model": str(trial.spec.model)}
        self._news.append({"warmup": told})
        return state.warmup

    def ask(self, trial: Trial) -> Dialogue:
        """Put the trial's prompt to its model, or return the fault that stays."""
        target = self._settings.target(trial.spec.model)
        state = self._states.get(target)
        if state is not None and state.fault is not None:
            return Dialogue(error=state.fault)

        def send(messages: tuple[Message, ...], tools: tuple[Tool, ...]) -> Answer:
            return self._engine.ask(target, self._request(trial, messages, tools))

        return converse(send, self._extras.variants[trial.spec.variant], trial.prompt)

    def judge(self, trial: Trial, dialogue: Dialogue) -> Verdict:
        """Judge what came, turn by turn."""
        return judged(trial.prompt, dialogue, self._extras.checks)

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
            model=str(trial.spec.model),
            variant=trial.spec.variant,
            spec=str(trial.spec),
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
            seed=trial.spec.seed(trial.run),
            started_at=dialogue.started_at,
            is_resident=dialogue.is_resident,
            worker=self._worker,
        )

    def _request(
        self, trial: Trial, messages: tuple[Message, ...], tools: tuple[Tool, ...]
    ) -> CallRequest:
        limits = replace(self._settings.limits(), call_s=trial.spec.timeout_s)
        return CallRequest(
            model=self._settings.target(trial.spec.model).model,
            messages=messages,
            tools=tools,
            options=self.options(trial.spec, trial.prompt),
            seed=trial.spec.seed(trial.run),
            keep_alive_s=self._settings.keep_alive_s,
            limits=limits,
        )


def to_wire(data: Mapping[str, Any]) -> str:
    """Pack JSON into ASCII, which every channel of xdist carries whole."""
    return json.dumps(data)
