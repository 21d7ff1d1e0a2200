"""Unload a model where a spec is to begin from the same state as every other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmbench.errors import CallError

if TYPE_CHECKING:
    from pytest_llmbench.calls.engine import Engine
    from pytest_llmbench.calls.request import Target, WarmupResult
    from pytest_llmbench.plan import Trial
    from pytest_llmbench.settings import Settings


class Unloading(Struct, frozen=True, kw_only=True):
    """How unloading one model at one server went.

    Attributes:
        turn: the spec, as canonical text, and the run that it came before.
        is_done: its server shows it no more.
        fault: why it is, or may be, still there.
    """

    turn: tuple[str, int]
    is_done: bool
    fault: str = ""


class ColdStarts:
    """Says before which trials a model is unloaded, each time once, and does it.

    Attributes:
        are_any: whether anything is unloaded at all.
    """

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._when = settings.cold_start
        self.are_any = self._when != "never"
        self._has_turns = self.are_any or bool(settings.axis)
        self._engine = engine
        self._begun: set[tuple[str, int]] = set()

    def is_due(self, trial: Trial) -> bool:
        """Whether the trial is the first of what begins cold."""
        if not self.are_any:
            return False
        return self._key(trial.job.spec_text, trial.run) not in self._begun

    def note(self, spec_text: str, run: int) -> None:
        """Let a spec, or its run, go on as it is: it has begun."""
        self._begun.add(self._key(spec_text, run))

    def unload(self, target: Target, trial: Trial) -> Unloading | None:
        """Unload a model and wait until its server shows it no more.

        Returns:
            How it went; None for a service, which holds no model of ours.
        """
        turn = (trial.job.spec_text, trial.run)
        try:
            is_there = self._engine.unload(target)
        except CallError as error:
            fault = str(error).partition("\n")[0]
            return Unloading(turn=turn, is_done=False, fault=fault)
        return Unloading(turn=turn, is_done=True) if is_there else None

    def of_turn(
        self, warmup: WarmupResult, trial: Trial, unloading: Unloading | None
    ) -> WarmupResult:
        """Add whose turn a warm-up was for, where each spec has its own.

        Args:
            unloading: the last one of the model at that server.
        """
        turn = (trial.job.spec_text, trial.run)
        if not self._has_turns:
            return warmup
        if unloading is None or unloading.turn != turn:
            return replace(warmup, spec=turn[0], run=turn[1])
        return replace(
            warmup,
            spec=turn[0],
            run=turn[1],
            unloaded=unloading.is_done,
            unload_fault=unloading.fault,
        )

    def _key(self, spec_text: str, run: int) -> tuple[str, int]:
        return spec_text, run if self._when == "run" else 0
