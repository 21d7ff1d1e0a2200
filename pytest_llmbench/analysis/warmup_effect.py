"""What warming a model up is worth: the same prompts without and with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmbench.analysis.accuracy import over_runs, run_results
from pytest_llmbench.analysis.cold_starts import RunStart, Turn, run_starts
from pytest_llmbench.analysis.comparison import Comparison, compare, job_evidence
from pytest_llmbench.analysis.latency import Latency, latency
from pytest_llmbench.analysis.percentiles import percentiles
from pytest_llmbench.analysis.prompt_summary import prompt_summaries
from pytest_llmbench.analysis.proportion import Proportion
from pytest_llmbench.analysis.trials import is_judged, lay_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_llmbench.runs.record import Outcome, Record

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]
"""INCONCLUSIVE: the evidence for either is not there."""

LIMIT: Final = 0.20
"""The gain in pass rate from which warm-up is worth its name (20 points)."""

MAX_ERROR_RATE: Final = 0.05

_Prompt = tuple[str, str]


class Side(Struct, frozen=True, kw_only=True):
    """The runs without, or with, warm-up.

    Attributes:
        planned: trials that there should be.
        trials: those that there are, run by run.
        outcomes: by suite and prompt id, by run; None where a trial is missing.
        starts: how each run began.
        patterns: what each prompt shows over these runs. Where each run
            begins cold, a prompt that fails cold is `incapable` here.
        median_accuracy: of its complete runs.
        first_calls: the first trial of each run: what a user waits for.
    """

    spec: str
    planned: int
    trials: tuple[Record, ...]
    outcomes: Mapping[_Prompt, tuple[Outcome | None, ...]]
    starts: tuple[RunStart, ...]
    patterns: Mapping[_Prompt, str]
    median_accuracy: float | None
    first_calls: tuple[Record, ...]

    @property
    def success(self) -> Proportion:
        """Passed of judged trials."""
        hits = sum(trial.outcome == "pass" for trial in self.trials)
        return Proportion(hits=hits, n=sum(map(is_judged, self.trials)))

    @property
    def errors(self) -> int:
        """Trials that count for nobody."""
        return sum(trial.outcome == "error" for trial in self.trials)

    @property
    def missing(self) -> int:
        """Planned trials that were not tried."""
        skipped = sum(trial.outcome == "skipped" for trial in self.trials)
        return self.planned - len(self.trials) + skipped

    @property
    def latency(self) -> Latency:
        """Of all complete replies, load set apart."""
        return latency(self.trials)

    def loads_ms(self) -> tuple[float, ...]:
        """Return the load of each run: in its first call, or in its warm-up."""
        loads = (
            start.warmup_load_ms if start.warmup_load_ms is not None else start.load_ms
            for start in self.starts
        )
        return tuple(load for load in loads if load is not None)

    def first_call_ms(self, name: Literal["ttft_ms", "e2e_ms"]) -> tuple[float, ...]:
        """Return a timing of each run's first call, load included."""
        found = (getattr(trial.timings, name) for trial in self.first_calls)
        return tuple(value for value in found if value is not None)

    def to_json(self, accuracy: float | None) -> dict[str, Any]:
        """Return the side as plain JSON.

        Args:
            accuracy: the mean of its prompts' pass rates.
        """
        took = self.latency
        return {
            "spec": self.spec,
            "accuracy": accuracy,
            "median_accuracy": self.median_accuracy,
            "success": self.success.to_json(),
            "planned_trials": self.planned,
            "errors": self.errors,
            "missing": self.missing,
            "first_call": {
                "ttft_ms": _series(self.first_call_ms("ttft_ms")),
                "e2e_ms": _series(self.first_call_ms("e2e_ms")),
            },
            "ttft_ms": took.ttft_ms.to_json(),
            "e2e_ms": took.e2e_ms.to_json(),
            "load_ms": _series(self.loads_ms()),
            "starts": [start.to_json() for start in self.starts],
            "prompts": [
                {
                    "suite": suite,
                    "prompt_id": prompt_id,
                    "outcomes": list(words),
                    "pattern": self.patterns.get((suite, prompt_id)),
                }
                for (suite, prompt_id), words in self.outcomes.items()
            ],
        }


class WarmupEffect(Struct, frozen=True, kw_only=True):
    """Both sides held against each other.

    Attributes:
        found: the runs with warm-up held against those without, paired by prompt.
        faults: what is missing for a verdict; empty if nothing is.
    """

    cold: Side
    warm: Side
    found: Comparison
    faults: tuple[str, ...]

    @property
    def improvement(self) -> float | None:
        """The mean over prompts of the gain in pass rate; None if inconclusive."""
        return None if self.faults else self.found.difference

    @property
    def verdict(self) -> Verdict:
        """PASS from a gain of 20 points."""
        if self.improvement is None:
            return "INCONCLUSIVE"
        return "PASS" if round(self.improvement, 9) >= LIMIT else "FAIL"

    @property
    def gained(self) -> tuple[str, ...]:
        """Prompts that pass more often with warm-up."""
        return tuple(p.prompt_id for p in self.found.prompts if p.exact > 0)

    @property
    def lost(self) -> tuple[str, ...]:
        """Prompts that pass less often with it."""
        return tuple(p.prompt_id for p in self.found.prompts if p.exact < 0)

    def to_json(self) -> dict[str, Any]:
        """Return the figures of warm_up_effectiveness_report.json.

        Shares go from 0 to 1; `…_percent` are points.
        """
        found, is_told = self.found, not self.faults
        interval = found.interval if is_told else None
        return {
            "without_warmup": self.cold.to_json(found.mean_a),
            "with_warmup": self.warm.to_json(found.mean_b),
            "improvement_percent": _points(self.improvement),
            "interval_percent": {
                "low": _points(interval.low if interval else None),
                "high": _points(interval.high if interval else None),
                "method": found.interval_method if is_told else None,
                "prompts": len(found.prompts),
            },
            "chance": found.chance.to_json() if found.chance and is_told else None,
            "limit_percent": LIMIT * 100,
            "verdict": self.verdict,
            "faults": list(self.faults),
            "gained": list(self.gained),
            "lost": list(self.lost),
        }


def warmup_effect(
    without: Sequence[Record],
    warmed: Sequence[Record],
    turns: Iterable[Turn],
    runs: int,
) -> WarmupEffect:
    """Hold the runs of two specs that differ in warm-up against each other.

    Args:
        without: every record of the spec that was not warmed; at least one.
        warmed: of the one that was; at least one.
        turns: what was done to the model before each run of either.
        runs: how many there should be of each.
    """
    told = list(turns)
    prompts = dict.fromkeys(
        (record.suite, record.prompt_id) for record in (*without, *warmed)
    )
    cold = _side(without, tuple(prompts), runs, told, is_warm=False)
    warm = _side(warmed, tuple(prompts), runs, told, is_warm=True)
    found = compare(job_evidence("", without), job_evidence("", warmed))
    faults = (*_faults(cold, "without"), *_faults(warm, "with"), *_left_out(found))
    return WarmupEffect(cold=cold, warm=warm, found=found, faults=faults)


def _side(
    records: Sequence[Record],
    prompts: Sequence[_Prompt],
    runs: int,
    turns: Iterable[Turn],
    *,
    is_warm: bool,
) -> Side:
    spec = records[0].spec
    keyed = [_keyed(record) for record in records]
    grid = lay_out(keyed, tuple(map(_key, prompts)), runs)
    trials = tuple(grid)
    own = [turn for turn in turns if turn.spec == spec]
    starts = run_starts(trials, own, is_warm=is_warm)
    return Side(
        spec=spec,
        planned=len(prompts) * runs,
        trials=trials,
        outcomes={prompt: grid.outcomes(_key(prompt)) for prompt in prompts},
        starts=starts,
        patterns={
            prompt: one.pattern.kind
            for prompt, one in zip(prompts, prompt_summaries(grid), strict=True)
            if one.pattern is not None
        },
        median_accuracy=over_runs(run_results(grid)).accuracy,
        first_calls=tuple(_first_calls(trials)),
    )


def _first_calls(trials: Sequence[Record]) -> Iterator[Record]:
    sent = sorted(
        (trial for trial in trials if trial.started_at),
        key=lambda trial: trial.started_at,
    )
    firsts: dict[int, Record] = {}
    for trial in sent:
        firsts.setdefault(trial.run, trial)
    yield from firsts.values()


def _key(prompt: _Prompt) -> str:
    """Return what tells a prompt from those of other suites."""
    return "\n".join(prompt)


def _keyed(record: Record) -> Record:
    return replace(record, prompt_id=_key((record.suite, record.prompt_id)))


def _faults(side: Side, word: str) -> Iterator[str]:
    """Say what one side lacks for a verdict."""
    for start in side.starts:
        if start.fault:
            yield f"run {start.run} {word} warm-up: {start.fault}"
    tried = side.planned - side.missing
    if side.missing:
        yield f"{side.missing} of {side.planned} trials {word} warm-up were not tried"
    if tried and side.errors / tried > MAX_ERROR_RATE:
        yield f"{side.errors} of {tried} trials {word} warm-up are errors (limit 5 %)"


def _left_out(found: Comparison) -> Iterator[str]:
    names = [prompt.prompt_id for prompt in found.left_out]
    if names or not found.prompts:
        yield f"not judged on both sides: {', '.join(names) or 'any prompt'}"


def _series(values: Sequence[float]) -> dict[str, Any]:
    return {"n": len(values), "p50": percentiles(values).p50, "values": list(values)}


def _points(share: float | None) -> float | None:
    return None if share is None else round(share * 100, 6)
