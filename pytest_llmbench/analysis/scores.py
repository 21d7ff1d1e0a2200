"""Scores of tool use: action, restraint, wrong-tool avoidance, tier."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, get_args

from msgspec import Struct

from pytest_llmbench.analysis.proportion import Interval, Proportion
from pytest_llmbench.analysis.trials import behaviour_of, is_judged
from pytest_llmbench.checks.verdict import Behaviour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_llmbench.runs.record import Record

WRONG_TOOL_CATEGORY: Final = "wrong_tool"
TOOL_USE_PHASE: Final = "tool_use"
TIER_1_SUCCESS: Final = 0.80
TIER_2_SUCCESS: Final = 0.50

# Of action, restraint and avoidance, in tenths, so that the sum is exact.
_WEIGHTS: Final = (4, 3, 3)


class Scores(Struct, frozen=True, kw_only=True):
    """What the model did with its tools.

    A score is None where the suite has no prompt for it, and a proportion with
    n = 0 where it has some and none was judged.

    Attributes:
        success: passed of all judged trials.
        action: called right, of trials whose prompt expects a tool.
        restraint: abstained, of trials whose prompt expects no tool.
        wrong_tool_avoidance: kept off the unexpected tools, of trials in the
            category `wrong_tool`.
        behaviours: trials per behaviour, errors and timeouts as `no_reply`.
    """

    success: Proportion
    action: Proportion | None
    restraint: Proportion | None
    wrong_tool_avoidance: Proportion | None
    behaviours: Mapping[Behaviour, int]

    @property
    def agent(self) -> float | None:
        """0.4 action + 0.3 restraint + 0.3 avoidance; None unless all exist.

        Source of the weights: a public tool-calling benchmark, 2026.
        """
        action = _ratio(self.action)
        restraint = _ratio(self.restraint)
        avoidance = _ratio(self.wrong_tool_avoidance)
        if action is None or restraint is None or avoidance is None:
            return None
        ratios = (action, restraint, avoidance)
        tenths = sum(
            (weight * ratio for weight, ratio in zip(_WEIGHTS, ratios, strict=True)),
            Fraction(),
        )
        return float(tenths / 10)

    @property
    def agent_interval(self) -> Interval | None:
        """The ends of the three Wilson intervals, weighted like the score.

        One trial may count for two of the scores, so they are not independent.
        This interval holds for any dependence; were they independent, it would
        be up to 1.7 times too wide.
        """
        parts = (self.action, self.restraint, self.wrong_tool_avoidance)
        found = [part.interval for part in parts if part is not None]
        intervals = [interval for interval in found if interval is not None]
        if len(intervals) < len(parts):
            return None
        weighted = list(zip(_WEIGHTS, intervals, strict=True))
        return Interval(
            low=sum(weight * interval.low for weight, interval in weighted) / 10,
            high=sum(weight * interval.high for weight, interval in weighted) / 10,
        )

    def to_json(self) -> dict[str, Any]:
        """Return every score with counts and Wilson interval as plain JSON."""
        return {
            "success": self.success.to_json(),
            "action": _json(self.action),
            "restraint": _json(self.restraint),
            "wrong_tool_avoidance": _json(self.wrong_tool_avoidance),
            "agent": _agent_json(self.agent, self.agent_interval),
        }


def scores(records: Iterable[Record]) -> Scores:
    """Score the tool use of all judged trials."""
    trials = list(records)
    return Scores(
        success=Proportion(
            hits=sum(trial.outcome == "pass" for trial in trials),
            n=sum(map(is_judged, trials)),
        ),
        action=_share([t for t in trials if t.expects_tool], _called_right),
        restraint=restraint(trials),
        wrong_tool_avoidance=_share(
            [t for t in trials if t.category == WRONG_TOOL_CATEGORY], _kept_off
        ),
        behaviours=_behaviours(trials),
    )


def restraint(records: Iterable[Record]) -> Proportion | None:
    """Return abstained of all judged trials whose prompt expects no tool.

    Timeouts, truncated replies and malformed attempts stay in the denominator
    and earn nothing; errors count for nobody. None without such a prompt.
    """
    return _share([record for record in records if record.expects_no_tool], _abstained)


def category_shares(records: Iterable[Record]) -> dict[str, Proportion]:
    """Return passed of judged trials by category, in the order first seen.

    A prompt without a category is in none.
    """
    by_category: dict[str, list[Record]] = {}
    for record in records:
        if record.category:
            by_category.setdefault(record.category, []).append(record)
    return {
        category: Proportion(
            hits=sum(trial.outcome == "pass" for trial in trials),
            n=sum(map(is_judged, trials)),
        )
        for category, trials in by_category.items()
    }


def tool_tier(phase: str, success: Proportion) -> int | None:
    """Return the tier of a tool-use spec: 1 from 80 %, 2 from 50 %, else 3.

    None for other phases and where nothing was judged.

    >>> tool_tier("tool_use", Proportion(hits=4, n=5))
    1
    """
    rate = success.value
    if phase != TOOL_USE_PHASE or rate is None:
        return None
    if rate >= TIER_1_SUCCESS:
        return 1
    return 2 if rate >= TIER_2_SUCCESS else 3


def _share(
    trials: Sequence[Record], is_hit: Callable[[Record], bool]
) -> Proportion | None:
    judged = [trial for trial in trials if is_judged(trial)]
    if not trials:
        return None
    return Proportion(hits=sum(map(is_hit, judged)), n=len(judged))


def _json(share: Proportion | None) -> dict[str, Any] | None:
    return None if share is None else share.to_json()


def _agent_json(
    value: float | None, interval: Interval | None
) -> dict[str, float] | None:
    if value is None or interval is None:
        return None
    return {"value": value, "low": interval.low, "high": interval.high}


def _ratio(share: Proportion | None) -> Fraction | None:
    return None if share is None else share.ratio


def _called_right(record: Record) -> bool:
    return behaviour_of(record) == "called_right"


def _abstained(record: Record) -> bool:
    return behaviour_of(record) == "abstained"


def _kept_off(record: Record) -> bool:
    """Whether a complete answer called no unexpected tool.

    No reply and a malformed attempt earn nothing: a model that never answers
    has avoided nothing.
    """
    acted = behaviour_of(record) in {"called_right", "called_wrong", "abstained"}
    return acted and not record.wrong_tools


def _behaviours(trials: Iterable[Record]) -> dict[Behaviour, int]:
    tried = (trial for trial in trials if trial.outcome != "skipped")
    counts = Counter(map(behaviour_of, tried))
    words: tuple[Behaviour, ...] = get_args(Behaviour)
    return {word: counts[word] for word in words}
