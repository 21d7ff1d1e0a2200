"""Trials out of a file: judged again with today's checks, nothing asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace
from typing_extensions import override

from pytest_llmbench.checks.calltext import with_text_calls
from pytest_llmbench.checks.thinking import without_thinking
from pytest_llmbench.conversation import Dialogue, TurnReply, replies_of_transcript
from pytest_llmbench.errors import CallError, CallTimeout, MalformedCall
from pytest_llmbench.runs.record import BEYOND_CONTEXT
from pytest_llmbench.trials import Trials

if TYPE_CHECKING:
    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.request import WarmupResult
    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.extras import Extras
    from pytest_llmbench.plan import Trial
    from pytest_llmbench.prompts.spec import Spec
    from pytest_llmbench.runs.replay import ReplayFile, StoredReply
    from pytest_llmbench.settings import Settings


class ReplayTrials(Trials):
    """Takes replies from a `ReplayFile` instead of a model."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        extras: Extras,
        worker: str = "",
        *,
        file: ReplayFile,
    ) -> None:
        super().__init__(settings, engine, extras, worker)
        self._file = file
        self._think = {n for n, v in extras.variants.items() if v.asks_to_think}

    @override
    def check(self, spec: Spec) -> CallError | None:
        """Find nothing wrong: no model is asked."""
        return None

    @override
    def begin_cold(self, trial: Trial) -> None:
        """Unload nothing."""

    @override
    def prepare(self, trial: Trial) -> WarmupResult | None:
        """Warm nothing."""
        return None

    @override
    def ask(self, trial: Trial, position: int) -> Dialogue:
        """Return the stored conversation, or say why there is none."""
        del position  # nothing is asked, so nothing can be asked ahead
        stored = self._file.find(
            model=trial.job.model,
            prompt_id=trial.prompt.id,
            run=trial.run,
            variant=trial.spec.variant,
            suite=trial.suite.name,
            w=f"w{int(trial.spec.warm_up)}",
        )
        if stored is None:
            return Dialogue(skip_reason=f"no stored reply in {self._file.path.name}")
        if stored.prompt_hash and stored.prompt_hash != trial.prompt.hash:
            self.note_changed(trial.prompt.id)
        error = _stored_error(stored)
        if stored.fault_kind == BEYOND_CONTEXT:
            message = stored.fault_message
            return Dialogue(skip_reason=message, skip_kind=BEYOND_CONTEXT)
        if error is not None or stored.reply is None:
            if error is None or error.outcome == "error":
                kind = stored.fault_kind or stored.outcome or "no reply"
                return Dialogue(skip_reason=f"the stored trial has no reply ({kind})")
            error.partial = stored.reply
            return Dialogue(error=error)
        return self._dialogue(trial, stored, stored.reply)

    def note_changed(self, prompt_id: str) -> None:
        """Tell the summary that a stored reply answers another question."""
        self._news.append({"changed": prompt_id})

    def _dialogue(self, trial: Trial, stored: StoredReply, reply: Reply) -> Dialogue:
        tools = trial.prompt.tools
        if not trial.prompt.turns:
            if trial.spec.variant in self._think:
                reply = without_thinking(reply)
            return Dialogue(turns=[TurnReply(reply=with_text_calls(reply, tools))])
        replies = replies_of_transcript(stored.transcript, tools)
        if len(replies) < len(trial.prompt.turns):
            return Dialogue(skip_reason="the stored trial has not all turns")
        # The stored sums belong to the trial; they stand with its last turn.
        replies[-1] = replace(replies[-1], usage=reply.usage, timings=reply.timings)
        turns = [TurnReply(reply=one) for one in replies]
        return Dialogue(turns=turns, transcript=list(stored.transcript))


def _stored_error(stored: StoredReply) -> CallError | None:
    """Return the error that a stored trial ended in, as far as it matters now."""
    if stored.outcome == "timeout":
        return CallTimeout(stored.fault_message or "timed out when it was asked")
    if stored.fault_kind == MalformedCall.kind:
        return MalformedCall(stored.fault_message)
    if stored.outcome in {"error", "skipped"}:
        return CallError(stored.fault_message)
    return None
