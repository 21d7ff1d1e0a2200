"""Claude Code through the Claude Agent SDK: one child process for each call."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from pytest_llmbench.calls.assembly import ReplyBuilder
from pytest_llmbench.calls.clock import elapsed_ms
from pytest_llmbench.calls.deadline import Deadline
from pytest_llmbench.calls.providers.anthropic_body import turns
from pytest_llmbench.calls.providers.anthropic_stream import MessageStream
from pytest_llmbench.calls.providers.claude_code_errors import Failure
from pytest_llmbench.calls.providers.claude_code_program import Program, cannot_run
from pytest_llmbench.calls.providers.http import well_formed
from pytest_llmbench.calls.request import ModelFacts
from pytest_llmbench.checks.shown import one_line
from pytest_llmbench.errors import CallError, ServerFault, StreamTruncated, Unsupported
from pytest_llmbench.masking import without_password

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from claude_agent_sdk import ClaudeSDKClient, Message, ResultMessage

    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.debuglog import WireLog
    from pytest_llmbench.calls.request import CallRequest, Residency, Target
    from pytest_llmbench.checks.reply import Reply

SLOTS: Final = 2
"""Calls at once where nothing else is set: each is a process of some 200 MB."""

START_S: Final = 30.0
"""From spawning the process until it is about to be asked: this machine's time."""

_GRACE_S: Final = 2.0
_KEPT_LINES: Final = 3


class ClaudeCodeProvider:
    """Claude Code, asked for one reply at a time, without any tool of its own.

    Raises:
        EngineMissing: the SDK is not installed.
        Unauthorised: the target names a key that is not there.
    """

    slots = SLOTS
    probe_is_a_call = False
    has_models_to_load = False
    lost = 0

    def __init__(self, target: Target, clock: Clock) -> None:
        url = target.base_url or os.environ.get("ANTHROPIC_BASE_URL", "")
        shown = without_password(url)
        self.where = f"Claude Code at {shown}" if shown else "Claude Code"
        self._clock = clock
        self._program = Program(target)
        self.debug: WireLog | None = None

    async def ask(self, request: CallRequest) -> Reply:
        """Start Claude Code, tell it what was said before, and ask it once.

        What its process costs before the call's clock starts is `isolation_ms`.
        """
        call = _Call(request, self.where, self._clock, self.debug)
        return await call.reply(self._program)

    async def facts(self, model: str) -> ModelFacts:
        """Name Claude Code's version, once it is logged in.

        Raises:
            Unauthorised: it is not logged in.
        """
        del model  # which models there are, it does not tell
        await self._program.check_login(self.where)
        return ModelFacts(
            server=self.where, server_version=await self._program.version()
        )

    async def residency(self, model: str) -> Residency | None:
        """Say nothing: a service does not tell what it has loaded."""
        del model
        return None

    async def preload(self, request: CallRequest) -> float | None:
        """Do nothing: there is no model to load, and a process serves one call."""
        del request
        return None

    async def model_names(self) -> list[str]:
        """List nothing: Claude Code has no list of models."""
        return []

    async def close(self) -> None:
        """Remove the folders that Claude Code worked in."""
        await asyncio.to_thread(self._program.close)


class _Call:
    """One process of Claude Code, and the one reply it gives."""

    def __init__(
        self, request: CallRequest, where: str, clock: Clock, debug: WireLog | None
    ) -> None:
        self._request = request
        self._where = where
        self._clock = clock
        self._debug = debug
        self._builder = ReplyBuilder(clock.now_ns())
        self._stream = MessageStream(self._builder, where)
        self._failure = Failure()
        self._said: collections.deque[str] = collections.deque(maxlen=_KEPT_LINES)
        self._is_requesting = False

    async def reply(self, program: Program) -> Reply:
        """Make the call; the process has ended when this returns or raises."""
        from claude_agent_sdk import ClaudeSDKClient

        *earlier, last = _said_so_far(self._request, self._where)
        client = ClaudeSDKClient(program.options(self._request, self._said.append))
        spawned_ns = self._clock.now_ns()
        try:
            await self._start(client, earlier)
            started_ms = elapsed_ms(spawned_ns, self._clock.now_ns())
            self._builder.server_ms["isolation_ms"] = started_ms
            await self._answer(client, last)
            self._check_effort()
        except CallError as error:
            error.partial = self._builder.reply()
            raise
        finally:
            await _end(client)
        return self._builder.reply()

    async def _start(
        self, client: ClaudeSDKClient, earlier: list[dict[str, Any]]
    ) -> None:
        """Start the process and have it take in what was said before.

        Raises:
            EngineMissing: it does not run here.
            ServerFault: it was not ready in time, or died.
        """
        from claude_agent_sdk import ClaudeSDKError

        try:
            async with asyncio.timeout(START_S):
                await client.connect()
                for turn in earlier:
                    await self._tell(client, turn)
        except TimeoutError:
            msg = (
                f"{self._where}: its process was not ready within {START_S:g} s;"
                " is this machine overloaded?"
            )
            raise ServerFault(msg) from None
        except ClaudeSDKError as error:
            raise cannot_run(self._last_words(error)) from error

    async def _tell(self, client: ClaudeSDKClient, turn: dict[str, Any]) -> None:
        """Add one message to the conversation without having it answered.

        An assistant's is taken in at once; a user's when its empty result has come.
        """
        from claude_agent_sdk import ResultMessage

        is_user = turn["role"] == "user"
        await client.query(_sent(turn, is_question=not is_user))
        if is_user:
            async for message in client.receive_messages():
                if isinstance(message, ResultMessage):
                    return

    async def _answer(self, client: ClaudeSDKClient, turn: dict[str, Any]) -> None:
        """Ask, and put the reply together until it is complete.

        Raises:
            CallError: a limit passed, or whatever Claude Code says went wrong.
        """
        from claude_agent_sdk import ClaudeSDKError

        if self._debug:
            self._debug.request(self._where, _shown(self._request, turn))
        deadline = Deadline(self._request.limits, self._where)
        self._builder.start_ns = self._clock.now_ns()
        try:
            async with deadline.scope():
                await client.query(_sent(turn, is_question=True))
                async for message in client.receive_messages():
                    self._log(message)
                    if self._take(message, self._clock.now_ns(), deadline):
                        return
        except ClaudeSDKError as error:
            msg = f"{self._where}: its process ended: {self._last_words(error)}"
            raise ServerFault(msg) from error
        msg_0 = f"{self._where}: its process ended without a result"
        raise ServerFault(msg_0)

    def _check_effort(self) -> None:
        """Refuse a reply with thinking where none was wanted: not all models obey."""
        kinds = {block.get("type") for block in self._builder.carried}
        if self._request.options.get("effort") == "none" and "thinking" in kinds:
            msg = (
                f"{self._where}: the model thinks though effort=none; Claude Code can't"
                " switch its thinking off: take effort=low, or leave it out"
            )
            raise Unsupported(msg)

    def _take(self, message: Message, at_ns: int, deadline: Deadline) -> bool:
        """Take one message of the SDK; say whether the reply is complete.

        It is with `message_stop` behind a stop reason: what comes then are further
        requests of Claude Code's, as after a reply cut at its limit. For a stream
        that broke it makes up an end without a reason, and says later why.
        """
        from claude_agent_sdk import (
            AssistantMessage,
            RateLimitEvent,
            ResultMessage,
            StreamEvent,
            SystemMessage,
        )

        match message:
            case StreamEvent(event=event):
                return self._event(event, at_ns, deadline)
            case SystemMessage(subtype="status", data={"status": "requesting"}):
                self._note_request(at_ns)
            case AssistantMessage(error=str(word)):
                self._failure.word = word
            case RateLimitEvent(rate_limit_info=info) if info.status == "rejected":
                self._failure.resets_at = info.resets_at
            case ResultMessage():
                self._fail(message)
        return False

    def _check_is_first(self) -> None:
        """Refuse a second message: behind a stream that broke, it asks anew by itself.

        Raises:
            StreamTruncated: what had come by then is no reply.
        """
        if self._failure.has_begun:
            msg = (
                f"{self._where}: the stream ended after {self._builder.deltas} deltas"
                " without a stop reason"
            )
            raise StreamTruncated(msg)
        self._failure.has_begun = True

    def _fail(self, result: ResultMessage) -> NoReturn:
        """Raise what a result means that came before the reply was complete."""
        failure = self._failure
        failure.status = result.api_error_status or 0
        failure.text = "; ".join(result.errors or ())
        if result.is_error:
            failure.text = result.result or failure.text
        raise failure.error(self._where, self._clock.utc())

    def _note_request(self, at_ns: int) -> None:
        """Start the clock where Claude Code says that it makes its request."""
        if not self._is_requesting and not self._failure.has_begun:
            waited_ms = elapsed_ms(self._builder.start_ns, at_ns)
            self._builder.server_ms["isolation_ms"] += waited_ms
            self._builder.start_ns = at_ns
            self._is_requesting = True

    def _event(self, event: dict[str, Any], at_ns: int, deadline: Deadline) -> bool:
        deadline.extend(len(str(event)))
        if event.get("type") == "message_start":
            self._check_is_first()
        with well_formed(self._where):
            self._stream.take(event, at_ns)
        if event.get("type") != "message_stop" or not self._builder.finish_reason:
            return False
        self._builder.end(at_ns)
        return True

    def _last_words(self, error: Exception) -> str:
        return one_line(" | ".join(self._said) or str(error).partition("\n")[0])

    def _log(self, message: Message) -> None:
        if self._debug:
            value = dataclasses.asdict(message)
            self._debug.line(json.dumps(value, default=str).encode())


class _Process(Protocol):
    """The child process as the SDK holds it."""

    @property
    def returncode(self) -> int | None: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


def _process_of(client: ClaudeSDKClient) -> _Process | None:
    # The SDK has no name for it; without it, its own end takes up to 10 s more.
    transport = getattr(client, "_transport", None)
    process: _Process | None = getattr(transport, "_process", None)
    return process


async def _end(client: ClaudeSDKClient) -> None:
    """End the process at once: nothing that it would still do is of use."""
    process = _process_of(client)
    if process is None or process.returncode is not None:
        await client.disconnect()
        return
    with suppress(ProcessLookupError):
        process.terminate()
    timer = asyncio.get_running_loop().call_later(_GRACE_S, _kill, process)
    try:
        await client.disconnect()
    finally:
        timer.cancel()
        _kill(process)


def _kill(process: _Process) -> None:
    with suppress(ProcessLookupError):
        if process.returncode is None:
            process.kill()


def _said_so_far(request: CallRequest, where: str) -> list[dict[str, Any]]:
    """Return the conversation, the question at its end.

    Raises:
        Unsupported: the last word is not the user's.
    """
    said = turns(request.messages)
    if not said or said[-1]["role"] != "user":
        msg = f"{where} answers users only: the last message must be one of theirs"
        raise Unsupported(msg)
    for turn in said:
        if turn["role"] == "assistant":
            # It gives signed thinking back only to the model that it came from.
            turn |= {"type": "message", "model": request.model}
    return said


async def _sent(
    turn: dict[str, Any], *, is_question: bool
) -> AsyncIterator[dict[str, Any]]:
    """Yield one message as Claude Code reads it from its standard input."""
    quiet = {} if is_question else {"shouldQuery": False}
    yield {"type": turn["role"], "message": turn, "parent_tool_use_id": None, **quiet}


def _shown(request: CallRequest, turn: dict[str, Any]) -> dict[str, Any]:
    """Return what is asked, for the debug log."""
    return {
        "model": request.model,
        "options": dict(request.options),
        "tools": [tool.to_json() for tool in request.tools],
        "messages": [message.to_json() for message in request.messages],
        "asked": turn,
    }
