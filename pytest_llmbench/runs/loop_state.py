"""reports/loop_state.json: where a loop stands, so that it can go on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import DecodeError, Struct, ValidationError, to_builtins
from msgspec.json import decode

from pytest_llmbench.errors import SettingsError
from pytest_llmbench.runs.folder import try_lock, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATE: Final = "loop_state.json"
SCHEMA_VERSION: Final = 1
DEFAULT_RUNS: Final = "7"

Status = Literal["running", "interrupted", "stopped", "ended"]
"""How a loop stands; all but `ended` can go on. `running` was killed, or runs."""


class OpenCycle(Struct, frozen=True, kw_only=True):
    """A cycle whose session is not over.

    Attributes:
        position: counted from 1 within the loop.
        run_id: its pytest session's.
        candidates: as `policy.discovery.Candidate` gives them.
        is_interrupted: it was interrupted and has to go on.
    """

    position: int
    run_id: str
    candidates: tuple[dict[str, Any], ...]
    is_interrupted: bool = False


class LoopState(Struct, frozen=True, kw_only=True):
    """What one loop is to do and how far it is.

    Attributes:
        at: when it began, ISO 8601 UTC.
        first_baseline: the spec it began with.
        baseline: the spec to beat now.
        given: candidates that the user named.
        variants: variants to be tried in any case.
        runs: as pytest's `--runs` takes it.
        done: cycles that are over.
        cycle: the one that is not; None between cycles.
        outcome: why it has stopped or ended; empty while it runs.
    """

    loop_id: str
    at: str
    first_baseline: str
    baseline: str
    suites: tuple[str, ...]
    given: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    cycles: int = 3
    runs: str = DEFAULT_RUNS
    max_candidates: int = 4
    pytest_args: tuple[str, ...] = ()
    done: int = 0
    cycle: OpenCycle | None = None
    status: Status = "running"
    outcome: str = ""


def write_state(reports: Path, state: LoopState) -> Path:
    """Write the state, whole or not at all."""
    data = {"schema_version": SCHEMA_VERSION, **to_builtins(state)}
    return write_json(reports / STATE, data)


def read_state(reports: Path) -> LoopState:
    """Return the newest loop's state.

    Raises:
        SettingsError: there is none, or it cannot be read.
    """
    path = reports / STATE
    try:
        return decode(path.read_bytes(), type=LoopState)
    except FileNotFoundError:
        msg = f"--resume: no loop has run in {reports}; start one without --resume"
        raise SettingsError(msg) from None
    except (OSError, DecodeError, ValidationError) as error:
        msg = f"--resume: {path} cannot be read ({error}); start a new loop"
        raise SettingsError(msg) from None


@contextmanager
def only_loop(reports: Path) -> Iterator[None]:
    """Keep other loops out of these reports while this one runs.

    Raises:
        SettingsError: another process runs a loop there.
    """
    reports.mkdir(parents=True, exist_ok=True)
    with (reports / ".loop.lock").open("a", encoding="utf-8") as file:
        if not try_lock(file):
            msg = f"another loop runs in {reports}; wait for it or give --reports"
            raise SettingsError(msg)
        yield
