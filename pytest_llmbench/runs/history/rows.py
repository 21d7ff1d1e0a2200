"""From a run's summary.json to rows, and from stored JSON back to values."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct, field

from pytest_llmbench.masking import masked_json

if TYPE_CHECKING:
    from collections.abc import Mapping

_Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]

_LEFT_OUT: Final = ("slowness", "cache", "accounting")
"""Of a job: half of its JSON, and asked of one run only."""

_LEFT_OUT_OF_PROMPTS: Final = (
    "pass_rate", "wilson_low", "wilson_high", "passed_all", "passed_any",
)  # fmt: skip
"""Of a prompt: follows from `passed` and `judged`."""


class _Run(Struct):
    passed: _Count
    failed: _Count
    timed_out: _Count
    run: _Count


class _Prompt(Struct):
    prompt_id: str
    outcomes: list[str | None]
    pattern: dict[str, Any] | None


class _Job(Struct):
    """What must be in a job summary for it to be of any use."""

    model: str
    phase: str
    variant: str
    spec: str
    suite: str
    runs: list[_Run]
    prompts: list[_Prompt]
    total: _Count
    recorded_trials: _Count
    accuracy: float | None
    passed: float | None
    variance: float | None
    role: str | None = None
    restraint_score: float | None = None
    latency_p50_ms: float | None = None
    outcomes: dict[str, _Count] = field(default_factory=dict)


class _Decision(Struct):
    spec: str
    suite: str
    decision: str
    code: str | None = None
    baseline_spec: str | None = None


class _Resumed(Struct):
    times: _Count


class _Summary(Struct):
    run_id: Annotated[str, Meta(min_length=1)]
    job_summaries: list[_Job]
    policy_decisions: list[_Decision] = field(default_factory=list)
    resumed: _Resumed | None = None
    replay_of: str | None = None


class RunRows(Struct, frozen=True, kw_only=True):
    """One run, ready to be stored."""

    run: dict[str, Any]
    jobs: list[dict[str, Any]]

    @property
    def run_id(self) -> str:
        """The run's id, as it is stored."""
        return str(self.run["run_id"])

    @property
    def rank(self) -> tuple[int, int]:
        """What grows as a run goes on: of two summaries the higher is the newer."""
        return self.run["times_resumed"], self.run["recorded_trials"]


def run_rows(
    summary: Mapping[str, Any], *, at: str, folder: str, host: str = "", stamp: str = ""
) -> RunRows | None:
    """Return the rows of a run; None for a replay, which repeats what is known.

    Args:
        at: when the run began, as ISO 8601.

    Raises:
        ValueError: it is no summary of this program, or `at` is no time.
    """
    try:
        read = msgspec.convert(summary, _Summary)
    except (msgspec.ValidationError, RecursionError) as error:
        msg = f"no summary of a run: {error}"
        raise ValueError(msg) from None
    if read.replay_of:
        return None
    began = utc_text(at)
    run = {
        "run_id": plain(read.run_id),
        "at": began,
        "folder": plain(folder),
        "host": plain(host),
        "stamp": stamp,
        "times_resumed": read.resumed.times if read.resumed else 0,
        "recorded_trials": sum(job.recorded_trials for job in read.job_summaries),
    }
    decisions = {(each.spec, each.suite): each for each in read.policy_decisions}
    jobs = [
        {
            **_job_row(job, stored, decisions.get((job.spec, job.suite))),
            "run_id": run["run_id"],
            "position": position,
            "at": began,
        }
        for position, (job, stored) in enumerate(
            zip(read.job_summaries, summary["job_summaries"], strict=True)
        )
    ]
    return RunRows(run=run, jobs=jobs)


def _job_row(
    job: _Job, stored: Mapping[str, Any], decision: _Decision | None
) -> dict[str, Any]:
    words = {
        name: plain(getattr(job, name))
        for name in ("model", "phase", "variant", "spec", "suite")
    }
    return {
        **words,
        "role": _plain_or_none(job.role),
        "runs": len(job.runs),
        "judged_runs": sum(
            run.passed + run.failed + run.timed_out > 0 for run in job.runs
        ),
        "passed": job.passed,
        "total": job.total,
        "accuracy": job.accuracy,
        "variance": job.variance,
        "errors": job.outcomes.get("error"),
        "restraint": job.restraint_score,
        "latency_p50_ms": job.latency_p50_ms,
        "latency_p95_ms": _p95(stored),
        "decision": plain(decision.decision) if decision else None,
        "code": _plain_or_none(decision.code) if decision else None,
        "baseline_spec": _plain_or_none(decision.baseline_spec if decision else None),
        "comparability": _hash(stored.get("comparability")),
        "summary": packed(_compact(stored)),
    }


def _p95(stored: Mapping[str, Any]) -> float | None:
    latency = stored.get("latency")
    e2e = latency.get("e2e_ms") if isinstance(latency, dict) else None
    value = e2e.get("p95") if isinstance(e2e, dict) else None
    return float(value) if isinstance(value, int | float) else None


def _compact(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job summary without what is asked of one run only."""
    kept = {key: value for key, value in stored.items() if key not in _LEFT_OUT}
    kept["prompts"] = [
        {k: v for k, v in prompt.items() if k not in _LEFT_OUT_OF_PROMPTS}
        for prompt in stored["prompts"]
    ]
    cost = stored.get("cost")
    if isinstance(cost, dict):
        kept["cost"] = {k: v for k, v in cost.items() if k != "prompts"}
    return kept


def plain(text: str) -> str:
    r"""Return a text that every database can hold.

    PostgreSQL refuses NUL, and nobody takes half a surrogate pair. In `summary` both
    are JSON escapes and stay what they are.

    >>> plain("a\0b\ud800")
    'a\\x00b\\ud800'
    """
    whole = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return whole.replace("\0", "\\x00")


def _plain_or_none(text: str | None) -> str | None:
    return None if text is None else plain(text)


def packed(value: object) -> str:
    """Return JSON without secrets, in ASCII: every database can hold it as text."""
    return masked_json(value, is_ascii=True)


def unpacked(text: str) -> Any:  # noqa: ANN401 - whatever was stored
    """Return what `packed` was given.

    msgspec does not know halves of surrogate pairs, which a reply may hold.
    """
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)


def _hash(value: object) -> str | None:
    return None if value is None else fingerprint(value)


def fingerprint(value: object) -> str:
    """Return a hash of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def utc_text(text: str) -> str:
    """Return a time as ISO 8601 in UTC to the millisecond, which sorts as text.

    A time without a zone is taken as UTC.

    >>> utc_text("2026-11-21T10:57:24.5+01:00")
    '2026-11-21T09:57:24.500+00:00'

    Raises:
        ValueError: it is no time.
    """
    told = datetime.fromisoformat(text)
    utc = told.astimezone(UTC) if told.tzinfo else told.replace(tzinfo=UTC)
    return utc.isoformat(timespec="milliseconds")
