"""`llmbench compare` on stored records: what a word means, and the exit status."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from made_records import SPEC, make_records

from pytest_llmbench.cli import main
from pytest_llmbench.runs.folder import json_line, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmbench.runs.record import Record

OLD = "20261119T080000000Z-aaaaaa"
NEW = "20261120T080000000Z-bbbbbb"
GOOD = {f"P{n}": "PPPP" for n in range(6)}
BAD = {**dict.fromkeys(GOOD, "FFFF"), "P0": "PFFF"}
TEXT = SPEC.replace("native_api", "text")


def store(reports: Path, run_id: str, *groups: list[Record]) -> Path:
    """Store a run's records and the list of its specs."""
    folder = reports / f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}" / run_id
    folder.mkdir(parents=True)
    records = [record for group in groups for record in group]
    lines = "".join(json_line(record.to_json()) for record in records)
    (folder / "results.jsonl").write_text(lines, encoding="utf-8")
    specs = dict.fromkeys(record.spec for record in records)
    jobs = [{"spec": spec} for spec in specs]
    write_json(folder / "summary.json", {"run_id": run_id, "job_summaries": jobs})
    return folder


class Command:
    """The command in this process, on a folder of reports."""

    def __init__(self, reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.reports, self._capsys = reports, capsys

    def __call__(self, *words: str) -> tuple[int, str]:
        """Return status, and what it printed."""
        status = main(["compare", *words, "--reports", str(self.reports)])
        shown = self._capsys.readouterr()
        assert bool(shown.err) == (status == 2)
        return status, shown.out + shown.err

    def data(self, *words: str) -> list[dict[str, Any]]:
        """Return the comparisons as JSON."""
        _, text = self(*words, "--json")
        found: list[dict[str, Any]] = json.loads(text)["comparisons"]
        return found


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Give the command, with no run stored yet."""
    return Command(tmp_path / "reports", capsys)


@pytest.fixture
def two(command: Command) -> Command:
    """Give the command beside a good old run and a bad new one."""
    store(command.reports, OLD, make_records(GOOD))
    store(command.reports, NEW, make_records(BAD, failure_mode="wrong_tool"))
    return command


def test_status_says_who_is_worse(two: Command) -> None:
    """0 is not worse, 1 is worse; better and equal are not worse."""
    status, text = two(OLD, NEW)
    assert status == 1
    assert "B is worse: the interval excludes 0" in text
    assert "  B failed as    23 wrong_tool" in text
    status, text = two(NEW, OLD)
    assert status == 0
    assert "B is better" in text
    status, text = two(OLD, OLD)
    assert status == 0
    assert "no difference shown" in text


def test_a_run_has_many_names(two: Command) -> None:
    """Id, folder, variant, model and spec of a run all name the same records."""
    folder = str(two.reports / "2026-11-20" / NEW)
    for name in (NEW, folder, f"{NEW}:native_api", f"{folder}:m:1b", f"{NEW}:{SPEC}"):
        (found,) = two.data(OLD, name)
        assert found["b"] == {"run_id": NEW, "specs": [SPEC]}


def test_a_spec_is_its_newest_run(two: Command) -> None:
    """A spec in any spelling names the newest stored run of it."""
    (found,) = two.data(OLD, "m:1b atomic native_api w0")
    assert found["b"]["run_id"] == NEW


def test_json_holds_everything(two: Command) -> None:
    """The machine's view has both sides, each prompt, the mean and the verdict."""
    status, text = two(OLD, NEW, "--json")
    data = json.loads(text)
    (found,) = data["comparisons"]
    assert (status, data["schema_version"]) == (1, 1)
    assert found["verdict"] == "worse"
    assert (found["mean_a"], found["mean_b"]) == (1.0, pytest.approx(1 / 24))
    assert found["low"] < found["difference"] < found["high"] < 0
    assert found["interval_method"] == "student_t"
    assert found["chance"] == {"p_value": 2 / 64, "method": "exact", "differing": 6}
    assert found["prompts"][0]["a"]["hits"] == 4
    assert found["failure_modes_b"] == {"wrong_tool": 23}


def test_a_run_of_variants_is_held_against_native_api(command: Command) -> None:
    """Each variant has its table, and all together one of gains."""
    store(
        command.reports,
        NEW,
        make_records(GOOD),
        make_records(BAD, variant="text", spec=TEXT),
        make_records(GOOD, variant="xml", spec=SPEC.replace("native_api", "xml")),
    )
    status, text = command(NEW)
    assert status == 1
    lines = text.splitlines()
    assert lines[-4] == (
        "what each variant gains beside native_api, in points of mean pass rate"
    )
    assert [line.split()[0] for line in lines[-2:]] == ["text", "xml"]
    assert lines[-2].endswith("worse")
    assert lines[-1].endswith("no difference shown")
    assert [found["b"]["specs"] for found in command.data(NEW)] == [
        [TEXT],
        [SPEC.replace("native_api", "xml")],
    ]
    assert command(f"{NEW}:native_api", f"{NEW}:xml")[0] == 0


def test_models_and_flags_keep_their_variants_apart(command: Command) -> None:
    """A variant is held against native_api of its own model, over all phases."""
    other = {"model": "n:2b", "spec": SPEC.replace("m:1b", "n:2b")}
    more = {"suite": "more", "phase": "more", "spec": SPEC.replace("atomic", "more")}
    more_text = {**more, "variant": "text", "spec": TEXT.replace("atomic", "more")}
    store(
        command.reports,
        NEW,
        make_records(GOOD),
        make_records(GOOD, **more),
        make_records(GOOD, **other),
        make_records(BAD, variant="text", spec=TEXT),
        make_records(BAD, **more_text),
    )
    (found,) = command.data(NEW)
    assert len(found["prompts"]) == 12
    assert {model.split()[0] for model in found["a"]["specs"]} == {"m:1b"}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["20261119T080000000Z-aaaaab", NEW], f"did you mean '{OLD}'?"),
        (["zzz", NEW], f"there is no run 'zzz' in * the newest runs: {NEW}, {OLD}"),
        ([OLD, "n:2b atomic native_api"], "no stored run of the spec 'n:2b / atomic"),
        ([OLD, "m:1b atomic"], "names no run and is no spec: * lacks variant"),
        ([OLD, f"{NEW}:xml"], f"run {NEW} has no 'xml'; its variants: native_api"),
        ([OLD], f"run {OLD} has no variant to hold against native_api"),
        ([""], "there is no run ''"),
        (["x" * 999, NEW], "there is no run 'xxx"),
    ],
)
def test_a_wrong_word_is_a_usage_error(
    two: Command, words: list[str], complaint: str
) -> None:
    """Status 2, and the message says what there is."""
    status, text = two(*words)
    assert status == 2
    rest = text
    for part in complaint.split(" * "):
        assert part in rest, text
        rest = rest.partition(part)[2]


def test_no_reports_at_all(command: Command) -> None:
    """Where nothing is stored the message says so."""
    status, text = command(OLD, NEW)
    assert status == 2
    assert "it has none. Give a run id" in text


def test_nothing_in_common_is_a_usage_error(command: Command) -> None:
    """Two runs of different prompts compare in nothing: no 0, but a reason."""
    store(command.reports, OLD, make_records({"P1": "P", "P2": "P"}))
    changed = make_records({"P2": "P"}, prompt_hash="other")
    store(command.reports, NEW, make_records({"P9": "P"}), changed)
    status, text = command(OLD, NEW)
    assert status == 2
    assert "nothing in common (only in A, question changed, only in B):" in text


def test_several_specs_of_one_suite_are_a_usage_error(command: Command) -> None:
    """Which one is meant is asked, with the words to say it."""
    store(command.reports, OLD, make_records(GOOD))
    text_too = make_records(GOOD, variant="text", spec=TEXT)
    store(command.reports, NEW, make_records(GOOD), text_too)
    status, text = command(OLD, NEW)
    assert status == 2
    assert f"run {NEW} has 2 specs of suite 'atomic'; name one:" in text
    assert f"\n  '{NEW}:{TEXT}'" in text


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "No such file or directory; give the folder of a run"),
        ("", "holds no finished trial"),
        ("{}\n", "results.jsonl:1 is no record ("),
        ("not json\n", "results.jsonl:1 is no record ("),
        ("[1]\n", "results.jsonl:1 is no record ("),
    ],
)
def test_a_folder_without_records_is_a_usage_error(
    two: Command, tmp_path: Path, content: str | None, complaint: str
) -> None:
    """A folder of something else, or an unreadable file, is said plainly."""
    other = tmp_path / "other"
    other.mkdir()
    if content is not None:
        (other / "results.jsonl").write_text(content, encoding="utf-8")
    status, text = two(OLD, str(other))
    assert status == 2
    assert complaint in text


def test_a_run_killed_before_its_end_is_compared(two: Command) -> None:
    """Without a summary the records are enough; a line cut in half is left out."""
    folder = two.reports / "2026-11-20" / NEW
    (folder / "summary.json").unlink()
    with (folder / "results.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"trial_id": "cut')
    assert two(OLD, NEW)[0] == 1


def measured(folder: Path, *jobs: dict[str, Any]) -> None:
    """Store what a run's specs were, and what they were measured under."""
    write_json(folder / "summary.json", {"run_id": folder.name, "job_summaries": jobs})


def test_a_margin_asks_for_evidence(command: Command) -> None:
    """With `--margin` too little evidence is status 1, and enough of it 0."""
    store(command.reports, OLD, make_records({"P0": "PP", "P1": "PP"}))
    store(command.reports, NEW, make_records({"P0": "PP", "P1": "PP"}))
    assert command(OLD, NEW)[0] == 0
    status, text = command(OLD, NEW, "--margin", "5")
    assert status == 1
    assert "not shown not to be worse by 5 points or more" in text
    status, text = command(OLD, NEW, "--margin", "90")
    assert status == 0
    assert "  shown not to be worse by 90 points or more" in text
    (found,) = command.data(OLD, NEW, "--margin", "90")
    assert (found["margin"], found["is_met"]) == (0.9, True)


@pytest.mark.parametrize("margin", ["-1", "101", "five", "nan"])
def test_a_margin_is_in_points(command: Command, margin: str) -> None:
    """Anything but 0 to 100 is a usage error."""
    with pytest.raises(SystemExit) as stopped:
        command(OLD, NEW, f"--margin={margin}")
    assert stopped.value.code == 2


def test_other_conditions_are_told(two: Command) -> None:
    """Digest, server and options that differ are shown, and judge nothing."""
    old, new = (next(two.reports.glob(f"*/{name}")) for name in (OLD, NEW))
    under = {"prompts": {"P0": "a"}, "model_digest": "aa", "server_version": "1"}
    measured(old, {"spec": SPEC, "comparability": under})
    other = {**under, "prompts": {}, "model_digest": "bb", "server_version": ""}
    measured(new, {"spec": SPEC, "comparability": other})
    status, text = two(OLD, NEW)
    assert status == 1
    assert "  differs        model_digest: aa in A, bb in B" in text
    assert "  differs        server_version: 1 in A, not told in B" in text
    (found,) = two.data(OLD, NEW)
    assert len(found["differences"]) == 2


def test_a_session_of_specs_is_held_against_its_baseline(command: Command) -> None:
    """Each candidate is B, the baseline A; roles are names, too."""
    warm = SPEC.replace("w0", "w1")
    groups = (make_records(BAD), make_records(GOOD, spec=warm))
    folder = store(command.reports, NEW, *groups)
    jobs = ({"spec": SPEC, "role": "baseline"}, {"spec": warm, "role": "candidate"})
    measured(folder, *jobs)
    status, text = command(NEW)
    assert status == 0
    assert "B is better" in text
    assert "what each variant gains" not in text
    (found,) = command.data(NEW)
    assert (found["a"]["specs"], found["b"]["specs"]) == ([SPEC], [warm])
    assert command(f"{NEW}:candidate", f"{NEW}:baseline")[0] == 1


def test_a_run_of_another_machine_is_its_folder(two: Command, tmp_path: Path) -> None:
    """A folder outside the reports can be held against a run within."""
    shutil.copytree(next(two.reports.glob(f"*/{NEW}")), tmp_path / "rack" / NEW)
    shutil.rmtree(next(two.reports.glob(f"*/{NEW}")))
    assert two(OLD, str(tmp_path / "rack" / NEW))[0] == 1
