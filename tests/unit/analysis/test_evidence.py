"""Sentences that say what a pattern rests on."""

from __future__ import annotations

import pytest

from pytest_llmbench.analysis.evidence import chance_text, runs_text, seconds_text


@pytest.mark.parametrize(
    ("runs", "text"),
    [
        ((1,), "run 1"),
        ((1, 2), "runs 1-2"),
        ((1, 3), "runs 1, 3"),
        ((7, 2, 3, 4, 9), "runs 2-4, 7, 9"),
    ],
)
def test_runs_are_named_with_ranges(runs: tuple[int, ...], text: str) -> None:
    """Neighbouring runs become a range, others are listed, in rising order."""
    assert runs_text(runs) == text


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [
        (0.0, "0 s"),
        (4.2, "0.0042 s"),
        (20.0, "0.02 s"),
        (949.0, "0.95 s"),
        (1000.0, "1.0 s"),
        (1840.0, "1.8 s"),
        (123_456.0, "123.5 s"),
    ],
)
def test_durations_are_in_seconds(duration_ms: float, text: str) -> None:
    """Short times keep two digits, long ones one decimal."""
    assert seconds_text(duration_ms) == text


def test_chance_names_its_pool_from_two_prompts() -> None:
    """One prompt alone is no pool; two are."""
    assert chance_text(1 / 21, ["P6"]) == "chance p = 0.048"
    assert chance_text(1 / 441, ["P6", "P7"]) == "chance p = 0.0023 pooled over P6, P7"
