"""The error tree of pytest-llmbench, drawn once.

::

    LlmbenchError
    ├── UsageFault              the user's option, spec or setting is wrong
    │   ├── SpecError           a spec or model name that cannot be read
    │   ├── SettingsError       an option, ini value or configuration key
    │   └── RecordFault         a line of a stored run that is no record
    ├── SuiteError              a suite file with faults, all of them at once
    ├── CheckBroken             a Python check raised, or returned nonsense
    └── CallError               a call that gave no judgeable reply
        ├── CallTimeout         the model was too slow (outcome `timeout`)
        │   ├── FirstByteTimeout    no first token within the limit
        │   └── StallTimeout        tokens stopped coming
        ├── Unreachable         refused, DNS, TLS, reset before an answer
        ├── Unauthorised        401 or 403
        ├── ModelMissing        the model is not there (404)
        ├── Unsupported         the model cannot do what was asked (400)
        ├── ContextOverflow     the prompt is longer than the context
        ├── PromptTruncated     the server cut the prompt silently
        ├── Busy                queue full, overloaded: asked again after a wait
        │   ├── RateLimited         the key's own limit (429)
        │   └── Faltered            a fault that will pass, by its status
        ├── QuotaSpent          no money or quota left: waiting does not help
        ├── OverBudget          not made: it might have passed `--max-cost`
        ├── LoadFailed          the model could not be loaded
        ├── StillLoaded         the model was told to go, and stays
        ├── ServerFault         any other 4xx or 5xx, or a crash in mid-stream
        ├── StreamTruncated     the stream ended without its end marker
        ├── ProtocolFault       bytes that are not the protocol
        ├── MalformedCall       the server rejected the model's own tool call
        ├── EngineMissing       a provider's own program is not installed or died
        └── IsolationFailed     the child process of an isolated call died

Of these, `MalformedCall` is an answer the model got wrong: outcome `fail`.
`CallTimeout` is `timeout`, `OverBudget` is `skipped`. Every other `CallError` is the
harness's, the network's or the server's fault: outcome `error`, which counts for
nobody. `CallTimeout` and `Unreachable` (but for what is lasting) are what
`--call-retries` tries again.
"""

from __future__ import annotations

from typing import Any, ClassVar

from typing_extensions import override

from pytest_llmbench.masking import masked_text


class LlmbenchError(Exception):
    """Anything this package raises on purpose.

    Its message holds no secret, whatever a server has echoed into it.
    """

    def __init__(self, *parts: object) -> None:
        super().__init__(*(masked_text(p) if isinstance(p, str) else p for p in parts))


class UsageFault(LlmbenchError):
    """The user's input is wrong; the message says where and what is allowed."""


class SpecError(UsageFault):
    """A spec string or model name that cannot be read."""


class SettingsError(UsageFault):
    """An option, ini value or configuration key that is wrong."""


class RecordFault(UsageFault):
    """A line of a stored run is no record; the message names file and line."""


class SuiteError(LlmbenchError):
    """A suite file with faults; the message lists every one with file:line."""


class CheckBroken(LlmbenchError):
    """A Python check of the user's raised, or returned what no check may return.

    The reply was not judged: that is the harness's fault, never the model's.
    """


class CallError(LlmbenchError):
    """A call that gave no judgeable reply.

    Attributes:
        kind: the stable word stored in records and JUnit.
        is_permanent: asking again in this session cannot succeed.
        is_retried: a retry (`r` of the spec) asks again. A wrong answer, a
            refusal (4xx, 5xx) or a busy server is no reason for one.
        partial: the `Reply` as far as it came, or None. Untyped here, because
            replies are built above this module.
    """

    kind: ClassVar[str] = "call_error"
    is_permanent: bool = False
    is_retried: bool = False
    partial: Any = None

    @property
    def outcome(self) -> str:
        """The trial's outcome that this error means."""
        return "error"


class CallTimeout(CallError):
    """The whole call took longer than its limit, load time set aside."""

    kind = "timeout"
    is_retried = True

    @property
    @override
    def outcome(self) -> str:
        """A model that is too slow has not passed."""
        return "timeout"


class FirstByteTimeout(CallTimeout):
    """No first token came within the limit."""

    kind = "first_byte_timeout"


class StallTimeout(CallTimeout):
    """Tokens stopped coming for longer than the stall limit."""

    kind = "stalled"


class Unreachable(CallError):
    """No connection, or it broke before an answer began.

    Args:
        is_lasting: it will be so in a few seconds too: the address is none, or the
            server's certificate is not trusted. Then it is permanent, not retried.
    """

    kind = "unreachable"
    is_retried = True

    def __init__(self, message: str, *, is_lasting: bool = False) -> None:
        super().__init__(message)
        if is_lasting:
            self.is_permanent, self.is_retried = True, False


class Unauthorised(CallError):
    """The server refused the credentials."""

    kind = "unauthorised"
    is_permanent = True


class ModelMissing(CallError):
    """The server does not have the model."""

    kind = "model_missing"
    is_permanent = True


class Unsupported(CallError):
    """The model or server cannot do what the request asks."""

    kind = "unsupported"
    is_permanent = True


class ContextOverflow(CallError):
    """The prompt is longer than the context in force."""

    kind = "context_overflow"


class PromptTruncated(CallError):
    """The server cut the prompt silently: the answer is to another question."""

    kind = "truncated"


class Busy(CallError):
    """The server asks to come back later (503, 529): back-off asks again.

    Attributes:
        retry_after_s: seconds that it asks to wait; None where it does not tell.
    """

    kind = "busy"
    retry_after_s: float | None = None


class RateLimited(Busy):
    """The key's requests or tokens of this minute are used up (429)."""

    kind = "rate_limited"


class Faltered(Busy):
    """A service failed and says, by its status, that it will pass (408, 409, 5xx)."""

    kind = "faltered"


class QuotaSpent(CallError):
    """The account has no credit or quota left; no wait brings it back."""

    kind = "quota"
    is_permanent = True


class OverBudget(CallError):
    """The call was not made: `--max-cost` might have been passed."""

    kind = "over_budget"
    is_permanent = True

    @property
    @override
    def outcome(self) -> str:
        """Nothing was asked."""
        return "skipped"


class LoadFailed(CallError):
    """The server could not load the model."""

    kind = "load_failed"


class StillLoaded(CallError):
    """A model that was told to go is still in the server's memory."""

    kind = "still_loaded"


class ServerFault(CallError):
    """Any other refusal or crash of the server."""

    kind = "server_fault"


class StreamTruncated(CallError):
    """The stream ended before its end marker: a failed sample, no short success."""

    kind = "stream_truncated"


class ProtocolFault(CallError):
    """The server sent bytes that are not its protocol."""

    kind = "protocol_fault"


class MalformedCall(CallError):
    """The server could not parse the tool call the model wrote."""

    kind = "malformed_call"

    @property
    @override
    def outcome(self) -> str:
        """The model answered, wrongly."""
        return "fail"


class EngineMissing(CallError):
    """The embedded engine or Claude Code is not installed, cannot start, or died."""

    kind = "engine_missing"
    is_permanent = True


class IsolationFailed(CallError):
    """The child process of an isolated call could not start, or has died."""

    kind = "isolation_failed"
