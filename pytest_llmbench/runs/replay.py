"""Replies out of a file, to be judged again without asking again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from pytest_llmbench.checks.reply import Reply, Timings, ToolCall, Usage
from pytest_llmbench.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NEEDED: Final = ("model", "prompt_id", "run")
_EXAMPLE: Final = (
    '{"model": "m:1b", "prompt_id": "P1", "run": 1, "reply": {"text": "…",'
    ' "tool_calls": [{"name": "f", "arguments": {}}]}}'
)


class StoredReply(Struct, frozen=True, kw_only=True):
    """One line of a replayed file.

    Attributes:
        reply: None where the stored trial had none.
        prompt_hash: what question was asked; empty if not told.
        transcript: of a stored conversation; empty for a single question.
        fault_kind: why there is no reply, as stored; empty if not told.
    """

    reply: Reply | None
    prompt_hash: str = ""
    transcript: tuple[dict[str, Any], ...] = ()
    fault_kind: str = ""
    fault_message: str = ""
    outcome: str = ""


class ReplayFile:
    """Stored replies by model, prompt and run.

    Variant, suite and warm-up of a line count where the line tells them, so that
    foreign results need not.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[tuple[str, str, int, str, str, str], StoredReply] = {}
        self.models: list[str] = []
        self._read()

    def find(
        self, *, model: str, prompt_id: str, run: int, variant: str, suite: str, w: str
    ) -> StoredReply | None:
        """Return the stored reply of one trial, None if there is none.

        The line that tells most about itself wins.
        """
        key = (model, prompt_id, run)
        for told in (
            (variant, suite, w),
            (variant, suite, ""),
            (variant, "", ""),
            ("", suite, ""),
            ("", "", ""),
        ):
            found = self._lines.get((*key, *told))
            if found is not None:
                return found
        return None

    def _read(self) -> None:
        try:
            with self.path.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip() and line.endswith("\n"):
                        self._take(line, number)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            msg = f"--replay: {self.path} cannot be read: {reason}"
            raise SettingsError(msg) from None
        if not self._lines:
            msg = f"--replay: {self.path} holds no reply; a right line: {_EXAMPLE}"
            raise SettingsError(msg)

    def _take(self, line: str, number: int) -> None:
        try:
            data = json.loads(line)
            model, prompt_id, run = (data[key] for key in _NEEDED)
            stored = _stored(data)
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:
            msg = (
                f"--replay: {self.path}:{number} is no stored reply"
                f" ({type(error).__name__}: {error}); a right line: {_EXAMPLE}"
            )
            raise SettingsError(msg) from None
        spec = str(data.get("spec", ""))
        warm = next((word for word in spec.split() if word in {"w0", "w1"}), "")
        told = (str(data.get("variant", "")), str(data.get("suite", "")), warm)
        key = (str(model), str(prompt_id), int(run), *told)
        before = self._lines.get(key)
        if before is None or stored.reply is not None:
            self._lines[key] = stored
        if model not in self.models:
            self.models.append(str(model))


def _stored(data: Mapping[str, Any]) -> StoredReply:
    fault = data.get("fault") or {}
    reply = data.get("reply")
    return StoredReply(
        reply=None if reply is None else _reply(reply),
        prompt_hash=str(data.get("prompt_hash", "")),
        transcript=tuple(data.get("transcript") or ()),
        fault_kind=str(fault.get("kind", "")),
        fault_message=str(fault.get("message", "")),
        outcome=str(data.get("outcome", "")),
    )


def _reply(data: Mapping[str, Any]) -> Reply:
    """Read a reply of which only the text, or only calls, need be there.

    Calls that an earlier version read from the text are read anew.
    """
    calls = tuple(
        ToolCall(
            name=str(call["name"]),
            arguments=call.get("arguments"),
            raw=str(call.get("raw", "")),
            id=str(call.get("id", "")),
        )
        for call in data.get("tool_calls") or ()
        if call.get("channel", "native") == "native"
    )
    return Reply(
        text=str(data.get("text") or ""),
        thinking=str(data.get("thinking") or ""),
        tool_calls=calls,
        finish_reason=data.get("finish_reason"),
        usage=Usage(**_known(data.get("usage"), Usage)),
        timings=Timings(**_known(data.get("timings"), Timings)),
        deltas=int(data.get("deltas") or 0),
        parts=int(data.get("parts") or 1),
    )


def _known(data: Mapping[str, Any] | None, kind: type[Struct]) -> dict[str, Any]:
    names = kind.__struct_fields__
    return {name: data[name] for name in names if data and name in data}
