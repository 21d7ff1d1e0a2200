"""Several replies as one."""

from __future__ import annotations

from pytest_llmbench.checks.merging import merged
from pytest_llmbench.checks.reply import Reply, Timings, ToolCall, Usage
from pytest_llmbench.checks.thinking import without_thinking

FIRST = Reply(
    text="I look.",
    thinking="a",
    tool_calls=(ToolCall(name="f", arguments={}),),
    finish_reason="tool_calls",
    usage=Usage(prompt_tokens=10, output_tokens=3, cache_write_tokens=2),
    timings=Timings(ttft_ms=5, ttfc_ms=6, e2e_ms=10, load_ms=2, queue_ms=1),
    deltas=2,
)
LAST = Reply(
    text="Done.",
    thinking="b",
    finish_reason="stop",
    usage=Usage(
        prompt_tokens=20, output_tokens=4, cache_write_tokens=6, reasoning_tokens=1
    ),
    timings=Timings(ttft_ms=50, ttfc_ms=60, e2e_ms=100, load_ms=30, queue_ms=None),
    deltas=3,
)


def test_one_reply_is_itself() -> None:
    """A single question's reply is not touched."""
    assert merged([FIRST]) is FIRST


def test_calls_and_sums_of_all_and_the_last_text() -> None:
    """Times and tokens add up, TTFT and load are the first's, later load is out."""
    assert merged([FIRST, LAST]) == Reply(
        text="Done.",
        thinking="a\nb",
        tool_calls=FIRST.tool_calls,
        finish_reason="stop",
        usage=Usage(prompt_tokens=30, output_tokens=7, cache_write_tokens=8),
        timings=Timings(ttft_ms=5, ttfc_ms=6, e2e_ms=80, load_ms=2),
        deltas=5,
        parts=2,
    )
    assert merged([merged([FIRST, LAST]), LAST]).parts == 3


def test_thinking_is_set_aside() -> None:
    """Only what stands before the closing tag is thinking."""
    said = without_thinking(Reply(text="<think>x\ny</think>\n\nYes", thinking="z"))
    assert (said.text, said.thinking) == ("Yes", "z\nx\ny")
    assert without_thinking(Reply(text="hm</think>Yes")).text == "Yes"
    unclosed = Reply(text="<think>hm, Yes")
    assert without_thinking(unclosed) == unclosed
