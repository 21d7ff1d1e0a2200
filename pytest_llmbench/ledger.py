"""Plans, records and what is known of the models, in the controlling process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from msgspec import to_builtins
from msgspec.structs import replace

from pytest_llmbench.analysis.summary import plan_from_json
from pytest_llmbench.analysis.trials import JUDGED
from pytest_llmbench.calls.request import WarmupResult
from pytest_llmbench.policy.guard import LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from pytest_llmbench.analysis.summary import JobPlan
    from pytest_llmbench.policy.guard import Sighting
    from pytest_llmbench.prompts.suite import Prompt
    from pytest_llmbench.resuming import Resumption
    from pytest_llmbench.runs.folder import RunFolder
    from pytest_llmbench.runs.record import Record
    from pytest_llmbench.settings import Settings

SCHEMA_VERSION: Final = 1
VARIES: Final = "varies by prompt"


class Ledger:
    """Takes what reports carry; writes each record before anything else.

    Attributes:
        facts: plain JSON, one of each model and server.
        warmups: results, one of each model and server, or of each turn of a spec.
        options: sampling options by spec, `VARIES` where its prompts differ.
        before: the machine's snapshot from before the first trial.
        sighting: what was seen of servers and machine then; None if not looked at.
        replay_of: the file whose replies are judged again; None if asked.
        reruns: judged trials that were run again; the first attempt counts.
        changed_prompts: ids whose replayed replies answer another question.
        foreign_failures: failed reports that are no trial of ours.
        revision: rises with each change of what config.json and inventory.json say.
        resumed: each time the run went on, as in config.json.
        notes: what the summary must say besides.
        has_news: whether this session has added any record.
        replaced: records that others have taken the place of, without texts.
        prompts: what is asked, by suite and prompt id, as in config.json.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.revision = 0
        self.resumed: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.has_news = False
        self.replaced: list[Record] = []
        self._resumption: Resumption | None = None
        self._open: set[str] = set()
        self._facts: dict[tuple[str, ...], dict[str, Any]] = {}
        self._left_out: dict[tuple[str, str], LeftOut] = {}
        self._warmups: dict[tuple[str, str, str, int], WarmupResult] = {}
        self._calibrations: dict[str, dict[str, Any]] = {}
        self.options: dict[str, dict[str, Any]] = {}
        self.prompts: dict[str, dict[str, Any]] = {}
        self.before: dict[str, Any] | None = None
        self.sighting: Sighting | None = None
        self.replay_of: str | None = None
        self.reruns = 0
        self.foreign_failures = 0
        self.changed_prompts: set[str] = set()
        self._plans: dict[tuple[str, str], JobPlan] = {}
        self._records: dict[str, Record] = {}
        self._replaced: dict[str, Record] = {}

    @property
    def has_records(self) -> bool:
        """Whether any trial has ended."""
        return bool(self._records)

    def has_record(self, trial_id: str) -> bool:
        """Whether a trial has ended, and is not to be asked again."""
        return trial_id in self._records and trial_id not in self._open

    def records(self) -> list[Record]:
        """Return one record per trial, in order of arrival, without texts."""
        return list(self._records.values())

    def plans(self) -> list[JobPlan]:
        """Return what was meant to run."""
        return list(self._plans.values())

    @property
    def facts(self) -> list[dict[str, Any]]:
        """What is known of each model at each server, as plain JSON."""
        return list(self._facts.values())

    @property
    def warmups(self) -> list[WarmupResult]:
        """How warming each model at each server went."""
        return list(self._warmups.values())

    @property
    def calibrations(self) -> list[dict[str, Any]]:
        """The calls that showed what servers count, as plain JSON; each once."""
        return list(self._calibrations.values())

    @property
    def left_out(self) -> list[LeftOut]:
        """Addresses that were asked nothing, to the end or at first."""
        return list(self._left_out.values())

    def known(self, model: str, name: str) -> list[str]:
        """Return a fact's values at a model's servers, each once; without blanks."""
        values = [one[name] for one in self.facts if one["model"] == model]
        return sorted({value for value in values if value})

    def warmup(self, model: str, spec: str) -> WarmupResult | None:
        """Return how warming a model for a spec went first; None if it never did."""
        found = (one for one in self.warmups if one.model == model)
        return next((one for one in found if one.spec in {"", spec}), None)

    def go_on(self, resumption: Resumption, now: datetime) -> None:
        """Take over what the run had come to when it was interrupted."""
        run = resumption.run
        self._resumption = resumption
        self._records = {record.trial_id: record.slim() for record in run.records}
        self._open = {r.trial_id for r in run.records if not resumption.has(r)}
        self.replaced += run.replaced
        self.take_news({"facts": one} for one in run.inventory.get("models", ()))
        self.take_news({"warmup": one} for one in run.inventory.get("warmups", ()))
        self.take_news({"calibration": one} for one in resumption.calibrations)
        snapshots = run.inventory.get("snapshots", {})
        self.before = snapshots.get("before") or self.before
        trials = resumption.finished_trials
        this_time = {"at": now.isoformat(), "trials_before": trials}
        self.resumed = [*run.config.get("resumed", ()), this_time]

    def add_plans(self, plans: Iterable[JobPlan]) -> None:
        """Note what is meant to run."""
        self.revision += 1
        for plan in plans:
            self._plans[plan.spec, plan.suite] = plan

    def add_options(self, spec: str, options: dict[str, Any]) -> None:
        """Note one prompt's sampling options; where prompts differ, say so.

        What differs from prompt to prompt is in the prompts' hashes.
        """
        known = self.options.setdefault(spec, dict(options))
        for key in {*known, *options}:
            if known.get(key) != options.get(key):
                known[key] = VARIES

    def add_prompt(self, suite: str, prompt: Prompt) -> None:
        """Note what is asked, for reports."""
        self.prompts[f"{suite}::{prompt.id}"] = {"suite": suite, **prompt.shown()}

    def take_news(self, news: Iterable[dict[str, Any]]) -> None:
        """Store what has been learned of models, as plain JSON."""
        for one in news:
            if "changed" in one:
                self.changed_prompts.add(one["changed"])
            if "left_out" in one:
                self._take_left_out(LeftOut(**one["left_out"]))
            if "facts" in one:
                self._take_facts(one["facts"])
            if "warmup" in one:
                self._take_warmup(WarmupResult(**one["warmup"]))
            if "calibration" in one:
                key = json.dumps(one["calibration"], sort_keys=True)
                self.revision += key not in self._calibrations
                self._calibrations[key] = one["calibration"]

    def _take_left_out(self, one: LeftOut) -> None:
        """Keep the last word on an address: what has come back is asked to the end."""
        known = self._left_out.get((one.model, one.server))
        if known is None or one.is_back:
            self._left_out[one.model, one.server] = one

    def _take_facts(self, facts: dict[str, Any]) -> None:
        # Two machines may each know their server by the same address.
        names = ("model", "server", "digest", "server_version")
        key = tuple(facts[name] for name in names)
        self.revision += self._facts.get(key) != facts
        self._facts[key] = facts
        if self._resumption is not None:
            note = self._resumption.server_note(facts)
            self.notes += [note] if note and note not in self.notes else []

    def _take_warmup(self, warmup: WarmupResult) -> None:
        """Keep a model's first warm-up; a failed one makes way for the next.

        Specs that are warmed one by one have each their own.
        One that fails when a run goes on is a note.
        """
        key = (warmup.model, warmup.server, warmup.spec, warmup.run)
        before = self._warmups.get(key)
        if before is None or before.status == "failed":
            self._warmups[key] = warmup
            self.revision += 1
        elif warmup.status == "failed" and self._resumption:
            again = "failed when the run went on"
            self.notes.append(f"warm-up of {warmup.model} {again}: {warmup.detail}")

    def end_plans(self, runs: int) -> int:
        """Let the plans end with a run; return how many trials that leaves out."""
        saved = 0
        for key, plan in self._plans.items():
            ended = replace(plan, runs=min(plan.runs, runs))
            saved += plan.trials - ended.trials
            self._plans[key] = ended
        return saved

    def take_plan(self, told: dict[str, Any]) -> None:
        """Store a worker's plans, options and prompts."""
        self.options.update(told["options"])
        self.prompts.update(told["prompts"])
        self.add_plans(plan_from_json(plan) for plan in told["plans"])

    def to_json(self) -> dict[str, Any]:
        """Return plans, options and prompts, for a worker to send to the controller."""
        plans = [to_builtins(plan) for plan in self.plans()]
        return {"plans": plans, "options": self.options, "prompts": self.prompts}

    def config_json(self, settings: Settings, now: datetime) -> dict[str, Any]:
        """Return config.json: settings, plans and options of this run."""
        return {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.folder.run_id,
            "written_at": now.isoformat(),
            "settings": settings.to_json(),
            **self.to_json(),
            "prompts": list(self.prompts.values()),
            "resumed": self.resumed,
        }

    def take_record(self, record: Record) -> None:
        """Keep the first judged attempt of a trial; an error makes way for it.

        A trial that is skipped when its turn comes again keeps what it had.
        """
        before = self._records.get(record.trial_id)
        if before is not None and before.outcome in JUDGED:
            self.reruns += 1
            self.replaced.append(record.slim())
            return
        self._open.discard(record.trial_id)
        if before is not None and record.outcome == "skipped":
            self.replaced.append(record.slim())
            return
        self.replaced += [before] if before is not None else []
        if record.outcome == "skipped":
            record = self._replaced.pop(record.trial_id, record)
        record = self._with_replaced(record)
        self.folder.append(record)
        self.has_news = True
        self._records[record.trial_id] = record.slim()

    def note_replaced(self, record: Record) -> None:
        """Hold an attempt back for the record of the rerun that follows it."""
        self._replaced[record.trial_id] = self._with_replaced(record)

    def _with_replaced(self, record: Record) -> Record:
        """Add the attempts that a worker did not live to tell of with its last one."""
        before = self._replaced.pop(record.trial_id, None)
        if before is None:
            return record
        earlier = (*before.earlier_attempts, before.as_attempt())
        if record.earlier_attempts != earlier:
            earlier += record.earlier_attempts
        return replace(record, attempts=len(earlier) + 1, earlier_attempts=earlier)
