"""`llmbench report`: which runs, where to, and every refusal in one line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from stored_runs import store_run

from pytest_llmbench.cli import main

if TYPE_CHECKING:
    from pathlib import Path

EARLIER = "20261120T080000000Z-aaaaaa"


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Store two runs of one model; the newer one has two."""
    reports = tmp_path / "reports"
    store_run(reports, {"m:1b": {"P1": "PPF"}}, run_id=EARLIER)
    store_run(reports, {"m:1b": {"P1": "PPP"}, "n:2b": {"P1": "PFP"}})
    return reports


def report(reports: Path, *words: str) -> int:
    """Run the command."""
    return main(["report", *words, "--reports", str(reports)])


def newest(reports: Path) -> Path:
    """Return the folder of the newer run."""
    return max(reports.glob("2*/*"))


def test_the_newest_run_is_taken(
    reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a word the page of the newest run goes into its folder."""
    assert report(reports) == 0
    path = newest(reports) / "report.html"
    assert capsys.readouterr().out == f"wrote {path}\n"
    page = path.read_text("utf-8")
    assert "<title>llmbench: 20261121T080000000Z-abcdef</title>" in page
    assert "n:2b" in page
    assert "m:1b: accuracy over time" in page


def test_the_past_comes_from_the_history(
    reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Decisions and drift over all stored runs; from five on there is a verdict."""
    for day, row in enumerate(("PPP", "PPF", "FFP", "FFF")):
        name = f"2026111{day}T080000000Z-{day:06x}"
        store_run(reports, {"m:1b": {"P1": row}}, run_id=name)
    assert report(reports) == 0
    assert (reports / "history.db").is_file()
    page = (newest(reports) / "report.html").read_text("utf-8")
    assert "halves of 6 runs" in page
    assert "no verdict: needs 5 runs" not in page
    assert page.count('class="mark ') == 6
    assert capsys.readouterr().err == ""


def test_a_history_that_fails_costs_a_line(
    reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page is made all the same, its past from the newest run folders."""
    (reports / "history.db").mkdir()
    assert report(reports) == 0
    assert "m:1b: accuracy over time" in (newest(reports) / "report.html").read_text()
    told = capsys.readouterr().err
    assert told.startswith("llmbench: report: the past is told by the newest run")
    assert told.count("\n") == 1


def test_runs_from_elsewhere_have_no_past(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that is named by its folder needs no folder of reports, and makes none."""
    other = tmp_path / "none"
    assert report(other, str(newest(reports))) == 0
    assert not other.exists()
    page = (newest(reports) / "report.html").read_text("utf-8")
    assert "accuracy over time" not in page
    assert capsys.readouterr().err == ""


def test_several_runs_stand_side_by_side(
    reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs by id and by folder, on one page in the folder of all reports."""
    assert report(reports, EARLIER, str(newest(reports)), EARLIER) == 0
    assert capsys.readouterr().out == f"wrote {reports / 'report.html'}\n"
    page = (reports / "report.html").read_text("utf-8")
    assert "<title>llmbench: 2 runs</title>" in page
    assert f"m:1b ({EARLIER})" in page
    assert page.count('<article class="decision"') == 3


def test_a_killed_run_has_a_page_too(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without summary and inventory the records are shown, and nothing is decided."""
    for name in ("summary.json", "inventory.json"):
        (newest(reports) / name).unlink()
    out = tmp_path / "deep" / "r.html"
    assert report(reports, "--out", str(out)) == 0
    assert "has not come to its end" in out.read_text("utf-8")
    assert capsys.readouterr().err == ""


def test_a_comment_is_printed(
    reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text for a pull request, decision first, within its limit."""
    assert report(reports, "--pr-comment") == 0
    whole = capsys.readouterr().out
    assert whole.startswith("# llmbench run 20261121T080000000Z-abcdef\n")
    assert report(reports, "--pr-comment", "--max-chars", "900") == 0
    cut = capsys.readouterr().out
    assert len(cut) <= 900 < len(whole)
    assert not list(reports.rglob("report.html"))


def test_curves_are_written(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each curve as SVG and PNG, each file named."""
    folder = tmp_path / "curves"
    assert report(reports, "--plot", str(folder)) == 0
    names = {path.name for path in folder.iterdir()}
    assert {"accuracy.svg", "accuracy.png", "ttft.svg", "e2e.png"} <= names
    assert set(capsys.readouterr().out.split()) == {str(p) for p in folder.iterdir()}
    assert (folder / "e2e.png").read_bytes().startswith(b"\x89PNG")
    assert "<style>" in (folder / "e2e.svg").read_text("utf-8")


def test_curves_need_no_extra(
    reports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without matplotlib and jinja2 the SVG files are there all the same."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert report(reports, "--plot", str(tmp_path / "curves")) == 0
    kinds = {path.suffix for path in (tmp_path / "curves").iterdir()}
    assert kinds == {".svg"}


def test_the_missing_extra_is_named(
    reports: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line says what to install."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert report(reports) == 2
    assert capsys.readouterr().err == (
        "llmbench: report: the extra `report` is not installed:"
        " pip install 'pytest-llmbench[report]' for report.html\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["20261121T080000000Z-abcdeg"], "did you mean '20261121T080000000Z-abcdef'?"),
        (["nothing"], "give a run id or a run's folder"),
        (
            ["--max-chars", "5", "--pr-comment"],
            "--max-chars is 5; it takes 500 or more",
        ),
        (["--out", "a", "--plot", "b"], "--plot and --out don't go together"),
        (["."], "give the folder of a run"),
    ],
)
def test_a_wrong_word_is_one_line(
    reports: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was found, what is allowed, status 2."""
    assert report(reports, *words) == 2
    told = capsys.readouterr().err
    assert told.startswith("llmbench: report: ")
    assert told.count("\n") == 1
    assert said.lower() in told.lower()


def test_no_run_at_all_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty folder of reports names itself."""
    assert report(tmp_path) == 2
    assert f"there is no run in {tmp_path}" in capsys.readouterr().err


def test_a_broken_run_is_named(
    reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of another shape is no traceback."""
    (newest(reports) / "config.json").write_text('{"plans": 3}', "utf-8")
    assert report(reports) == 2
    assert "cannot be read as a run of this version" in capsys.readouterr().err


def test_a_line_that_is_no_record_is_named(
    reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """File and line stand in the message; a last line that was cut off is no fault."""
    path = newest(reports) / "results.jsonl"
    count = len(path.read_text("utf-8").splitlines())
    with path.open("a") as lines:
        lines.write('{"half": ')
    assert report(reports) == 0
    with path.open("a") as lines:
        lines.write("\n")
    assert report(reports) == 2
    assert f"{path}:{count + 1} is no record (" in capsys.readouterr().err


def test_a_folder_gets_the_page_under_its_own_name(
    reports: Path, tmp_path: Path
) -> None:
    """`--out` may name a folder, as it does for other commands."""
    assert report(reports, "--out", str(tmp_path)) == 0
    assert (tmp_path / "report.html").is_file()


def test_a_page_that_cannot_be_written_is_named(
    reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A path through a file is the user's mistake, told in one line."""
    path = newest(reports) / "config.json" / "r.html"
    assert report(reports, "--out", str(path)) == 2
    assert "config.json" in capsys.readouterr().err
