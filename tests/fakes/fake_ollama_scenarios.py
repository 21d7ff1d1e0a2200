"""The command line: serve a scenario until stopped, to try the plugin by hand."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from fake_ollama_atomic import COLD_TEXTS, atomic_script, cold_atomic_script
from fake_ollama_faults import (
    crashes,
    ends_without_done,
    error_mid_stream,
    out_of_memory,
    queue_full,
    stalls,
)
from fake_ollama_models import Answer, FakeCall, FakeModel, Fault, Script, calls
from fake_ollama_server import FakeOllama

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A model, its faults, and a sentence that says what will be seen."""

    about: str
    model: FakeModel
    faults: tuple[Fault, ...] = field(default=())


def flaky(right: Script) -> Script:
    """Answer the three cold prompts wrong in every third seed."""

    def answer(call: FakeCall) -> Answer | Fault:
        is_hit = any(text in call.last_user_text for text in COLD_TEXTS)
        is_wrong = is_hit and (call.seed or 0) % 3 == 0
        return calls("search_files", pattern="*") if is_wrong else right(call)

    return answer


def degrading(right: Script, good_generations: int) -> Script:
    """Answer right at first, and with needless calls ever after."""

    def answer(call: FakeCall) -> Answer | Fault:
        is_good = call.generations_since_load < good_generations
        return right(call) if is_good else calls("search_files", pattern="*")

    return answer


_MODEL: Final = FakeModel(
    name="lfm2.5-thinking:1.2b",
    load_s=1.5,
    prefill_tokens_per_s=2_000.0,
    decode_tokens_per_s=400.0,
    answer=atomic_script(),
)


def _faulty(about: str, *faults: Fault) -> Scenario:
    return Scenario(about=about, model=_MODEL, faults=faults)


SCENARIOS: Final[dict[str, Scenario]] = {
    "steady": Scenario(about="always right", model=_MODEL),
    "cold_start": Scenario(
        about="P6, P7, P9 wrong in runs 1 and 2 unless warmed up",
        model=replace(_MODEL, answer=cold_atomic_script()),
    ),
    "flaky": Scenario(
        about="P6, P7, P9 wrong whenever the seed is a multiple of 3",
        model=replace(_MODEL, answer=flaky(atomic_script())),
    ),
    "degrading": Scenario(
        about="right for 36 calls after a load, then wrong",
        model=replace(_MODEL, answer=degrading(atomic_script(), 36)),
    ),
    "slow": Scenario(
        about="20 s to load, 3 s to the first token, 5 tokens per second",
        model=replace(
            _MODEL, load_s=20.0, first_token_delay_s=3.0, decode_tokens_per_s=5.0
        ),
    ),
    "partial_offload": Scenario(
        about="only half of the model in VRAM",
        model=replace(_MODEL, size_vram=_MODEL.size // 2),
    ),
    "no_tools": Scenario(
        about="the model has no tool support",
        model=replace(_MODEL, capabilities=("completion",)),
    ),
    "busy": _faulty("two calls get 503, then all is well", queue_full(), queue_full()),
    "load_fails": _faulty("no load succeeds", out_of_memory().always()),
    "crashes": _faulty("every call crashes the runner", crashes().always()),
    "breaks_mid_stream": _faulty(
        "every reply ends in an error line", error_mid_stream().always()
    ),
    "ends_early": _faulty(
        "every reply ends without done", ends_without_done().always()
    ),
    "stalls": _faulty("every reply falls silent", stalls().always()),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve a scenario until SIGTERM or Ctrl-C."""
    options = _parser().parse_args(arguments)
    scenario = SCENARIOS[options.scenario]
    name = options.model or scenario.model.name
    model = replace(scenario.model, name=name, digest="")
    server = FakeOllama(model, port=options.port)
    server.faults.extend(scenario.faults)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with server:
        sys.stdout.write(f"{server.url}  {model.name}: {scenario.about}\n")
        sys.stdout.flush()
        stopped.wait()
    sys.stdout.write(f"{len(server.requests)} requests, {len(server.loads)} loads\n")


def _parser() -> argparse.ArgumentParser:
    rows = [f"  {name:18}{scenario.about}" for name, scenario in SCENARIOS.items()]
    parser = argparse.ArgumentParser(
        prog="fake_ollama",
        description="A fake Ollama that answers the atomic suite.",
        epilog="scenarios:\n" + "\n".join(rows),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=11434, help="0 picks a free one")
    parser.add_argument("--scenario", choices=SCENARIOS, default="steady")
    parser.add_argument("--model", metavar="NAME", help="the model's name and tag")
    return parser
