"""Prompts with lengths: read, named, and brought to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from pytest_llmbench.errors import SuiteError
from pytest_llmbench.prompts.context import (
    Context,
    Gauge,
    fronted,
    nonce,
    num_ctx_for,
    payload_of,
    stretched,
)
from pytest_llmbench.prompts.filler import filler, shared_words
from pytest_llmbench.prompts.loader import load_suite
from pytest_llmbench.prompts.messages import Message
from pytest_llmbench.prompts.suite import Prompt

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmbench.prompts.context import Position
    from pytest_llmbench.prompts.suite import Suite

GAUGE = Gauge(base_tokens=40, tokens_per_char=0.25)


def load(
    folder: Path, context: str, rest: str = "prompt: Say hi, expect: none"
) -> Suite:
    """Read a suite of one prompt with a context."""
    path = folder / "a.bench.yaml"
    path.write_text(
        f"suite: s\nprompts:\n  - {{id: L1, {rest}, context: {context}}}\n"
        "  - {id: P1, prompt: Hi, expect: none}\n"
    )
    return load_suite(path, shown_as="a.bench.yaml")


def at_length(tokens: int, position: Position = "end") -> Prompt:
    """Make a prompt of a length."""
    context = Context(of="L1", tokens=tokens, position=position)
    return Prompt(id=f"L1:{tokens}", text="Reply with READY.", context=context)


def test_a_prompt_becomes_one_per_length(tmp_path: Path) -> None:
    """Ids name the length, the shortest first; hashes differ; both names select."""
    suite = load(tmp_path, "{tokens: [8192, 2048]}")
    assert suite.prompt_ids() == ("L1:2048", "L1:8192", "P1")
    assert suite.names() == ("L1:2048", "L1", "L1:8192", "P1")
    assert [p.tokens for p in suite.prompts] == [2048, 8192, 0]
    assert len({p.hash for p in suite.prompts}) == 3
    assert suite.prompts[0].context == Context(of="L1", tokens=2048, position="end")


@pytest.mark.parametrize(
    ("context", "rest", "said"),
    [
        ("{tokens: []}", "prompt: Hi, expect: none", "tokens must not be empty"),
        ("{tokens: [99]}", "prompt: Hi, expect: none", "must be at least 256, not 99"),
        ("{tokens: [300, 300]}", "prompt: Hi, expect: none", "non-unique"),
        ("{tokens: 300}", "prompt: Hi, expect: none", "must be a list, not 300"),
        ("{}", "prompt: Hi, expect: none", "lacks the key 'tokens'"),
        ("{tokens: [300], at: end}", "prompt: Hi, expect: none", "unknown key 'at'"),
        ("{tokens: [300], position: top}", "prompt: Hi, expect: none", "one of"),
        (
            "{tokens: [300]}",
            "turns: [{user: Hi, expect: none}]",
            "'context' stretches a single prompt, not 'turns'",
        ),
    ],
)
def test_faults_of_a_context(
    tmp_path: Path, context: str, rest: str, said: str
) -> None:
    """What is wrong is told once, with its line, however many lengths there are."""
    with pytest.raises(SuiteError) as caught:
        load(tmp_path, context, rest)
    (line,) = str(caught.value).split("\n")
    assert line.startswith("a.bench.yaml:3: ")
    assert said in line


def test_a_prompt_that_uses_up_the_filler(tmp_path: Path) -> None:
    """A prompt of nothing but the filler's words is refused at its line."""
    words = " ".join(filler(1, 9000).split())
    with pytest.raises(SuiteError, match=r"^a.bench.yaml:3: L1: 'context': filler sha"):
        load(tmp_path, "{tokens: [300]}", f"prompt: '{words}', expect: none")


@pytest.mark.parametrize("tokens", [512, 2048, 32768])
@pytest.mark.parametrize("position", ["start", "middle", "end"])
def test_a_length_is_reached(tokens: int, position: Position) -> None:
    """By the gauge, every length and position comes within half a percent."""
    prompt = at_length(tokens, position)
    built = stretched(prompt, GAUGE)
    text = built.prompt.text
    assert built.estimated_tokens == pytest.approx(tokens, rel=0.01)
    assert len(text) - len(prompt.text) == built.filler_chars
    before, after = text.split(prompt.text)
    assert not shared_words(before + after, payload_of(prompt))
    share = {"start": 0, "middle": 0.5, "end": 1}[position]
    assert len(before) / built.filler_chars == pytest.approx(share, abs=0.1)


def test_a_prompt_longer_than_its_length() -> None:
    """Nothing is cut: it stays as it is."""
    prompt = replace(at_length(300), text="word " * 2000)
    assert stretched(prompt, replace(GAUGE, base_tokens=2500)).prompt == prompt


def test_a_nonce_is_new_where_it_must_be() -> None:
    """The same for the same call; another for each run, prompt, attempt and session."""
    calls = [("r1", 1, "L1", 0), ("r2", 1, "L1", 0), ("r1", 2, "L1", 0)]
    calls += [("r1", 1, "L2", 0), ("r1", 1, "L1", 1)]
    found = [nonce(*call) for call in calls]
    assert len(set(found)) == len(calls)
    assert found == [nonce(*call) for call in calls]
    assert all(len(digits) == 9 and digits.isdecimal() for digits in found)


def test_the_nonce_stands_before_everything() -> None:
    """Also before the system text; the other messages stay."""
    system, user = (
        Message(role="system", content="S"),
        Message(role="user", content="U"),
    )
    first, second = fronted((system, user), "123456789")
    assert first.content == "No. 123456789.\n\nS"
    assert second == user


def test_the_context_holds_length_and_reply() -> None:
    """It is rounded up, and never smaller than length, margin and reply."""
    for tokens in (256, 2048, 32768):
        num_ctx = num_ctx_for(tokens, 500)
        assert num_ctx % 256 == 0
        assert tokens * 1.02 + 500 < num_ctx < tokens * 1.02 + 500 + 400
