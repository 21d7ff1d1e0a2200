"""The feedback and a routing answer as lines for a reader."""

from __future__ import annotations

from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.report import numbers
from pytest_llmbench.report.lines import wrapped
from pytest_llmbench.report.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_llmbench.policy.routing import ModelEvidence, RoutingAnswer

_HEAD: Final = ("model", "phase", "runs", "accuracy", "what to do")
_HOT_HEAD: Final = (
    *("model", "phase", "suite", "prompt", "failed in"),
    "cold start or capability?",
)
_GAP: Final = "  "
_LEAST_NAME: Final = 12
_LEAST: Final = 24
"""Columns that a name and a sentence get, however narrow the terminal is."""

_MINUTE_S: Final = 60
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (_MINUTE_S, "minute"))
_DIGEST: Final = 12


def feedback_lines(feedback: Mapping[str, Any], width: int | None) -> list[str]:
    """Return the tables of harness_feedback.json's content.

    Args:
        width: columns of the terminal; None: nothing is broken or cut.
    """
    accuracy = feedback["model_phase_accuracy"]
    if not accuracy:
        return ["no stored run yet: pytest SUITES --model MODEL --runs 7"]
    advice = {one["target"]: one for one in feedback["recommendations"]}
    rows = [
        (*_names(target), *_seen(seen), _advice(advice[target]))
        for target, seen in accuracy.items()
    ]
    lines = _table(_HEAD, rows, width)
    hot = [_hot_cells(one) for one in feedback["hot_failures"]]
    if not hot:
        return [*lines, "", "no prompt failed in more than 2 of the last 8 runs"]
    lines += ["", "failed in more than 2 of the last 8 runs"]
    head = (
        "model",
        "phase",
        "suite",
        "prompt",
        "failed in",
        "cold start or capability?",
    )
    return [*lines, *_table(head, hot, width)]


def routing_lines(answer: RoutingAnswer) -> list[str]:
    """Return who gets the work, on a line of its own, and why, in 80 columns."""
    lines = [plain(answer.send_to) if answer.send_to else "nobody"]
    for label, text in _answer_facts(answer):
        lines += [line.text for line in wrapped(label, text)]
    return lines


def age(seconds: float | None) -> str:
    """Show how old something is in its largest whole unit.

    >>> age(59), age(7200.0), age(90_000), age(None)
    ('less than a minute', '2 hours', '1 day', 'of unknown age')
    """
    if seconds is None:
        return "of unknown age"
    for unit_s, word in _UNITS:
        if seconds >= unit_s:
            return numbers.counted(int(seconds // unit_s), word)
    return "less than a minute"


def _answer_facts(answer: RoutingAnswer) -> Iterator[tuple[str, str]]:
    verdict = answer.verdict.replace("_", " ")
    subject = f" {answer.model}" if answer.model else ""
    yield "phase", answer.phase
    yield "decision", f"{verdict}{subject}"
    yield "because", answer.reason
    if answer.requirements:
        yield "requires", ", ".join(answer.requirements)
    if answer.send_to is None:
        yield "fallback", f"{answer.fallback} is the model itself; set routing.fallback"
    elif answer.verdict != "allow":
        yield "fallback", answer.fallback
    chosen = [one for one in answer.evidence if one.model == answer.model]
    for one in chosen:
        yield from _evidence_facts(one)
    for one in answer.evidence:
        if one not in chosen:
            verdict = one.verdict.replace("_", " ")
            yield "not chosen", f"{one.model}: {verdict}; {_share(one)}"


def _evidence_facts(one: ModelEvidence) -> Iterator[tuple[str, str]]:
    if not one.runs:
        return
    yield "accuracy", f"{_share(one)} over {numbers.counted(one.runs, 'run')}"
    if one.latency_p50_ms is not None:
        yield "latency p50", numbers.milliseconds(one.latency_p50_ms)
    if one.usd_per_pass is not None:
        yield "cost", f"{numbers.usd(one.usd_per_pass)} per passed trial"
    old = f"{age(one.age_s)} old" if one.age_s is not None else age(None)
    yield "newest run", f"{one.newest_run}, {old}"
    if one.digests:
        yield "build", _builds(one.digests)
    for hot in one.hot_failures:
        count = f"{hot.failed_in} of {hot.of}"
        yield "hot failure", f"{hot.prompt_id} failed in {count}; {hot.cause}"


def _builds(digests: Mapping[str, int]) -> str:
    """Name the newest build; where others made runs too, how many each made."""
    if len(digests) == 1:
        return next(iter(digests))[:_DIGEST]
    newest, *older = (
        f"{name[:_DIGEST]} ({numbers.counted(count, 'run')})"
        for name, count in digests.items()
    )
    return f"{newest}; before it {', '.join(older)}"


def _share(one: ModelEvidence) -> str:
    if one.accuracy is None:
        return "nothing was judged"
    interval = numbers.interval(one.low, one.high)
    return f"{numbers.percent(one.accuracy)} ({one.passed}/{one.trials}, {interval})"


def _names(target: str) -> tuple[str, str]:
    model, _, phase = target.rpartition("::")
    return model, phase


def _seen(seen: Mapping[str, Any]) -> tuple[str, str]:
    if seen["accuracy"] is None:
        return str(seen["runs"]), numbers.NONE
    count = f"{seen['passed']}/{seen['total']}"
    interval = numbers.interval(seen["low"], seen["high"])
    shown = f"{numbers.percent(seen['accuracy'])} ({count}, {interval})"
    return str(seen["runs"]), shown


def _advice(advice: Mapping[str, Any]) -> str:
    text = str(advice["action"]).replace("_", " ")
    if advice["fallback"]:
        text += f"; send it to {advice['fallback']}"
    if advice["requirements"]:
        text += f", with {', '.join(advice['requirements'])}"
    return text


def _hot_cells(hot: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        hot["model"],
        hot["phase"],
        hot["suite"],
        hot["prompt_id"],
        f"{hot['failed_in']} of {hot['of']}",
        hot["cause"],
    )


def _table(
    head: Sequence[str], rows: Iterable[Sequence[str]], width: int | None
) -> list[str]:
    """Lay rows out in columns; what is too long for its own is broken under its start.

    Only the first and the last column give way: a model's name and a sentence.
    """
    cells = [tuple(head), *(tuple(map(plain, row)) for row in rows)]
    columns = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if width is not None:
        gaps = len(_GAP) * (len(columns) - 1)
        room = width - gaps - sum(columns[1:-1])
        columns[0] = min(columns[0], max(_LEAST_NAME, room - _LEAST))
        columns[-1] = max(_LEAST, room - columns[0])
    return [line for row in cells for line in _row(row, columns)]


def _row(row: Sequence[str], columns: Sequence[int]) -> Iterator[str]:
    broken = [
        wrap(text, width, break_on_hyphens=False) or [""]
        for text, width in zip(row, columns, strict=True)
    ]
    for parts in zip_longest(*broken, fillvalue=""):
        cells = zip(parts, columns, strict=True)
        yield _GAP.join(f"{text:<{width}}" for text, width in cells).rstrip()
