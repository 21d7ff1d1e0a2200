"""Every file that a run writes fits its published schema."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from bench_project import REPOSITORY, SMALL_ANSWERS
from fake_nvidia_smi import CARD, SILENT, put_nvidia_smi
from fake_ollama import FakeModel, answers_by_prompt, error_mid_stream, says, stalls
from jsonschema import Draft202012Validator
from made_runs import made_cycle

from pytest_llmbench.runs.schemas import SCHEMAS, load_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench_project import Bench
    from fake_ollama import FakeOllama

BY_COMMANDS: Final = {
    *("aggregate_summary", "warm_up_effectiveness_report", "routing_decisions"),
    *("meta_loop_history", "loop_state"),
}
"""What commands write, not runs; their own tests hold it against its schema."""

WRITTEN: Final = set(SCHEMAS) - {"suite"} - BY_COMMANDS

SETTINGS: Final = """
stall_timeout = 0.2
[models.tiny]
provider = "embedded"
model = "llmbench-tiny"
options = {temperature = 0.2, effort = "low"}
[models.online]
provider = "openai"
model = "m"
api_key_env = "MY_KEY"
headers = {x-team = "blue"}
rpm = 60
price_in_usd_per_mtok = 1
price_out_usd_per_mtok = 2
[policy]
min_runs = 1
max_error_rate = 1
[policy.atomic]
max_variance = 0.25
min_restraint = 0
"""
"""Limits so loose that the spec is promoted and canonical.json is written."""

FREE: Final = {
    *("aliases", "prompt_hashes", "model_phase_accuracy", "phases"),
    *("failure_modes", "categories", "errors"),
}
"""Tables whose keys are the user's."""

FREE_BELOW: Final = {"arguments", "expect", "headers", "options", "policy"}
"""Tables in which everything is the user's or the model's."""


def documents(reports: Path) -> dict[str, list[Any]]:
    """Read every JSON file that was written, by the name of its schema."""
    found: dict[str, list[Any]] = {}
    for path in sorted(reports.rglob("*.json*")):
        text = path.read_text("utf-8")
        name = {"results": "record"}.get(path.stem, path.stem)
        parts = text.splitlines() if path.suffix == ".jsonl" else [text]
        found.setdefault(name, []).extend(map(json.loads, parts))
    return found


def validator(name: str) -> Draft202012Validator:
    """Return what holds values against a schema."""
    return Draft202012Validator(load_schema(name))


def all_faults(written: dict[str, list[Any]]) -> list[str]:
    """Say what is wrong with any of the documents."""
    return [
        f"{name}{error.json_path}: {error.message}"
        for name, values in written.items()
        for value in values
        for error in validator(name).iter_errors(value)
    ]


def objects(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - any JSON
    """Yield the place of every object whose keys are ours; of a list, the first."""
    if isinstance(value, dict) and not FREE_BELOW & set(place):
        is_hashes = place[-2:] == ("comparability", "prompts")
        if not (place and place[-1] in FREE) and not is_hashes:
            yield place
        for key, inner in value.items():
            yield from objects(inner, (*place, key))
    elif isinstance(value, list) and value:
        yield from objects(value[0], (*place, 0))


def spoilt(document: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:  # noqa: ANN401 - any JSON
    """Yield the document with one key too few, or one too many, and where."""
    for place in objects(document):
        for key in at(document, place):
            less = json.loads(json.dumps(document))
            del at(less, place)[key]
            yield (*place, key), less
        more = json.loads(json.dumps(document))
        at(more, place)["surprise"] = 1
        yield (*place, "surprise"), more


def at(value: Any, place: tuple[Any, ...]) -> Any:  # noqa: ANN401 - any JSON
    """Return what stands at a place."""
    for step in place:
        value = value[step]
    return value


def test_a_real_run_writes_what_is_published(bench: Bench) -> None:
    """All six kinds of file are there, fit, and don't without a required key."""
    bench.atomic()
    (bench.pytester.path / "llmbench.toml").write_text(SETTINGS, "utf-8")
    result = bench.run_apart("atomic", "--model", "embedded", "--runs", "2")
    assert result.ret in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
    written = documents(bench.reports)
    assert set(written) == WRITTEN
    assert len(written["record"]) == 24
    assert all_faults(written) == []
    for name, (document, *_) in written.items():
        for key in load_schema(name)["required"]:
            less = {other: value for other, value in document.items() if other != key}
            assert not validator(name).is_valid(less), (name, key)


@pytest.fixture
def faulty(bench: Bench, serve: Callable[..., FakeOllama]) -> dict[str, list[Any]]:
    """Return what a run writes in which one call stalls and one breaks off."""
    server = serve(FakeModel(answer=answers_by_prompt(SMALL_ANSWERS, says("4"))))
    server.faults.append(stalls(after_chunks=1).where(prompt_contains="in Oslo"))
    server.faults.append(error_mid_stream().where(prompt_contains="READY"))
    bench.suite()
    (bench.pytester.path / "llmbench.toml").write_text(SETTINGS, "utf-8")
    bench.run("--model", "fake:1b", "--runs", "2")
    return documents(bench.reports)


@pytest.fixture
def _gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put an `nvidia-smi` of ours on the path."""
    put_nvidia_smi(tmp_path, monkeypatch, CARD, SILENT)


@pytest.mark.usefixtures("_gpu")
def test_faults_write_what_is_published(faulty: dict[str, list[Any]]) -> None:
    """A timeout, an error and GPUs fit too."""
    assert [r["outcome"] for r in faulty["record"]].count("timeout") == 1
    assert [r["outcome"] for r in faulty["record"]].count("error") == 1
    (inventory,) = faulty["inventory"]
    first, second = inventory["snapshots"]["after"]["gpus"]
    assert (first["memory_used_mib"], second["memory_used_mib"]) == (1024, None)
    assert set(faulty) == WRITTEN
    assert all_faults(faulty) == []


@pytest.mark.usefixtures("_gpu")
def test_no_key_is_missed_or_made_up(faulty: dict[str, list[Any]]) -> None:
    """One key less or one more, anywhere in any file, is refused."""
    tried = 0
    for name, values in faulty.items():
        held = validator(name)
        for place, document in spoilt(values[0]):
            assert not held.is_valid(document), (name, place)
            tried += 1
    assert tried > 500


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_documented_queries_work(
    bench: Bench, faulty: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command of docs/files.md runs on what a run and a loop have written."""
    del faulty  # what the commands read
    cycles = [{"cycle_index": 1, **made_cycle()}]
    (bench.reports / "meta_loop_history.json").write_text(json.dumps(cycles), "utf-8")
    own = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{own}{os.pathsep}{os.environ['PATH']}")
    text = (REPOSITORY / "docs" / "files.md").read_text("utf-8")
    commands = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert len(commands) == 6
    for command in commands:
        done = bench.pytester.run("sh", "-e", "-c", command)
        assert (done.ret, done.errlines) == (0, []), command
        assert done.outlines, command
