"""The stored trial: one line of results.jsonl."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from pytest_llmbench.checks.reply import Backoff, Reply, Timings, ToolCall, Usage
from pytest_llmbench.checks.verdict import Behaviour, CheckResult, FailureMode
from pytest_llmbench.prompts.context import SentContext

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA_VERSION: Final = 1

Outcome = Literal["pass", "fail", "timeout", "error", "skipped"]

FINISHED: Final = frozenset({"pass", "fail", "timeout"})
"""Outcomes that count for or against the model; any other may be asked again."""

OVER_BUDGET: Final = "over_budget"
"""The fault kind of a trial that `--max-cost` kept from being asked."""

BEYOND_CONTEXT: Final = "beyond_context"
"""The fault kind of a trial whose prompt is longer than its model's context."""

UNBILLED: Final = frozenset({
    *("unauthorised", "model_missing", "unsupported", "context_overflow"),
    *("busy", "rate_limited", "quota", OVER_BUDGET),
})
"""Fault kinds of calls that were refused by their status: nobody is paid for them."""


_WHOLE: Final = UNBILLED | {"timeout", "truncated", "malformed_call", "check_broken"}
"""Fault kinds beside which a reply may stand that came to its end."""


class Fault(Struct, frozen=True, kw_only=True):
    """Why a trial has no judgeable reply.

    Attributes:
        kind: the stable word of the error class (`CallError.kind`), or
            `fixture` when the user's own setup failed, or `worker_crashed` when
            the xdist worker that ran the trial died over it.
    """

    kind: str
    message: str


class Attempt(Struct, frozen=True, kw_only=True):
    """An earlier attempt of a trial, which a retry has replaced.

    Attributes:
        outcome: `timeout` or `error`: nothing else is replaced.
        started_at: ISO 8601 UTC; empty if the request was never sent.
        usage: its token counts; None where its reply did not come to its end.
    """

    outcome: Outcome
    kind: str
    message: str
    started_at: str = ""
    usage: Usage | None = None

    @property
    def is_billed(self) -> bool:
        """Whether it was paid for, or may have been."""
        return self.kind not in UNBILLED and self.kind != "fixture"


class Record(Struct, frozen=True, kw_only=True):
    """One trial: one prompt in one run of one spec.

    Attributes:
        trial_id: the pytest node id.
        spec: canonical spec text (`prompts.spec.Spec`).
        run: counted from 1.
        seed: the sampling seed sent with this call.
        started_at: wall-clock start, ISO 8601 UTC.
        behaviour: None where the prompt offers no tools.
        expects_no_tool: a restraint prompt.
        wrong_tools: names called that the prompt does not expect.
        failure_mode: why it failed, in one word; None where it has not.
        transcript: every message of a conversation of several turns or steps, as
            plain JSON; empty for a single question.
        is_resident: whether the model was loaded just before the call, as the
            server showed it or its load proves; None where neither tells.
        attempts: how often it was tried, retries included.
        earlier_attempts: those before this one, oldest first.
        server: who was asked, as messages name it; empty if nobody was.
        backoffs: refusals by a busy server with the waits behind them, oldest
            first; no attempts, and in no latency.
        context: how long its prompt was meant to be, sent and counted; None for one
            of its own length.
    """

    trial_id: str
    suite: str
    phase: str
    model: str
    variant: str
    spec: str
    run: int
    prompt_id: str
    prompt_hash: str
    category: str = ""
    outcome: Outcome
    checks: tuple[CheckResult, ...] = ()
    behaviour: Behaviour | None = None
    expects_no_tool: bool = False
    expects_tool: bool = False
    wrong_tools: tuple[str, ...] = ()
    failure_mode: FailureMode | None = None
    reply: Reply | None = None
    transcript: tuple[Mapping[str, Any], ...] = ()
    fault: Fault | None = None
    attempts: int = 1
    earlier_attempts: tuple[Attempt, ...] = ()
    seed: int | None = None
    started_at: str = ""
    is_resident: bool | None = None
    worker: str = ""
    server: str = ""
    backoffs: tuple[Backoff, ...] = ()
    context: SentContext | None = None

    @property
    def timings(self) -> Timings:
        """The reply's timings, or empty ones."""
        return self.reply.timings if self.reply else Timings()

    @property
    def whole_usage(self) -> Usage | None:
        """The token counts; None where the reply broke off before its end.

        Counts that come at the beginning of a stream hold no output yet.
        """
        if self.reply is None:
            return None
        if self.fault is None:
            return self.reply.usage
        is_whole = self.reply.finish_reason is not None and self.fault.kind in _WHOLE
        return self.reply.usage if is_whole else None

    def slim(self) -> Record:
        """Return the record without texts: what summaries need, a tenth in size."""
        reply = self.reply and replace(
            self.reply, text="", thinking="", tool_calls=(), carried=()
        )
        return replace(self, checks=(), transcript=(), reply=reply)

    def as_attempt(self) -> Attempt:
        """Return what is kept of this trial once a retry has replaced it."""
        fault = self.fault or Fault(kind="call_error", message="")
        return Attempt(
            outcome=self.outcome,
            kind=fault.kind,
            message=fault.message,
            started_at=self.started_at,
            usage=self.whole_usage,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the line of results.jsonl as plain JSON values."""
        line = {"schema_version": SCHEMA_VERSION, **to_builtins(self)}
        if self.reply is not None:
            del line["reply"]["carried"]
        return line


def record_from_json(data: dict[str, Any]) -> Record:
    """Rebuild a record from its stored line.

    Raises:
        KeyError, TypeError: the line is no record of this schema version.
    """
    parts = {key: value for key, value in data.items() if key != "schema_version"}
    parts["checks"] = tuple(CheckResult(**check) for check in parts["checks"])
    for name in ("wrong_tools", "transcript"):
        parts[name] = tuple(parts.get(name, ()))
    earlier = parts.get("earlier_attempts", ())
    parts["earlier_attempts"] = tuple(map(_attempt, earlier))
    parts["backoffs"] = tuple(Backoff(**one) for one in parts.get("backoffs", ()))
    if parts.get("context") is not None:
        parts["context"] = SentContext(**parts["context"])
    if parts["reply"] is not None:
        parts["reply"] = reply_from_json(parts["reply"])
    if parts["fault"] is not None:
        parts["fault"] = Fault(**parts["fault"])
    return Record(**parts)


def _attempt(data: dict[str, Any]) -> Attempt:
    usage = data.get("usage")
    return Attempt(**{**data, "usage": None if usage is None else Usage(**usage)})


def reply_from_json(data: dict[str, Any]) -> Reply:
    """Rebuild a stored reply.

    Raises:
        KeyError, TypeError: the data is no stored reply.
    """
    parts = {
        "tool_calls": tuple(ToolCall(**call) for call in data["tool_calls"]),
        "usage": Usage(**data["usage"]),
        "timings": Timings(**data["timings"]),
    }
    return Reply(**{**data, **parts})
