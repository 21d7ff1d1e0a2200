"""What is kept between trials is kept for the same values only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from pytest_llmbench.checks.judge import judge
from pytest_llmbench.checks.reply import Reply
from pytest_llmbench.checks.sameness import CACHE_SIZE, Same
from pytest_llmbench.checks.schemas import schema_violation
from pytest_llmbench.prompts.suite import Prompt, Tool

if TYPE_CHECKING:
    from pytest_llmbench.prompts.suite import Json


def test_keys_are_equal_by_the_objects_they_hold() -> None:
    """Equal contents are not enough, and the number of objects counts."""
    one: dict[str, int] = {}
    other: dict[str, int] = {}
    assert Same((one, other)) == Same((one, other))
    assert hash(Same((one, other))) == hash(Same((one, other)))
    assert Same((one,)) != Same((other,))
    assert Same((one,)) != Same((one, other))
    assert Same((one,)) != (one,)


def test_a_fault_is_found_per_tools_and_expectations() -> None:
    """The same expectations are a fault with one list of tools, not with another."""
    expect: dict[str, Json] = {"tools": ["a"]}
    offering = Prompt(id="P1", text="?", tools=(Tool(name="a"),), expect=expect)
    lacking = replace(offering, tools=(Tool(name="b"),))
    reply = Reply(text="No.")
    for _ in range(2):
        assert judge(offering, reply).checks[0].why == "no tool was called"
        assert judge(lacking, reply).checks[0].got == "not judged"


def test_more_prompts_than_are_kept_are_judged_right() -> None:
    """What was dropped is made anew; what takes a freed address is another."""
    for number in range(CACHE_SIZE * 2):
        schema: dict[str, Json] = {"const": number}
        assert schema_violation(schema, number) == ""
        assert schema_violation(schema, -1) != ""
        prompt = Prompt(id="P1", text="?", expect={"exact": str(number)})
        assert judge(prompt, Reply(text=str(number))).passed
        assert judge(replace(prompt), Reply(text="x")).mode == "wrong_answer"
