"""The page's tables: cells as text, beside them the number to sort by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from pytest_llmbench.analysis.comparison import compare, job_evidence
from pytest_llmbench.report import numbers
from pytest_llmbench.report.context import HEAD as LENGTHS
from pytest_llmbench.report.context import drift_text
from pytest_llmbench.report.contextcurve import slope_rows
from pytest_llmbench.report.view import BASELINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmbench.analysis.comparison import Comparison
    from pytest_llmbench.analysis.context_curve import JobContext
    from pytest_llmbench.analysis.cost import Cost
    from pytest_llmbench.analysis.drift import Warmth
    from pytest_llmbench.analysis.slowness import Slowness
    from pytest_llmbench.report.rundata import JobData
    from pytest_llmbench.runs.record import Record

BASE_VARIANT: Final = "native_api"
_RANK: Final = {BASELINE: -1, "PROMOTE": 0, "HOLD": 1, "REJECT": 2}
_SLOW: Final = {
    "start": "slow to start",
    "throughout": "slow throughout",
    "mixed": "mixed",
    None: "no verdict",
}
_COLD_STARTS: Final = {
    "never": "never",
    "spec": "before each spec",
    "run": "before each run",
}


class Cell(Struct, frozen=True):
    """One cell.

    Attributes:
        value: what it sorts by; empty sorts last.
        kind: a class of the style sheet.
        link: the id of a part of this page; empty for none.
    """

    text: str
    value: str = ""
    kind: str = ""
    link: str = ""


class Table(Struct, frozen=True, kw_only=True):
    """A table; the first cell of each row names the row.

    Attributes:
        note: stands beneath it.
        is_sortable: whether its heads are buttons.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    is_sortable: bool = False


def leaderboard(jobs: Sequence[JobData]) -> Table:
    """Return one row per spec and suite with all that specs are compared by."""
    head = (
        *("spec", "suite", "decision", "accuracy", "restraint", "agent score", "tier"),
        *("E2E p50", "E2E p95", "TTFT p50", "tokens/s", "cost"),
    )
    return Table(
        caption="All specs, each on each suite",
        head=head,
        rows=tuple(tuple(_standing(job)) for job in jobs),
        note="Times are less model load; p95 needs 20 replies. Rates are medians by our"
        " own clock.",
        is_sortable=True,
    )


def _standing(job: JobData) -> Iterator[Cell]:
    one, word = job.summary, job.view.decision
    latency, rate = one.latency, one.latency.client_tokens_per_s.p50
    score = numbers.NONE if one.agent_score is None else f"{one.agent_score:.3f}"
    yield Cell(job.label, job.label, "", f"decision-{job.number}")
    yield Cell(one.suite, one.suite)
    yield Cell(word, str(_RANK.get(word, 3)), word)
    yield _number(numbers.percent(one.accuracy), one.accuracy)
    yield _number(numbers.percent(one.restraint_score), one.restraint_score)
    yield _number(score, one.agent_score)
    yield _number(numbers.NONE if one.tier is None else str(one.tier), one.tier)
    for value in (latency.e2e_ms.p50, latency.e2e_ms.p95, latency.ttft_ms.p50):
        yield _number(numbers.milliseconds(value), value)
    yield _number(numbers.NONE if rate is None else f"{rate:.1f}", rate)
    yield _money(job)


def _number(text: str, value: float | None) -> Cell:
    return Cell(text, "" if value is None else f"{value:.12g}", "n")


def _money(job: JobData) -> Cell:
    prices, total = job.summary.cost.prices, job.summary.cost.total
    if prices is not None and prices.is_free:
        return Cell("free", "0", "n")
    return _usd(total)


def _usd(cost: Cost) -> Cell:
    usd = cost.usd if cost.is_whole else None
    return _number(numbers.usd(usd), None if usd is None else float(usd))


def pace(jobs: Sequence[JobData]) -> Table:
    """Say of each spec and its prompts whether they are slow to start or throughout."""
    rows = []
    for job in jobs:
        whole = job.summary.slowness
        slow = [
            f"{name} ({numbers.percent(one.start_share)})"
            for name, one in whole.prompts.items()
            if one.verdict == "start"
        ]
        rows.append((Cell(job.label), *_pace(whole.whole), Cell(", ".join(slow))))
    return Table(
        caption="Slow to start, or slow throughout",
        head=(
            *("spec", "E2E before the first token", "rank correlation", "n"),
            *("verdict", "prompts that are slow to start"),
        ),
        rows=tuple(rows),
        note="The share is the median of TTFT / E2E; the correlation is Spearman's, of"
        " TTFT and E2E. A verdict needs 10 replies.",
    )


def _pace(one: Slowness) -> Iterator[Cell]:
    rho = one.rank_correlation
    yield Cell(numbers.percent(one.start_share), "", "n")
    yield Cell(numbers.NONE if rho is None else f"{rho:.2f}", "", "n")
    yield Cell(str(one.n), "", "n")
    yield Cell(_SLOW[one.verdict] + (f" ({one.reason})" if one.reason else ""))


def drift(jobs: Sequence[JobData]) -> Table:
    """Say of each spec whether its replies grow slower while the run goes on."""
    return Table(
        caption="Whether replies grow slower over the run",
        head=("spec", "E2E from the first trial to the last"),
        rows=tuple(
            (Cell(job.label), Cell(drift_text(job.summary.drift))) for job in jobs
        ),
        note="Each trial as a share of its prompt's median; Theil and Sen's line with"
        " its 95 % interval.",
    )


def warm_and_cold(jobs: Sequence[JobData]) -> Table | None:
    """Hold calls that found the model loaded against those that didn't."""
    if not any(job.summary.warmth.cold.trials for job in jobs):
        return None
    rows = tuple(
        (Cell(job.label), Cell(word), *_times(own))
        for job in jobs
        for word, own in (
            ("loaded before the call", job.summary.warmth.warm),
            ("not loaded", job.summary.warmth.cold),
        )
        if own.trials
    )
    return Table(
        caption="Warm against cold",
        head=("spec", "model", "n", "TTFT p50", "E2E p50", "load p50"),
        rows=rows,
        note="TTFT and E2E are less model load. Calls of which nobody knows whether the"
        " model was loaded are in neither.",
    )


def _times(own: Warmth) -> Iterator[Cell]:
    yield Cell(str(own.trials), "", "n")
    for series in (own.ttft_ms, own.e2e_ms, own.load_ms):
        yield Cell(numbers.milliseconds(series.p50), "", "n")


def cost(jobs: Sequence[JobData]) -> Table:
    """Return tokens and money of each spec."""
    rows = []
    for job in jobs:
        own = job.summary.cost
        tokens = [
            numbers.tokens(own.tokens[name].tokens) if own.tokens[name].known else "-"
            for name in ("prompt_tokens", "cached_tokens", "output_tokens")
        ]
        free = own.prices is not None and own.prices.is_free
        per_run = own.total.per(job.summary.plan.runs)
        each = ["free"] * 2 if free else map(numbers.usd, (per_run, own.per_passed_usd))
        cells = (Cell(text, "", "n") for text in (*tokens, _money(job).text, *each))
        rows.append((Cell(job.label), *cells))
    return Table(
        caption="Tokens and money",
        head=(
            *("spec", "tokens in", "of these cached", "tokens out", "cost"),
            *("per planned run", "per passed trial"),
        ),
        rows=tuple(rows),
        note="A dash: not told, or not known in full.",
    )


def variants(jobs: Sequence[JobData]) -> list[Table]:
    """Hold each variant of a model against the native one, over the same prompts."""
    groups: dict[tuple[str, ...], dict[str, list[Record]]] = {}
    for job in jobs:
        one = job.summary
        flags = one.spec.rpartition(" / ")[2]
        key = (job.run.view.run_id, one.model, flags)
        own = groups.setdefault(key, {}).setdefault(one.variant, [])
        own.extend(job.grid)
    tables = []
    for (_, model, _), found in groups.items():
        base = found.pop(BASE_VARIANT, None)
        if base and found:
            tables.append(_gains(model, base, found))
    return tables


def _gains(
    model: str, base: Sequence[Record], others: Mapping[str, Sequence[Record]]
) -> Table:
    rows = []
    for variant, records in others.items():
        found = compare(
            job_evidence(BASE_VARIANT, base), job_evidence(variant, records)
        )
        rows.append((Cell(variant), *gain(found)))
    return Table(
        caption=f"What each variant gains for {model} beside {BASE_VARIANT}",
        head=(
            "variant",
            "prompts",
            BASE_VARIANT,
            "variant's",
            "gain",
            "95 % interval",
            "verdict",
        ),
        rows=tuple(rows),
        note="Mean pass rate over the prompts that both ran; gain in points.",
    )


def gain(found: Comparison) -> Iterator[Cell]:
    """Yield prompts, both mean pass rates, their difference, its interval, verdict."""
    ends = found.interval
    shown = (
        f"{numbers.points(ends.low)} to {numbers.points(ends.high)}" if ends else "-"
    )
    yield Cell(str(len(found.prompts)), "", "n")
    yield Cell(numbers.percent(found.mean_a), "", "n")
    yield Cell(numbers.percent(found.mean_b), "", "n")
    yield Cell(numbers.points(found.difference), "", "n")
    yield Cell(shown, "", "n")
    yield Cell(found.verdict)


def comparability(jobs: Sequence[JobData]) -> Table | None:
    """Return what must be equal for results to be compared, spec by spec."""
    keys: Sequence[Mapping[str, Any]] = [
        job.run.comparability[job.number] for job in jobs if job.run.comparability
    ]
    names = list(dict.fromkeys(name for key in keys for name in key))
    names = [name for name in names if name not in {"prompts", "model", "variant"}]
    if not keys:
        return None
    rows = tuple(
        (
            Cell(job.label),
            *(Cell(_fact(_named(name, key.get(name)))) for name in names),
            Cell(_digest(key.get("prompts") or {})),
            Cell(_COLD_STARTS.get(job.run.cold_start, job.run.cold_start)),
        )
        for job, key in zip(jobs, keys, strict=True)
    )
    head = ("spec", *(name.replace("_", " ") for name in names))
    head = (*head, "prompts", "unloaded")
    return Table(
        caption="What results are compared by",
        head=head,
        rows=rows,
        note="Equal words under prompts: equal questions with equal expectations."
        " Unloaded: when a model was, so that each spec begins alike.",
    )


def _named(name: str, value: object) -> object:
    """Leave the hashes of prompts out where their ids tell enough."""
    if name == "beyond_context" and isinstance(value, dict):
        return list(value)
    return value


def _digest(hashes: Mapping[str, str]) -> str:
    """Name a set of prompts shortly."""
    import hashlib

    text = "".join(f"{key}={hashes[key]};" for key in sorted(hashes))
    return f"{len(hashes)} ({hashlib.sha256(text.encode()).hexdigest()[:8]})"


def _fact(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={each}" for key, each in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    return numbers.NONE if value in (None, "") else str(value)


def by_category(jobs: Sequence[JobData]) -> Table | None:
    """Return passed of judged trials by the prompts' category."""
    names = list(dict.fromkeys(n for job in jobs for n in job.summary.categories))
    if not names:
        return None
    rows = []
    for job in jobs:
        shares = [job.summary.categories.get(name) for name in names]
        texts = (
            f"{numbers.percent(s.value)} ({s.hits}/{s.n})" if s and s.n else "-"
            for s in shares
        )
        rows.append((Cell(job.label), *(Cell(text, "", "n") for text in texts)))
    return Table(
        caption="Accuracy by category", head=("spec", *names), rows=tuple(rows)
    )


def lengths(jobs: Sequence[JobData]) -> Iterator[Table]:
    """Yield each job's figures by length, over all prompts and for each."""
    for job in jobs:
        if job.view.context is not None:
            rows = tuple(
                (Cell(row[0]), *(Cell(text, "", "n") for text in row[1:]))
                for row in job.view.context.rows
            )
            yield Table(caption=f"By length: {job.label}", head=LENGTHS, rows=rows)


def slopes(parts: Sequence[tuple[str, JobContext]]) -> Table | None:
    """Return how times grow by the prompt's length, and where adherence falls."""
    rows = tuple(
        (Cell(name), *(Cell(text, "", "wide") for text in texts))
        for name, *texts in slope_rows(parts)
    )
    if not rows:
        return None
    return Table(
        caption="How times grow with the prompt, and where adherence falls",
        head=("spec", "TTFT", "prefill", "E2E", "adherence"),
        rows=rows,
        note="Theil and Sen's lines through all trials, by counted tokens.",
    )
