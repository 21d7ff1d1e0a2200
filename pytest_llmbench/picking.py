"""Which candidates a cycle takes: what was given, stored, learned and tried."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from pytest_llmbench.errors import CallError, SuiteError
from pytest_llmbench.policy.baseline import asked_prompts
from pytest_llmbench.policy.discovery import as_given, discover, symptoms_of
from pytest_llmbench.policy.learning import gains, ranked
from pytest_llmbench.policy.tried import Conditions, Tried
from pytest_llmbench.policy.window import is_experiment
from pytest_llmbench.prompts.loader import load_suite
from pytest_llmbench.prompts.spec import parse_spec
from pytest_llmbench.runs.stored import read_summary, run_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmbench.policy.discovery import Candidate
    from pytest_llmbench.prompts.spec import ModelName, Spec
    from pytest_llmbench.runs.loop_state import LoopState
    from pytest_llmbench.settings import Settings

_SUITES = ("*.bench.yaml", "*.bench.yml")


class Memory(Protocol):
    """What a loop asks of the history."""

    def cycles(self) -> list[dict[str, Any]]:
        """Return every stored cycle, oldest first."""
        ...

    def jobs_of_spec(self, spec: str) -> list[dict[str, Any]]:
        """Return a spec's stored job summaries with `run_id`, oldest first."""
        ...

    def add_cycle(self, cycle: Mapping[str, Any]) -> int:
        """Store a cycle; return the index it was given."""
        ...

    def sync(self, reports: Path) -> int:
        """Take in what run folders hold and the history lacks."""
        ...

    def export(self, reports: Path) -> Path:
        """Write meta_loop_history.json."""
        ...


class Project(Struct, frozen=True, kw_only=True):
    """What the user's project says.

    Attributes:
        variants: every variant there is, other plugins' included.
    """

    settings: Settings
    variants: tuple[str, ...]

    def spec(self, text: str) -> Spec:
        """Read a spec with the project's aliases.

        Raises:
            SpecError: it cannot be read.
        """
        return parse_spec(text, self.settings.aliases)


class Pick(Struct, frozen=True, kw_only=True):
    """What a cycle is to try.

    Attributes:
        candidates: at most as many as were asked for, in order.
        is_blind: nothing that is stored shows how the baseline does today.
    """

    candidates: tuple[Candidate, ...]
    is_blind: bool


class Picker:
    """Picks candidates; looks at suites and server once."""

    def __init__(
        self, project: Project, memory: Memory, reports: Path, suites: Sequence[str]
    ) -> None:
        self._project = project
        self._memory = memory
        self._reports = reports
        self._suites = suites
        self._now: Conditions | None = None

    def pick(self, state: LoopState) -> Pick:
        """Return what the next cycle tries against the state's baseline."""
        baseline = self._project.spec(state.baseline)
        cycles = self._memory.cycles()
        now = self._conditions(baseline)
        symptoms = symptoms_of(self._newest_jobs(state.baseline, now))
        found = discover(baseline, symptoms, self._project.variants, state.variants)
        own = [cycle for cycle in cycles if cycle.get("loop_id") == state.loop_id]
        asked = [as_given(baseline, self._project.spec(text)) for text in state.given]
        left = [
            *_untried(asked, Tried(cycles=own, loop_id=state.loop_id), state),
            *_untried(
                found, Tried(cycles=cycles, now=now, loop_id=state.loop_id), state
            ),
        ]
        unique = {one.spec: one for one in reversed(left)}  # a given one wins
        picked = ranked(
            (one for one in left if unique[one.spec] is one), gains(cycles, baseline)
        )
        return Pick(
            candidates=tuple(picked[: state.max_candidates]),
            is_blind=symptoms is None,
        )

    def _newest_jobs(self, spec: str, now: Conditions) -> list[dict[str, Any]]:
        """Return the newest run's jobs of a spec; none if the questions are others.

        A run with a cold start before each pass shows nothing of ordinary work.
        """
        found = self._memory.jobs_of_spec(spec)
        stored = [job for job in found if not is_experiment(job)]
        own = [job for job in stored if job["run_id"] == stored[-1]["run_id"]]
        own = self._in_full(own)
        asked = {job["suite"]: asked_prompts(job["comparability"]) or {} for job in own}
        return [] if now.has_changed(Conditions(prompts=asked)) else own

    def _in_full(self, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Take the jobs of one run from its folder if it is here: that has it all."""
        run = run_folder(self._reports, jobs[0]["run_id"]) if jobs else None
        summary = read_summary(run) if run else None
        if summary is None:
            return jobs
        specs = {job["spec"] for job in jobs}
        return [job for job in summary["job_summaries"] if job["spec"] in specs]

    def _conditions(self, baseline: Spec) -> Conditions:
        """Return under what would be measured now, as far as it can be told."""
        if self._now is None:
            digest, version = _build(self._project.settings, baseline.model)
            self._now = Conditions(
                prompts=prompts_now(
                    self._project.settings, self._suites, baseline.phase
                ),
                model_digest=digest,
                server_version=version,
            )
        return self._now


def _untried(
    candidates: Sequence[Candidate], tried: Tried, state: LoopState
) -> Iterator[Candidate]:
    settled = {state.baseline, *tried.settled(state.baseline)}
    return (one for one in candidates if one.spec not in settled)


def prompts_now(
    settings: Settings, suites: Sequence[str], phase: str
) -> dict[str, dict[str, str]] | None:
    """Return the hash of each prompt of a phase, by suite and id.

    Returns:
        None where the suites can't be told by their files; pytest will say why.
    """
    found: dict[str, dict[str, str]] = {}
    try:
        for path in _suite_files(suites):
            suite = load_suite(path).placed(settings.context_position)
            if suite.phase == phase:
                found[suite.name] = {prompt.id: prompt.hash for prompt in suite.prompts}
    except (OSError, SuiteError):
        return None
    return found or None


def _suite_files(suites: Sequence[str]) -> Iterator[Path]:
    for text in suites:
        path = Path(text.partition("::")[0])
        if path.is_dir():
            yield from sorted(file for glob in _SUITES for file in path.rglob(glob))
        else:
            yield path


def _build(settings: Settings, model: ModelName) -> tuple[str | None, str | None]:
    """Return the model's digest and its server's version, as comparability has them.

    Both are None where a server can't be asked: pytest will say so.
    """
    from pytest_llmbench.calls.engine import Engine

    engine = Engine()
    try:
        facts = [engine.facts(target) for target in settings.targets(model)]
    except CallError:
        return None, None
    finally:
        engine.close()
    digests = dict.fromkeys(one.digest.removeprefix("sha256:")[:12] for one in facts)
    versions = dict.fromkeys(one.server_version for one in facts)
    return ", ".join(digests), ", ".join(versions)
