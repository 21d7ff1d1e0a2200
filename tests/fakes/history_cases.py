"""What any history does, whatever its database: run by the tests of each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_records import SPEC
from made_runs import AT, made_cycle, made_summary, run_id

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmbench.runs.history import History

WARM = SPEC.replace("w0", "w1")

ODD = st.text(st.characters() | st.sampled_from("\0\ud800\udfff"), max_size=8)
"""Any text, those included that are no Unicode or that PostgreSQL refuses."""

ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD, inner, max_size=3),
    max_leaves=6,
)


def add(history: History, number: int, grid: str = "PFP", **job: object) -> bool:
    """Add a run of one prompt that began `number` minutes after 8."""
    summary = made_summary(run_id(21, number), {"P1": grid}, job=job)
    at = f"2026-11-21T{8 + number // 60:02d}:{number % 60:02d}:00Z"
    return history.add_run(summary, at=at, folder="f")


class StoreCases:
    """What is put in comes out again; a subclass's module has the fixture `history`."""

    def test_a_job_is_what_it_was(self, history: History) -> None:
        """What feedback, routing and trends read of a job is stored as it was."""
        summary = made_summary(
            run_id(), job={"comparability": {"prompts": {"P1": "h"}}}
        )
        assert history.add_run(summary, at="2026-11-21T09:00:00+01:00", folder="f")
        (found,) = history.newest_jobs()
        (job,) = summary["job_summaries"]
        for key in set(job) - {"slowness", "cache", "accounting", "prompts", "cost"}:
            assert found[key] == job[key], key
        kept = ("prompt_id", "category", "outcomes", "passed", "judged", "pattern")
        assert [[prompt[key] for key in kept] for prompt in found["prompts"]] == [
            [prompt[key] for key in kept] for prompt in job["prompts"]
        ]
        assert (found["run_id"], found["at"]) == (
            run_id(),
            "2026-11-21T08:00:00.000+00:00",
        )
        assert (found["decision"], found["baseline_spec"]) == ("HOLD", SPEC)
        assert found == history.jobs_of_spec(SPEC)[0]

    def test_a_run_is_stored_once(self, history: History) -> None:
        """A run that is known by its id is not stored again, a replay never is."""
        assert add(history, 1)
        assert not add(history, 1)
        replay = {**made_summary(run_id(21, 2)), "replay_of": "results.jsonl"}
        assert not history.add_run(replay, at=AT, folder="f")
        assert history.run_count() == len(history.jobs_of_spec(SPEC)) == 1

    def test_a_run_that_went_on_takes_its_place(self, history: History) -> None:
        """The newer summary of one run counts, whichever comes last."""
        short = made_summary(run_id(), {"P1": "PF."})
        whole = made_summary(run_id(), {"P1": "PFP"}, times_resumed=1)
        assert history.add_run(short, at=AT, folder="f")
        assert history.add_run(whole, at=AT, folder="f")
        assert not history.add_run(short, at=AT, folder="f")
        (found,) = history.jobs_of_spec(SPEC)
        assert found["recorded_trials"] == 3
        assert history.run_count() == 1

    def test_as_many_jobs_as_the_runs_take(self, history: History) -> None:
        """The newest jobs cover the runs asked for; one that judged none is no help."""
        for number, grid in enumerate(["PPP", "PPP", "EEE", "PPE", "PPP", "EEE"]):
            assert add(history, number, grid)
        found = history.newest_jobs(runs=5)
        assert [job["run_id"] for job in found] == [run_id(21, 3), run_id(21, 4)]
        assert [job["judged_runs"] for job in found] == [2, 3]
        assert len(history.newest_jobs(runs=6)) == 3

    def test_each_model_and_phase_has_its_own(self, history: History) -> None:
        """One model's many runs push nobody else's out; the newest comes last."""
        add(history, 0, "EEE", model="never:1b")
        add(history, 1, "EEE", model="never:1b")
        add(history, 2, phase="extended")
        for number in range(3, 9):
            add(history, number)
        found = history.newest_jobs(runs=1)
        assert [(job["model"], job["phase"], job["run_id"]) for job in found] == [
            ("never:1b", "atomic", run_id(21, 1)),
            ("m:1b", "extended", run_id(21, 2)),
            ("m:1b", "atomic", run_id(21, 8)),
        ]

    def test_jobs_of_a_spec_are_in_order(self, history: History) -> None:
        """All jobs of one spec come oldest first, and none of another's."""
        for number in (2, 0, 1):
            add(history, number)
        add(history, 3, spec=WARM)
        ids = [job["run_id"] for job in history.jobs_of_spec(SPEC)]
        assert ids == [run_id(21, number) for number in range(3)]
        assert history.specs() == [
            {"spec": SPEC, "jobs": 3, "at": "2026-11-21T08:02:00.000+00:00"},
            {"spec": WARM, "jobs": 1, "at": "2026-11-21T08:03:00.000+00:00"},
        ]

    def test_cycles_are_counted_from_one(self, history: History) -> None:
        """Each cycle gets the next index, whatever its own, and keeps the rest."""
        assert history.add_cycle(made_cycle(1)) == 1
        assert history.add_cycle({**made_cycle(2), "cycle_index": 9}) == 2
        assert history.cycles() == [
            {"cycle_index": 1, **made_cycle(1)},
            {"cycle_index": 2, **made_cycle(2)},
        ]

    def test_the_export_is_a_list_of_cycles(
        self, history: History, tmp_path: Path
    ) -> None:
        """meta_loop_history.json holds each cycle with its version, oldest first."""
        history.add_cycle(made_cycle(1))
        history.add_cycle(made_cycle(2))
        path = history.export(tmp_path)
        assert path == tmp_path / "meta_loop_history.json"
        assert json.loads(path.read_text("utf-8")) == [
            {"schema_version": 1, "cycle_index": 1, **made_cycle(1)},
            {"schema_version": 1, "cycle_index": 2, **made_cycle(2)},
        ]

    def test_what_is_no_summary_is_refused(self, history: History) -> None:
        """Another program's JSON, or a time that is none, stores nothing."""
        whole = made_summary(run_id())
        for key in ("run_id", "job_summaries"):
            less = {name: value for name, value in whole.items() if name != key}
            with pytest.raises(ValueError, match="no summary of a run"):
                history.add_run(less, at=AT, folder="f")
        with pytest.raises(ValueError, match="soon"):
            history.add_run(whole, at="soon", folder="f")
        with pytest.raises(ValueError, match="soon"):
            history.add_cycle(made_cycle(at="soon"))
        assert (history.run_count(), history.cycles()) == (0, [])

    @settings(
        max_examples=40,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,  # one class per database
            HealthCheck.too_slow,  # a server, and a busy machine
        ],
    )
    @given(value=ANY_JSON, words=st.tuples(ODD, ODD, ODD))
    def test_any_json_comes_back(
        self, history: History, value: object, words: tuple[str, str, str]
    ) -> None:
        """NUL, lone surrogates and every other text come back as they were put in."""
        model, phase, suite = words
        name = run_id(21, history.run_count())
        changes = {"model": model, "phase": phase, "suite": suite, "spec": name}
        summary = made_summary(name, job={**changes, "comparability": {"x": value}})
        assert history.add_run(summary, at=AT, folder=suite, host=model)
        (found,) = history.jobs_of_spec(name)
        assert found["comparability"] == {"x": value}
        assert {key: found[key] for key in changes} == changes
        history.newest_jobs()
        index = history.add_cycle(made_cycle(baseline=model, learned=[value]))
        cycle = history.cycles()[index - 1]
        assert (cycle["baseline"], cycle["learned"]) == (model, [value])

    def test_a_spec_is_found_by_odd_words(self, history: History) -> None:
        """A spec that no database can hold as it is, is found by itself."""
        odd = "m\0\ud800 / atomic"
        assert add(history, 1, spec=odd)
        (found,) = history.jobs_of_spec(odd)
        assert found["spec"] == odd
