"""Cycles: a baseline and candidates per pytest session, the winner kept."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct, convert
from msgspec.structs import replace

from pytest_llmbench.analysis.comparison import compare, job_evidence
from pytest_llmbench.calls.clock import SystemClock
from pytest_llmbench.childsession import Interrupts, run_pytest
from pytest_llmbench.masking import masked_text
from pytest_llmbench.policy.cycles import (
    best_promoted,
    decisions_by_spec,
    extract,
    jobs_by_spec,
    judged,
    variances,
)
from pytest_llmbench.policy.discovery import Candidate
from pytest_llmbench.policy.learning import candidate_json, cold_starts, effect
from pytest_llmbench.report.loop_report import REPORT, loop_report
from pytest_llmbench.runs.folder import RESULTS, new_run_id, read_records, write_text
from pytest_llmbench.runs.loop_state import DEFAULT_RUNS, OpenCycle, write_state
from pytest_llmbench.runs.stored import (
    read_canonical,
    read_summary,
    run_folder,
    update_canonical,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmbench.picking import Memory, Pick, Picker, Project
    from pytest_llmbench.policy.learning import Effect
    from pytest_llmbench.runs.loop_state import LoopState, Status

_OVER: Final = frozenset({0, 1})
"""pytest's statuses of a session that went to its end: 1 is a failed trial."""

_INTERRUPTED: Final = frozenset({2, 143})

_End = Literal["over", "interrupted", "nothing"]


class Place(Struct, frozen=True, kw_only=True):
    """Where a loop works and what it works with."""

    reports: Path
    project: Project
    memory: Memory
    picker: Picker


class Loop:
    """One loop from where its state stands to its end."""

    def __init__(self, state: LoopState, place: Place) -> None:
        self._state = state
        self._place = place
        self._interrupts = Interrupts()
        self._clock = SystemClock()

    def run(self) -> int:
        """Run the cycles that are left.

        Returns:
            0 if it ended as planned, which is also early with nothing left to try; 1
            if it was interrupted, or a session gave no evidence.
        """
        with self._interrupts:
            if self._state.cycle is not None:
                self._say(f"loop {self._state.loop_id} goes on")
            status = None
            while status is None:
                status = self._step()
        self._report()
        return status

    def _step(self) -> int | None:
        """Run the next cycle, or what is left of one; return the status at the end."""
        state = self._state
        if self._interrupts.seen:
            return self._stop("interrupted", self._how_to_go_on("interrupted"))
        if state.cycle is not None:
            return self._cycle(state.cycle)
        if state.done >= state.cycles:
            return self._stop("ended", f"{_cycles(state.done)} done")
        pick = self._place.picker.pick(state)
        if not pick.candidates and not pick.is_blind:
            self._say(f"cycle {state.done + 1} of {state.cycles} would begin from")
            self._say(f"  baseline   {state.baseline}")
            early = f"after {_cycles(state.done)} of {state.cycles}"
            return self._stop("ended", f"nothing left to try, {early}")
        return self._cycle(self._open(pick))

    def _open(self, pick: Pick) -> OpenCycle:
        return OpenCycle(
            position=self._state.done + 1,
            run_id=new_run_id(self._clock.utc()),
            candidates=tuple(candidate_json(one) for one in pick.candidates),
        )

    def _cycle(self, cycle: OpenCycle) -> int | None:
        self._save(cycle=cycle, status="running", outcome="")
        folder = run_folder(self._place.reports, cycle.run_id)
        goes_on = folder is not None and (folder / "config.json").exists()
        self._announce(cycle, goes_on=goes_on)
        words = self._session(cycle, goes_on=goes_on)
        run_id = "" if goes_on else cycle.run_id
        status = run_pytest(words, run_id, self._interrupts)
        folder = run_folder(self._place.reports, cycle.run_id)
        end = self._end_of(status, folder)
        if end == "interrupted":
            self._save(cycle=replace(cycle, is_interrupted=True))
            why = f"interrupted in cycle {cycle.position} of {self._state.cycles}"
            return self._stop("interrupted", self._how_to_go_on(why))
        summary = read_summary(folder) if folder and end == "over" else None
        if summary is None or folder is None:
            why = f"cycle {cycle.position} gave no evidence: pytest ended with status"
            return self._stop("stopped", self._how_to_go_on(f"{why} {status}"))
        if not judged(summary["job_summaries"]):
            why = f"cycle {cycle.position} gave no evidence: no trial was judged"
            return self._stop("stopped", self._how_to_go_on(why))
        self._take(cycle, folder, summary)
        return None

    def _end_of(self, status: int, folder: Path | None) -> _End:
        if status in _OVER:
            return "over"
        has_begun = folder is not None and (folder / "config.json").exists()
        is_told = bool(self._interrupts.seen) or status < 0
        if is_told or (status in _INTERRUPTED and has_begun):
            return "interrupted"
        return "nothing"

    def _session(self, cycle: OpenCycle, *, goes_on: bool) -> list[str]:
        """Return pytest's command line."""
        state = self._state
        words = [*state.suites, "--reports", str(self._place.reports.resolve())]
        if goes_on:
            words += ["--resume", cycle.run_id]
        elif cycle.candidates:
            words += ["--baseline", state.baseline]
            for one in cycle.candidates:
                words += ["--candidate", one["spec"]]
            words += ["--runs", state.runs]
        else:
            runs = state.runs.removeprefix("auto").removeprefix(":")
            words += [*self._alone(), "--runs", runs or DEFAULT_RUNS]
        return [*words, *state.pytest_args]

    def _alone(self) -> list[str]:
        """Return the options that run the baseline by itself."""
        spec = self._place.project.spec(self._state.baseline)
        if spec.options:  # --model has no place for them
            return ["--candidate", str(spec)]
        words = ["--model", str(spec.model), "--variant", spec.variant]
        words += ["--call-timeout", f"{spec.timeout_s:f}"]
        words += ["--call-retries", str(spec.retries)]
        words += ["--isolate-call"] * spec.isolate
        return [*words, "--enable-warmup" if spec.warm_up else "--disable-warmup"]

    def _take(self, cycle: OpenCycle, folder: Path, summary: dict[str, Any]) -> None:
        """Decide, learn and store what a session came to."""
        state, memory = self._state, self._place.memory
        jobs = jobs_by_spec(summary["job_summaries"])
        candidates = [convert(one, Candidate) for one in cycle.candidates]
        decisions = decisions_by_spec(summary["policy_decisions"])
        decisions = {one.spec: decisions[one.spec] for one in candidates}
        best = best_promoted(decisions, jobs)
        if best is not None:
            self._promote(best, jobs[best], cycle.run_id)
        of_baseline = jobs.get(state.baseline, [])
        effects = list(_effects(state.baseline, candidates, folder, jobs))
        learned = [*cold_starts(of_baseline), *(one.to_json() for one in effects)]
        entry = {
            "loop_id": state.loop_id,
            "position": cycle.position,
            "run_id": cycle.run_id,
            "at": self._clock.utc().isoformat(timespec="seconds"),
            "baseline": state.baseline,
            "baseline_results": [extract(job) for job in of_baseline],
            "candidates": list(cycle.candidates),
            "candidate_results": [
                extract(job) for one in candidates for job in jobs.get(one.spec, [])
            ],
            "policy_decisions": decisions,
            "new_canonical": best,
            "variance": variances(jobs),
            "learned": learned,
            "interrupted": cycle.is_interrupted,
        }
        memory.sync(self._place.reports)
        if not any(known["run_id"] == cycle.run_id for known in memory.cycles()):
            memory.add_cycle(entry)
        memory.export(self._place.reports)
        self._save(baseline=best or state.baseline, done=cycle.position, cycle=None)
        self._report()
        self._conclude(entry)

    def _promote(
        self, spec: str, jobs: Sequence[Mapping[str, Any]], run_id: str
    ) -> None:
        """Make sure that the winner is canonical: the user has named its baseline."""
        phase = jobs[0]["phase"]
        known = read_canonical(self._place.reports).get(phase) or {}
        if (known.get("spec"), known.get("run_id")) != (spec, run_id):
            changed = {phase: {**jobs[0], "run_id": run_id}}
            update_canonical(self._place.reports, changed)

    def _stop(self, status: Status, outcome: str) -> int:
        self._save(status=status, outcome=outcome)
        self._say(outcome)
        return 0 if status == "ended" else 1

    def _how_to_go_on(self, why: str) -> str:
        return f"{why}; go on with: llmbench loop --resume"

    def _save(self, **changes: object) -> None:
        self._state = replace(self._state, **changes)
        write_state(self._place.reports, self._state)

    def _report(self) -> None:
        state, place = self._state, self._place
        own = [c for c in place.memory.cycles() if c.get("loop_id") == state.loop_id]
        pick = place.picker.pick(state)
        text = loop_report(state, own, pick.candidates)
        write_text(place.reports / REPORT, text)

    def _announce(self, cycle: OpenCycle, *, goes_on: bool) -> None:
        verb = "goes on" if goes_on else "begins"
        self._say(
            f"cycle {cycle.position} of {self._state.cycles} {verb}: run {cycle.run_id}"
        )
        self._say(f"  baseline   {self._state.baseline}")
        for one in cycle.candidates:
            self._say(f"  candidate  {one['spec']}")
            self._say(f"             {one['reason']}")
        if not cycle.candidates:
            self._say("  no stored run shows how the baseline does: it runs alone")

    def _conclude(self, entry: dict[str, Any]) -> None:
        self._say(f"cycle {entry['position']} of {self._state.cycles} is over")
        for spec, one in entry["policy_decisions"].items():
            self._say(f"  {one['decision']:<7}  {spec}: {one['reason']}")
        for learned in entry["learned"]:
            self._say(f"  learned  {learned['text']}")
        if entry["new_canonical"]:
            self._say(f"  the new canonical is {entry['new_canonical']}")

    def _say(self, text: str) -> None:
        sys.stdout.write(masked_text(f"llmbench loop: {text}\n"))
        sys.stdout.flush()


def _effects(
    baseline: str,
    candidates: Sequence[Candidate],
    folder: Path,
    jobs: dict[str, list[Any]],
) -> Iterator[Effect]:
    """Hold each candidate against the baseline, paired over the prompts."""
    records = list(read_records(folder / RESULTS))
    of_baseline = job_evidence(baseline, (r for r in records if r.spec == baseline))
    for one in candidates:
        own = job_evidence(one.spec, (r for r in records if r.spec == one.spec))
        sides = (jobs.get(baseline, []), jobs.get(one.spec, []))
        runs = min((job["n"] for side in sides for job in side), default=0)
        p50s = [side[0]["latency_p50_ms"] if len(side) == 1 else None for side in sides]
        found = effect(one, compare(of_baseline, own), runs, (p50s[0], p50s[1]))
        if found is not None:
            yield found


def _cycles(number: int) -> str:
    return f"{number} cycle{'' if number == 1 else 's'}"
