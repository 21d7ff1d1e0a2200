"""Two results held against each other, paired by prompt."""

from __future__ import annotations

from collections import Counter, defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, get_args

from msgspec import Struct, field

from pytest_llmbench.analysis.difference import (
    combined_interval,
    difference_interval,
    t_interval,
)
from pytest_llmbench.analysis.failures import failure_modes, ordered
from pytest_llmbench.analysis.proportion import Interval, Proportion
from pytest_llmbench.analysis.signflip import Chance, sign_flip_chance
from pytest_llmbench.analysis.trials import is_judged, lay_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_llmbench.checks.verdict import FailureMode
    from pytest_llmbench.runs.record import Record

Verdict = Literal["better", "worse", "no difference shown"]
"""What the second result is, beside the first."""

IntervalMethod = Literal["student_t", "newcombe_combined"]
"""Where the interval of the mean comes from.

`student_t` takes the spread of the prompts' differences. Where there is none
(one prompt, or all differ by the same), `newcombe_combined` takes the trials'.
"""

Reason = Literal["only in A", "only in B", "question changed", "not judged in both"]
"""Why a prompt is not compared."""

_Key = tuple[str, str]


class PromptEvidence(Struct, frozen=True, kw_only=True):
    """What one prompt showed over the runs of one job.

    Attributes:
        prompt_hash: equal where the same question was asked, in any variant.
        share: passed of judged runs.
    """

    suite: str
    prompt_id: str
    prompt_hash: str
    share: Proportion
    failure_modes: Mapping[FailureMode, int] = field(default_factory=dict)

    @property
    def key(self) -> _Key:
        """What tells it from other prompts: an id is unique in its suite."""
        return self.suite, self.prompt_id


class JobEvidence(Struct, frozen=True, kw_only=True):
    """One side of a comparison.

    Attributes:
        label: names the side to a reader.
        prompts: each suite and prompt once, in the order they were asked.
    """

    label: str
    prompts: tuple[PromptEvidence, ...]


class PromptDifference(Struct, frozen=True, kw_only=True):
    """One prompt that both sides ran."""

    suite: str
    prompt_id: str
    a: Proportion
    b: Proportion

    @property
    def exact(self) -> Fraction:
        """The difference b - a, without rounding."""
        return _ratio(self.b) - _ratio(self.a)

    @property
    def difference(self) -> float:
        """The difference b - a: from -1 to 1, above 0 where B is better."""
        return float(self.exact)

    @property
    def interval(self) -> Interval | None:
        """Newcombe's 95 % interval of the difference."""
        return difference_interval(self.a, self.b)

    @property
    def verdict(self) -> Verdict:
        """What B is on this prompt alone."""
        return verdict_of(self.interval)

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain JSON."""
        return {
            "suite": self.suite,
            "prompt_id": self.prompt_id,
            "a": self.a.to_json(),
            "b": self.b.to_json(),
            "difference": self.difference,
            **_ends(self.interval),
            "verdict": self.verdict,
        }


class LeftOut(Struct, frozen=True, kw_only=True):
    """A prompt that was not compared."""

    suite: str
    prompt_id: str
    reason: Reason


class Comparison(Struct, frozen=True, kw_only=True):
    """B held against A, over the prompts that both ran with the same question.

    Attributes:
        difference: mean over the prompts of b - a; None without a prompt.
        interval: its 95 % interval.
        chance: of differences as large as these, were A and B equal.
        failure_modes_a: failed trials of A in these prompts, by mode.
    """

    label_a: str
    label_b: str
    prompts: tuple[PromptDifference, ...]
    left_out: tuple[LeftOut, ...]
    difference: float | None
    interval: Interval | None
    interval_method: IntervalMethod | None
    chance: Chance | None
    failure_modes_a: Mapping[FailureMode, int]
    failure_modes_b: Mapping[FailureMode, int]

    @property
    def mean_a(self) -> float | None:
        """Mean pass rate of A over the prompts, each counted once."""
        return _mean([_ratio(prompt.a) for prompt in self.prompts])

    @property
    def mean_b(self) -> float | None:
        """Mean pass rate of B over the prompts, each counted once."""
        return _mean([_ratio(prompt.b) for prompt in self.prompts])

    @property
    def verdict(self) -> Verdict:
        """`better` or `worse` where the interval excludes 0."""
        return verdict_of(self.interval)

    def is_within(self, margin: float) -> bool:
        """Whether it is shown that B is not worse than A by a margin or more.

        Args:
            margin: a share, from 0 to 1. 0 asks for B to be better.
        """
        return self.interval is not None and self.interval.low > -margin

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON; shares from 0 to 1."""
        return {
            "a": self.label_a,
            "b": self.label_b,
            "verdict": self.verdict,
            "mean_a": self.mean_a,
            "mean_b": self.mean_b,
            "difference": self.difference,
            **_ends(self.interval),
            "interval_method": self.interval_method,
            "chance": self.chance and self.chance.to_json(),
            "failure_modes_a": dict(self.failure_modes_a),
            "failure_modes_b": dict(self.failure_modes_b),
            "prompts": [prompt.to_json() for prompt in self.prompts],
            "left_out": {
                reason: [
                    {"suite": prompt.suite, "prompt_id": prompt.prompt_id}
                    for prompt in self.left_out
                    if prompt.reason == reason
                ]
                for reason in get_args(Reason)
            },
        }


def job_evidence(label: str, records: Iterable[Record]) -> JobEvidence:
    """Take one side's evidence from its records: one model and variant.

    A trial stored twice counts once, and records of an older wording of a
    prompt are left out: the newest record's question holds.
    """
    by_prompt: defaultdict[_Key, list[Record]] = defaultdict(list)
    for record in records:
        by_prompt[record.suite, record.prompt_id].append(record)
    return JobEvidence(
        label=label, prompts=tuple(_evidence(own) for own in by_prompt.values())
    )


def compare(a: JobEvidence, b: JobEvidence) -> Comparison:
    """Hold B against A, prompt by prompt and in all.

    The mean difference has a paired Student interval over the prompts'
    differences, so a prompt that is hard for both weighs on neither.
    """
    of_a = {prompt.key: prompt for prompt in a.prompts}
    of_b = {prompt.key: prompt for prompt in b.prompts}
    left_out = tuple(_left_out(of_a, of_b))
    named = {(prompt.suite, prompt.prompt_id) for prompt in left_out}
    common = [key for key in of_a if key not in named]
    prompts = tuple(_difference(of_a[key], of_b[key]) for key in common)
    exact = [prompt.exact for prompt in prompts]
    paired = _clipped(t_interval([float(difference) for difference in exact]))
    return Comparison(
        label_a=a.label,
        label_b=b.label,
        prompts=prompts,
        left_out=left_out,
        difference=_mean(exact),
        interval=paired or _combined(prompts),
        interval_method=_method(prompts, paired),
        chance=sign_flip_chance(exact) if exact else None,
        failure_modes_a=_modes(of_a[key] for key in common),
        failure_modes_b=_modes(of_b[key] for key in common),
    )


def verdict_of(interval: Interval | None) -> Verdict:
    """Say what an interval of b - a shows of B.

    >>> verdict_of(Interval(low=-0.3, high=-0.01))
    'worse'
    """
    if interval is not None and interval.low > 0:
        return "better"
    if interval is not None and interval.high < 0:
        return "worse"
    return "no difference shown"


def _evidence(records: Sequence[Record]) -> PromptEvidence:
    newest = records[-1]
    own = [record for record in records if record.prompt_hash == newest.prompt_hash]
    runs = max(record.run for record in own)
    trials = list(lay_out(own, (newest.prompt_id,), runs))
    return PromptEvidence(
        suite=newest.suite,
        prompt_id=newest.prompt_id,
        prompt_hash=newest.prompt_hash,
        share=Proportion(
            hits=sum(trial.outcome == "pass" for trial in trials),
            n=sum(map(is_judged, trials)),
        ),
        failure_modes=failure_modes(trials),
    )


def _left_out(
    of_a: Mapping[_Key, PromptEvidence], of_b: Mapping[_Key, PromptEvidence]
) -> Iterator[LeftOut]:
    for key in {**of_a, **of_b}:
        reason = _reason(of_a.get(key), of_b.get(key))
        if reason is not None:
            yield LeftOut(suite=key[0], prompt_id=key[1], reason=reason)


def _reason(a: PromptEvidence | None, b: PromptEvidence | None) -> Reason | None:
    if a is None or b is None:
        return "only in B" if a is None else "only in A"
    if a.prompt_hash != b.prompt_hash:
        return "question changed"
    return None if a.share.n and b.share.n else "not judged in both"


def _difference(a: PromptEvidence, b: PromptEvidence) -> PromptDifference:
    return PromptDifference(suite=a.suite, prompt_id=a.prompt_id, a=a.share, b=b.share)


def _clipped(interval: Interval | None) -> Interval | None:
    """Cut off what lies beyond -1 and 1, where no difference of shares can be."""
    if interval is None:
        return None
    return Interval(low=max(-1.0, interval.low), high=min(1.0, interval.high))


def _combined(prompts: Sequence[PromptDifference]) -> Interval | None:
    pairs = [(prompt.a, prompt.b) for prompt in prompts]
    return combined_interval(pairs) if pairs else None


def _method(
    prompts: Sequence[PromptDifference], paired: Interval | None
) -> IntervalMethod | None:
    if not prompts:
        return None
    return "newcombe_combined" if paired is None else "student_t"


def _modes(prompts: Iterable[PromptEvidence]) -> dict[FailureMode, int]:
    total: Counter[FailureMode] = Counter()
    for prompt in prompts:
        total.update(prompt.failure_modes)
    return ordered(total)


def _mean(values: Sequence[Fraction]) -> float | None:
    return float(sum(values, Fraction()) / len(values)) if values else None


def _ratio(share: Proportion) -> Fraction:
    return share.ratio or Fraction()


def _ends(interval: Interval | None) -> dict[str, float | None]:
    return {
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
    }
