"""The stored trial: one line of results.jsonl."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Final, Literal

from pytest_llmbench.checks.reply import Reply, Timings, ToolCall, Usage
from pytest_llmbench.prompts.suite import Json

SCHEMA_VERSION: Final = 1

Outcome = Literal["pass", "fail", "timeout", "error", "skipped"]
Behaviour = Literal["called_right", "called_wrong", "abstained", "malformed", "no_reply"]
"""What the model did with its tools (five outcomes kept apart); `no_reply` is an
error, a timeout or a truncated reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One expectation held against one reply.

    Attributes:
        expected: what was asked for, as short text.
        got: what came, as short text.
        why: one sentence that says what is wrong; empty when passed.
    """

    name: str
    passed: bool
    expected: str = ""
    got: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a trial has no judgeable reply.

    Attributes:
        kind: the stable word of the error class (`CallError.kind`), or
            `fixture` when the user's own setup failed.
    """

    kind: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
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
        is_resident: whether the server showed the model loaded just before the
            call; None where it can't tell.
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
    reply: Reply | None = None
    fault: Fault | None = None
    attempts: int = 1
    seed: int | None = None
    started_at: str = ""
    is_resident: bool | None = None
    worker: str = ""

    @property
    def timings(self) -> Timings:
        """The reply's timings, or empty ones."""
        return self.reply.timings if self.reply else Timings()

    def to_json(self) -> dict[str, Json]:
        """Return the line of results.jsonl as plain JSON values."""
        data: dict[str, Json] = asdict(self)
        for name in ("checks", "wrong_tools"):
            data[name] = list(data[name])  # type: ignore[arg-type] # tuples by type
        reply = data["reply"]
        if isinstance(reply, dict):
            reply["tool_calls"] = list(reply["tool_calls"])  # type: ignore[arg-type] # as above
        return {"schema_version": SCHEMA_VERSION, **data}


def record_from_json(data: dict[str, Json]) -> Record:
    """Rebuild a record from its stored line.

    Raises:
        KeyError, TypeError: the line is no record of this schema version.
    """
    fields = {key: value for key, value in data.items() if key != "schema_version"}
    fields["checks"] = tuple(CheckResult(**c) for c in fields.get("checks", []))  # type: ignore
    fields["wrong_tools"] = tuple(fields.get("wrong_tools", []))  # type: ignore
    reply, fault = fields.get("reply"), fields.get("fault")
    fields["reply"] = _reply_from_json(reply) if isinstance(reply, dict) else None
    fields["fault"] = Fault(**fault) if isinstance(fault, dict) else None  # type: ignore
    return Record(**fields)  # type: ignore


def _reply_from_json(data: dict[str, Json]) -> Reply:
    values = dict(data)
    values["tool_calls"] = tuple(ToolCall(**c) for c in values["tool_calls"])  # type: ignore
    values["usage"] = Usage(**values["usage"])  # type: ignore
    values["timings"] = Timings(**values["timings"])  # type: ignore
    return Reply(**values)  # type: ignore
