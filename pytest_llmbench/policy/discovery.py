"""Which specs may beat the baseline: one knob away, and only where it shows why."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from msgspec import Struct, field
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_llmbench.prompts.spec import Spec

Knob = Literal["warm_up", "timeout", "retries", "isolation", "variant"]
"""What a discovered candidate may change, in the order in which equals are tried."""

LADDER_S: Final = (30.0, 60.0, 120.0, 300.0)
"""The call timeouts that are tried, in seconds."""

MAX_RETRIES: Final = 2
MIN_RUNS: Final = 2
"""Complete runs from which a stored result may show that nothing needs a change."""

UNREACHABLE: Final = frozenset({"unreachable"})
"""Kinds of errors that a retry asks again."""

CRASHES: Final = frozenset({"worker_crashed", "call_error"})
"""Kinds of errors in which our own process broke."""

_ISOLATION_FAULT: Final = "isolation_failed"
_ROOM: Final = 0.5
"""A lower timeout has room if 95 % of the replies take at most this share of it."""

_MS_PER_S: Final = 1000.0
_MAX_NAMED: Final = 6
_FIELDS: Final[Mapping[Knob, str]] = {
    "warm_up": "warm_up",
    "timeout": "timeout_s",
    "retries": "retries",
    "isolation": "isolate",
    "variant": "variant",
}


class Candidate(Struct, frozen=True, kw_only=True, rename={"before": "from"}):
    """A spec that tries, and why it was picked.

    Attributes:
        spec: its canonical text.
        knob: what it changes of the baseline; None where that is not one knob.
        before: the knob's value in the baseline, as specs write it; `from` in JSON.
        to: its value in this spec.
        is_given: the user named it.
        is_cure: it warms a model that was seen to fail while it was cold.
    """

    spec: str
    knob: Knob | None = None
    before: str = ""
    to: str = ""
    reason: str = ""
    is_given: bool = False
    is_cure: bool = False


class Symptoms(Struct, frozen=True, kw_only=True):
    """What the newest stored run of a spec shows that a knob may cure.

    Attributes:
        runs: complete runs behind it.
        cold_start: prompts that failed while the model was cold.
        failing: prompts that were answered wrong in any other way.
        timed_out: trials that ended in a timeout.
        timed_out_once: attempts that timed out and were made again.
        errors: trials that erred, by kind.
        p95_ms: E2E of the replies, load set apart; None below 20 of them.
    """

    runs: int
    cold_start: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    timed_out: int = 0
    timed_out_once: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    p95_ms: float | None = None

    def erred(self, kinds: Iterable[str]) -> int:
        """Return how many trials erred in one of these ways."""
        return sum(self.errors.get(kind, 0) for kind in kinds)


def symptoms_of(jobs: Sequence[Mapping[str, Any]]) -> Symptoms | None:
    """Read the symptoms of one spec from its entries of `job_summaries` of one run.

    Errors are unknown, and taken for none, where a history has dropped `accounting`.

    Returns:
        None where too few runs are complete to show anything: that is no evidence
        that all is well.
    """
    runs = min((job["n"] for job in jobs), default=0)
    if runs < MIN_RUNS:
        return None
    errors: Counter[str] = Counter()
    for job in jobs:
        errors.update(job.get("accounting", {}).get("errors", {}))
    p95s = [job["latency"]["e2e_ms"]["p95"] for job in jobs]
    known = [p95 for p95 in p95s if p95 is not None]
    return Symptoms(
        runs=runs,
        cold_start=tuple(_prompts(jobs, is_cold=True)),
        failing=tuple(_prompts(jobs, is_cold=False)),
        timed_out=sum(job["timed_out"] for job in jobs),
        timed_out_once=sum(job["retries"]["reasons"].get("timeout", 0) for job in jobs),
        errors=dict(errors),
        p95_ms=max(known) if len(known) == len(p95s) else None,
    )


def discover(
    baseline: Spec,
    symptoms: Symptoms | None,
    known_variants: Sequence[str],
    asked_variants: Sequence[str] = (),
) -> list[Candidate]:
    """Return the specs one knob away that may change something, most obvious first.

    Args:
        symptoms: what the baseline shows; None where nothing is known of it.
        known_variants: all there are, tried where prompts are answered wrong.
        asked_variants: variants to be tried in any case.
    """
    found = [*_warm_up(baseline, symptoms)]
    if symptoms is not None:
        found += _timeouts(baseline, symptoms)
        found += _retries(baseline, symptoms)
        found += _isolation(baseline, symptoms)
    return [*found, *_variants(baseline, symptoms, known_variants, asked_variants)]


def as_given(baseline: Spec, spec: Spec) -> Candidate:
    """Return a candidate that the user named, with its knob if it changes just one."""
    given = Candidate(spec=str(spec), reason="given", is_given=True)
    for knob in get_args(Knob):
        if spec == replace(baseline, **{_FIELDS[knob]: getattr(spec, _FIELDS[knob])}):
            value = {"before": _value(baseline, knob), "to": _value(spec, knob)}
            return replace(given, knob=knob, **value)
    return given


def _moved(baseline: Spec, knob: Knob, value: object, reason: str) -> Candidate:
    spec = replace(baseline, **{_FIELDS[knob]: value})
    return Candidate(
        spec=str(spec),
        knob=knob,
        before=_value(baseline, knob),
        to=_value(spec, knob),
        reason=reason,
    )


def _value(spec: Spec, knob: Knob) -> str:
    """Return a knob's value as the spec's text writes it."""
    value = getattr(spec, _FIELDS[knob])
    return value if isinstance(value, str) else f"{float(value):g}"


def _warm_up(baseline: Spec, symptoms: Symptoms | None) -> Iterator[Candidate]:
    if baseline.warm_up:
        return
    if symptoms is None:
        why = "no stored run shows whether it suffers from a cold start"
        yield _moved(baseline, "warm_up", True, why)  # noqa: FBT003 - the knob's value
    elif symptoms.cold_start:
        why = f"cold start: {_named(symptoms.cold_start)} failed first, then passed"
        warmed = _moved(baseline, "warm_up", True, why)  # noqa: FBT003 - the knob's value
        yield replace(warmed, is_cure=True)


def _timeouts(baseline: Spec, symptoms: Symptoms) -> Iterator[Candidate]:
    seen = symptoms.timed_out + symptoms.timed_out_once
    if not seen:
        return
    calls = f"{seen} call{'' if seen == 1 else 's'} timed out"
    above = [rung for rung in LADDER_S if rung > baseline.timeout_s]
    below = [rung for rung in LADDER_S if rung < baseline.timeout_s]
    if above:
        yield _moved(baseline, "timeout", above[0], f"{calls}: more time")
    p95_ms = symptoms.p95_ms
    if below and p95_ms is not None and p95_ms <= _ROOM * below[-1] * _MS_PER_S:
        why = f"{calls}, yet 95 % of the replies took at most {p95_ms / _MS_PER_S:.3g}"
        yield _moved(baseline, "timeout", below[-1], f"{why} s: give up sooner")


def _retries(baseline: Spec, symptoms: Symptoms) -> Iterator[Candidate]:
    refused = symptoms.erred(UNREACHABLE)
    if baseline.retries >= MAX_RETRIES or not (refused or symptoms.timed_out):
        return
    counts = ((refused, "refused connections"), (symptoms.timed_out, "timeouts"))
    why = " and ".join(f"{count} {word}" for count, word in counts if count)
    reason = f"{why} in trials that a further retry may save"
    yield _moved(baseline, "retries", baseline.retries + 1, reason)


def _isolation(baseline: Spec, symptoms: Symptoms) -> Iterator[Candidate]:
    if baseline.isolate:
        failed = symptoms.erred({_ISOLATION_FAULT})
        if failed:
            reason = f"{failed} trials erred because their child process died"
            yield _moved(baseline, "isolation", False, reason)  # noqa: FBT003 - the knob's value
        return
    crashed = symptoms.erred(CRASHES)
    if crashed:
        reason = f"{crashed} trials erred because the process that asked broke"
        yield _moved(baseline, "isolation", True, reason)  # noqa: FBT003 - the knob's value


def _variants(
    baseline: Spec,
    symptoms: Symptoms | None,
    known: Sequence[str],
    asked: Sequence[str],
) -> Iterator[Candidate]:
    failing = symptoms.failing if symptoms else ()
    others = [name for name in known if failing and name not in asked]
    for name in (*asked, *others):
        if name != baseline.variant:
            cure = f"{_named(failing)} answered wrong: another way of putting it"
            reason = "asked for by --variants" if name in asked else cure
            yield _moved(baseline, "variant", name, reason)


def _prompts(jobs: Sequence[Mapping[str, Any]], *, is_cold: bool) -> Iterator[str]:
    """Yield the prompts that failed by a cold start, or else in any other way."""
    for job in jobs:
        for prompt in job["prompts"]:
            pattern = prompt["pattern"] or {}
            has_pattern = pattern.get("kind") == "cold_start"
            if is_cold == has_pattern and (is_cold or "fail" in prompt["outcomes"]):
                yield prompt["prompt_id"]


def _named(prompts: Sequence[str]) -> str:
    """Name some prompts and count the rest.

    >>> _named(["P1", "P2"]), _named([f"P{n}" for n in range(1, 9)])
    ('P1, P2', 'P1, P2, P3, P4, P5, P6 and 2 more')
    """
    rest = len(prompts) - _MAX_NAMED
    shown = ", ".join(prompts[:_MAX_NAMED])
    return f"{shown} and {rest} more" if rest > 0 else shown
