"""Claude Code's own program: where it is, its login, how it is set for one call."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.calls.providers.keys import check_recipient, read_key, sent_headers
from pytest_llmbench.checks.shown import one_line
from pytest_llmbench.errors import EngineMissing, Unauthorised, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from claude_agent_sdk import ClaudeAgentOptions, McpSdkServerConfig

    from pytest_llmbench.calls.request import CallRequest, Target
    from pytest_llmbench.prompts.suite import Tool

LOGINS: Final = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
)
"""Variables that log Claude Code in, the one that wins first."""

_VENDOR_URL: Final = "https://api.anthropic.com"

_INSTALL: Final = (
    "provider claude-code needs the Claude Agent SDK; install it with:"
    " pip install 'pytest-llmbench[claude-code]'"
)
_LOG_IN: Final = (
    "run `claude auth login`, or set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN"
    " (`claude setup-token` makes one)"
)
_STATUS_S: Final = 20.0
_API_TIMEOUT_S: Final = 600.0
_SERVER: Final = "suite"

_ENVIRONMENT: Final = {
    # Back-off is ours, and a second request inside a call would be no first one.
    "CLAUDE_CODE_MAX_RETRIES": "0",
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
    # The model that is asked for answers, or none does.
    "CLAUDE_CODE_NO_MODEL_FALLBACK": "1",
    "CLAUDE_CODE_DISABLE_MODEL_ACCESS_FALLBACK": "1",
    "CLAUDE_CODE_DISABLE_LEGACY_MODEL_REMAP": "1",
    "CLAUDE_CODE_DISABLE_REFUSAL_FALLBACK": "1",
    "CLAUDE_CODE_DISABLE_REFUSAL_RETRY": "1",
    # A suite's tools go to the model at once and by their own names.
    "CLAUDE_AGENT_SDK_MCP_NO_PREFIX": "1",
    "ENABLE_TOOL_SEARCH": "false",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
}
_TAKEN: Final = frozenset({"num_predict", "num_ctx", "effort"})
_EFFORTS: Final = {"minimal": "low"}


class Program:
    """Claude Code as it is installed, and as one target has it run.

    It works in an empty folder of its own. Where a key logs it in, its state is in
    such a folder too; a login that it has stored is found only in its own.

    Raises:
        EngineMissing: the SDK or its program is not installed.
        Unauthorised: the target names a key that is not there.
    """

    def __init__(self, target: Target) -> None:
        self.path = _path()
        self._login = _login(target)
        self._fixed = {**_ENVIRONMENT, **_server(target), **self._login}
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def close(self) -> None:
        """Remove the folders."""
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()

    def options(
        self, request: CallRequest, on_stderr: Callable[[str], None]
    ) -> ClaudeAgentOptions:
        """Return the SDK's options for one call: no tools, settings or files.

        Raises:
            Unsupported: an option that Claude Code has not.
        """
        from claude_agent_sdk import ClaudeAgentOptions

        system = "\n\n".join(m.content for m in request.messages if m.role == "system")
        return ClaudeAgentOptions(
            model=request.model,
            system_prompt=system or None,
            tools=[],
            mcp_servers={_SERVER: _tools(request.tools)} if request.tools else {},
            strict_mcp_config=True,
            setting_sources=[],
            max_turns=1,
            include_partial_messages=True,
            verbatim_prompts=True,
            cwd=self._inside("empty"),
            cli_path=self.path,
            env={**self._environment(), **_bounds(request)},
            extra_args={"no-session-persistence": None},
            max_buffer_size=request.limits.max_reply_bytes,
            stderr=on_stderr,
            **_effort(request),
        )

    async def check_login(self, where: str) -> None:
        """Ask Claude Code whether it is logged in; a key is not tried out.

        Raises:
            Unauthorised: it is not.
            EngineMissing: it does not run here.
        """
        told = await self._says("auth", "status")
        try:
            status = json.loads(told)
        except ValueError:  # an older one, which has no such command
            return
        if isinstance(status, dict) and status.get("loggedIn") is False:
            msg = f"{where} is not logged in; {_LOG_IN}"
            raise Unauthorised(msg)

    async def version(self) -> str:
        """Return the versions of Claude Code and of its SDK."""
        told = one_line((await self._says("--version")).strip())
        number = told.removesuffix(" (Claude Code)")
        return f"Claude Code {number}, claude-agent-sdk {version('claude-agent-sdk')}"

    async def _says(self, *arguments: str) -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                self.path,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={**os.environ, **self._environment()},
                cwd=self._inside("empty"),
            )
        except OSError as error:
            raise cannot_run(error.strerror or str(error)) from error
        try:
            async with asyncio.timeout(_STATUS_S):
                told, _ = await process.communicate()
        except TimeoutError:
            msg = f"gave no answer to `{' '.join(arguments)}` in {_STATUS_S:g} s"
            raise cannot_run(msg) from None
        finally:
            if process.returncode is None:
                process.kill()
        return told.decode(errors="replace")

    def _environment(self) -> dict[str, str]:
        if not self._login:
            return self._fixed
        return {**self._fixed, "CLAUDE_CONFIG_DIR": self._inside("state")}

    def _inside(self, name: str) -> str:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(
                prefix="llmbench-claude-code-", ignore_cleanup_errors=True
            )
        path = Path(self._folder.name, name)
        path.mkdir(exist_ok=True)
        return str(path)


def cannot_run(reason: str) -> EngineMissing:
    """Say that Claude Code does not run on this machine."""
    return EngineMissing(f"Claude Code cannot be run here: {one_line(reason)}")


def _path() -> str:
    """Find the program: in the SDK's own wheel, else on PATH."""
    try:
        import claude_agent_sdk
    except ImportError as error:
        msg = f"{_INSTALL} ({one_line(str(error))})"
        raise EngineMissing(msg) from None
    name = "claude.exe" if sys.platform == "win32" else "claude"
    bundled = Path(claude_agent_sdk.__file__).with_name("_bundled") / name
    found = str(bundled) if bundled.is_file() else shutil.which("claude")
    if found is None:
        msg = (
            "Claude Code's program is missing: neither in the installed"
            " claude-agent-sdk nor as `claude` on PATH; install a wheel that has it:"
            " pip install --force-reinstall claude-agent-sdk"
        )
        raise EngineMissing(msg)
    return found


def _login(target: Target) -> dict[str, str]:
    """Return the login from the target's key or the environment; else nothing."""
    if target.key_env or target.key_command:
        key = read_key(target, default_env=LOGINS)
        name = next((n for n in LOGINS if key.source.endswith(n)), LOGINS[0])
        return {**dict.fromkeys(LOGINS, ""), name: key.reveal()}
    if not any(os.environ.get(name) for name in LOGINS):
        return {}
    check_recipient(target, _VENDOR_URL)
    key = read_key(target, default_env=LOGINS)
    return {key.source: key.reveal()}


def _server(target: Target) -> dict[str, str]:
    named: dict[str, str] = {}
    if target.base_url:
        named["ANTHROPIC_BASE_URL"] = target.base_url.rstrip("/").removesuffix("/v1")
    if target.headers:
        lines = (f"{name}: {value}" for name, value in sent_headers(target).items())
        named["ANTHROPIC_CUSTOM_HEADERS"] = "\n".join(lines)
    return named


def _bounds(request: CallRequest) -> dict[str, str]:
    """Set the answer's length and thinking, and a time limit well behind our own."""
    limit_s = max(_API_TIMEOUT_S, 2 * request.limits.longest_s)
    bounds = {"API_TIMEOUT_MS": str(int(limit_s * 1e3))}
    num_predict = request.options.get("num_predict")
    if isinstance(num_predict, int) and num_predict > 0:
        bounds["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] = str(num_predict)
    if request.options.get("effort") == "none":
        bounds["CLAUDE_CODE_DISABLE_THINKING"] = "1"  # the option alone is not heeded
    return bounds


def _effort(request: CallRequest) -> dict[str, Any]:
    other = sorted(set(request.options) - _TAKEN)
    if other:
        msg = (
            f"Claude Code has no option {other[0]!r}; it has num_predict and effort."
            " Leave it out, or ask the model through provider anthropic"
        )
        raise Unsupported(msg)
    effort = request.options.get("effort")
    if effort is None:
        return {}
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    return {"effort": _EFFORTS.get(str(effort), effort)}


def _tools(tools: tuple[Tool, ...]) -> McpSdkServerConfig:
    """Offer a suite's tools; a call ends the reply, so that none is ever run."""
    from claude_agent_sdk import SdkMcpTool, create_sdk_mcp_server

    async def not_run(arguments: dict[str, Any]) -> dict[str, Any]:
        del arguments
        return {"content": []}

    offered = [
        SdkMcpTool(
            name=tool.name,
            description=tool.description,
            input_schema={"type": "object", **tool.parameters},
            handler=not_run,
        )
        for tool in tools
    ]
    return create_sdk_mcp_server(_SERVER, tools=offered)
