"""Which charts and tables a run has, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from made_records import make_plan, make_record, make_records, make_reply
from msgspec.structs import replace
from stored_runs import named, store_jobs, store_run

from pytest_llmbench.analysis.context_curve import JobContext, job_context
from pytest_llmbench.commands.stored_run import stored_run
from pytest_llmbench.report import pictures, rundata
from pytest_llmbench.report.contextcurve import context_charts, slope_rows
from pytest_llmbench.report.html import tables
from pytest_llmbench.report.past import past_of_summaries

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmbench.report.rundata import JobData

AT = "2026-11-21T08:00:00+00:00"


def jobs_of(folder: Path) -> list[JobData]:
    """Return the named jobs of a stored run."""
    return rundata.named(stored_run(folder).jobs())


def texts(table: tables.Table | None) -> list[list[str]]:
    """Return a table's cells as text."""
    assert table is not None
    assert all(len(row) == len(table.head) for row in table.rows)
    return [[cell.text for cell in row] for row in table.rows]


def test_a_run_has_its_charts(tmp_path: Path) -> None:
    """Accuracy, both distributions, where time goes, and drift over several runs."""
    grids = {"m:1b": {"P1": "PF"}, "n:2b": {"P1": "PP"}}
    jobs = jobs_of(store_run(tmp_path, grids, started_at=AT))
    names = [chart.file_name for chart in pictures.run_charts(jobs)]
    assert names == ["accuracy", "ttft", "e2e", "time_parts", "drift"]


def test_a_run_without_an_answer_has_none(tmp_path: Path) -> None:
    """Nothing complete, nothing timed: nothing to draw."""
    jobs = jobs_of(store_run(tmp_path, {"m:1b": {"P1": "E"}}))
    assert list(pictures.run_charts(jobs)) == []


def test_many_runs_are_pooled_into_points(tmp_path: Path) -> None:
    """Of 600 runs there are 60 points, each of ten runs together."""
    jobs = jobs_of(store_run(tmp_path, {"m:1b": {"P1": "PPPPPPPPPF" * 60}}))
    chart = pictures.accuracy(jobs)
    assert chart is not None
    assert {point.y for point in chart.series[0].points} == {0.9}
    assert len(chart.series[0].points) == 60


def test_specs_have_the_shortest_names_that_differ(tmp_path: Path) -> None:
    """Model, else model and variant, else the run as well."""
    grid = {"P1": "P"}
    one = [
        (make_plan(grid, **own), make_records(grid, **own))
        for own in (named("m:1b"), named("m:1b", "text"))
    ]
    jobs = jobs_of(store_jobs(tmp_path, one))
    assert [job.label for job in jobs] == ["m:1b / native_api", "m:1b / text"]
    specs = [f"{named('m:1b')['spec'][:-2]}{flags}" for flags in ("w0", "w1 seed=3")]
    flags = [
        (make_plan(grid, spec=spec), make_records(grid, spec=spec)) for spec in specs
    ]
    jobs = jobs_of(store_jobs(tmp_path / "f", flags))
    assert [job.label for job in jobs] == ["m:1b / w0", "m:1b / w1 seed=3"]
    other = store_run(tmp_path / "b", {"m:1b": grid}, run_id="20261122T080000000Z-b")
    both = [*stored_run(other).jobs(), jobs[0]]
    assert [job.label for job in rundata.named(both)] == [
        "m:1b (20261122T080000000Z-b)",
        "m:1b (20261121T080000000Z-abcdef)",
    ]


def test_the_leaderboard_sorts_by_numbers(tmp_path: Path) -> None:
    """Beside each text stands its number; a decision has its rank."""
    grids = {"m:1b": {"P1": "PPP"}, "n:2b": {"P1": "EEE"}}
    table = tables.leaderboard(jobs_of(store_run(tmp_path, grids)))
    first, second = table.rows
    assert [cell.text for cell in first[2:4]] == ["PROMOTE", "100 %"]
    assert [cell.value for cell in first[2:4]] == ["0", "1"]
    assert first[7].value == "1000"
    assert second[3].value == second[7].value == ""
    assert first[0].link == "decision-0"


def test_warm_is_held_against_cold(tmp_path: Path) -> None:
    """Only where some call found the model absent."""
    grid = {"P1": "PP"}
    warm = make_records(grid, is_resident=True)
    cold = replace(warm[0], is_resident=False, reply=make_reply(load_ms=150.0))
    jobs = jobs_of(store_jobs(tmp_path / "a", [(make_plan(grid), warm)]))
    assert tables.warm_and_cold(jobs) is None
    jobs = jobs_of(store_jobs(tmp_path / "b", [(make_plan(grid), [cold, warm[1]])]))
    assert texts(tables.warm_and_cold(jobs)) == [
        ["m:1b", "loaded before the call", "1", "200 ms", "1.00 s", "-"],
        ["m:1b", "not loaded", "1", "50 ms", "850 ms", "150 ms"],
    ]


def test_variants_are_held_against_the_native_one(tmp_path: Path) -> None:
    """The gain in points with its interval; without a native one there is no table."""
    grids = {
        "native_api": {"P1": "PPPP", "P2": "FFFF"},
        "text": {"P1": "PPPP", "P2": "PPPP"},
    }
    both = [
        (make_plan(grid, **named("m:1b", v)), make_records(grid, **named("m:1b", v)))
        for v, grid in grids.items()
    ]
    (table,) = tables.variants(jobs_of(store_jobs(tmp_path / "a", both)))
    assert texts(table)[0][:5] == ["text", "2", "50 %", "100 %", "+50"]
    assert tables.variants(jobs_of(store_jobs(tmp_path / "b", both[1:]))) == []


def test_history_is_that_of_the_spec_and_suite(tmp_path: Path) -> None:
    """Oldest first, with decisions; other specs are apart, one run is no history."""
    for day, row in enumerate(("FFF", "PFP", "PPP")):
        store_run(tmp_path, {"m:1b": {"P1": row}}, run_id=f"2026112{day}T080000000Z-a")
    ((key, trend),) = past_of_summaries(tmp_path).items()
    assert key == ("m:1b / atomic / native_api / t60 r0 i0 w0", "atomic")
    assert [
        (one.at[:10], one.runs, one.accuracy, one.decision) for one in trend.points
    ] == [
        ("2026-11-20", 3, 0.0, "REJECT"),
        ("2026-11-21", 3, 1.0, "HOLD"),
        ("2026-11-22", 3, 1.0, "PROMOTE"),
    ]
    chart = pictures.past("m", trend)
    assert chart is not None
    assert chart.rows[0][:2] == ("20261120T080000000Z-a", "0 %")
    assert [row[4] for row in chart.rows] == ["REJECT", "HOLD", "PROMOTE"]
    assert pictures.past("m", replace(trend, points=trend.points[:1])) is None
    assert pictures.past("m", None) is None


def test_summaries_of_other_versions_are_passed_over(tmp_path: Path) -> None:
    """What a trend can't read is left out, and what has no accuracy is no point."""
    for day, row in enumerate(("PPP", "EEE", "PPP")):
        store_run(tmp_path, {"m:1b": {"P1": row}}, run_id=f"2026112{day}T080000000Z-a")
    old = tmp_path / "2026-11-19" / "20261119T080000000Z-a"
    old.mkdir(parents=True)
    summary = '{"job_summaries": [{"spec": "x"}, {"spec": 3, "runs": []}]}'
    (old / "summary.json").write_text(summary, "utf-8")
    (trend,) = past_of_summaries(tmp_path).values()
    assert [one.accuracy for one in trend.points] == [1.0, None, 1.0]
    chart = pictures.past("m", trend)
    assert chart is not None
    assert len(chart.rows) == 2


def context_of(slope: float = 100.0, **grid: str) -> JobContext:
    """Return the curves of prompts at 2,048 and 8,192 tokens; ms per 1,000 tokens."""
    ids = [f"{name}:{tokens}" for name in grid for tokens in (2048, 8192)]
    records = []
    for prompt_id in ids:
        name, _, length = prompt_id.partition(":")
        counted = int(length) + 4
        reply = make_reply(ttft_ms=slope * counted / 1000, e2e_ms=5000.0)
        reply = replace(reply, usage=replace(reply.usage, prompt_tokens=counted))
        row = grid[name] if length == "8192" else "P" * len(grid[name])
        for run, letter in enumerate(row, 1):
            records.append(make_record(prompt_id, run, letter, reply=reply))
    found = job_context(records, ids)
    assert found is not None
    return found


def test_context_curves_are_drawn() -> None:
    """Counted lengths; of one job its prompts and the fitted line, else the jobs."""
    context = context_of(L1="PPPPP", L2="PPFFF")
    found = {chart.file_name: chart for chart in context_charts([("m", context)])}
    assert list(found) == [
        *("context_ttft", "context_e2e", "context_output_tokens_per_s"),
        "context_adherence",
    ]
    ttft = found["context_ttft"]
    assert ttft.legend == ("L1", "L2", "line: 100 ms per 1,000 tokens")
    assert ttft.rows == (
        ("2,052", "205 ms", "205 ms", "205 ms"),
        ("8,196", "820 ms", "820 ms", "820 ms"),
    )
    axis = ttft.axis
    assert axis is not None  # a line must look like one
    assert (axis.is_log, axis.low, axis.ticks()) == (False, 0.0, (2048, 8192))
    assert found["context_adherence"].rows[1] == (
        "8,196",
        "100 % (56.6 % to 100 %)",
        "40 % (11.8 % to 76.9 %)",
    )
    two = next(context_charts([("m", context), ("n", context)]))
    assert two.legend == ("m", "n")


def test_slopes_are_told_with_their_intervals() -> None:
    """And where adherence falls, and that nothing is known where nothing is."""
    whole, one, other = slope_rows([("m", context_of(L1="PPPPP", L2="PPFFF"))])
    assert whole[0] == "m"
    assert whole[1].startswith("100 ms per 1,000 tokens (95 %: 100 to 100, n=20)")
    assert whole[2] == "-"
    assert one[-1] == "-"
    assert other[0] == "m L2"
    assert other[-1].startswith("below 80 % from 8,192 tokens on: 2/5, 12-77 %")
    assert tables.slopes([]) is None


def test_drift_is_that_of_the_summary(tmp_path: Path) -> None:
    """Each run by its prompts' medians, the verdict beside it."""
    grid = {"P1": "PPPPP", "P2": "PPPPP"}
    records = [
        replace(
            one,
            started_at=f"2026-11-21T08:0{one.run}:00+00:00",
            reply=make_reply(e2e_ms=1000.0 * (1 + 0.1 * (one.run - 3))),
        )
        for one in make_records(grid)
    ]
    jobs = jobs_of(store_jobs(tmp_path, [(make_plan(grid), records)]))
    chart = pictures.drift(jobs)
    assert chart is not None
    assert [row[1] for row in chart.rows] == ["80 %", "90 %", "100 %", "110 %", "120 %"]
    assert texts(tables.drift(jobs)) == [
        ["m:1b", "rises by 40 % (40 % to 40 %) over 240 s (n=10)"]
    ]
    jobs = jobs_of(store_run(tmp_path / "b", {"m:1b": {"P1": "PPP"}}, started_at=AT))
    assert texts(tables.drift(jobs)) == [["m:1b", "needs n >= 10 repeats, n is 3"]]
