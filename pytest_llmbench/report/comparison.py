"""Two results side by side, in 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from pytest_llmbench.analysis.comparison import Reason
from pytest_llmbench.report import numbers
from pytest_llmbench.report.lines import WIDTH, cut, wrapped
from pytest_llmbench.report.plain import plain
from pytest_llmbench.report.view import failures_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmbench.analysis.comparison import Comparison, PromptDifference
    from pytest_llmbench.analysis.proportion import Interval, Proportion
    from pytest_llmbench.analysis.signflip import Chance

_DIFFERENCE: Final = len("-100.0")
_ENDS: Final = len("-100.0 to +100.0")
_GAPS: Final = 5 * 2
_VARIANT: Final = 13
_INTERVAL_FROM: Final = {
    "student_t": "Student's t over the prompts",
    "newcombe_combined": "from the trials: the prompts show no spread",
    None: "",
}


def comparison_lines(
    comparison: Comparison,
    differences: Sequence[str] = (),
    margin: float | None = None,
) -> list[str]:
    """Return the table, what both come to, what was left out, and the verdict.

    Args:
        differences: what else A and B were measured under.
        margin: the loss that is let pass, as a share; None without one.
    """
    lines = [*_said("A", comparison.label_a), *_said("B", comparison.label_b)]
    lines += ["", *_table(comparison.prompts), ""]
    for label, text in _facts(comparison):
        lines += _said(label, text)
    for difference in differences:
        lines += _said("differs", difference)
    lines += ["", f"  {_verdict(comparison)}"]
    return lines if margin is None else [*lines, f"  {_within(comparison, margin)}"]


def gain_lines(base: str, comparisons: Mapping[str, Comparison]) -> list[str]:
    """Return one row per variant: what it gains beside the base variant."""
    lines = [
        f"what each variant gains beside {base}, in points of mean pass rate",
        (
            f"  {'variant':<{_VARIANT}}  prompts  {'gain':>{_DIFFERENCE}}"
            f"  {'95 % interval':<{_ENDS}}  chance   verdict"
        ),
    ]
    for variant, found in comparisons.items():
        chance = f"{found.chance.p_value:.2g}" if found.chance else numbers.NONE
        lines.append(
            f"  {cut(plain(variant), _VARIANT):<{_VARIANT}}  {len(found.prompts):>7}"
            f"  {numbers.points(found.difference):>{_DIFFERENCE}}"
            f"  {_ends(found.interval):<{_ENDS}}"
            f"  {chance:<7}  {found.verdict}"
        )
    return lines


def _table(prompts: Sequence[PromptDifference]) -> Iterator[str]:
    several = len({prompt.suite for prompt in prompts}) > 1
    labels = [
        plain(_name(prompt.suite, prompt.prompt_id, several)) for prompt in prompts
    ]
    cells = [(_share(prompt.a), _share(prompt.b)) for prompt in prompts]
    width = max([1, *(len(cell) for pair in cells for cell in pair)])
    room = WIDTH - _GAPS - 2 * width - _DIFFERENCE - _ENDS
    label_width = max(6, min(room, max(map(len, labels), default=0)))
    yield (
        f"  {'prompt':<{label_width}}  {'A':>{width}}  {'B':>{width}}"
        f"  {'B - A':>{_DIFFERENCE}}  95 % interval"
    )
    for label, (a, b), prompt in zip(labels, cells, prompts, strict=True):
        yield (
            f"  {cut(label, label_width):<{label_width}}  {a:>{width}}  {b:>{width}}"
            f"  {numbers.points(prompt.difference):>{_DIFFERENCE}}"
            f"  {_ends(prompt.interval)}"
        )


def _facts(found: Comparison) -> Iterator[tuple[str, str]]:
    count = numbers.counted(len(found.prompts), "prompt")
    yield (
        "mean pass rate",
        (
            f"A {numbers.percent(found.mean_a)}, B {numbers.percent(found.mean_b)}"
            f" over {count}: B - A = {numbers.points(found.difference)} points"
        ),
    )
    yield (
        "95 % interval",
        (f"{_ends(found.interval)} points ({_INTERVAL_FROM[found.interval_method]})"),
    )
    if found.chance is not None:
        yield "chance", _chance(found.chance)
    for verdict in ("worse", "better"):
        alone = [p.prompt_id for p in found.prompts if p.verdict == verdict]
        if alone:
            yield f"B {verdict} alone", ", ".join(alone)
    if found.failure_modes_a:
        yield "A failed as", failures_text(found.failure_modes_a)
    if found.failure_modes_b:
        yield "B failed as", failures_text(found.failure_modes_b)
    yield from _left_out(found)


def _chance(chance: Chance) -> str:
    method = {
        "exact": "exact, all sign flips",
        "normal": "sign flips, normal approximation",
    }[chance.method]
    differing = numbers.counted(chance.differing, "prompt")
    verb = "differs" if chance.differing == 1 else "differ"
    return f"p = {chance.p_value:.2g} ({method}; {differing} {verb})"


def _left_out(found: Comparison) -> Iterator[tuple[str, str]]:
    suites = {p.suite for p in found.prompts} | {p.suite for p in found.left_out}
    for reason in get_args(Reason):
        names = [
            _name(prompt.suite, prompt.prompt_id, len(suites) > 1)
            for prompt in found.left_out
            if prompt.reason == reason
        ]
        if names:
            yield "not compared", f"{reason}: {', '.join(names)}"


def _verdict(found: Comparison) -> str:
    if found.verdict == "no difference shown":
        return "no difference shown"
    return f"B is {found.verdict}: the interval excludes 0"


def _within(found: Comparison, margin: float) -> str:
    word = "shown" if found.is_within(margin) else "not shown"
    return f"{word} not to be worse by {margin * 100:g} points or more (--margin)"


def _said(label: str, text: str) -> list[str]:
    return [line.text for line in wrapped(label, text)]


def _name(suite: str, prompt_id: str, several: bool) -> str:  # noqa: FBT001 - one fact
    return f"{suite}/{prompt_id}" if several else prompt_id


def _share(share: Proportion) -> str:
    return f"{numbers.bare_percent(share.value)} % ({share.hits}/{share.n})"


def _ends(interval: Interval | None) -> str:
    if interval is None:
        return numbers.NONE
    return f"{numbers.points(interval.low)} to {numbers.points(interval.high)}"
