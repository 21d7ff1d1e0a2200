"""Decisions and hot failures in as few tokens as they need, for a model to read.

::

    llmbench: last 8 runs per model and phase; run 20261121T095724000Z-c8e9bb
    fallback anthropic/claude-haiku-5-5
    [m:1b atomic] 79/84 0.9405 (0.87-0.97) 7 runs: allow_for_bounded_tasks +warm-up
    - a native_api t60 r0 i0 w0: HOLD variance_too_high 1 n7; variance 0.01 > 0.0025
    ! a cold_start P6 3/7, P7 3/7

A `[model phase]` line has passed and judged trials, accuracy, its 95 % interval and
the advice (`+` what it requires, `->` who does the work instead). A `-` line is a
decision on a spec: suite, spec, decision, reason code, median accuracy, complete runs,
and the gate that decided. A `!` line has hot failures: suite, pattern, then prompt and
in how many of the judged runs it failed.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from pytest_llmbench.report import numbers
from pytest_llmbench.report.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

DEFAULT_BUDGET_TOKENS: Final = 400

_PIECES: Final = re.compile(r"[A-Za-z]+|[0-9]+|[^\sA-Za-z0-9]")
_UNMET: Final = {"<=": ">", ">=": "<"}
_LETTERS: Final = 4
_DIGITS: Final = 3

Kind = Literal["detail", "interval", "hot failure", "advice", "decision"]
"""What a text may lose, in the order in which it goes."""

_DROPPED_FIRST: Final[tuple[Kind, ...]] = (
    *("detail", "interval", "hot failure", "advice", "decision"),
)
_ADVICE_DROPPED_FIRST: Final = ("no_evidence", "observe")
_DECISIONS_DROPPED_FIRST: Final = ("baseline", "HOLD", "REJECT", "PROMOTE")


class Compact(Struct, frozen=True, kw_only=True):
    """A text for a language model.

    Attributes:
        tokens: its size as `count_tokens` has it.
        left_out: how many of each kind had no room.
    """

    text: str
    tokens: int
    left_out: Mapping[Kind, int]


class _Fact(Struct, frozen=True, kw_only=True):
    """One thing that a text can lose.

    Attributes:
        target: the model and phase that it is about.
        group: what its line begins with; facts of one group share a line.
        weight: the lightest of a kind is dropped first.
    """

    kind: Kind
    target: str
    group: str
    text: str
    weight: float = 0.0


def compact(
    feedback: Mapping[str, Any],
    summary: Mapping[str, Any] | None,
    fallback: str,
    budget_tokens: int = DEFAULT_BUDGET_TOKENS,
) -> Compact:
    """Return decisions, advice and hot failures within a budget.

    What has no room is left out in this order: numbers behind decisions, intervals,
    hot failures (the rarest first), advice (what grants or bars nothing first), and
    at last decisions (the baseline's, HOLD, REJECT, PROMOTE). A last line counts
    what was left out.

    Args:
        feedback: the content of harness_feedback.json.
        summary: summary.json of the run whose decisions are told; None for none.
        fallback: who does the work that no model is fit for.
        budget_tokens: as `count_tokens` counts. The head and the last line are never
            left out, whatever it is.
    """
    facts = [*_advice_facts(feedback), *_hot_facts(feedback)]
    if summary is not None:
        facts += _decision_facts(summary)
    head = _head(feedback, summary, fallback)
    order = sorted(facts, key=lambda one: (_DROPPED_FIRST.index(one.kind), one.weight))
    dropped = _least(head, facts, order, budget_tokens)
    return _compact(head, facts, order[:dropped])


def count_tokens(text: str) -> int:
    """Estimate a text's tokens, on the high side of what tokenizers make of it.

    The larger of a quarter of its characters and the sum over its pieces: a run of
    letters counts ⌈letters / 4⌉, a run of digits ⌈digits / 3⌉, any other character 1,
    or its bytes in UTF-8 if it is not ASCII. Blanks and line ends go with their
    pieces.

    >>> count_tokens("P6 5/8"), count_tokens("cold_start")
    (5, 4)
    """
    pieces = sum(_piece_tokens(piece) for piece in _PIECES.findall(text))
    return max(pieces, math.ceil(len(text) / _LETTERS))


def _piece_tokens(piece: str) -> int:
    if piece.isascii() and piece.isalnum():
        return math.ceil(len(piece) / (_DIGITS if piece.isdecimal() else _LETTERS))
    return len(piece.encode("utf-8", "replace"))


def _least(
    head: Sequence[str],
    facts: Sequence[_Fact],
    order: Sequence[_Fact],
    budget_tokens: int,
) -> int:
    """Return how many facts at least must go, of `order` the first."""
    if _compact(head, facts, ()).tokens <= budget_tokens:
        return 0
    low, high = 1, len(order)
    while low < high:
        middle = (low + high) // 2
        if _compact(head, facts, order[:middle]).tokens <= budget_tokens:
            high = middle
        else:
            low = middle + 1
    return low


def _compact(
    head: Sequence[str], facts: Sequence[_Fact], dropped: Sequence[_Fact]
) -> Compact:
    gone = set(map(id, dropped))
    kept = [fact for fact in facts if id(fact) not in gone]
    count = Counter(fact.kind for fact in dropped)
    left_out = {kind: count[kind] for kind in _DROPPED_FIRST if count[kind]}
    lines = [*head, *_lines(kept), *_trailer(left_out)]
    text = "\n".join(lines) + "\n"
    return Compact(text=text, tokens=count_tokens(text), left_out=left_out)


def _head(
    feedback: Mapping[str, Any], summary: Mapping[str, Any] | None, fallback: str
) -> list[str]:
    about = [
        *(["last 8 runs per model and phase"] if feedback["recommendations"] else []),
        *([f"run {plain(str(summary.get('run_id')))}"] if summary else []),
    ]
    return [
        f"llmbench: {'; '.join(about) or 'no stored run'}",
        f"fallback {plain(fallback)}",
    ]


def _trailer(left_out: Mapping[Kind, int]) -> list[str]:
    if not left_out:
        return []
    counts = (
        numbers.counted(number, kind, "advice" if kind == "advice" else "")
        for kind, number in left_out.items()
    )
    return [f"left out for the budget: {', '.join(counts)}"]


def _lines(facts: Iterable[_Fact]) -> Iterator[str]:
    """Write what is left, model by model; a line that has lost all is not written."""
    targets: dict[str, dict[str, list[_Fact]]] = {}
    for fact in facts:
        targets.setdefault(fact.target, {}).setdefault(fact.group, []).append(fact)
    for target, groups in sorted(targets.items()):
        model, _, phase = target.rpartition("::")
        yield f"[{model} {phase}]{_target_text(groups.pop('', []))}"
        for group, own in groups.items():
            text = _group_text(own)
            if text:
                yield group + text


def _target_text(own: Sequence[_Fact]) -> str:
    """Put the interval, where it is kept, between the accuracy and the advice."""
    texts = {fact.kind: fact.text for fact in own}
    if "advice" not in texts:
        return ""
    seen, _, advice = texts["advice"].partition("|")
    return f" {seen}{texts.get('interval', '')}{advice}"


def _group_text(own: Sequence[_Fact]) -> str:
    if own[0].kind == "hot failure":
        return " " + ", ".join(fact.text for fact in own)
    texts = {fact.kind: fact.text for fact in own}
    decision = texts.get("decision")
    return "" if decision is None else decision + texts.get("detail", "")


def _advice_facts(feedback: Mapping[str, Any]) -> Iterator[_Fact]:
    accuracy = feedback["model_phase_accuracy"]
    for one in feedback["recommendations"]:
        target, action = plain(one["target"]), one["action"]
        seen = accuracy[one["target"]]
        yield _Fact(
            kind="advice",
            target=target,
            group="",
            text=f"{_seen(seen)}|{_runs(seen)}: {_advice(one)}",
            weight=_rank(action, _ADVICE_DROPPED_FIRST),
        )
        if seen["low"] is not None:
            interval = f" ({seen['low']:.2f}-{seen['high']:.2f})"
            yield _Fact(kind="interval", target=target, group="", text=interval)


def _seen(seen: Mapping[str, Any]) -> str:
    return f"{seen['passed']}/{seen['total']} {_share(seen['accuracy'])}"


def _runs(seen: Mapping[str, Any]) -> str:
    return f" {numbers.counted(seen['runs'], 'run')}"


def _advice(one: Mapping[str, Any]) -> str:
    required = "".join(f" +{name}" for name in one["requirements"])
    instead = f" -> {plain(one['fallback'])}" if one["fallback"] else ""
    return f"{one['action']}{required}{instead}"


def _hot_facts(feedback: Mapping[str, Any]) -> Iterator[_Fact]:
    for hot in feedback["hot_failures"]:
        yield _Fact(
            kind="hot failure",
            target=plain(f"{hot['model']}::{hot['phase']}"),
            group=f"! {plain(hot['suite'])} {hot['pattern'] or 'unknown'}",
            text=f"{plain(hot['prompt_id'])} {hot['failed_in']}/{hot['of']}",
            weight=hot["failed_in"],
        )


def _decision_facts(summary: Mapping[str, Any]) -> Iterator[_Fact]:
    decided = {
        (one.get("spec"), one.get("suite")): one
        for one in summary.get("policy_decisions", ())
    }
    for job in summary["job_summaries"]:
        one = decided.get((job["spec"], job["suite"]))
        target = plain(f"{job['model']}::{job['phase']}")
        group = f"- {plain(job['suite'])} {_own_part(job)}:"
        word = one["decision"] if one else "baseline"
        code = f" {_code(one)}" if one else ""
        yield _Fact(
            kind="decision",
            target=target,
            group=group,
            text=f" {word}{code} {_share(job['accuracy'])} n{job['n']}",
            weight=_rank(word, _DECISIONS_DROPPED_FIRST),
        )
        detail = _detail(one) if one else ""
        if detail:
            yield _Fact(kind="detail", target=target, group=group, text=f"; {detail}")


def _own_part(job: Mapping[str, Any]) -> str:
    """Return what a spec says beside model and phase, parsable as a spec's end."""
    head = f"{job['model']} / {job['phase']} / "
    return plain(str(job["spec"]).removeprefix(head).replace(" / ", " "))


def _code(decision: Mapping[str, Any]) -> str:
    return str(decision.get("code") or decision["decided_by"] or "promoted")


def _detail(decision: Mapping[str, Any]) -> str:
    """Tell the deciding gate's numbers, and how many more runs would tell more."""
    gates = (one for one in decision["gates"] if one["name"] == decision["decided_by"])
    parts = [
        f"{gate['name']} {gate['observed']:.3g} {_UNMET[gate['comparison']]}"
        f" {gate['limit']:.3g}"
        for gate in gates
        if _is_unmet(gate)
    ]
    more = decision.get("more_runs")
    return ", ".join([*parts, *([f"needs {more} more runs"] if more else [])])


def _is_unmet(gate: Mapping[str, Any]) -> bool:
    """Whether a gate's own number decided, and not something it has no number for.

    >>> _is_unmet({"observed": 0.05, "limit": 0.05, "comparison": "<="})
    False
    """
    observed, limit = gate["observed"], gate["limit"]
    if observed is None or limit is None:
        return False
    return bool(observed > limit if gate["comparison"] == "<=" else observed < limit)


def _share(value: float | None) -> str:
    return numbers.NONE if value is None else f"{value:.4g}"


def _rank(word: str, dropped_first: Sequence[str]) -> float:
    known = word in dropped_first
    return dropped_first.index(word) if known else len(dropped_first)
