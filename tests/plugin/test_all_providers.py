"""One session over every provider: one table, one clock, one set of rules."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from bench_project import SMALL_ANSWERS
from claude_code import needs_claude_code, settle
from fake_anthropic import FakeAnthropic
from fake_anthropic_models import haiku
from fake_ollama import FakeModel, FakeOllama, answers_by_prompt, says
from fake_openai import FakeOpenAI
from fake_openai_models import ChatModel
from fake_responses import KEY as RESPONSES_KEY
from fake_responses import FakeResponses
from fake_responses_events import Said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench_project import Bench
    from fake_responses import Asked

MODELS = (
    "fake:1b,embedded,openai/gpt-x,reasoner,anthropic/claude-haiku-5-5,"
    "claude-code/claude-haiku-5-5"
)
ALIASES = """
[models.reasoner]
provider = "openai-responses"
model = "gpt-x"
base_url = "{url}"
api_key_env = "RESPONSES_KEY"
price_in_usd_per_mtok = 1.0
price_out_usd_per_mtok = 8.0
"""


@pytest.fixture
def everywhere(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Serve a model that answers right by each protocol."""
    script = answers_by_prompt(SMALL_ANSWERS, says("4"))
    settle(monkeypatch, tmp_path / "home")
    with ExitStack() as stack:
        ollama = stack.enter_context(FakeOllama(FakeModel(answer=script)))
        chat = stack.enter_context(FakeOpenAI(ChatModel(answer=script)))
        responses = stack.enter_context(FakeResponses(reasoner))
        claude = stack.enter_context(FakeAnthropic(haiku(script)))
        monkeypatch.setenv("OLLAMA_HOST", ollama.url)
        monkeypatch.setenv("OPENAI_BASE_URL", chat.base_url)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", claude.url)
        monkeypatch.setenv("RESPONSES_KEY", RESPONSES_KEY)
        toml = bench.pytester.path / "llmbench.toml"
        toml.write_text(ALIASES.format(url=responses.base_url), "utf-8")
        bench.suite()
        yield


@needs_claude_code
@pytest.mark.usefixtures("everywhere")
def test_one_session_asks_every_provider(bench: Bench) -> None:
    """Each model has its block, each trial its times, by one clock."""
    result = bench.run_apart("--model", MODELS)
    records = bench.records()
    assert len(records) == 18
    right = [record for record in records if record["model"] != "embedded"]
    assert {record["outcome"] for record in right} == {"pass"}, result.stdout.str()
    for record in right:
        times = record["reply"]["timings"]
        assert 0 < times["ttft_ms"] <= times["e2e_ms"]
        assert record["reply"]["usage"]["output_tokens"]
    text = result.stdout.str()
    table = text[text.index("spec   ") :].splitlines()[1:7]
    assert [line.split()[0] for line in table] == [
        "fake:1b",
        "embedded",
        "openai/gpt-x",
        "reasoner",
        "anthropic/claude-haiku…",
        "claude-code/claude-hai…",
    ]
    warmed = {one["model"]: one["status"] for one in bench.summary()["warmup_result"]}
    assert warmed.pop("claude-code/claude-haiku-5-5") == "skipped"
    assert set(warmed.values()) <= {"success", "already_loaded"}
    jobs = bench.summary()["job_summaries"]
    assert [job["model"] for job in jobs] == MODELS.split(",")


def reasoner(asked: Asked) -> Said:
    """Answer the small suite right, in the responses API's own items."""
    text = asked.last_user_text
    if "weather in Oslo" in text:
        return Said(tool_calls=[("get_weather", {"city": "Oslo"})])
    return Said(text="READY" if "READY" in text else "I can look up the weather.")
