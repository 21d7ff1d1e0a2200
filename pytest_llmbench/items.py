"""Suite files and prompts as pytest nodes."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from typing_extensions import override

from pytest_llmbench.analysis.failfast import GIVEN_UP
from pytest_llmbench.errors import (
    CallError,
    CheckBroken,
    OverBudget,
    SettingsError,
    SpecError,
    SuiteError,
    UsageFault,
)
from pytest_llmbench.report.failure import attempt_lines, error_lines, failure_lines
from pytest_llmbench.retries import is_retry_mark, retry_marks
from pytest_llmbench.runs.record import Fault
from pytest_llmbench.session import session_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmbench.conversation import Dialogue
    from pytest_llmbench.plan import Trial
    from pytest_llmbench.runs.record import Attempt, Record


class TrialFailed(Exception):
    """The model's answer is wrong, or came too late."""


class TrialError(Exception):
    """The harness, the network or the server failed; it counts for nobody."""


class RetriedFailure(TrialFailed):
    """The answer came too late, and there is a retry left (`retries.ONLY_RERUN`)."""


class RetriedError(TrialError):
    """No answer began, and there is a retry left (`retries.ONLY_RERUN`)."""


def judge_reply(request: pytest.FixtureRequest, llmbench_warmup: object) -> None:
    """Judge the reply that setting the trial up has fetched."""
    del llmbench_warmup  # called in setup, asked for here so that it is set up
    item = request.node
    if isinstance(item, PromptItem):
        item.judge()


class SuiteFile(pytest.Module):
    """One `*.bench.yaml`.

    A Module and not a plain File, because only then do module-, class- and
    package-scoped fixtures of the user's conftest reach the items.
    """

    shown_path: str | None = None

    @override
    def _getobj(self) -> types.ModuleType:
        """Stand in for the Python module that a suite is not (our one seam)."""
        return types.ModuleType(self.path.name)

    @override
    def collect(self) -> Iterator[PromptItem]:
        """Yield one item per trial: spec by spec, run by run, prompt by prompt."""
        try:
            session = session_of(self.config)
        except UsageFault as error:  # options are checked before; files are read here
            raise self.CollectError(str(error)) from None
        try:
            trials = session.plan_suite(self.path, self.nodeid)
            # What is stored comes out the same every time.
            retries = () if session.settings.replay else _retries(trials)
            marks = retry_marks(self.config, retries)
        except SuiteError as error:
            raise self.CollectError(str(error)) from None
        except (SettingsError, SpecError) as error:
            session.usage_fault = session.usage_fault or str(error)
            return
        self._register_marks(trials)
        item: PromptItem | None = None
        for trial in trials:
            retry = marks.get(trial.spec.retries)
            item = PromptItem.of_trial(self, trial, item, retry)
            yield item

    def _register_marks(self, trials: Sequence[Trial]) -> None:
        """Make the suite's marks known: the file that sets them declares them."""
        for mark in dict.fromkeys(m for t in trials for m in t.prompt.marks):
            line = f"{mark}: set in {self.nodeid}"
            self.config.addinivalue_line("markers", line)


class PromptItem(pytest.Function):
    """One trial.

    The question is asked in `setup`, so that a fault of harness or server is a
    setup error to pytest, to JUnit and to the user; the reply is judged in the
    call phase, so that only the model's own failures are failures.
    """

    # A slot takes eight bytes; one attribute more in its __dict__, 800.
    __slots__ = (
        "_collected",
        "_dialogue",
        "_earlier",
        "_given_up",
        "_is_needless",
        "_parsed_id",
        "_stored",
        "is_to_retry",
        "position",
        "record",
        "suite_file",
        "trial",
    )

    trial: Trial
    suite_file: SuiteFile
    position: int
    """The trial's place in the plan; -1 until selection is done, or if finished."""
    record: Record | None
    is_to_retry: bool
    _dialogue: Dialogue | None
    _stored: Record | None
    _given_up: str
    _is_needless: bool
    _parsed_id: Any
    _earlier: tuple[Attempt, ...]
    _collected: int
    """Properties that the item had when it was first set up; -1 until then."""

    @classmethod
    def of_trial(
        cls,
        parent: SuiteFile,
        trial: Trial,
        twin: PromptItem | None = None,
        retry: pytest.MarkDecorator | None = None,
    ) -> PromptItem:
        """Make the item of a trial.

        Args:
            twin: another item of the same file, which has the same fixtures.
            retry: stands before the suite's marks, so that it is the one
                `flaky` that counts; all trials share it.
        """
        item: PromptItem = cls.from_parent(
            parent,
            name=trial.name,
            callobj=judge_reply,
            fixtureinfo=twin._fixtureinfo if twin else None,  # noqa: SLF001 - shared as parametrize does
        )
        item.trial = trial
        item.suite_file = parent
        item.position = item._collected = -1
        item.record = item._dialogue = item._stored = None
        item._given_up = ""
        item._is_needless = False
        item._earlier, item.is_to_retry = (), False
        if retry is not None:
            item.add_marker(retry)
        for mark in trial.prompt.marks:
            item.add_marker(mark)
        words = {trial.spec.phase, trial.prompt.category} - {""}
        item.extra_keyword_matches.update(words)
        return item

    @property
    def fixture_definitions(self) -> Mapping[str, Sequence[pytest.FixtureDef[Any]]]:
        """Every fixture this item needs, by name."""
        return self._fixtureinfo.name2fixturedefs

    @property
    @override
    def id(self) -> Any:
        """The id as pytest reads it back from text (asked for by pytest >= 9.2).

        A Function takes what stands in brackets for its name unless parametrize
        has put it there, and then `--lf` and `--sw` do not find it again.
        """
        try:
            return self._parsed_id
        except AttributeError:
            self._parsed_id = type(super().id).parse(self.nodeid)
            return self._parsed_id

    @property
    @override
    def location(self) -> tuple[str, int | None, str]:
        """Where the prompt stands; the path is worked out once per file."""
        if self.suite_file.shown_path is None:
            self.suite_file.shown_path = super().location[0]
        return self.suite_file.shown_path, self.trial.prompt.line - 1, self.name

    @override
    def setup(self) -> None:
        """Set the fixtures up, warm the model, and ask.

        A trial that a resumed run has finished needs none of that.
        """
        self._begin()
        session = session_of(self.config)
        self._stored = session.finished(self.trial)
        if self._stored is not None:
            return
        reason = session.end_reason(self.trial)
        if reason:
            self._is_needless = True
            pytest.skip(reason)
        self._given_up = session.fail_fast.reason(self.trial.job.spec_text)
        if self._given_up:
            pytest.skip(f"spec given up: {self._given_up}")
        trials = session.trials
        if self._earlier:
            trials.try_again(self.trial)
        super().setup()
        trials.begin_cold(self.trial)
        warm: Any = self.funcargs["llmbench_warmup"]
        warm(self.trial)
        dialogue = self._dialogue = trials.ask(self.trial, self.position)
        if dialogue.skip_reason:
            pytest.skip(dialogue.skip_reason)
        if isinstance(dialogue.error, OverBudget):
            pytest.skip(f"over budget: {dialogue.error}")
        if dialogue.error is not None and dialogue.error.outcome == "error":
            raise self._raised(dialogue.error, TrialError, RetriedError)

    @property
    def gives_way(self) -> bool:
        """Whether a rerun replaces this attempt; what is judged stands."""
        is_error = self.record is not None and self.record.outcome == "error"
        return is_error or self.is_to_retry

    def complete_record(self) -> Record | None:
        """Return the record with the attempts that it has replaced."""
        if self.record is not None and self._earlier:
            self.record = replace(
                self.record,
                attempts=len(self._earlier) + 1,
                earlier_attempts=self._earlier,
            )
        return self.record

    def _begin(self) -> None:
        """Forget what an attempt before this one told JUnit: a rerun tells its own."""
        if self._collected < 0:
            self._collected = len(self.user_properties)
        del self.user_properties[self._collected :]
        self.is_to_retry = False

    def _raised(
        self, error: CallError, last: type[Exception], retried: type[Exception]
    ) -> Exception:
        """Return what to raise: the kind that is run again while retries are left.

        They are counted here too, so that they never add up with the user's reruns.
        """
        is_left = error.is_retried and len(self._earlier) < self.trial.spec.retries
        mark = self.get_closest_marker("flaky") if is_left else None
        self.is_to_retry = is_retry_mark(mark)
        return retried(error) if self.is_to_retry else last(error)

    @override
    def runtest(self) -> None:
        """Judge the reply, or report what the trial has come to before.

        Raises:
            TrialFailed: it failed then.
        """
        if self._stored is None:
            super().runtest()
            return
        self.record = self._stored
        if self.record.outcome != "pass":
            raise TrialFailed(self.record.outcome)

    def judge(self) -> None:
        """Hold the reply against the prompt's expectations.

        Raises:
            TrialFailed: an expectation does not hold, or the model was too slow.
        """
        dialogue = self._dialogue
        if dialogue is None:
            return
        record = session_of(self.config).trials.settle(self.trial, dialogue)
        self.record = record
        if record.outcome == "error" and record.fault is not None:
            raise TrialError(CheckBroken(record.fault.message))
        if dialogue.error is not None:
            raise self._raised(dialogue.error, TrialFailed, RetriedFailure)
        if record.outcome != "pass":
            raise TrialFailed(_reasons(record))

    def forget(self) -> None:
        """Let go of what only the trial's own reports need, and a rerun does not."""
        if self.record is not None and self.gives_way:
            self._earlier += (self.record.as_attempt(),)
        self.record = self._dialogue = self._stored = None

    def note_setup(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Record a trial that never came to be judged; one without need has none."""
        if self._is_needless:
            return
        trials = session_of(self.config).trials
        dialogue = self._dialogue
        if dialogue is not None and isinstance(dialogue.error, OverBudget):
            self.record = trials.settle(self.trial, dialogue)
            return
        if excinfo.errisinstance(pytest.skip.Exception):
            fault = self._skip_fault(excinfo.value)
            self.record = trials.record(self.trial, "skipped", fault=fault)
            return
        cause = excinfo.value.args[0] if isinstance(excinfo.value, TrialError) else None
        fault = Fault(kind="fixture", message=excinfo.exconly())
        self.record = trials.record(
            self.trial,
            "error",
            dialogue=dialogue,
            fault=None if isinstance(cause, CallError) else fault,
        )

    def _skip_fault(self, skipped: BaseException) -> Fault:
        """Say why the trial was skipped: by us, or by somebody's fixture."""
        if self._given_up:
            return Fault(kind=GIVEN_UP, message=self._given_up)
        dialogue = self._dialogue
        if dialogue is not None and dialogue.skip_reason:
            return Fault(kind=dialogue.skip_kind, message=dialogue.skip_reason)
        return Fault(kind="skipped", message=str(skipped))

    @override
    def _repr_failure_py(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> Any:
        """Show an error of set-up as `repr_failure` does.

        pytest asks this way there, and reads source for a traceback that nobody
        sees: 18 ms for each trial while a server is down.
        """
        if isinstance(excinfo.value, TrialError):
            return self.repr_failure(excinfo)
        return super()._repr_failure_py(excinfo, style)

    @override
    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> Any:
        """Say in a few lines what was asked, expected and got, and why it fails."""
        if isinstance(excinfo.value, TrialFailed) and self.record is not None:
            is_repeat = session_of(self.config).is_repeat(self.record)
            lines = failure_lines(self.record, self.trial.prompt, is_repeat)
            return "\n".join([*lines, *attempt_lines(self._earlier)])
        if isinstance(excinfo.value, TrialError):
            # A retried error is not shown, so it makes no later one a repeat.
            shown = session_of(self.config).first_errors
            seen = set(shown) if self.is_to_retry else shown
            lines = error_lines(excinfo.value.args[0], seen)
            return "\n".join([*lines, *attempt_lines(self._earlier)])
        return super().repr_failure(excinfo)

    @override
    def reportinfo(self) -> tuple[Path, int, str]:
        """Point at the prompt's line in its suite file."""
        return self.path, self.trial.prompt.line - 1, self.name


def _retries(trials: Sequence[Trial]) -> set[int]:
    return {trial.spec.retries for trial in trials}


def _reasons(record: Record) -> str:
    return "; ".join(check.why for check in record.checks if not check.passed)
