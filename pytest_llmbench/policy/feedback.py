"""What the last runs say of each model and phase, and where to send work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct
from msgspec.structs import asdict

from pytest_llmbench.policy.routing_rules import RoutingRules
from pytest_llmbench.policy.window import last_runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_llmbench.analysis.patterns import PatternKind
    from pytest_llmbench.policy.window import PhaseWindow, PromptHistory, RunEvidence

HOT_ABOVE: Final = 2
"""A prompt that failed in more of the last runs is a hot failure."""

WARM_UP: Final = "warm-up"

Action = Literal[
    "allow_for_bounded_tasks",
    "allow",
    "disable_for_stateful",
    "disable",
    "observe",
    "no_evidence",
]
"""What a recommendation asks of the router.

`observe` means that there is evidence but no rule that grants or bars work.
"""

_CAUSES: Final[Mapping[str | None, str]] = {
    "cold_start": "cold start: it fails while the model is cold; warm it up",
    "degrading": "degrading: it passes first and fails later in a session",
    "flaky": "chance: it passes and fails in no order",
}
_ALLOW: Final[Mapping[str, Action]] = {"atomic": "allow_for_bounded_tasks"}
_BAR: Final[Mapping[str, Action]] = {"extended": "disable_for_stateful"}


class HotFailure(Struct, frozen=True, kw_only=True):
    """A prompt that fails again and again.

    Attributes:
        failed_in: runs in which it failed or timed out.
        of: runs in which it was judged.
        pattern: that of its newest failure; None if none was stored.
        cause: whether the model was cold or cannot do it, in words.
    """

    model: str
    phase: str
    suite: str
    prompt_id: str
    failed_in: int
    of: int
    pattern: PatternKind | None
    cause: str

    def to_json(self) -> dict[str, Any]:
        """Return the entry of `hot_failures`."""
        return asdict(self)


class Recommendation(Struct, frozen=True, kw_only=True):
    """Where to send work of one phase, as seen from one model.

    Attributes:
        target: `model::phase`.
        allow: True or False where a rule decides; None where none does.
        fallback: the model to use instead; None where none is called for.
        requirements: what must hold for the work to be sent.
    """

    target: str
    action: Action
    reason: str
    allow: bool | None = None
    fallback: str | None = None
    requirements: tuple[str, ...] = ()
    type: Literal["routing"] = "routing"

    def to_json(self) -> dict[str, Any]:
        """Return the recommendation as plain JSON."""
        return {**asdict(self), "requirements": list(self.requirements)}


_DEFAULT_RULES: Final = RoutingRules()


def harness_feedback(
    history: Iterable[RunEvidence], rules: RoutingRules = _DEFAULT_RULES
) -> dict[str, Any]:
    """Return the content of harness_feedback.json, but for its version.

    Args:
        history: stored runs, newest last.
        rules: from which accuracy on work is granted or barred.
    """
    windows = last_runs(history)
    return {
        "model_phase_accuracy": {
            window.target: _accuracy(window) for window in windows
        },
        "hot_failures": [
            hot.to_json() for window in windows for hot in hot_failures(window)
        ],
        "recommendations": [recommend(window, rules).to_json() for window in windows],
    }


def recommend(window: PhaseWindow, rules: RoutingRules) -> Recommendation:
    """Say what the router should do with one model and phase."""
    target, accuracy, rule = window.target, window.accuracy, rules.of(window.phase)
    if accuracy is None:
        return Recommendation(
            target=target, action="no_evidence", reason="nothing was judged"
        )
    seen = _seen(window, accuracy)
    if rule.bar_below is not None and accuracy < rule.bar_below:
        return Recommendation(
            target=target,
            action=_BAR.get(window.phase, "disable"),
            reason=f"{seen}: below {_limit(rule.bar_below)}",
            allow=False,
            fallback=rules.fallback_of(window.phase),
        )
    warm = (WARM_UP,) if window.has_cold_start else ()
    if rule.allow_from is not None and accuracy >= rule.allow_from:
        return Recommendation(
            target=target,
            action=_ALLOW.get(window.phase, "allow"),
            reason=f"{seen}: at least {_limit(rule.allow_from)}" + _cold_text(window),
            allow=True,
            requirements=warm,
        )
    return Recommendation(
        target=target,
        action="observe",
        reason=f"{seen}: no rule grants or bars work" + _cold_text(window),
        requirements=warm,
    )


def hot_failures(window: PhaseWindow) -> tuple[HotFailure, ...]:
    """Return the prompts that failed in more than 2 of the runs, worst first."""
    hot = [prompt for prompt in window.prompts() if prompt.failed_in > HOT_ABOVE]
    return tuple(
        HotFailure(
            model=window.model,
            phase=window.phase,
            suite=prompt.suite,
            prompt_id=prompt.prompt_id,
            failed_in=prompt.failed_in,
            of=prompt.of,
            pattern=prompt.pattern,
            cause=cause(prompt),
        )
        for prompt in sorted(hot, key=lambda prompt: -prompt.failed_in)
    )


def cause(prompt: PromptHistory) -> str:
    """Say in words what a prompt's failures come from, as far as its runs tell."""
    if prompt.pattern == "incapable":
        return _incapable(prompt)
    return _CAUSES.get(prompt.pattern, "unclear: no pattern was found")


def _incapable(prompt: PromptHistory) -> str:
    """Believe a lack of ability only if no other session speaks against it."""
    if prompt.session_runs == 1:
        return (
            "unclear: one run a session tells no cold start from a lack of ability;"
            " ask for more --runs"
        )
    if prompt.failed_in < prompt.of:
        return (
            "unclear: it failed in every run of one session and passed in another;"
            " look at what has changed"
        )
    return "capability: it failed in every run"


def _accuracy(window: PhaseWindow) -> dict[str, Any]:
    share = window.share
    return {
        "passed": share.hits,
        "total": share.n,
        "accuracy": share.value,
        "low": share.low,
        "high": share.high,
        "runs": len(window.runs),
    }


def _seen(window: PhaseWindow, accuracy: float) -> str:
    runs = f"{len(window.runs)} run{'' if len(window.runs) == 1 else 's'}"
    return (
        f"{window.phase} accuracy {accuracy:.4g} "
        f"({window.share.hits} of {window.share.n} trials, last {runs})"
    )


def _limit(share: float) -> str:
    """Show a limit to the digits it was set with, two at least.

    >>> _limit(0.5), _limit(0.875)
    ('0.50', '0.875')
    """
    return max(f"{share:.2f}", f"{share:g}", key=len)


def _cold_text(window: PhaseWindow) -> str:
    return "; a cold start was seen" if window.has_cold_start else ""
