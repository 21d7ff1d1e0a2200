"""The suite `long_context`: three lengths each, and what passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llmbench.checks.judge import judge
from pytest_llmbench.checks.registry import expectation_faults
from pytest_llmbench.checks.reply import Reply
from pytest_llmbench.prompts.context import Gauge, payload_of, stretched
from pytest_llmbench.prompts.filler import shared_words
from pytest_llmbench.prompts.loader import load_suite

PATH = Path(__file__).parents[2] / "suites" / "long_context" / "long_context.bench.yaml"
SUITE = load_suite(PATH, expectation_faults=expectation_faults)
NESTED = (
    '{"customer": {"name": "Nora Berg", "number": 4711, "member": false}, "items":'
    ' [{"item": "A12", "quantity": 3}, {"item": "B07", "quantity": 1}]}'
)
GOOD = {
    "L1": ('{"queue": "billing", "priority": "high"}',),
    "L2": (NESTED,),
    "L3": (
        "ls -la /var/log",
        "ls -al /var/log/",
        "ls -l -a /var/log",
        "ls /var/log -la",
    ),
    "L4": (
        "- Spring\n- Summer\n- Autumn\n- Winter",
        "- spring\n- summer\n- fall\n- winter",
    ),
}
DRIFTED = {
    "L1": 'Here is the routing:\n{"queue": "billing", "priority": "high"}',
    "L2": f"```json\n{NESTED}\n```",
    "L3": "`ls -la /var/log`",
    "L4": "The seasons are:\n- Spring\n- Summer\n- Autumn\n- Winter",
}
WRONG = {
    "L1": '{"queue": "billing", "priority": "normal"}',
    "L2": NESTED.replace("4711", '"4711"'),
    "L3": "ls -l /var/log",
    "L4": "- Summer\n- Spring\n- Autumn\n- Winter",
}


def test_each_prompt_has_three_lengths() -> None:
    """Twelve prompts; the task stands at the end of text without its words."""
    lengths = (2048, 8192, 32768)
    assert SUITE.prompt_ids() == tuple(
        f"L{number}:{tokens}" for number in range(1, 5) for tokens in lengths
    )
    for prompt in SUITE.prompts:
        gauge = Gauge(base_tokens=200, tokens_per_char=0.22)
        text = stretched(prompt, gauge).prompt.text
        before = text.removesuffix(prompt.text)
        assert len(before) > 6 * (prompt.tokens - 200) * 0.7
        assert not shared_words(before, payload_of(prompt))


@pytest.mark.parametrize("prompt", SUITE.prompts, ids=lambda prompt: prompt.id)
def test_answers_of_each_kind(prompt: object) -> None:
    """Good answers pass, prose is drift, a wrong value in form is a wrong answer."""
    found = next(p for p in SUITE.prompts if p is prompt)
    name = found.names[-1]
    for text in GOOD[name]:
        assert judge(found, Reply(text=text)).passed, text
    assert judge(found, Reply(text=DRIFTED[name])).mode == "format_drift"
    assert judge(found, Reply(text=WRONG[name])).mode == "wrong_answer"
