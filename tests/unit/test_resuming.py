"""What must be as it was before an interrupted run may go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_records import SPEC, make_plan, make_record
from msgspec.structs import asdict, replace

from pytest_llmbench.calls.request import ModelFacts
from pytest_llmbench.errors import SettingsError
from pytest_llmbench.resuming import Resumption
from pytest_llmbench.runs.interrupted import InterruptedRun

PLAN = make_plan({"P1": "PP", "P2": "PP"})
FACTS = {"model": "m:1b", "server": "s", "server_version": "1", "digest": "d1"}


def resumption(**config: Any) -> Resumption:  # noqa: ANN401 - any JSON
    """Make a run of one job with one finished trial."""
    stored = {"plans": [asdict(PLAN)], "options": {SPEC: {"num_predict": 9}}, **config}
    run = InterruptedRun(
        path=Path("r1"),
        config=stored,
        inventory={"models": [FACTS]},
        records=(make_record(), make_record("P2", letter="E")),
        has_summary=False,
    )
    return Resumption(run)


def fault(plan: Any = PLAN, options: Any = None) -> str:  # noqa: ANN401 - any plan
    """Say in what a plan differs from the run's."""
    sent = {SPEC: {"num_predict": 9}} if options is None else options
    return resumption().plan_fault([plan], sent)


def test_the_same_plan_may_go_on() -> None:
    """The order of prompts in the suite file says nothing."""
    assert not fault()
    turned = replace(PLAN, prompt_ids=("P2", "P1"), suite_prompt_ids=("P2", "P1"))
    assert not fault(turned)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"runs": 1}, "suite atomic: runs up to 1, then up to 2"),
        (
            {"suite_prompt_ids": ("P1", "P2", "P3")},
            "suite atomic: P3 is new in the suite",
        ),
        (
            {"suite_prompt_ids": ("P1",), "prompt_hashes": {"P1": "hash-P1"}},
            "suite atomic: P2 is not in the suite any more",
        ),
        (
            {"prompt_hashes": {"P1": "hash-P1"}},
            "suite atomic: P2 is left out by -k, -m or --lf",
        ),
        (
            {"prompt_hashes": {"P1": "x", "P2": "hash-P2"}},
            "suite atomic: P1 has changed",
        ),
        ({"suite": "other"}, "suite other: not in that run"),
        ({"suite": "other"}, "suite atomic: not collected (s.bench.yaml)"),
    ],
)
def test_another_plan_may_not(changes: dict[str, Any], words: str) -> None:
    """Each difference stands on a line of its own."""
    assert f"  {words}\n" in fault(replace(PLAN, **changes))


def test_other_sampling_options_may_not() -> None:
    """What would be sent differs, whatever has changed it."""
    words = f'{SPEC}: sampling options {{"num_predict": 8}}, then {{"num_predict": 9}}'
    assert words in fault(options={SPEC: {"num_predict": 8}})


def test_a_wrong_plan_is_one_clear_error() -> None:
    """A plan of another version is refused."""
    with pytest.raises(SettingsError, match=r"config\.json is of another version"):
        resumption(plans=[{**asdict(PLAN), "x": 1}]).plan_fault([PLAN], {})


def has(*digests: str) -> list[ModelFacts]:
    """Make the facts of a model's servers."""
    return [ModelFacts(server="s", digest=digest) for digest in digests]


def test_only_a_known_digest_can_differ() -> None:
    """A server that tells none, then or now, can't be held to it; each other is."""
    run = resumption()
    assert "d2, then d1" in run.model_fault("m:1b", has("d2"))
    assert "d2, then d1" in run.model_fault("m:1b", has("d1", "d2"))
    assert not run.model_fault("m:1b", has("d1"))
    assert not run.model_fault("m:1b", has(""))
    assert not run.model_fault("m:1b", [])
    assert not run.model_fault("new:1b", has("d2"))


def test_another_server_is_said() -> None:
    """Address and version are named; a model not seen before has none to differ."""
    run = resumption()
    assert not run.server_note(FACTS)
    assert not run.server_note({**FACTS, "model": "new:1b", "server": "t"})
    note = run.server_note({**FACTS, "server_version": ""})
    assert note == "the server of m:1b is another: version unknown, before 1"


def test_finished_trials_are_found() -> None:
    """A judged one is; one that erred, or never ran, is not."""
    run = resumption()
    assert run.finished_trials == 1
    assert run.find((SPEC, "atomic", "P1", 1)) == make_record()
    assert run.find((SPEC, "atomic", "P2", 1)) is None
    assert run.has(make_record())
    assert not run.has(make_record(run=2))
