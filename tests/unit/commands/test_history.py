"""`llmbench history` on stored runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from made_records import SPEC
from made_runs import made_cycle, made_summary, put_run, run_id

from pytest_llmbench.cli import main
from pytest_llmbench.runs.history import History
from pytest_llmbench.runs.schemas import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHORT = "m:1b atomic native_api w0"


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder in which a spec loses one prompt after the other."""
    monkeypatch.chdir(tmp_path)
    for day in range(1, 8):
        grid = {f"P{n}": "PPP" if n > day else "FFF" for n in range(1, 9)}
        name = run_id(day)
        digest = {"model_digest": "old" if day < 5 else "new"}
        put_run(
            tmp_path / "reports",
            name,
            made_summary(name, grid, job={"comparability": digest}),
        )
    return tmp_path / "reports"


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Give a function that runs the command: status, output and errors."""

    def run(*words: str) -> tuple[int, str, str]:
        status = main(["history", *words])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


@pytest.mark.usefixtures("reports")
def test_what_is_there(say: Callable[..., tuple[int, str, str]]) -> None:
    """Without a spec it lists the specs with their newest run."""
    status, text, _ = say()
    assert status == 0
    assert "history.db: 7 runs, 0 cycles" in text
    assert f"       7  2026-11-07 08:00  {SPEC}" in text
    status, text, _ = say("--json")
    data = json.loads(text)
    assert (status, data["schema_version"], data["runs"]) == (0, 1, 7)
    assert [each["spec"] for each in data["specs"]] == [SPEC]


@pytest.mark.usefixtures("reports")
def test_a_drift_to_the_worse(say: Callable[..., tuple[int, str, str]]) -> None:
    """With a spec it shows each run, the drift with its p, and fails for the worse."""
    status, text, _ = say(SHORT)
    assert status == 1
    assert (
        "  2026-11-01 08:00     3    87.5 %         0    1.00 s    1.00 s  HOLD" in text
    )
    assert "accuracy  drifts to the worse: 68.8 % -> 25 % (halves of 7 runs)" in text
    assert "Mann and Kendall's test p = 0.0004" in text
    assert "* 2026-11-05 08:00" in text
    assert "2026-11-05 08:00  model_digest" in text
    status, text, _ = say(SPEC, "--json")
    assert status == 1
    (trend,) = json.loads(text)["trends"]
    assert [point["accuracy"] for point in trend["points"]][::6] == [0.875, 0.125]
    drift = trend["drifts"][0]
    assert drift["p_value"] == pytest.approx(2 * drift["monotone"]["p_value"])
    assert drift["monotone"]["p_value"] == 2 / 5040


def test_a_steady_spec_is_good(
    reports: Path, say: Callable[..., tuple[int, str, str]]
) -> None:
    """Without a drift the status is 0; many runs are counted, not shown."""
    warm = SPEC.replace("w0", "w1")
    for number in range(30):
        put_run(reports, run_id(20, number), spec=warm)
    status, text, _ = say(warm)
    assert status == 0
    assert "… 10 older runs of it" in text
    assert "accuracy  no drift shown: 100 % -> 100 % (halves of 30 runs), p = 1" in text


def test_the_export(reports: Path, say: Callable[..., tuple[int, str, str]]) -> None:
    """--export writes the cycles as published, and says where."""
    with History.open(f"sqlite:///{reports}/history.db") as history:
        history.add_cycle(made_cycle())
    status, _, said = say("--export")
    assert (status, said) == (0, "wrote reports/meta_loop_history.json\n")
    cycles: list[dict[str, Any]] = json.loads(
        (reports / "meta_loop_history.json").read_text("utf-8")
    )
    assert [cycle["cycle_index"] for cycle in cycles] == [1]
    Draft202012Validator(load_schema("meta_loop_history")).validate(cycles)


@pytest.mark.usefixtures("reports")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("m:1c atomic native_api w0",), f"did you mean {SPEC!r}?"),
        (("what",), "'what' is no stored spec and can't be read as one"),
        (("--reports", "raports"), "there is no folder raports"),
    ],
)
def test_mistakes(
    say: Callable[..., tuple[int, str, str]], words: tuple[str, ...], message: str
) -> None:
    """A spec that is not stored, or no spec, and a slip in the folder: status 2."""
    status, text, said = say(*words)
    assert (status, text) == (2, "")
    assert said.startswith("llmbench: history: ")
    assert message in said


def test_a_broken_database(
    reports: Path, say: Callable[..., tuple[int, str, str]]
) -> None:
    """What is wrong with the database is one line."""
    (reports / "history.db").write_text("x" * 5000, "utf-8")
    status, text, said = say()
    assert (status, text, len(said.splitlines())) == (2, "", 1)
    assert "history.db: file is not a database; the run folders are the truth" in said
