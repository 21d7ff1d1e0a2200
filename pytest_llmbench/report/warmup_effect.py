"""What warm-up is worth, in 80 columns."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final, Literal

from pytest_llmbench.analysis.warmup_effect import LIMIT
from pytest_llmbench.report import numbers
from pytest_llmbench.report.lines import wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmbench.analysis.comparison import Comparison
    from pytest_llmbench.analysis.warmup_effect import Side, WarmupEffect

_LABEL: Final = 26
_COLUMN: Final = 16
_FROM: Final = {
    "student_t": "Student's t over {}",
    "newcombe_combined": "from the trials of {}: they show no spread",
    None: "{}",
}


def warmup_effect_lines(effect: WarmupEffect) -> list[str]:
    """Return both sides beside each other, what that comes to, and the verdict."""
    lines = [_row("", "without warm-up", "with warm-up")]
    lines += [_row(*row) for row in _rows(effect)]
    lines.append("")
    for label, text in _facts(effect):
        lines += [line.text for line in wrapped(label, text)]
    lines.append("")
    lines += [line.text for line in wrapped(effect.verdict, _reason(effect))]
    return lines


def _reason(effect: WarmupEffect) -> str:
    """Say why it is PASS, FAIL or INCONCLUSIVE."""
    if effect.verdict == "INCONCLUSIVE":
        return f"no claim is made: {effect.faults[0]}"
    word = "reach" if effect.verdict == "PASS" else "do not reach"
    gain = f"{numbers.points(effect.improvement)} points"
    interval = effect.found.interval
    is_open = effect.verdict == "PASS" and interval is not None and interval.low <= 0
    doubt = ", but the interval holds 0: more prompts would tell" if is_open else ""
    return f"{gain} {word} the limit of {LIMIT * 100:.0f}{doubt}"


def _rows(effect: WarmupEffect) -> Iterator[tuple[str, str, str]]:
    cold, warm, found = effect.cold, effect.warm, effect.found
    yield "mean pass rate", numbers.percent(found.mean_a), numbers.percent(found.mean_b)
    yield "passed of judged", _counts(cold), _counts(warm)
    yield "errors", str(cold.errors), str(warm.errors)
    yield "first call: TTFT", _first(cold, "ttft_ms"), _first(warm, "ttft_ms")
    yield "first call: E2E", _first(cold, "e2e_ms"), _first(warm, "e2e_ms")
    yield (
        "TTFT p50, load set apart",
        numbers.milliseconds(cold.latency.ttft_ms.p50),
        numbers.milliseconds(warm.latency.ttft_ms.p50),
    )
    yield (
        "E2E p50, load set apart",
        numbers.milliseconds(cold.latency.e2e_ms.p50),
        numbers.milliseconds(warm.latency.e2e_ms.p50),
    )
    yield "model load", f"{_load(cold)} in call", f"{_load(warm)} before"


def _facts(effect: WarmupEffect) -> Iterator[tuple[str, str]]:
    starts = effect.cold.starts
    confirmed = sum(not start.fault for start in starts)
    yield "cold starts", f"{confirmed} of {len(starts)} confirmed"
    if effect.gained:
        yield "better warm", ", ".join(effect.gained)
    if effect.lost:
        yield "worse warm", ", ".join(effect.lost)
    if not effect.faults:
        yield "improvement", _improvement(effect.found)
    for fault in effect.faults:
        yield "missing", fault


def _improvement(found: Comparison) -> str:
    text = f"{numbers.points(found.difference)} points"
    interval = found.interval
    if interval is not None:
        ends = f"{numbers.points(interval.low)} to {numbers.points(interval.high)}"
        over = numbers.counted(len(found.prompts), "prompt")
        text += f", 95 % interval {ends} ({_FROM[found.interval_method].format(over)})"
    if found.chance is not None:
        text += f"; chance p = {found.chance.p_value:.2g}"
    return text


def _counts(side: Side) -> str:
    return f"{side.success.hits}/{side.success.n}"


def _first(side: Side, name: Literal["ttft_ms", "e2e_ms"]) -> str:
    return numbers.milliseconds(_median(side.first_call_ms(name)))


def _load(side: Side) -> str:
    return numbers.milliseconds(_median(side.loads_ms()))


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def _row(label: str, without: str, with_warmup: str) -> str:
    cells = f"{without:>{_COLUMN}}  {with_warmup:>{_COLUMN}}"
    return f"  {label:<{_LABEL}}  {cells}".rstrip()
