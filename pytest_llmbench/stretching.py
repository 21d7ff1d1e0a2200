"""Prompts of given lengths, as each model's server counts them."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmbench.errors import CallError
from pytest_llmbench.prompts.context import (
    UNCOUNTED_TOKENS_PER_CHAR,
    Gauge,
    SentContext,
    nonce,
    num_ctx_for,
    stretched,
    window,
)
from pytest_llmbench.runs.record import BEYOND_CONTEXT, Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_llmbench.calls.request import Target
    from pytest_llmbench.plan import Trial
    from pytest_llmbench.prompts.context import Stretched
    from pytest_llmbench.prompts.suite import Json, Prompt


Key = tuple[str, str, str]
"""A model, a variant and the family of a prompt."""


class Calibration(Struct, frozen=True, kw_only=True):
    """One small call that was made to see what a server counts; no trial.

    Attributes:
        model: as it was named.
        prompt_id: whose prompt was sent, as in the suite file.
        family: identifies what all lengths of that prompt have in common.
        filler_chars: characters of filler in it; 0 for the prompt alone.
        sent_chars: of all messages together.
        counted_tokens: by the server; None if it told none.
        e2e_ms: from just before the request to the last byte.
        usage: its token counts by their name in `Usage`.
        at: ISO 8601 UTC.
    """

    model: str
    server: str
    variant: str
    suite: str
    prompt_id: str
    family: str
    filler_chars: int
    sent_chars: int
    counted_tokens: int | None
    e2e_ms: float | None
    usage: Mapping[str, int | None]
    at: str

    @property
    def key(self) -> Key:
        """What was calibrated: a prompt as one model is asked it."""
        return (self.model, self.variant, self.family)


class Fitted(Struct, frozen=True, kw_only=True):
    """What is sent of a trial.

    Attributes:
        prompt: at its length.
        sent: None for a prompt that has its own.
        skip: why nothing is sent; None if something is.
        error: why its length can't be reached; None if it can.
    """

    prompt: Prompt
    sent: SentContext | None = None
    skip: Fault | None = None
    error: CallError | None = None


class Lengths:
    """Knows what each model counts, and builds prompts of given lengths from that.

    Attributes:
        run_id: part of every nonce.
        rooms: the longest context of each endpoint's model, where it is known.
    """

    def __init__(self) -> None:
        self.run_id = ""
        self.rooms: dict[Target, int] = {}
        self._calls: dict[Key, Calibration] = {}
        self._slopes: dict[str, float | None] = {}
        self._fillers: list[Calibration] = []
        self._built: dict[tuple[str, str, str], Stretched] = {}
        self._asked: Counter[tuple[str, str]] = Counter()

    def take(self, calibration: Calibration) -> None:
        """Note what a calibration call has shown."""
        if calibration.filler_chars:
            self._fillers.append(calibration)
        else:
            self._calls.setdefault(calibration.key, calibration)
        for filled in sorted(self._fillers, key=attrgetter("filler_chars")):
            alone = self._calls.get(filled.key)
            if alone is not None:  # the longest filler has the last word
                self._slopes[filled.model] = _slope(alone, filled)

    def has_base(self, trial: Trial) -> bool:
        """Whether it is known what the trial's prompt weighs by itself."""
        return key_of(trial) in self._calls

    def has_slope(self, model: str) -> bool:
        """Whether it is known what a model counts for filler."""
        return model in self._slopes

    def gauge(self, trial: Trial) -> Gauge:
        """Return what the trial's model counts.

        Raises:
            CallError: it was never calibrated.
        """
        alone = self._calls.get(key_of(trial))
        if alone is None or not self.has_slope(trial.job.model):
            msg = f"{trial.job.model}: no calibration for {trial.prompt.id}"
            raise CallError(msg)
        slope = self._slopes[trial.job.model]
        if alone.counted_tokens is None or slope is None:
            tokens = round(alone.sent_chars * UNCOUNTED_TOKENS_PER_CHAR)
            per_char = slope or UNCOUNTED_TOKENS_PER_CHAR
            return Gauge(
                base_tokens=alone.counted_tokens or tokens,
                tokens_per_char=per_char,
                is_counted=False,
            )
        return Gauge(base_tokens=alone.counted_tokens, tokens_per_char=slope)

    def build(self, trial: Trial) -> Stretched:
        """Return a trial's prompt at its length; the same for all runs.

        Raises:
            CallError: it was never calibrated.
        """
        key = (trial.job.model, trial.spec.variant, trial.prompt.hash)
        if key not in self._built:
            self._built[key] = stretched(trial.prompt, self.gauge(trial))
        return self._built[key]

    def expected(self, trial: Trial) -> int | None:
        """Return what the server should count of a trial; None where it's a guess."""
        is_counted = self.gauge(trial).is_counted
        return self.build(trial).estimated_tokens if is_counted else None

    def fitted(
        self, trial: Trial, targets: Iterable[Target], options: Mapping[str, Json]
    ) -> Fitted:
        """Return what is to be sent of a trial.

        Args:
            targets: the model's endpoints.
            options: of the call, with its output limit and context.
        """
        sent = unsent(trial, options)
        if sent is None:
            return Fitted(prompt=trial.prompt)
        skip = self.skip(trial, targets, options)
        if skip is not None:
            return Fitted(prompt=trial.prompt, sent=sent, skip=skip)
        try:
            built, gauge = self.build(trial), self.gauge(trial)
        except CallError as error:
            return Fitted(prompt=trial.prompt, sent=sent, error=error)
        if built.estimated_tokens > window(trial.prompt.tokens, 0):
            alone = f"the prompt alone has {gauge.base_tokens:,} tokens"
            skip = Fault(kind="skipped", message=alone)
            return Fitted(prompt=trial.prompt, sent=sent, skip=skip)
        sent = replace(
            sent,
            estimated_tokens=built.estimated_tokens,
            filler_chars=built.filler_chars,
            nonce=self._nonce(trial),
        )
        return Fitted(prompt=built.prompt, sent=sent)

    def skip(
        self, trial: Trial, targets: Iterable[Target], options: Mapping[str, Json]
    ) -> Fault | None:
        """Say why a length can't be asked; None if it can, or that isn't known.

        What the model has no room for is of a kind of its own: nothing can be done.
        """
        tokens, reply = trial.prompt.tokens, _limit(options)
        need, set_to = window(tokens, reply), options.get("num_ctx")
        told = (
            f"{tokens:,} tokens and a reply of up to {reply:,} need a context of"
            f" {need:,}"
        )
        room = min((self.rooms[t] for t in targets if t in self.rooms), default=need)
        if room < need:
            message = f"{told}; {trial.job.model} has {room:,}"
            return Fault(kind=BEYOND_CONTEXT, message=message)
        if isinstance(set_to, int) and set_to < need:
            message = f"{told}; num_ctx is set to {set_to:,}"
            return Fault(kind="skipped", message=message)
        return None

    def _nonce(self, trial: Trial) -> str:
        key = (trial.trial_id, trial.spec.variant)
        attempt = self._asked[key]
        self._asked[key] += 1
        return nonce(self.run_id, trial.seed, trial.prompt.id, attempt)


def unsent(trial: Trial, options: Mapping[str, Json]) -> SentContext | None:
    """Return what is known of a trial's length before it is sent."""
    context = trial.prompt.context
    if context is None:
        return None
    num_ctx = options.get("num_ctx")
    return SentContext(
        asked_tokens=context.tokens,
        position=context.position,
        num_ctx=num_ctx if isinstance(num_ctx, int) else None,
    )


def num_ctx_of(
    trial_prompt: Prompt, prompts: Iterable[tuple[Prompt, Mapping[str, Any]]]
) -> int:
    """Return the context that all prompts of one length have in common.

    Args:
        prompts: of the same suite, each with its options.
    """
    same = (o for p, o in prompts if p.tokens == trial_prompt.tokens)
    return num_ctx_for(trial_prompt.tokens, max(map(_limit, same), default=0))


def key_of(trial: Trial) -> Key:
    """Return what has to be calibrated for a trial, as `Calibration.key` names it."""
    return (trial.job.model, trial.spec.variant, trial.prompt.family)


def _slope(alone: Calibration, filled: Calibration) -> float | None:
    """Return tokens per character of filler; None where the server counts nothing."""
    if alone.counted_tokens is None or filled.counted_tokens is None:
        return None
    more = filled.counted_tokens - alone.counted_tokens
    return more / filled.filler_chars if more > 0 else None


def _limit(options: Mapping[str, Json]) -> int:
    limit = options.get("num_predict")
    return limit if isinstance(limit, int) else 0
