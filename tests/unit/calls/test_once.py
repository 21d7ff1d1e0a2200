"""One process of a run does a thing; the others wait for it and read what came."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmbench.calls.once import Once

if TYPE_CHECKING:
    from collections.abc import Iterator

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def token() -> Iterator[str]:
    """Give a run's token; its folder must be gone at the end."""
    token = secrets.token_hex(8)
    yield token
    assert not folder(token).exists()


def folder(token: str) -> Path:
    """Return where the processes of a run meet."""
    return Path(tempfile.gettempdir()) / f"llmbench-{token}"


def work_of(process: int, log: str, pause: Any) -> dict[str, Any]:  # noqa: ANN401 - a Barrier or None
    """Note who works, and stay at it for a while."""
    with open(log, "a", encoding="utf-8") as file:  # noqa: PTH123 - in a child
        file.write(f"{process}\n")
    if pause is not None:
        pause.wait(0.3)
    return {"by": process}


def take_part(token: str, process: int, log: str, told: Any, start: Any) -> None:  # noqa: ANN401 - queues of multiprocessing
    """Do the work once, together with others, at the same moment."""
    once = Once(token)
    once.join()
    start.wait(20)
    told.put(once.do("key", lambda: work_of(process, log, SPAWN.Event())))
    once.leave()


def die_at_work(token: str) -> None:
    """Begin the work and be killed over it."""
    once = Once(token)
    once.join()
    once.do("key", _dies)


def _dies() -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def test_processes_that_meet_do_it_once(token: str, tmp_path: Path) -> None:
    """Three at once: one works, all have its result, and the folder goes."""
    log, told, start = str(tmp_path / "log"), SPAWN.Queue(), SPAWN.Barrier(3)
    processes = [
        SPAWN.Process(target=take_part, args=(token, n, log, told, start))
        for n in range(3)
    ]
    for process in processes:
        process.start()
    results = [told.get(timeout=30) for _ in processes]
    for process in processes:
        process.join(10)
    (worker,) = Path(log).read_text("utf-8").split()
    assert results == [{"by": int(worker)}] * 3


def test_the_next_works_where_one_has_died(token: str) -> None:
    """A lock ends with its holder, who has left no result."""
    once = Once(token)
    once.join()
    process = SPAWN.Process(target=die_at_work, args=(token,))
    process.start()
    process.join(20)
    assert process.exitcode == -signal.SIGKILL
    assert once.do("key", lambda: {"by": 2}) == {"by": 2}
    assert once.do("key", lambda: {"by": 3}) == {"by": 2}
    once.leave()


def test_half_a_result_is_none(token: str) -> None:
    """A holder that died while it wrote has left something; the work is done anew."""
    once = Once(token)
    once.join()
    once.do("key", lambda: {"by": 1})
    (file,) = (path for path in folder(token).iterdir() if path.name != "present")
    file.write_bytes(file.read_bytes()[:-2])
    assert once.do("key", lambda: {"by": 2}) == {"by": 2}
    assert once.do("key", lambda: {"by": 3}) == {"by": 2}
    once.leave()


def test_an_error_is_not_kept(token: str) -> None:
    """What the work raises reaches the caller, and the next one works."""
    once = Once(token)
    once.join()
    with pytest.raises(OSError, match="no such host"):
        once.do("key", _fails)
    assert once.do("key", lambda: {"by": 2}) == {"by": 2}
    once.leave()


def _fails() -> dict[str, Any]:
    msg = "no such host"
    raise OSError(msg)


def test_the_last_one_out_removes_the_folder(token: str) -> None:
    """As long as somebody may need a result it stays."""
    first, second = Once(token), Once(token)
    first.join()
    second.join()
    first.do("key", lambda: {"by": 1})
    first.leave()
    assert second.do("key", lambda: {"by": 2}) == {"by": 1}
    second.leave()
    second.leave()


def test_without_a_folder_each_does_it(
    token: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A full or read-only disk costs a second warm-up, no trial."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    once = Once(token)
    once.join()
    assert once.do("key", lambda: {"by": 1}) == {"by": 1}
    assert once.do("key", lambda: {"by": 2}) == {"by": 2}
    once.leave()
