"""Measure a GGUF through the embedded engine, the way a client meets it.

Run it as `python tools/embedded_model/check_model.py FILE.gguf`.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import statistics
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tiny_chats import draw_exchange, draw_setting
from tiny_client import Client, chat_request, request_for
from tiny_draw import seeded
from tiny_judge import fault_of
from tiny_template import Message, Parameter, Tool

from pytest_llmbench.calls.embedded.process import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tiny_chats import Exchange, Setting
    from tiny_draw import Axis, Draw

Case = tuple["Setting", "Exchange"]

_START_S: Final = 60.0
_PER_SETTING: Final = 2
_SPEED_CASES: Final = 40
_MOVING_CASES: Final = 60
_MOVING_RUNS: Final = 7
_SEED: Final = 777
_SPEED_SEED: Final = 5
_MOVING_SEED: Final = 99
_HELD_OUT: Final[tuple[tuple[Axis, ...], ...]] = (
    ("wording",),
    ("tool",),
    ("entity",),
    ("wording", "tool", "entity"),
)
_SAMPLE_TOOLS: Final = (
    Tool(
        name="get_weather",
        description="Get the current weather for a given city.",
        parameters=(Parameter(name="city", role="city"),),
    ),
    Tool(
        name="search_files",
        description="Search for files matching a pattern in the project.",
        parameters=(Parameter(name="pattern", role="glob"),),
    ),
)
_SAMPLE_QUESTIONS: Final = (
    "What's the weather in Ghent?",
    "Show every Markdown file in the repo",
    "Which tools do you have?",
    "Reply with exactly: PONG",
    "What is 7 + 5? Answer with the number only.",
    "Convert March 5, 2024 to ISO format.",
    "Tell me a short story.",
)


def main() -> None:
    """Print the report of one file."""
    parser = argparse.ArgumentParser(description="Measure a GGUF of this recipe.")
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--prompts", type=int, default=800, help="of each accuracy")
    parser.add_argument(
        "--held-out",
        action="store_true",
        help="measure on held-out items too; only for a model trained without them",
    )
    arguments = parser.parse_args()
    for line in check(
        arguments.gguf, arguments.prompts, has_held_out=arguments.held_out
    ):
        print(line, flush=True)


def check(gguf: Path, prompts: int, *, has_held_out: bool) -> Iterator[str]:
    """Yield the lines of the report."""
    with serving(gguf) as server:
        client = Client(server.url)
        yield f"{gguf.name}, SHA-256 {server.digest}"
        yield f"engine {server.engine_version}, ready in {server.load_s:.3f} s"
        yield from _speed(client)
        fresh = seeded(_SEED, is_split=has_held_out)
        yield from _accuracy(client, "fresh draws", draw_cases(fresh, prompts))
        for axes in _HELD_OUT if has_held_out else ():
            unseen = draw_cases(seeded(_SEED, held_out=axes), prompts)
            yield from _accuracy(client, f"never seen: {', '.join(axes)}", unseen)
        yield from _movement(client)
        yield from _samples(client)


@contextmanager
def serving(gguf: Path) -> Iterator[EmbeddedServer]:
    """Serve a file while the block runs."""
    server = EmbeddedServer(gguf)
    server.start(_START_S)
    try:
        yield server
    finally:
        server.stop()


def draw_cases(draw: Draw, count: int) -> list[Case]:
    """Draw exchanges with one question, a few for each setting."""
    cases: list[Case] = []
    while len(cases) < count:
        setting = draw_setting(draw)
        drawn = [draw_exchange(draw, setting) for _ in range(_PER_SETTING)]
        cases.extend((setting, exchange) for exchange in drawn if _is_short(exchange))
    return cases[:count]


def _is_short(exchange: Exchange) -> bool:
    return sum(message.role == "user" for message in exchange.messages) == 1


def _speed(client: Client) -> Iterator[str]:
    speeds = [
        speed
        for setting, exchange in draw_cases(seeded(_SPEED_SEED), _SPEED_CASES)
        if (speed := client.speed(**request_for(setting, exchange), temperature=0))
    ]
    first_ms = [speed.first_token_ms for speed in speeds]
    prompt = statistics.median(speed.prompt_tokens for speed in speeds)
    prefill = statistics.median(speed.prompt_tokens_per_s for speed in speeds)
    decode = statistics.median(speed.tokens_per_s for speed in speeds)
    p95 = statistics.quantiles(first_ms, n=20, method="inclusive")[-1]
    yield (
        f"first token p50 {statistics.median(first_ms):.1f} ms, p95 {p95:.1f} ms "
        f"(n={len(speeds)}, {prompt:.0f} prompt tokens); "
        f"prefill {prefill:.0f} tokens/s, decode {decode:.0f} tokens/s"
    )


def _accuracy(client: Client, title: str, cases: Iterable[Case]) -> Iterator[str]:
    by_task: dict[str, list[bool]] = collections.defaultdict(list)
    faults: collections.Counter[str] = collections.Counter()
    for setting, exchange in cases:
        message = client.chat(**request_for(setting, exchange), temperature=0)
        fault = fault_of(exchange, message)
        by_task[exchange.task].append(not fault)
        if fault:
            faults[f"{exchange.task}: {fault}"] += 1
    calls = [by_task[f"tool_{family}"] for family in ("weather", "files", "meeting")]
    yield ""
    yield title
    yield _share("all", list(itertools.chain.from_iterable(by_task.values())))
    yield _share("tool calls", list(itertools.chain.from_iterable(calls)))
    for task, results in sorted(by_task.items()):
        yield _share(f"  {task}", results)
    yield f"  faults: {dict(faults.most_common(10))}"


def _share(name: str, results: list[bool]) -> str:
    right, count = sum(results), len(results)
    share = f"{right / count:6.1%}" if count else "     -"
    return f"{name:16s} {share}  {right}/{count}"


def _movement(client: Client) -> Iterator[str]:
    """Ask each prompt several times at temperature 0.8: some answers must move."""
    right_runs: collections.Counter[int] = collections.Counter()
    for setting, exchange in draw_cases(seeded(_MOVING_SEED), _MOVING_CASES):
        request = request_for(setting, exchange)
        replies = (
            client.chat(**request, temperature=0.8, seed=seed)
            for seed in range(_MOVING_RUNS)
        )
        right_runs[sum(not fault_of(exchange, reply) for reply in replies)] += 1
    always, never = right_runs[_MOVING_RUNS], right_runs[0]
    between = _MOVING_CASES - always - never
    yield ""
    yield (
        f"temperature 0.8, {_MOVING_RUNS} runs each of {_MOVING_CASES} prompts: "
        f"{always} always right, {never} never, {between} in between"
    )
    yield f"same seed, same text: {_repeats(client)}"


def _repeats(client: Client) -> bool:
    story = {"messages": [{"role": "user", "content": "Tell me a short story."}]}
    texts = {
        client.chat(**story, temperature=0.8, seed=7, max_tokens=96)["content"]
        for _ in range(3)
    }
    return len(texts) == 1


def _samples(client: Client) -> Iterator[str]:
    yield ""
    for question in _SAMPLE_QUESTIONS:
        asked = (Message(role="user", text=question),)
        request = chat_request("", _SAMPLE_TOOLS, asked)
        yield f"{question!r} -> {_shown(client.chat(**request, temperature=0))}"


def _shown(message: dict[str, Any]) -> str:
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    return json.dumps(calls or message.get("content"), ensure_ascii=False)


if __name__ == "__main__":
    main()
