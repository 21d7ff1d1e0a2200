"""What a spec's stored runs show over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from made_records import SPEC

from pytest_llmbench.analysis.trend import Direction, Metric, drift, trends

if TYPE_CHECKING:
    from collections.abc import Sequence


def jobs(values: Sequence[float | None], metric: str, **same: object) -> list[Any]:
    """Return stored jobs, oldest first, with these values of one metric."""
    return [
        {
            "spec": SPEC,
            "suite": "atomic",
            "run_id": f"run-{number}",
            "at": f"2026-11-{number + 1:02d}T08:00:00.000+00:00",
            "judged_runs": 3,
            "accuracy": 0.5,
            "variance": 0.0,
            "latency_p50_ms": 100.0,
            "latency": {"e2e_ms": {"p95": 200.0}},
            "decision": "HOLD",
            "comparability": {"model_digest": "a"},
            metric: value,
            **same,
        }
        for number, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("metric", "up", "down"),
    [
        ("accuracy", "better", "worse"),
        ("variance", "worse", "better"),
        ("latency_p50_ms", "worse", "better"),
    ],
)
def test_a_drift_has_a_direction(
    metric: Metric, up: Direction, down: Direction
) -> None:
    """What is better for accuracy is worse for variance and latency."""
    rising = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    for values, direction in ((rising, up), (rising[::-1], down)):
        (trend,) = trends(jobs(values, metric))
        found = {each.metric: each for each in trend.drifts}
        assert found.pop(metric).direction == direction
        assert [each.direction for each in found.values()] == [None, None]
        assert trend.is_worse == (direction == "worse")


def test_a_step_is_seen() -> None:
    """Two levels, each without an order of its own, are told apart by the halves."""
    values = [0.9, 0.8, 1.0, 0.9, 0.8, 0.5, 0.6, 0.5, 0.4, 0.6]
    (trend,) = trends(jobs(values, "accuracy"))
    (found, *_) = trend.drifts
    assert found.halves is not None
    assert found.monotone is not None
    assert found.halves.p_value == 2 / 252
    assert found.p_value == 2 * min(found.halves.p_value, found.monotone.p_value)
    assert found.direction == "worse"
    assert found.older == pytest.approx(0.88)
    assert found.newer == pytest.approx(0.52)


def test_noise_is_no_drift() -> None:
    """Values that go up and down show nothing, and say with what chance."""
    (trend,) = trends(jobs([0.5, 0.7, 0.5, 0.7, 0.6, 0.5, 0.7, 0.6], "accuracy"))
    assert trend.drifts[0].direction is None
    assert (trend.drifts[0].p_value or 0) > 0.05


def test_few_points_give_no_verdict() -> None:
    """Below five values there is no p; what judged nothing is no value."""
    (trend,) = trends(jobs([0.1, None, 0.2, 0.3, 0.4, None], "accuracy"))
    found = trend.drifts[0]
    assert (found.n, found.p_value, found.direction) == (4, None, None)
    assert len(trend.points) == 6
    least = drift("accuracy", trends(jobs([1, 2, 3, 4, 5], "accuracy"))[0].points)
    assert (least.n, least.direction) == (5, "better")


def test_other_conditions_are_named() -> None:
    """A point says which conditions of its run differ from those of the run before."""
    stored = jobs([0.5] * 3, "accuracy")
    stored[1]["comparability"] = {"model_digest": "b", "num_ctx": 4096}
    stored[2]["comparability"] = {"model_digest": "b", "num_ctx": 4096}
    (trend,) = trends(stored)
    changes = [point.changed for point in trend.points]
    assert changes == [(), ("model_digest", "num_ctx"), ()]


def test_suites_are_apart() -> None:
    """Each suite of a spec has a trend of its own."""
    stored = [*jobs([1.0] * 5, "accuracy"), *jobs([0.0] * 5, "accuracy", suite="b")]
    assert [(trend.suite, len(trend.points)) for trend in trends(stored)] == [
        ("atomic", 5),
        ("b", 5),
    ]
    assert not any(trend.is_worse for trend in trends(stored))
