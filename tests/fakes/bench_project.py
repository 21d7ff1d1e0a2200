"""A throw-away project with suites in which the plugin's tests run pytest."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fake_ollama import calls, says

if TYPE_CHECKING:
    import pytest

REPOSITORY = Path(__file__).parents[2]

QUIET = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
"""Plugins left out of inner runs: Hypothesis's loads itself anew in each, for 1 s."""

SMALL_SUITE = """
suite: small
phase: atomic
tools:
  - name: get_weather
    parameters:
      type: object
      properties: {city: {type: string}}
      required: [city]
prompts:
  - id: P1
    category: action
    prompt: What's the weather in Oslo?
    expect: {tools: [get_weather], arguments: {get_weather: {city: Oslo}}}
  - id: P2
    category: restraint
    prompt: Which tools do you have?
    expect: {tools: []}
  - id: P3
    category: format
    prompt: Reply with exactly READY.
    expect: {exact: READY}
"""
"""Three prompts; `small_script` answers all of them right."""

SMALL_ANSWERS = {
    "weather in Oslo": calls("get_weather", city="Oslo"),
    "Which tools": says("I can look up the weather."),
    "exactly READY": says("READY"),
}


VOLATILE = {
    "run_id",
    "latency",
    "latency_p50_ms",
    "slowness",
    "drift",
    "warmth",
    "wall_s",
    "load_s",
    "expires_at",
    "evidence",
    "residency",
    "notes",
}
"""What differs between any two runs, in summary.json."""


def steady(value: object) -> object:
    """Return a summary without what differs between any two runs."""
    if isinstance(value, dict):
        return {key: steady(item) for key, item in value.items() if key not in VOLATILE}
    return [steady(item) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Bench:
    """A throw-away project in which pytest is run."""

    pytester: pytest.Pytester

    @property
    def reports(self) -> Path:
        """Where the project's reports go."""
        return self.pytester.path / "reports"

    def suite(self, text: str = SMALL_SUITE, name: str = "small") -> Path:
        """Write a suite file."""
        path = self.pytester.path / f"{name}.bench.yaml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def atomic(self) -> None:
        """Put the project's own atomic suite in place."""
        shutil.copytree(REPOSITORY / "suites" / "atomic", self.pytester.path / "atomic")

    def run(self, *args: str) -> pytest.RunResult:
        """Run pytest in this process."""
        return self.pytester.runpytest_inprocess(*QUIET, *args)

    def run_apart(self, *args: str) -> pytest.RunResult:
        """Run pytest in a process of its own."""
        return self.pytester.runpytest_subprocess(*QUIET, *args)

    def start(self, *args: str, is_group: bool = False) -> subprocess.Popen[bytes]:
        """Start pytest in a process of its own, for a signal to end.

        Args:
            is_group: with its workers it is a process group that can be signalled.
        """
        return subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "pytest", *QUIET, *args],
            cwd=self.pytester.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=is_group,
            # A background job may have been started with Ctrl-C switched off.
            preexec_fn=lambda: signal.signal(  # noqa: PLW1509 - no threads in there
                signal.SIGINT, signal.default_int_handler
            ),
        )

    def doctor(self, *args: str) -> pytest.RunResult:
        """Run `llmbench doctor` in a process of its own."""
        code = "from pytest_llmbench.cli import main; raise SystemExit(main())"
        return self.pytester.run(sys.executable, "-c", code, "doctor", *args)

    def newest(self, name: str) -> Path:
        """Return a file of the newest run."""
        return max(self.reports.glob(f"2*/*/{name}"))

    def records(self) -> list[dict[str, Any]]:
        """Return the newest run's records."""
        lines = self.newest("results.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def summary(self) -> dict[str, Any]:
        """Return the newest run's summary."""
        data: dict[str, Any] = json.loads(self.newest("summary.json").read_text())
        return data
