"""How true TTFT and E2E are for each online dialect, by its fake's own clock.

    PYTHONPATH=tests/fakes python benchmarks/provider_truth.py [CALLS]

Each fake sends its first token SILENCE_S after the request; the error is our figure
less the fake's, which counts from reading the request's first byte to writing the
first delta and handing over the last bytes. Ollama's dialect is measured by
`engine.py --only truth`.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from asking import question
from claude_code import KEY
from claude_code import MODEL as CLAUDE
from fake_anthropic import FakeAnthropic
from fake_anthropic_models import ClaudeModel
from fake_ollama_models import always, says
from fake_openai import FakeOpenAI
from fake_openai_models import ChatModel
from fake_responses import KEY as RESPONSES_KEY
from fake_responses import FakeResponses
from fake_responses_events import Said

from pytest_llmbench.calls.engine import Engine
from pytest_llmbench.calls.request import Limits, Target

if TYPE_CHECKING:
    from fake_service import FakeService

CALLS: Final = 40
SILENCE_S: Final = 0.05
TEXT: Final = "The answer to that is four."


@dataclass(frozen=True)
class Place:
    """One dialect, and the fake that it is pointed at."""

    target: Target
    server: FakeService
    path: str


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    os.environ.update(ANTHROPIC_API_KEY=KEY, OPENAI_API_KEY=RESPONSES_KEY)
    engine = Engine()
    sys.stdout.write(
        "| provider | n | fake's TTFT (ms) | TTFT error (ms): median | p95 | most"
        f" | E2E error (ms): median | p95 | most |\n{'|---' * 9}|\n"
    )
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        os.environ.update(HOME=home, CLAUDE_CONFIG_DIR=f"{home}/config")
        stack.callback(engine.close)
        for place in places(stack):
            sys.stdout.write(row(engine, place, count) + "\n")
            sys.stdout.flush()


def places(stack: ExitStack) -> list[Place]:
    """Start the fakes."""
    script = always(says(TEXT))
    model = ChatModel(answer=script, first_token_delay_s=SILENCE_S)
    chat = stack.enter_context(FakeOpenAI(model))
    said = Said(text=TEXT, silence_s=SILENCE_S)
    responses = stack.enter_context(FakeResponses(lambda _asked: said))
    thinker = ClaudeModel(name=CLAUDE, answer=script, first_delta_s=SILENCE_S)
    claude = stack.enter_context(FakeAnthropic(thinker))
    messages, env = "/v1/messages", "OPENAI_API_KEY"
    return [
        Place(
            Target(provider="openai", model=model.name, base_url=chat.base_url),
            chat,
            "/v1/chat/completions",
        ),
        Place(
            Target(
                provider="openai-responses",
                model="gpt-x",
                base_url=responses.base_url,
                key_env=env,
            ),
            responses,
            "/v1/responses",
        ),
        Place(
            Target(provider="anthropic", model=CLAUDE, base_url=claude.url),
            claude,
            messages,
        ),
        Place(
            Target(provider="claude-code", model=CLAUDE, base_url=claude.url),
            claude,
            messages,
        ),
    ]


def row(engine: Engine, place: Place, count: int) -> str:
    """Ask so often, and compare each call's times with its fake's."""
    theirs, ttft, e2e = [], [], []
    limits = Limits(call_s=30.0)
    for _ in range(count + 1):
        request = question(model=place.target.model, limits=limits)
        answer = engine.ask(place.target, request)
        if answer.reply is None:
            raise SystemExit(str(answer.error))
        seen = place.server.requests_to(place.path)[-1]
        seen.finished.wait(5.0)
        times = answer.reply.timings
        first = ((seen.first_delta_ns or 0) - seen.began_at_ns) / 1e6
        last = ((seen.last_byte_ns or 0) - seen.began_at_ns) / 1e6
        theirs.append(first)
        ttft.append((times.ttft_ms or 0.0) - first)
        e2e.append((times.e2e_ms or 0.0) - last)
    cells = [place.target.provider, str(count), f"{statistics.median(theirs[1:]):.2f}"]
    for errors in (ttft[1:], e2e[1:]):  # the first call opens the connection
        ranked = sorted(errors)
        p95 = ranked[max(0, round(0.95 * len(ranked)) - 1)]
        cells += [f"{statistics.median(ranked):.2f}", f"{p95:.2f}", f"{ranked[-1]:.2f}"]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
