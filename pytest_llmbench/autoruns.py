"""When the runs of `--runs auto` end: once each candidate's verdict is certain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from msgspec import Struct

from pytest_llmbench.analysis.trials import JUDGED
from pytest_llmbench.policy.sequential import SequentialTest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pytest

    from pytest_llmbench.analysis.summary import JobPlan
    from pytest_llmbench.ledger import Ledger
    from pytest_llmbench.runs.record import Record
    from pytest_llmbench.settings import Settings

_WORDS: Final = {"not_worse": "not worse", "worse": "worse", None: "not certain"}


def auto_fault(settings: Settings, config: pytest.Config) -> str:
    """Say why runs can't end by themselves here; empty if they can, or don't."""
    if not settings.runs_auto:
        return ""
    phases = [p for p in settings.axis.phases if settings.axis.baseline(p) is None]
    if phases:
        return (
            f"--runs auto: phase {phases[0]} has no baseline to hold candidates to;"
            " name one with --baseline, or give a number of runs"
        )
    is_spread = hasattr(config, "workerinput") or (
        config.getoption("dist", "no") != "no" and config.getoption("tx", None)
    )
    if is_spread:
        return "--runs auto needs one process: leave -n and --dist out"
    return ""


class Verdict(Struct, frozen=True, kw_only=True):
    """What the runs have shown of one candidate.

    Attributes:
        test: what it rests on; it goes on behind its verdict.
        after_runs: the runs it took; None while it is not certain.
        given_up: why there is nothing more to see; empty if there is.
    """

    test: SequentialTest
    after_runs: int | None = None
    given_up: str = ""

    @property
    def text(self) -> str:
        """The verdict in words."""
        if self.after_runs is not None:
            return f"{_WORDS[self.test.verdict]}, certain after {self.after_runs} runs"
        return "given up" if self.given_up else "not certain"

    def to_json(self) -> dict[str, Any]:
        """Return the entry of `sequential.candidates` in summary.json."""
        told = {"after_runs": self.after_runs, "given_up": self.given_up or None}
        return {**self.test.to_json(), **told}


class AutoRuns:
    """Looks at whole runs of all specs, and says when there were enough.

    A run counts once every planned trial of it has ended. A prompt's pair counts
    where both sides were judged; candidates are independent of each other, and
    each is held against its phase's baseline.

    Attributes:
        runs: whole runs that were looked at.

    Args:
        given_up: says why a spec, as canonical text, is given up; empty if it isn't.
    """

    def __init__(
        self, settings: Settings, ledger: Ledger, given_up: Callable[[str], str]
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._given_up = given_up
        self.runs = 0
        self._least = 1
        self._verdicts: dict[str, Verdict] = {}
        for spec in settings.axis.candidates:
            limits = settings.thresholds(spec.phase)
            self._least = max(self._least, limits.min_runs)
            margin, alpha = limits.non_inferiority_margin, 1 - limits.confidence
            test = SequentialTest(margin=margin, alpha=alpha)
            self._verdicts[str(spec)] = Verdict(test=test)

    @classmethod
    def of(
        cls, settings: Settings, ledger: Ledger, given_up: Callable[[str], str]
    ) -> Self | None:
        """Return what ends a session's runs; None where nothing does."""
        return cls(settings, ledger, given_up) if settings.runs_auto else None

    @property
    def tests(self) -> dict[str, SequentialTest]:
        """Each candidate's test, by its canonical text."""
        return {spec: one.test for spec, one in self._verdicts.items()}

    @property
    def is_decided(self) -> bool:
        """Whether no further run is needed."""
        if self.runs < self._least:
            return False
        return all(
            one.after_runs is not None or one.given_up
            for one in self._verdicts.values()
        )

    def end_reason(self, run: int) -> str:
        """Return why a run is not begun; empty if it is.

        Args:
            run: what comes next; all before it have ended.
        """
        self.look(run - 1)
        if run <= self.runs or not self.is_decided:
            return ""
        told = "; ".join(f"{spec}: {one.text}" for spec, one in self._verdicts.items())
        return f"decided after {self.runs} runs: {told}"

    def look(self, runs: int) -> None:
        """Look at the runs up to one that were not looked at, as far as is needed."""
        if self.runs >= runs or self.is_decided:
            return
        plans = self._ledger.plans()
        records = {
            (r.spec, r.suite, r.prompt_id, r.run): r for r in self._ledger.records()
        }
        while self.runs < runs and not self.is_decided:
            run = _of_run(plans, records, self.runs + 1)
            if run is None:
                return
            self.runs += 1
            for spec in self._settings.axis.candidates:
                self._add(str(spec), str(self._settings.axis.baseline(spec.phase)), run)

    def _add(self, spec: str, baseline: str, run: Sequence[Record]) -> None:
        one = self._verdicts[spec]
        one.test.add_run(_differences(spec, baseline, run))
        after = one.after_runs
        if after is None and one.test.verdict is not None:
            after = self.runs
        reason = self._given_up(spec) or self._given_up(baseline)
        self._verdicts[spec] = Verdict(test=one.test, after_runs=after, given_up=reason)

    def conclude(self) -> tuple[dict[str, Any], list[str]]:
        """Return `sequential` of summary.json, and the same as notes.

        Runs that are not needed leave the plan: nothing is missing of them.
        """
        self.look(self._settings.runs)
        saved = self._ledger.end_plans(self.runs) if self.is_decided else 0
        told = {
            "max_runs": self._settings.runs,
            "runs": self.runs,
            "calls_saved": saved,
            "candidates": {spec: one.to_json() for spec, one in self._verdicts.items()},
        }
        most = f"of at most {self._settings.runs} runs"
        head = f"--runs auto: {self.runs} {most}, {saved} calls saved"
        lines = [f"{spec}: {one.text}" for spec, one in self._verdicts.items()]
        return told, [head, *(f"--runs auto: {line}" for line in lines)]


def _of_run(
    plans: Iterable[JobPlan], records: dict[tuple[str, str, str, int], Record], run: int
) -> list[Record] | None:
    """Return a run's records; None unless every planned trial has one."""
    found = [
        records.get((plan.spec, plan.suite, prompt_id, run))
        for plan in plans
        for prompt_id in plan.prompt_ids
    ]
    whole = [record for record in found if record is not None]
    return whole if whole and len(whole) == len(found) else None


def _differences(spec: str, baseline: str, run: Iterable[Record]) -> list[int]:
    """Return passed less passed of each prompt that was judged on both sides."""
    sides: dict[str, dict[tuple[str, str], int]] = {spec: {}, baseline: {}}
    for record in run:
        if record.spec in sides and record.outcome in JUDGED:
            key = (record.suite, record.prompt_id)
            sides[record.spec][key] = int(record.outcome == "pass")
    ours, theirs = sides[spec], sides[baseline]
    return [ours[key] - theirs[key] for key in ours if key in theirs]
