"""Totals over many runs: as Markdown, and in 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmbench.report import numbers
from pytest_llmbench.report.lines import WIDTH, cut
from pytest_llmbench.report.markdown import escaped, table
from pytest_llmbench.report.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmbench.analysis.aggregation import Dimension, Group
    from pytest_llmbench.analysis.percentiles import Percentiles
    from pytest_llmbench.analysis.proportion import Proportion

HEAD: Final = (
    *("model", "suite", "runs", "trials", "ok", "success", "95 % interval", "errors"),
    *("E2E p50", "E2E p95", "TTFT p50", "TTFT p95", "wall", "restraint", "tier"),
    *("newest run", "decision"),
)

_SHORT: Final = (
    *("model", "suite", "runs", "trials", "ok", "success", "E2E p50", "p95"),
)
_WIDTHS: Final = (5, 6, 6, 7, 7, 6)
"""Characters of each column behind model and suite."""

_NAMES: Final[dict[Dimension, str]] = {
    "spec": "specs",
    "variant": "variants",
    "digest": "model digests",
    "server": "servers",
    "server_version": "server versions",
    "machine": "machines",
    "prompts": "choices of prompts",
}
_MAX_SHOWN: Final = 5

_EXPLAINED: Final = """\
Taken from all trials, not from the runs' own averages. *runs* are run folders;
*trials* all that were tried; *ok* the judged ones of them (the rest are *errors*, which
count for nobody); *success* the passed of the judged, with its Wilson interval.
Latency is of complete replies, model load set apart; p95 is given from 20 replies.
*wall* is the time in which at least one call was in flight."""


def aggregate_markdown(groups: Sequence[Group], notes: Sequence[str], at: str) -> str:
    """Return AGGREGATE_SUMMARY.md: the table, what was pooled, how to read it."""
    by = tuple(groups[0].split) if groups else ()
    lines = ["# All runs, per model and suite", "", f"Written {at}.", ""]
    lines += table((*HEAD[:2], *by, *HEAD[2:]), [_row(group) for group in groups])
    if notes:
        lines += ["## Notes", "", *(f"- {escaped(note)}" for note in notes), ""]
    return "\n".join([*lines, _EXPLAINED]) + "\n"


def aggregate_lines(groups: Sequence[Group]) -> Iterator[str]:
    """Lay out the main columns in 80 characters."""
    suite = max([len("suite"), *(len(plain(group.suite)) for group in groups)])
    suite = min(suite, 14)
    room = WIDTH - suite - 1 - sum(width + 1 for width in _WIDTHS)
    rows = [_SHORT, *(_short(group) for group in groups)]
    for model, name, *cells in rows:
        shown = " ".join(
            f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True)
        )
        yield f"{_tail(model, room):<{room}} {cut(name, suite):<{suite}} {shown}"


def pooling_notes(groups: Sequence[Group]) -> Iterator[str]:
    """Say of each group which unlike runs were pooled, and how to tell them apart."""
    for group in groups:
        parts = list(_mixes(group))
        if not parts:
            continue
        by = ",".join(name for name in group.mixed if _is_told(name, group))
        name = f"{group.model} on {group.suite}"
        yield f"{name}: pooled over {'; '.join(parts)} (apart with --by {by})"


def _mixes(group: Group) -> Iterator[str]:
    for name, values in group.mixed.items():
        if not _is_told(name, group):
            continue
        if name == "prompts":
            if group.changed_prompts:
                yield f"different versions of {_listed(group.changed_prompts)}"
            else:
                yield f"{len(values)} {_NAMES[name]}"
            continue
        known = [value for value in values if value]
        shown = "" if name == "spec" else f" ({_listed(known)})"
        yield f"{len(known)} {_NAMES[name]}{shown}"


def _is_told(name: Dimension, group: Group) -> bool:
    """Whether a mix is worth its words: a spec says its variant."""
    return name != "variant" or "spec" not in group.mixed


def _listed(values: Sequence[str]) -> str:
    more = len(values) - _MAX_SHOWN
    return ", ".join([*values[:_MAX_SHOWN], *([f"{more} more"] if more > 0 else [])])


def _row(group: Group) -> tuple[str, ...]:
    success, newest = group.success, group.newest
    decisions = dict.fromkeys(
        word or numbers.NONE for word in newest.decisions.values()
    )
    return (
        *(group.model, group.suite, *group.split.values()),
        *(str(group.runs), str(group.trials), numbers.percent(group.ok.value)),
        numbers.percent(success.value),
        numbers.interval(success.low, success.high),
        str(group.errors),
        *_times(group.e2e_ms),
        *_times(group.ttft_ms),
        f"{group.wall_s:.1f} s",
        _restraint(group.restraint),
        numbers.count(group.tier),
        newest.run_id,
        ", ".join(decisions),
    )


def _short(group: Group) -> tuple[str, ...]:
    split = [value for value in group.split.values() if value]
    # A spec begins with its model.
    name = " ".join(split if "spec" in group.split else [group.model, *split])
    return (
        *(plain(name), plain(group.suite), str(group.runs), str(group.trials)),
        numbers.percent(group.ok.value).replace(" ", ""),
        numbers.percent(group.success.value).replace(" ", ""),
        *(text.replace(" ", "") for text in _times(group.e2e_ms)),
    )


def _times(series: Percentiles) -> tuple[str, str]:
    return numbers.milliseconds(series.p50), numbers.milliseconds(series.p95)


def _restraint(share: Proportion | None) -> str:
    return numbers.NONE if share is None else numbers.percent(share.value)


def _tail(text: str, room: int) -> str:
    """Shorten a name at its beginning: the ends of models' names differ."""
    return text if len(text) <= room else "…" + text[1 - room :]
