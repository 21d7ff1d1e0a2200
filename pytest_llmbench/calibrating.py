"""The small calls that show what a model's server counts, once per model and prompt."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from msgspec import to_builtins
from msgspec.structs import asdict, replace

from pytest_llmbench.calls.providers import outlives_caller
from pytest_llmbench.errors import CallError, ContextOverflow, PromptTruncated
from pytest_llmbench.prompts.context import fronted, nonce, plain, with_filler
from pytest_llmbench.stretching import Calibration, Key, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_llmbench.asking import Asker
    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.once import Once
    from pytest_llmbench.calls.request import Answer, Target
    from pytest_llmbench.plan import Job, Trial

_ENOUGH_TOKENS: Final = 2048
"""Filler is counted with the shortest length from this on: long enough for its mixture
of words to be that of any length, and quick."""

_CHARS_PER_TOKEN: Final = 1.5
"""Fewer characters than tokenizers pack into a token of prose: so many for each token
of a length stay within it. Most pack 4 to 5."""

_ANSWER_TOKENS: Final = 16
"""The least that every service takes as a limit."""


class Calibrator:
    """Has a model count its prompts before the first of them is asked.

    Of each prompt, it is asked what it weighs by itself; of one of them also with
    filler, which all have in common. What a run had before it was interrupted is
    taken from there, and the processes of one machine share what one has asked.
    """

    def __init__(self, asker: Asker, engine: Engine, once: Once | None) -> None:
        self._asker = asker
        self._engine = engine
        self._once = once
        self._faults: dict[Key, CallError] = {}
        self._news: list[dict[str, Any]] = []
        self._lengths: dict[Job, dict[str, Trial]] = {}
        self._ready: set[Job] = set()

    def know(self, run_id: str, told: Iterable[dict[str, Any]]) -> None:
        """Take the run's id, and what it has calibrated before, as plain JSON."""
        self._asker.lengths.run_id = run_id
        for one in told:
            self._asker.lengths.take(Calibration(**one))

    def take_news(self) -> list[dict[str, Any]]:
        """Return the calls made since the last time, as plain JSON."""
        news, self._news = self._news, []
        return news

    def prepare(self, trial: Trial) -> None:
        """Make sure that a trial's length, and its job's others, can be built.

        What fails is told by the trial itself, whose length is then not known; the
        trial's own prompt is tried again each time.
        """
        if trial.prompt.context is None or trial.job in self._ready:
            return
        self._faults.pop(key_of(trial), None)
        lengths: defaultdict[Key, list[Trial]] = defaultdict(list)
        for one in self._with_lengths(trial):
            lengths[key_of(one)].append(one)
        wanted = [f for f in lengths.values() if not self._is_known(f[0])]
        wanted = [family for family in wanted if key_of(family[0]) not in self._faults]
        is_to_unload = bool(wanted) and self._is_cold(trial)
        for family in wanted:
            self._try(family)
        if is_to_unload:
            with suppress(CallError):  # then the trial shows the model as resident
                self._engine.unload(self._target(trial))
        for one in (one for family in lengths.values() for one in family):
            if self._is_known(one):  # built here: no call's clock runs meanwhile
                self._asker.lengths.build(one)
        families = (family[0] for family in lengths.values())
        if all(self._is_known(one) and not self.fault(one) for one in families):
            self._ready.add(trial.job)

    def _is_cold(self, trial: Trial) -> bool:
        """Whether a spec without warm-up finds its model not loaded."""
        if trial.spec.warm_up:
            return False
        target = self._target(trial)
        try:
            provider = self._engine.server(target).provider
            seen = self._engine.wait(provider.residency(target.model))
        except CallError:
            return False
        return seen is not None and not seen.is_resident

    def fault(self, trial: Trial) -> CallError | None:
        """Return why a trial's length is not known; None if it is, or has none."""
        return self._faults.get(key_of(trial)) if trial.prompt.context else None

    def _with_lengths(self, trial: Trial) -> list[Trial]:
        """Return one trial per length of the job's, this one's prompt first."""
        asker, job = self._asker, trial.job
        if job not in self._lengths:
            own = (t for t in asker.trials if t.job is job and t.prompt.context)
            self._lengths[job] = {one.prompt.id: one for one in own}
        found = {trial.prompt.id: trial, **self._lengths[job]}
        targets = asker.targets(trial.spec.model)
        return [
            one
            for one in found.values()
            if asker.lengths.skip(one, targets, asker.options(one.job, one.prompt))
            is None
        ]

    def _is_known(self, trial: Trial) -> bool:
        lengths = self._asker.lengths
        return lengths.has_base(trial) and lengths.has_slope(trial.job.model)

    def _try(self, family: list[Trial]) -> None:
        """Have a prompt counted with a length of its own, a shorter one if need be.

        All calls are so made with one context, which is that of a length.
        """
        ordered = sorted(family, key=attrgetter("prompt.tokens"), reverse=True)
        enough = [one for one in ordered if one.prompt.tokens >= _ENOUGH_TOKENS]
        for one in ordered[max(len(enough) - 1, 0) :]:
            try:
                self._count_all(one)
            except (ContextOverflow, PromptTruncated) as error:
                self._faults[key_of(one)] = error  # a context that no server tells of
            except CallError as error:
                self._faults[key_of(one)] = error
                return
            else:
                self._faults.pop(key_of(one), None)
                return

    def _count_all(self, trial: Trial) -> None:
        """Count a prompt by itself, and filler with the first prompt of a model.

        Where lengths are short, what is first known of filler fills the whole length
        for a better count.
        """
        lengths, tokens = self._asker.lengths, trial.prompt.tokens
        if not lengths.has_base(trial):
            self._calibrate(trial, 0)
        if not lengths.has_slope(trial.job.model):
            chars = min(tokens, _ENOUGH_TOKENS) * _CHARS_PER_TOKEN
            self._calibrate(trial, round(chars))
            gauge = lengths.gauge(trial)
            if tokens < _ENOUGH_TOKENS and gauge.is_counted:
                room = max(0, tokens - gauge.base_tokens) / gauge.tokens_per_char
                self._calibrate(trial, max(round(room), round(chars)))

    def _calibrate(self, trial: Trial, chars: int) -> None:
        """Make one call, unless another process of the run has made it."""
        target = self._target(trial)
        work = partial(self._count, trial, target, chars)
        if self._once is not None and outlives_caller(target):
            key = f"calibration {target} {key_of(trial)} {chars}"
            told = self._once.do(key, work)
        else:
            told = work()
        self._asker.lengths.take(Calibration(**told))
        self._news.append({"calibration": told})

    def _expected(self, trial: Trial, filler_chars: int, chars: int) -> int | None:
        """Return what a second call with filler should count, by what the first did."""
        lengths = self._asker.lengths
        if not chars or not lengths.has_slope(trial.job.model):
            return None
        gauge = lengths.gauge(trial)
        return gauge.estimate(filler_chars) if gauge.is_counted else None

    def _target(self, trial: Trial) -> Target:
        out = self._asker.left_out(trial.spec.model)
        targets = self._asker.targets(trial.spec.model)
        return next((one for one in targets if one not in out), targets[0])

    def _count(self, trial: Trial, target: Target, chars: int) -> dict[str, Any]:
        """Ask, and return what was counted as plain JSON.

        Raises:
            CallError: the call failed.
        """
        filled = with_filler(trial.prompt, chars)
        prompt = filled.prompt if chars else trial.prompt
        digits = nonce(self._asker.lengths.run_id, chars, trial.prompt.id, 0)
        rendered = self._asker.variant(trial).render(prompt)
        messages = fronted(rendered.messages, digits)
        request = self._asker.request(trial, messages, rendered.tools)
        options = {**request.options, "num_predict": _ANSWER_TOKENS}
        limits = replace(request.limits, is_loading=True)
        request = replace(
            request,
            options=options,
            limits=limits,
            isolate=False,
            expected_tokens=self._expected(trial, filled.filler_chars, chars),
        )
        call = self._asker.paid(trial, request, self._engine.server(target))
        answer: Answer = self._engine.wait(call)
        if answer.reply is None:
            raise answer.error or CallError("the calibration has no reply")
        told: dict[str, Any] = to_builtins(
            Calibration(
                model=trial.job.model,
                server=answer.server,
                variant=trial.spec.variant,
                suite=trial.suite.name,
                prompt_id=plain(trial.prompt).id,
                family=trial.prompt.family,
                filler_chars=filled.filler_chars if chars else 0,
                sent_chars=sum(len(message.content) for message in messages),
                counted_tokens=answer.reply.usage.prompt_tokens,
                e2e_ms=answer.reply.timings.e2e_ms,
                usage=asdict(answer.reply.usage),
                at=answer.started_at,
            )
        )
        return told
