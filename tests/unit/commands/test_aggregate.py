"""`llmbench aggregate` on stored runs: what is added up, what stays, what is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from made_records import SPEC, make_records, make_reply

from pytest_llmbench.cli import main
from pytest_llmbench.runs.folder import drop_cut_line, json_line, write_json
from pytest_llmbench.runs.schemas import load_schema

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmbench.runs.record import Record

FIRST = "20261119T080000000Z-aaaaaa"
SECOND = "20261120T080000000Z-bbbbbb"
GOOD = {f"P{n}": "PPP" for n in range(4)}
BAD = {f"P{n}": "PFT" for n in range(4)}


def lines(records: list[Record]) -> str:
    """Return what results.jsonl holds."""
    return "".join(json_line(record.to_json()) for record in records)


def store(reports: Path, run_id: str, records: list[Record], **changes: object) -> Path:
    """Store a run's records, summary and inventory; changes are the summary's."""
    folder = reports / f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}" / run_id
    folder.mkdir(parents=True)
    (folder / "results.jsonl").write_text(lines(records), encoding="utf-8")
    decisions = [{"spec": SPEC, "suite": "atomic", "decision": "HOLD"}]
    summary = {"run_id": run_id, "replay_of": None, "policy_decisions": decisions}
    write_json(folder / "summary.json", {**summary, **changes})
    return folder


def placed(folder: Path, host: str, digest: str) -> None:
    """Store which machine and model a run was on."""
    model = {"model": "m:1b", "digest": f"sha256:{digest}", "server_version": "1"}
    write_json(folder / "inventory.json", {"host": {"host": host}, "models": [model]})


def timed(e2e_ms: float, run: int, minute: int) -> list[Record]:
    """Make one record that started in that minute and lasted so long."""
    at = f"2026-11-19T08:{minute:02d}:00+00:00"
    reply = make_reply(e2e_ms=e2e_ms)
    return make_records({"P1": "." * (run - 1) + "P"}, reply=reply, started_at=at)


class Command:
    """The command in this process, on a folder of reports."""

    def __init__(self, reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.reports, self._capsys = reports, capsys

    def __call__(self, *words: object) -> tuple[int, str]:
        """Return status, and what it printed."""
        reports = ("--reports", str(self.reports))
        status = main(["aggregate", *map(str, words), *reports])
        shown = self._capsys.readouterr()
        assert bool(shown.err) == (status == 2)
        return status, shown.out + shown.err

    def data(self, *words: object) -> dict[str, Any]:
        """Aggregate; return what was written, once it is known to fit its schema."""
        status, text = self(*words)
        assert status == 0, text
        path = self.reports / "AGGREGATE_SUMMARY.json"
        data: dict[str, Any] = json.loads(path.read_text("utf-8"))
        Draft202012Validator(load_schema("aggregate_summary")).validate(data)
        return data

    def group(self, *words: object) -> dict[str, Any]:
        """Aggregate; return the only group."""
        (found,) = self.data(*words)["groups"]
        return dict(found)


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Give the command, with no run stored yet."""
    return Command(tmp_path / "reports", capsys)


def test_trials_are_added_not_averages(command: Command) -> None:
    """A small run weighs as little as it has trials; every count adds up."""
    store(command.reports, FIRST, make_records(GOOD))
    store(command.reports, SECOND, make_records({**BAD, "P9": "EES"}))
    group = command.group()
    assert (group["runs"], group["trials"], group["judged"]) == (2, 26, 24)
    assert (group["errors"], group["timed_out"], group["skipped"]) == (2, 4, 1)
    assert group["ok_rate"] == 24 / 26
    assert (group["success"]["hits"], group["success"]["n"]) == (16, 24)
    assert group["success"]["low"] == pytest.approx(0.4671, abs=1e-4)
    assert group["newest"]["decisions"] == [{"spec": SPEC, "decision": "HOLD"}]


def test_percentiles_are_of_all_trials(command: Command) -> None:
    """They are taken over the trials of all runs; p95 waits for 20 of them."""
    many = [record for run in range(1, 20) for record in timed(100.0 * run, run, run)]
    store(command.reports, FIRST, many)
    series = command.group()["e2e_ms"]
    assert (series["n"], series["p50"], series["p95"]) == (19, 1000.0, None)
    assert series["reason_p95"] == "p95 needs n >= 20, n is 19"
    store(command.reports, SECOND, timed(12_345.6, 1, 30))
    series = command.group()["e2e_ms"]
    assert (series["n"], series["p50"]) == (20, 1050.0)
    assert series["p95"] == pytest.approx(1900 + 0.05 * (12_350 - 1900))


def test_scores_and_tier(command: Command) -> None:
    """Restraint adds up over prompts that expect no tool; tool use has a tier."""
    changes: dict[str, Any] = {"phase": "tool_use", "expects_no_tool": True}
    store(command.reports, FIRST, make_records(GOOD, behaviour="abstained", **changes))
    bad = make_records(BAD, behaviour="called_wrong", **changes)
    store(command.reports, SECOND, bad)
    group = command.group()
    assert (group["restraint"]["hits"], group["restraint"]["n"]) == (12, 24)
    assert group["tier"] == 2


def test_calls_in_flight_together_count_once(command: Command) -> None:
    """Wall time is the union of the calls; a pause between them is not in it."""
    records = [*timed(40_000.0, 1, 0), *timed(90_000.0, 2, 0), *timed(30_000.0, 3, 1)]
    store(command.reports, FIRST, [*records, *timed(5_000.0, 4, 50)])
    assert command.group()["wall_s"] == 95.0


def test_a_timeout_lasts_as_long_as_it_may(command: Command) -> None:
    """Where no end is known the spec's limit is taken, for retries too."""
    at = "2026-11-19T08:00:00+00:00"
    store(command.reports, FIRST, make_records({"P1": "T"}, started_at=at))
    assert command.group()["wall_s"] == 60.0


def test_a_copy_counts_once(command: Command, tmp_path: Path) -> None:
    """A run that lies in two places, whatever its folder is called, is one."""
    folder = store(command.reports, FIRST, make_records(GOOD))
    shutil.copytree(folder, tmp_path / "laptop")
    data = command.data(command.reports, tmp_path / "laptop")
    assert [group["trials"] for group in data["groups"]] == [12]
    assert data["notes"] == []


def test_of_two_contents_the_fuller_wins(command: Command, tmp_path: Path) -> None:
    """One id with other contents: more finished trials win, and it is said."""
    store(command.reports, FIRST, make_records({"P0": "FFF"}))
    other = store(tmp_path / "box", FIRST, make_records(GOOD))
    note = ""
    for order in ([command.reports, tmp_path / "box"], [other, command.reports]):
        data = command.data(*order)
        assert [group["success"]["hits"] for group in data["groups"]] == [12]
        (note,) = data["notes"]
        assert f"run {FIRST} was found with 2 different contents" in note
        assert "12 finished trials" in note
    assert command.data()["notes"] == [note]


def test_a_run_that_went_on_replaces_itself(command: Command) -> None:
    """Lines appended by `--resume` are news, not another content."""
    first = make_records({"P0": "PE"})
    folder = store(command.reports, FIRST, first)
    assert command.group()["errors"] == 1
    with (folder / "results.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"cut')
    assert command.group()["trials"] == 2
    drop_cut_line(folder / "results.jsonl")
    with (folder / "results.jsonl").open("a", encoding="utf-8") as file:
        file.write(lines(make_records({"P0": ".F"})))
    data = command.data()
    (group,) = data["groups"]
    assert data["notes"] == []
    assert (group["success"]["hits"], group["success"]["n"]) == (1, 2)
    assert group["errors"] == 0


def test_nothing_is_lost_with_its_folder(command: Command) -> None:
    """Rows of runs whose folders are gone stay in force, latencies included."""
    folder = store(command.reports, FIRST, timed(1000.0, 1, 0))
    command.data()
    shutil.rmtree(folder)
    assert command.group()["trials"] == 1
    store(command.reports, SECOND, timed(3000.0, 1, 0))
    group = command.group()
    assert (group["runs"], group["e2e_ms"]["p50"]) == (2, 2000.0)
    assert group["newest"]["run_id"] == SECOND


def test_another_machines_aggregate_is_a_source(
    command: Command, tmp_path: Path
) -> None:
    """Its rows are merged, alone or in its folder, without its run folders."""
    box = tmp_path / "box"
    folder = store(box, SECOND, make_records(BAD))
    assert main(["aggregate", "--reports", str(box)]) == 0
    shutil.rmtree(folder)
    store(command.reports, FIRST, make_records(GOOD))
    assert command.group(command.reports, box / "AGGREGATE_SUMMARY.json")["runs"] == 2
    (command.reports / "AGGREGATE_SUMMARY.json").unlink()
    assert command.group(command.reports, box)["runs"] == 2


def test_replays_count_for_nothing(command: Command) -> None:
    """A replay repeats answers that count already; killed ones are known by config."""
    store(command.reports, FIRST, make_records(GOOD))
    store(command.reports, SECOND, make_records(BAD), replay_of="results.jsonl")
    killed = store(command.reports, "20261121T080000000Z-cccccc", make_records(BAD))
    (killed / "summary.json").unlink()
    write_json(killed / "config.json", {"settings": {"replay": "results.jsonl"}})
    for _ in range(2):  # the second time from the rows
        data = command.data()
        assert [group["trials"] for group in data["groups"]] == [12]
        assert data["notes"] == ["2 replays of stored replies count for nothing"]


def test_a_killed_run_counts_without_a_decision(command: Command) -> None:
    """Only results.jsonl must be there; a cut last line is left out."""
    folder = store(command.reports, FIRST, make_records(GOOD))
    (folder / "summary.json").unlink()
    with (folder / "results.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"schema_version": 1, "tri')
    group = command.group()
    assert group["trials"] == 12
    assert group["newest"]["decisions"] == [{"spec": SPEC, "decision": None}]


def test_what_is_pooled_is_told(command: Command) -> None:
    """Other digests, machines and prompts are pooled with a note, or told apart."""
    old = store(command.reports, FIRST, make_records(GOOD))
    placed(old, "desk", "a" * 64)
    changed = make_records(GOOD, prompt_hash="other")
    new = store(command.reports, SECOND, changed)
    placed(new, "rack", "b" * 64)
    data = command.data()
    (group,) = data["groups"]
    assert group["mixed"]["digest"] == {"a" * 12: 12, "b" * 12: 12}
    assert group["mixed"]["machine"] == {"desk": 12, "rack": 12}
    assert group["changed_prompts"] == ["P0", "P1", "P2", "P3"]
    (note,) = data["notes"]
    assert "2 model digests (aaaaaaaaaaaa, bbbbbbbbbbbb)" in note
    assert "2 machines (desk, rack)" in note
    assert "different versions of P0, P1, P2, P3" in note
    assert "--by digest,machine,prompts" in note
    apart = command.data("--by", "digest,machine,prompts")
    assert [group["split"]["machine"] for group in apart["groups"]] == ["desk", "rack"]
    assert apart["notes"] == []


def test_specs_and_choices_of_prompts_are_told(command: Command) -> None:
    """Two specs and a run of some prompts only are mixes, too."""
    store(command.reports, FIRST, make_records(GOOD))
    other = SPEC.replace("w0", "w1")
    store(command.reports, SECOND, make_records({"P0": "P"}, spec=other))
    data = command.data()
    (note,) = data["notes"]
    assert "pooled over 2 specs; 2 choices of prompts" in note
    assert "--by spec,prompts" in note
    specs = [group["split"]["spec"] for group in command.data("--by=spec")["groups"]]
    assert specs == [SPEC, other]


def test_an_unreadable_run_is_named_and_skipped(command: Command) -> None:
    """A damaged line leaves out its run, with its place, and no other."""
    store(command.reports, FIRST, make_records(GOOD))
    bad = store(command.reports, SECOND, make_records(BAD))
    (bad / "results.jsonl").write_text('{"a": 1}\n', "utf-8")
    data = command.data()
    assert [group["trials"] for group in data["groups"]] == [12]
    (note,) = data["notes"]
    assert note.startswith(f"left out: {bad}/results.jsonl: line 1 is no record")


def test_what_is_damaged_later_stays(command: Command) -> None:
    """A run that was read once stays in force when its file is spoilt."""
    folder = store(command.reports, FIRST, make_records(GOOD))
    command.data()
    (folder / "results.jsonl").write_text("{}\n", "utf-8")
    data = command.data()
    assert data["groups"][0]["trials"] == 12
    assert len(data["notes"]) == 1


def test_known_runs_are_not_read_again(command: Command) -> None:
    """A file of the same size and time is not opened: its row is there."""
    folder = store(command.reports, FIRST, make_records(GOOD))
    command.data()
    results = folder / "results.jsonl"
    status = results.stat()
    results.write_bytes(b"?" * (status.st_size - 1) + b"\n")
    os.utime(results, ns=(status.st_atime_ns, status.st_mtime_ns))
    data = command.data()
    assert data["notes"] == []
    assert data["groups"][0]["trials"] == 12


def test_no_run_is_one_clear_error(command: Command, tmp_path: Path) -> None:
    """Nothing to add up, or a folder that is not there: status 2, nothing written."""
    command.reports.mkdir()
    assert command() == (
        2,
        "llmbench: aggregate: there is no run with a finished trial to add up\n",
    )
    status, text = command(tmp_path / "gone")
    assert status == 2
    assert f"{tmp_path / 'gone'} does not exist" in text
    status, text = command("--by", "digets")
    assert (status, "did you mean 'digest'?" in text) == (2, True)
    assert not list(command.reports.glob("AGGREGATE*"))


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 2}', '{"a": 1}'])
def test_a_spoilt_aggregate_is_not_overwritten(command: Command, text: str) -> None:
    """It may hold the only rows of runs that are gone, so it is left as it is."""
    store(command.reports, FIRST, make_records(GOOD))
    path = command.reports / "AGGREGATE_SUMMARY.json"
    path.write_text(text, "utf-8")
    status, shown = command()
    assert status == 2
    assert str(path) in shown
    assert path.read_text("utf-8") == text


def test_secrets_are_masked(command: Command) -> None:
    """Neither file, nor the terminal, holds a password of a server's address."""
    records = make_records(GOOD, server="ollama at http://me:hunter22@box:11434")
    store(command.reports, FIRST, records)
    raw = command.reports / "2026-11-19" / FIRST / "results.jsonl"
    raw.write_text(raw.read_text("utf-8").replace("***@", "me:hunter22@"), "utf-8")
    _, shown = command("--by", "server", "--json")
    written = [path.read_text("utf-8") for path in command.reports.glob("AGG*")]
    assert len(written) == 2
    assert all("hunter22" not in text for text in (shown, *written))
    assert "***@box" in shown


def test_markdown_shows_every_figure(command: Command) -> None:
    """The table has a row per model and suite, escaped, and the notes."""
    store(command.reports, FIRST, make_records({"P1": "PPFP"}, model="m_1|b"))
    _, shown = command()
    text = (command.reports / "AGGREGATE_SUMMARY.md").read_text("utf-8")
    (row,) = [line for line in text.splitlines() if line.startswith(r"| m\_")]
    assert row.startswith(
        r"| m\_1\|b | atomic | 1 | 4 | 100 % | 75 % | 30-95 % | 0 | 1.00 s | - |"
    )
    assert row.endswith(f"| - | - | {FIRST} | HOLD |")
    assert all(len(line) <= 80 for line in shown.splitlines()[:2])


def test_two_at_once_lose_nothing(command: Command, tmp_path: Path) -> None:
    """Several that write one aggregate wait for each other."""
    command.reports.mkdir()
    code = "import sys; from pytest_llmbench.cli import main; sys.exit(main())"
    started = []
    for number in range(4):
        run_id = f"20261119T08000000{number}Z-aaaaaa"
        folder = store(tmp_path / str(number), run_id, make_records(GOOD))
        words = ["aggregate", str(folder), "--reports", str(command.reports)]
        started.append(subprocess.Popen([sys.executable, "-c", code, *words]))  # noqa: S603 - our own command
    assert [process.wait() for process in started] == [0] * 4
    data = json.loads((command.reports / "AGGREGATE_SUMMARY.json").read_text("utf-8"))
    assert len(data["runs"]) == 4
