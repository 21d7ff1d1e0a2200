"""One page from one or more runs: `report.html`."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from msgspec import Struct

from pytest_llmbench.masking import masked, masked_text
from pytest_llmbench.report import numbers, pictures
from pytest_llmbench.report.html import sides, tables
from pytest_llmbench.report.html.environment import environment_tables
from pytest_llmbench.report.html.grid import MAX_COLUMNS, page_grid
from pytest_llmbench.report.html.packing import Pack, rows
from pytest_llmbench.report.html.visible import visible, visible_json
from pytest_llmbench.report.plain import plain
from pytest_llmbench.report.rundata import e2e_ms, named, ttft_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmbench.analysis.trend import Trend
    from pytest_llmbench.report.charts import Chart
    from pytest_llmbench.report.rundata import JobData, RunData

_PACKAGE: Final = "pytest_llmbench.report.html"
_PROMPT_ROOM: Final = 400_000
"""Characters of all prompts' texts together."""
_OPEN_GRIDS: Final = 6


class ChartView(Struct, frozen=True):
    """A chart with its drawing marked as markup: `charts` has escaped its texts."""

    chart: Chart
    drawing: Markup


def page(runs: Sequence[RunData], past: Mapping[tuple[str, str], Trend]) -> str:
    """Return the whole page; every text in it is masked, escaped and harmless.

    Args:
        runs: at least one.
        past: the trends of their specs over stored runs, by spec and suite.
    """
    jobs = named([job for run in runs for job in run.jobs()])
    pack = Pack()
    index = _index(jobs, pack)
    style, script = _static("page.css"), _static("page.js")
    text: str = _template().render(
        policy=Markup(_policy(style, script)),  # noqa: S704 - made of two hashes
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        index=Markup(_json(index)),  # noqa: S704 - no < in it
        pieces=[Markup(piece) for piece in pack.pieces],  # noqa: S704 - base64
        pack=pack,
        runs=runs,
        jobs=list(enumerate(jobs)),
        grids=[page_grid(job, n, len(jobs)) for n, job in enumerate(jobs)],
        open_grids=_OPEN_GRIDS,
        is_bucketed=any(job.grid.runs > MAX_COLUMNS for job in jobs),
        **_charts(jobs, past),
        **_tables(runs, jobs),
        drifts=sides.drifts(jobs, past),
    )
    return text


def _charts(
    jobs: Sequence[JobData], past: Mapping[tuple[str, str], Trend]
) -> dict[str, list[ChartView]]:
    histories = [
        pictures.past(job.label, past.get((job.summary.spec, job.summary.suite)))
        for job in jobs
    ]
    return {
        "accuracy_charts": _drawn(pictures.accuracy(jobs)),
        "latency_charts": _drawn(
            pictures.latency("TTFT", ttft_ms, jobs),
            pictures.latency("E2E", e2e_ms, jobs),
            pictures.shares(jobs),
            pictures.drift(jobs),
        ),
        "context_charts": _drawn(*pictures.context(jobs)),
        "history_charts": _drawn(*histories),
    }


def _tables(runs: Sequence[RunData], jobs: Sequence[JobData]) -> dict[str, Any]:
    return {
        "leaderboard": tables.leaderboard(jobs),
        "sides": [*sides.side_by_side(jobs), *sides.auto_runs(runs)],
        "categories": tables.by_category(jobs),
        "latency_tables": _given(
            tables.pace(jobs), tables.drift(jobs), tables.warm_and_cold(jobs)
        ),
        "lengths": list(tables.lengths(jobs)),
        "slopes": tables.slopes(pictures.context_parts(jobs)),
        "variants": tables.variants(jobs),
        "cost": tables.cost(jobs),
        "comparability": tables.comparability(jobs),
        "environment": environment_tables(runs),
    }


def _given(*found: tables.Table | None) -> list[tables.Table]:
    return [table for table in found if table is not None]


def _drawn(*found: Chart | None) -> list[ChartView]:
    return [
        ChartView(chart, Markup(masked_text(chart.svg)))  # noqa: S704 - see ChartView
        for chart in found
        if chart is not None
    ]


def _index(jobs: Sequence[JobData], pack: Pack) -> dict[str, Any]:
    """Pack all trials; return where the page's script finds what."""
    outcomes = [pack.add(visible_json(rows(job))) for job in jobs]
    asked = pack.add(_asked(jobs))
    pack.add_details(jobs)
    found = [
        {
            "label": job.label,
            "suite": job.summary.suite,
            "spec": job.summary.spec,
            "run": job.run.view.run_id,
            "runs": job.grid.runs,
            "prompts": list(job.grid.prompt_ids),
            "rows": outcomes[number],
            "details": {
                str(place): pack.details[number, place]
                for place in range(len(job.grid.prompt_ids))
                if (number, place) in pack.details
            },
        }
        for number, job in enumerate(jobs)
    ]
    index: dict[str, Any] = masked(visible_json({"jobs": found, "asked": asked}))
    return index


def _asked(jobs: Sequence[JobData]) -> dict[str, Any]:
    """Return what was asked, by suite and prompt id; the newest run's word holds."""
    runs = {job.run.view.run_id: job.run for job in jobs}
    prompts = [prompt for run in runs.values() for prompt in run.prompts]
    limit = min(20_000, max(1_000, _PROMPT_ROOM // (len(prompts) or 1)))
    found: dict[str, Any] = {}
    for prompt in prompts:
        texts = {key: prompt.get(key, "") for key in ("title", "text", "system")}
        found[f"{prompt['suite']}\n{prompt['prompt_id']}"] = {
            **{key: visible(text, limit) for key, text in texts.items()},
            "tools": visible_json(prompt.get("tools", [])),
            "expect": visible(_shown(prompt.get("expect")), limit),
            "turns": [
                [visible(turn["text"], limit), visible(_shown(turn["expect"]), limit)]
                for turn in prompt.get("turns", ())
            ],
            "length": visible(_length(prompt.get("context"))),
        }
    return found


def _length(context: Mapping[str, Any] | None) -> str:
    """Say to which length a prompt is brought; nothing for its own."""
    if not context:
        return ""
    tokens = numbers.tokens(context["tokens"])
    return (
        f"Brought to {tokens} tokens by filler; this text stands at its"
        f" {context['position']}."
    )


def _shown(expect: object) -> str:
    return json.dumps(expect, ensure_ascii=False, indent=1) if expect else ""


def _json(value: object) -> str:
    """Return JSON that may stand in a `<script>`: nothing in it ends one."""
    return json.dumps(value).replace("<", "\\u003c")


def _policy(style: str, script: str) -> str:
    """Forbid everything but the page's own style and script, by their hashes."""
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (style, script)
    ]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}';"
        f" script-src 'sha256-{hashes[1]}'; base-uri 'none'; form-action 'none'"
    )


@cache
def _static(name: str) -> str:
    return files(_PACKAGE).joinpath("templates", name).read_text("utf-8")


@cache
def _template() -> Any:  # noqa: ANN401 - jinja2 types it loosely
    # What `finalize` returns is escaped then: no text comes past both.
    environment = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


def _harmless(value: object) -> object:
    """Return any text masked, and with what does not print written out."""
    if isinstance(value, Markup | int):
        return value
    return masked_text(plain(str(value)))
