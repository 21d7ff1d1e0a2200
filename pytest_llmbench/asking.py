"""Puts trials to their models: what is sent, to whom, and how far ahead."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pytest_llmbench.analysis.cost import FREE
from pytest_llmbench.calls.debuglog import TRIAL
from pytest_llmbench.calls.lookahead import LookAhead
from pytest_llmbench.calls.providers import is_local, refuses_sampling
from pytest_llmbench.calls.request import CallRequest
from pytest_llmbench.conversation import Dialogue, converse
from pytest_llmbench.errors import CallError
from pytest_llmbench.prompts.context import fronted
from pytest_llmbench.prompts.options import SAMPLING
from pytest_llmbench.spending import terms_of
from pytest_llmbench.stretching import Lengths, num_ctx_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_llmbench.analysis.cost import Prices
    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.request import Answer, Limits, Target
    from pytest_llmbench.calls.server import Server
    from pytest_llmbench.plan import Job, Trial
    from pytest_llmbench.prompts.messages import Message
    from pytest_llmbench.prompts.spec import ModelName
    from pytest_llmbench.prompts.suite import Json, Prompt, Tool
    from pytest_llmbench.prompts.variants import Variant
    from pytest_llmbench.settings import Settings
    from pytest_llmbench.spending import Purse
    from pytest_llmbench.stretching import Fitted


class Asker:
    """Asks the trials of a plan, each when pytest comes to it or a little before.

    Args:
        is_strict: pytest may stop at a failure: ask no further ahead than the
            slots are many.

    Attributes:
        given_up: says why a spec's trials are not asked any more; empty if they are.
        purse: holds calls to `--max-cost`; None without that.
        lengths: brings prompts to their lengths.
    """

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        variants: Mapping[str, Variant],
        *,
        is_strict: bool = False,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._variants = variants
        self._trials: Sequence[Trial] = ()
        self._bars: Sequence[object] = ()
        self._ahead: LookAhead[Dialogue] = LookAhead(engine, self, is_strict=is_strict)
        self._options: dict[tuple[int, int], dict[str, Json]] = {}
        self._targets: dict[ModelName, tuple[Target, ...]] = {}
        self._left_out: set[Target] = set()
        self._limits: Limits | None = None
        self._taking = 0
        self.given_up: Callable[[str], str] = lambda _spec: ""
        self.purse: Purse | None = None
        self.lengths = Lengths()

    def targets(self, model: ModelName) -> tuple[Target, ...]:
        """Return every endpoint of a model."""
        if model not in self._targets:
            self._targets[model] = self._settings.targets(model)
        return self._targets[model]

    def prices(self, model: ModelName) -> Prices:
        """Return what a model's tokens cost; one without prices is not asked."""
        return terms_of(self._settings, model).prices or FREE

    def leave_out(self, target: Target, *, is_out: bool) -> None:
        """Ask an endpoint no trial while its model has another, or ask it again."""
        if is_out:
            self._left_out.add(target)
        else:
            self._left_out.discard(target)

    def left_out(self, model: ModelName) -> list[Target]:
        """Return the endpoints of a model that are asked no trial."""
        return [target for target in self.targets(model) if target in self._left_out]

    def forget_deaths(self, model: ModelName) -> list[Target]:
        """Return the endpoints that died since the last time; of several only."""
        targets = self.targets(model)
        dead = []
        for target in targets if len(targets) > 1 else ():
            server = self._engine.server(target)
            if server.is_down:
                server.is_down = False
                dead.append(target)
        return dead

    def plan(self, trials: Sequence[Trial], bars: Sequence[object]) -> None:
        """Note what will be asked, in order.

        Args:
            bars: one value per trial; where it changes or is None, pytest must
                have come to a trial before it may be asked.
        """
        self._trials, self._bars = trials, bars

    @property
    def trials(self) -> Sequence[Trial]:
        """What will be asked, in order."""
        return self._trials

    def trial(self, index: int) -> Trial:
        """Return a trial by its place in the plan."""
        return self._trials[index]

    def take(self, index: int) -> Dialogue:
        """Return what asking a trial came to, waiting for it.

        Args:
            index: the trial's place in the plan.
        """
        self._taking = index
        try:
            return self._ahead.take(index)
        except CallError as error:  # no dialect speaks to its server
            return Dialogue(error=error)

    def calls_left(self) -> tuple[int, int]:
        """Return how many trials of the model in turn are not done, and all it has."""
        if not self._trials:
            return 0, 0
        model = self._trials[self._taking].spec.model
        places = [n for n, one in enumerate(self._trials) if one.spec.model == model]
        return sum(place >= self._taking for place in places), len(places)

    def drop(self, spec_text: str) -> None:
        """End the calls in flight of a spec that was given up."""
        self._ahead.drop(lambda index: self._trials[index].job.spec_text == spec_text)

    def close(self) -> dict[int, Dialogue]:
        """End what is in flight; return what was finished and never taken."""
        return self._ahead.close()

    def reach(self, index: int) -> int:
        """Return up to where trials may be asked while pytest waits for this one.

        A local model's state matters, so its runs are kept apart: none begins
        before the one before it has been judged, nor a spec before it may have been
        unloaded. Another model is asked once it
        has been warmed, which is done when pytest comes to its first trial.
        """
        bar, key = self._bars[index], self._key(index)
        end = index + 1
        if bar is None:
            return end
        while (
            end < len(self._trials) and self._bars[end] == bar and self._key(end) == key
        ):
            end += 1
        return end

    def servers(self, index: int) -> list[Server]:
        """Return the endpoints of a trial's model that can be asked.

        Raises:
            CallError: no dialect speaks to one.
        """
        model = self._trials[index].spec.model
        slots = self._settings.concurrency_of(model)
        targets = self.targets(model)
        good = [target for target in targets if target not in self._left_out]
        servers = [self._engine.server(target) for target in good or targets]
        for server in servers:
            server.slots = slots or server.provider.slots
        return servers

    async def ask(self, index: int, server: Server, queued_ns: int) -> Dialogue:
        """Put a trial's prompt to its model, all its turns."""
        trial = self._trials[index]
        TRIAL.set(trial.trial_id)  # each trial is asked in a task of its own
        reason = self.given_up(trial.job.spec_text)
        if reason:
            return Dialogue(skip_reason=reason)
        fitted = self.fitted(trial)
        sent, skip = fitted.sent, fitted.skip
        if skip is not None:
            reason, kind = skip.message, skip.kind
            return Dialogue(skip_reason=reason, skip_kind=kind, context=sent)
        if fitted.error is not None:
            return Dialogue(error=fitted.error, context=sent)

        async def send(
            messages: tuple[Message, ...], tools: tuple[Tool, ...]
        ) -> Answer:
            nonlocal queued_ns, sent
            expected: int | None = None
            if sent is not None:
                messages = fronted(messages, sent.nonce)
                sent = replace(sent, sent_chars=_chars(messages))
                expected = self.lengths.expected(trial)
            request = self.request(trial, messages, tools)
            request = replace(request, expected_tokens=expected)
            waited_ns, queued_ns = queued_ns, 0  # between turns nothing waits
            return await self.paid(trial, request, server, waited_ns)

        dialogue = await converse(send, self.variant(trial), fitted.prompt)
        dialogue.context = sent
        return dialogue

    def fitted(self, trial: Trial) -> Fitted:
        """Return a trial's prompt at its length, or why it is not sent."""
        targets = self.targets(trial.spec.model)
        return self.lengths.fitted(
            trial, targets, self.options(trial.job, trial.prompt)
        )

    def variant(self, trial: Trial) -> Variant:
        """Return how a trial's prompt is put."""
        return self._variants[trial.spec.variant]

    async def paid(
        self, trial: Trial, request: CallRequest, server: Server, queued_ns: int = 0
    ) -> Answer:
        """Make one call of a trial, if `--max-cost` has room for it."""
        call = partial(server.ask, request, queued_ns)
        if self.purse is None:
            return await call()
        question = (trial.job.spec_text, trial.prompt.hash, len(request.messages))
        prices = self.prices(trial.spec.model)
        return await self.purse.pay(question, request, prices, call)

    def options(self, job: Job, prompt: Prompt) -> dict[str, Json]:
        """Merge sampling options; a later source wins.

        Order: built-in default, suite and prompt, alias, spec. Suites set sampling
        for local models: it is left out for models that refuse it. A prompt with a
        length has a context to fit, where nobody has set one.
        """
        key = (id(job), id(prompt))
        if key not in self._options:
            options = self._merged(job, prompt)
            is_ollama = self.targets(job.spec.model)[0].provider == "ollama"
            if prompt.context is not None and is_ollama and "num_ctx" not in options:
                others = ((p, self._merged(job, p)) for p in job.suite.prompts)
                options["num_ctx"] = num_ctx_of(prompt, others)
            self._options[key] = options
        return self._options[key]

    def _merged(self, job: Job, prompt: Prompt) -> dict[str, Json]:
        return {
            "num_predict": self._settings.num_predict,
            **self._suite_options(job.spec.model, prompt),
            **self._settings.alias_options(job.spec.model),
            **job.spec.sampling,
        }

    def _suite_options(self, model: ModelName, prompt: Prompt) -> Mapping[str, Json]:
        if not refuses_sampling(self.targets(model)[0]):
            return prompt.options
        return {k: v for k, v in prompt.options.items() if k not in SAMPLING}

    def request(
        self, trial: Trial, messages: tuple[Message, ...], tools: tuple[Tool, ...]
    ) -> CallRequest:
        """Return what one call of a trial asks for."""
        spec = trial.spec
        if self._limits is None or self._limits.call_s != spec.timeout_s:
            self._limits = replace(self._settings.limits(), call_s=spec.timeout_s)
        return CallRequest(
            model=self.targets(spec.model)[0].model,
            messages=messages,
            tools=tools,
            options=self.options(trial.job, trial.prompt),
            seed=trial.seed,
            keep_alive_s=self._settings.keep_alive_s,
            limits=self._limits,
            isolate=spec.isolate,
        )

    def _key(self, index: int) -> object:
        trial = self._trials[index]
        model = trial.spec.model
        # Lengths are calibrated when pytest comes to the first of a job.
        job = id(trial.job) if trial.prompt.context is not None else 0
        if is_local(self.targets(model)[0]):
            return (id(trial.job), trial.run, trial.prompt.tokens)
        # Where runs may end by themselves, none is asked before the last is over.
        return (model, job, trial.run if self._settings.runs_auto else 0)


def _chars(messages: Sequence[Message]) -> int:
    return sum(len(message.content) for message in messages)


def no_model(engine: Engine, settings: Settings) -> str:
    """Say how to name a model, and which ones the running Ollama has."""
    from pytest_llmbench.prompts.spec import ModelName

    target = settings.target(ModelName(provider="ollama", name=""))
    try:
        names = engine.model_names(target)
        have = f"{target.base_url} has: {', '.join(names) or 'no model yet'}"
    except CallError as error:
        have = str(error)
    return (
        "no model given: use --model NAME, or set `model` in [tool.llmbench]\n"
        f"  {have}\n  without any server: --model embedded"
    )
