"""How a spec changes over its stored runs, and whether more than chance is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from pytest_llmbench.analysis.drifttests import (
    TestResult,
    halves_test,
    mann_kendall,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ALPHA: Final = 0.05
MIN_POINTS: Final = 5
"""Below this no order of values is rare enough: the rarest has p = 2/4! > 0.05."""

Metric = Literal["accuracy", "variance", "latency_p50_ms"]
"""What is followed over time."""

Direction = Literal["better", "worse"]
"""Where a metric drifts to."""

_HIGHER_IS_BETTER: Final[Mapping[Metric, bool]] = {
    "accuracy": True,
    "variance": False,
    "latency_p50_ms": False,
}


class TrendPoint(Struct, frozen=True, kw_only=True):
    """What one stored run of a spec came to on one suite.

    Attributes:
        at: when the run began, ISO 8601 in UTC.
        runs: judged passes over the prompts.
        changed: what its run was measured under that differs from the run before:
            names of the comparability key, such as `model_digest`.
    """

    run_id: str
    at: str
    runs: int
    accuracy: float | None
    variance: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    decision: str | None
    changed: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the point as plain JSON."""
        names = (name for name in self.__struct_fields__ if name != "changed")
        values = {name: getattr(self, name) for name in names}
        return {**values, "changed": list(self.changed)}


class Drift(Struct, frozen=True, kw_only=True):
    """Whether a metric moves over time.

    Attributes:
        n: points that have the metric.
        direction: None where no drift is shown.
        p_value: of both tests together, by Bonferroni: twice the smaller one's, 1 at
            most. None below `MIN_POINTS`.
        monotone: Mann and Kendall's test, which sees a slow drift.
        halves: the permutation test of older against newer half, which sees a step.
        older, newer: the means of the halves; the middle of an odd n is in the older.
    """

    metric: Metric
    n: int
    direction: Direction | None = None
    p_value: float | None = None
    monotone: TestResult | None = None
    halves: TestResult | None = None
    older: float | None = None
    newer: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the drift as plain JSON."""
        return {
            "metric": self.metric,
            "n": self.n,
            "direction": self.direction,
            "p_value": self.p_value,
            "monotone": self.monotone and self.monotone.to_json(),
            "halves": self.halves and self.halves.to_json(),
            "older": self.older,
            "newer": self.newer,
        }


class Trend(Struct, frozen=True, kw_only=True):
    """One spec on one suite over time; points oldest first."""

    spec: str
    suite: str
    points: tuple[TrendPoint, ...]
    drifts: tuple[Drift, ...]

    @property
    def is_worse(self) -> bool:
        """Whether any metric drifts to the worse."""
        return any(drift.direction == "worse" for drift in self.drifts)

    def to_json(self) -> dict[str, Any]:
        """Return the trend as plain JSON."""
        return {
            "spec": self.spec,
            "suite": self.suite,
            "points": [point.to_json() for point in self.points],
            "drifts": [drift.to_json() for drift in self.drifts],
        }


def trends(jobs: Iterable[Mapping[str, Any]]) -> tuple[Trend, ...]:
    """Return the trend of each suite of a spec.

    Args:
        jobs: the stored job summaries of one spec, oldest first.
    """
    suites: dict[str, list[Mapping[str, Any]]] = {}
    for job in jobs:
        suites.setdefault(job["suite"], []).append(job)
    return tuple(_trend(suite, own) for suite, own in suites.items())


def _trend(suite: str, jobs: Sequence[Mapping[str, Any]]) -> Trend:
    before: list[Mapping[str, Any] | None] = [None, *jobs]
    points = tuple(_point(job, last) for job, last in zip(jobs, before, strict=False))
    return Trend(
        spec=jobs[0]["spec"],
        suite=suite,
        points=points,
        drifts=tuple(drift(metric, points) for metric in _HIGHER_IS_BETTER),
    )


def _point(job: Mapping[str, Any], before: Mapping[str, Any] | None) -> TrendPoint:
    e2e = (job.get("latency") or {}).get("e2e_ms") or {}
    return TrendPoint(
        run_id=job["run_id"],
        at=job["at"],
        runs=job["judged_runs"],
        accuracy=job["accuracy"],
        variance=job["variance"],
        latency_p50_ms=job.get("latency_p50_ms"),
        latency_p95_ms=e2e.get("p95"),
        decision=job["decision"],
        changed=() if before is None else _changed(job, before),
    )


def _changed(job: Mapping[str, Any], before: Mapping[str, Any]) -> tuple[str, ...]:
    now, then = job.get("comparability") or {}, before.get("comparability") or {}
    return tuple(key for key in sorted({*now, *then}) if now.get(key) != then.get(key))


def drift(metric: Metric, points: Iterable[TrendPoint]) -> Drift:
    """Say whether a metric moves over time; points oldest first.

    Two tests look, each for what the other is weak at. A drift is shown where twice
    the smaller p is at most 0.05 (C. E. Bonferroni, "Teoria statistica delle classi
    e calcolo delle probabilità", 1936). Its direction is that of the test with the
    smaller p.
    """
    found: Iterable[float | None] = (getattr(point, metric) for point in points)
    values = [value for value in found if value is not None]
    n = len(values)
    if n < MIN_POINTS:
        return Drift(metric=metric, n=n)
    monotone, halves = mann_kendall(values), halves_test(values)
    p_value = min(1.0, 2 * min(monotone.p_value, halves.p_value))
    leading = min(monotone, halves, key=lambda test: test.p_value)
    middle = (n + 1) // 2
    return Drift(
        metric=metric,
        n=n,
        direction=_direction(metric, leading) if p_value <= ALPHA else None,
        p_value=p_value,
        monotone=monotone,
        halves=halves,
        older=sum(values[:middle]) / middle,
        newer=sum(values[middle:]) / (n - middle),
    )


def _direction(metric: Metric, test: TestResult) -> Direction:
    rises = test.statistic > 0
    return "better" if rises == _HIGHER_IS_BETTER[metric] else "worse"
