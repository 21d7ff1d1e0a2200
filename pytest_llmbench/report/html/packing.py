"""Trials packed into a page: compressed, in pieces that are read when asked for.

A piece is base64 of gzip of JSON, so it can hold nothing that a browser would read as
markup or run. Of every trial there is its outcome and its times; what was said is there
as far as `MAX_DETAILS` lets it: first of all that failed, then of those that passed.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pytest_llmbench.checks.shown import shown_value
from pytest_llmbench.masking import masked_json
from pytest_llmbench.report.html.visible import visible, visible_json
from pytest_llmbench.report.rundata import e2e_ms, ttft_ms
from pytest_llmbench.report.view import LETTERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmbench.report.rundata import JobData
    from pytest_llmbench.runs.record import Record

MAX_DETAILS: Final = 1_800_000
"""Characters that the pieces with replies may take in all."""

_PIECE: Final = 60_000
"""Characters of JSON in one piece: unpacked in a few milliseconds."""

_RATIO: Final = 5
"""How much smaller a piece gets, about; used before it is known."""

_Place = tuple[int, int]
"""Which job, and which of its prompts, from 0."""


class Pack:
    """The pieces of one page.

    Attributes:
        pieces: each as base64, found by its place in the list.
        details: by job and prompt, pieces with `[prompt, run, what was said]` each.
        shown: trials of which the page has what was said.
        total: trials with a record.
    """

    def __init__(self, limit: int = MAX_DETAILS) -> None:
        self.pieces: list[str] = []
        self.details: defaultdict[_Place, list[int]] = defaultdict(list)
        self.shown = 0
        self.total = 0
        self._room = limit
        self._is_full = False
        self._open: dict[_Place, list[str]] = {}
        self._sizes: dict[_Place, int] = {}
        self._waiting = 0

    def add(self, value: object) -> int:
        """Pack any JSON value; return its piece's number."""
        self.pieces.append(_packed(masked_json(value)))
        return len(self.pieces) - 1

    def add_details(self, jobs: Sequence[JobData]) -> None:
        """Pack what was said in the trials of some jobs, as long as there is room."""
        by_run: defaultdict[Path, list[tuple[int, JobData]]] = defaultdict(list)
        for number, job in enumerate(jobs):
            by_run[job.run.results].append((number, job))
            self.total += len(job.grid.cells)
        for is_passed in (False, True):
            for path, own in by_run.items():
                self._add_run(path, own, is_passed=is_passed)
            self._close_all()

    def _add_run(
        self, path: Path, jobs: Sequence[tuple[int, JobData]], *, is_passed: bool
    ) -> None:
        wanted = {
            (job.summary.spec, job.summary.suite, prompt_id): (job, (number, place))
            for number, job in jobs
            for place, prompt_id in enumerate(job.grid.prompt_ids)
        }
        for line in _lines(path):
            if self._is_full:
                return
            job, place = wanted.get(_key(line), (None, None))
            if job and place and (line["outcome"] == "pass") == is_passed:
                record = job.grid.cells.get((line["prompt_id"], line["run"]))
                if record is not None and _is_same(record, line):
                    self._add_trial(place, line)

    def _add_trial(self, place: _Place, line: Mapping[str, Any]) -> None:
        text = masked_json([place[1], line["run"], detail(line)])
        self._open.setdefault(place, []).append(text)
        self._sizes[place] = self._sizes.get(place, 0) + len(text)
        self._waiting += len(text)
        if self._sizes[place] > _PIECE:
            self._close(place)
        elif self._waiting / _RATIO > self._room:
            self._close_all()

    def _close_all(self) -> None:
        for place in sorted(self._open):
            self._close(place)

    def _close(self, place: _Place) -> None:
        """Pack what is collected of one prompt, or as much as there is room for."""
        texts = self._open.pop(place)
        self._waiting -= self._sizes.pop(place)
        piece = _packed(f"[{','.join(texts)}]")
        while len(piece) > self._room:
            self._is_full = True
            texts = texts[: len(texts) // 2]
            if not texts:
                return
            piece = _packed(f"[{','.join(texts)}]")
        self._room -= len(piece)
        self.shown += len(texts)
        self.details[place].append(len(self.pieces))
        self.pieces.append(piece)


def rows(job: JobData) -> dict[str, Any]:
    """Return outcome and times of each trial of a job, prompt by prompt.

    Lists are by run; times are ms without load, null where there is none; a failure
    mode is its place in `modes`.
    """
    modes: dict[str | None, int] = {None: 0}
    outcomes, first, whole, ways = [], [], [], []
    for prompt_id in job.grid.prompt_ids:
        trials = job.grid.of_prompt(prompt_id)
        outcomes.append("".join(LETTERS[t.outcome if t else None] for t in trials))
        first.append([_ms(ttft_ms(t)) if t else None for t in trials])
        whole.append([_ms(e2e_ms(t)) if t else None for t in trials])
        names = [t.failure_mode if t else None for t in trials]
        ways.append([modes.setdefault(name, len(modes)) for name in names])
    return {
        "outcomes": outcomes,
        "ttft": first,
        "e2e": whole,
        "mode": ways,
        "modes": list(modes),
    }


def detail(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a page shows of one stored trial; empty values are left out."""
    reply = line.get("reply") or {}
    found = {
        "checks": [
            [
                check["name"],
                check["passed"],
                check["expected"],
                check["got"],
                check["why"],
            ]
            for check in line.get("checks", ())
        ],
        "text": reply.get("text"),
        "thinking": reply.get("thinking"),
        "calls": [_call(call) for call in reply.get("tool_calls", ())],
        "finish": reply.get("finish_reason"),
        "usage": _given(reply.get("usage")),
        "length": _given(line.get("context")),
        "timings": {k: _ms(v) for k, v in _given(reply.get("timings")).items()},
        "transcript": [_message(one) for one in line.get("transcript", ())],
        "fault": line.get("fault"),
        "seed": line.get("seed"),
        "at": line.get("started_at"),
        "resident": line.get("is_resident"),
        "server": line.get("server"),
        "attempts": line.get("attempts", 1),
        "backoffs": len(line.get("backoffs", ())),
        "behaviour": line.get("behaviour"),
        "id": line.get("trial_id"),
    }
    kept = {key: one for key, one in found.items() if one not in (None, "", [], {})}
    shown: dict[str, Any] = visible_json(kept)
    return shown


def _call(call: Mapping[str, Any]) -> list[str]:
    """Return name, arguments, channel and what is wrong of a call."""
    arguments = call.get("arguments")
    text = call.get("raw", "") if arguments is None else shown_value(arguments, 4_000)
    return [call["name"], text, call.get("channel", ""), call.get("fault", "")]


def _message(message: Mapping[str, Any]) -> list[str]:
    """Return who says what in a conversation, calls as text."""
    calls = [
        f"{call['name']} {shown_value(call['arguments'], 2_000)}"
        for call in message.get("tool_calls", ())
    ]
    who = message["role"] + (f" {message['tool']}" if message.get("tool") else "")
    return [who, "\n".join([visible(message.get("content") or "", 4_000), *calls])]


def _key(line: Mapping[str, Any]) -> tuple[str, str, str]:
    return line["spec"], line["suite"], line["prompt_id"]


def _given(values: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: one for key, one in (values or {}).items() if one is not None}


def _is_same(record: Record, line: Mapping[str, Any]) -> bool:
    """Whether a line is that of the record that counts, of several of one trial."""
    mine = (record.outcome, record.started_at, record.prompt_hash)
    theirs = (line["outcome"], line.get("started_at", ""), line["prompt_hash"])
    return mine == theirs


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read stored trials; a last line that was cut off is left out."""
    if not path.is_file():
        return
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield _read(line)


def _read(line: bytes) -> dict[str, Any]:
    try:
        read: dict[str, Any] = msgspec.json.decode(line)
    except msgspec.DecodeError:  # a lone surrogate
        read = json.loads(line)
    return read


def _packed(text: str) -> str:
    data = gzip.compress(text.encode("utf-8", "backslashreplace"), 6, mtime=0)
    return base64.b64encode(data).decode("ascii")


def _ms(value: float | None) -> float | None:
    """Round a time to what a reader can use."""
    if value is None:
        return None
    return round(value) if value >= 100 else round(value, 2)  # noqa: PLR2004 - digits
