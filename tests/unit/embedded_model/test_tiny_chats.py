"""The synthetic chats of the embedded model's recipe."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import jsonschema
import pytest
import tiny_wordings
from hypothesis import given
from hypothesis import strategies as st
from tiny_chats import draw_exchange, draw_setting
from tiny_draw import Axis, seeded
from tiny_requests import arguments_for, draw_request
from tiny_tasks import SHARES, TASKS
from tiny_template import Parameter, Tool
from tiny_tools import FAMILIES, Family, draw_tool
from tiny_words import CITIES, DAYS, KINDS, PEOPLE, TOPICS, WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tiny_chats import Exchange, Setting
    from tiny_template import Call

SEEDS = st.integers(min_value=0, max_value=10**6)
COPIED_ROLES = frozenset({
    "city",
    "day",
    "query",
    "folder",
    "extension",
    "date",
    "time",
})


def exchanges(seed: int, count: int) -> Iterator[tuple[Setting, Exchange]]:
    """Yield exchanges of fresh settings."""
    draw = seeded(seed)
    for _ in range(count):
        setting = draw_setting(draw)
        yield setting, draw_exchange(draw, setting)


def calls_of(exchange: Exchange) -> list[Call]:
    """Return all calls of an exchange."""
    return [call for message in exchange.messages for call in message.calls]


@given(SEEDS)
def test_the_same_seed_draws_the_same_chats(seed: int) -> None:
    """Chats follow from the seed alone."""
    assert list(exchanges(seed, 5)) == list(exchanges(seed, 5))


def test_other_seeds_draw_other_chats() -> None:
    """Different seeds give different chats."""
    assert list(exchanges(1, 5)) != list(exchanges(2, 5))


@given(SEEDS)
def test_calls_fit_their_tools(seed: int) -> None:
    """Each expected call names an offered tool and obeys its schema."""
    for setting, exchange in exchanges(seed, 5):
        schema_of = {tool.name: tool.to_schema() for tool in setting.tools}
        for call in calls_of(exchange):
            schema = schema_of[call.name] | {"additionalProperties": False}
            jsonschema.Draft202012Validator.check_schema(schema)
            jsonschema.validate(dict(call.arguments), schema)


@given(SEEDS)
def test_required_arguments_come_first(seed: int) -> None:
    """Arguments stand as the engine's grammar wants them: required ones first."""
    for setting, exchange in exchanges(seed, 5):
        tool_of = {tool.name: tool for tool in setting.tools}
        for call in calls_of(exchange):
            parameters = tool_of[call.name].parameters
            required = [each.name for each in parameters if each.is_required]
            optional = [each.name for each in parameters if not each.is_required]
            given_names = [*required, *(set(optional) & set(call.arguments))]
            assert list(call.arguments)[: len(required)] == required
            assert set(call.arguments) == set(given_names)
            order = [name for name in optional if name in call.arguments]
            assert list(call.arguments)[len(required) :] == order


def test_arguments_are_put_in_the_form_of_their_parameters() -> None:
    """Units become the tool's own words, and people a text where it wants one."""
    tool = Tool(
        name="x",
        description="",
        parameters=(
            Parameter(name="scale", role="unit", choices=("C", "F"), is_required=False),
            Parameter(name="with", role="who", type="string"),
            Parameter(name="all", role="who", type="array"),
            Parameter(name="day", role="day", is_required=False),
        ),
    )
    assert list(arguments_for(tool, {"unit": 1, "who": ["A", "B"]}).items()) == [
        ("with", "A and B"),
        ("all", ["A", "B"]),
        ("scale", "F"),
    ]


@pytest.mark.parametrize("family", FAMILIES)
@given(seed=SEEDS)
def test_what_a_call_says_was_said_by_the_user(family: Family, seed: int) -> None:
    """Names, days and numbers of a call stand in the text, letter by letter."""
    draw = seeded(seed)
    draw = draw.with_case(is_lower=draw.chance(0.3))
    offered = draw_tool(draw, family)
    request = draw_request(draw, offered)
    for parameter in offered.tool.parameters:
        value = request.call.arguments.get(parameter.name)
        if value is not None and parameter.role in COPIED_ROLES:
            assert value in request.text
        if value is not None and parameter.role == "limit":
            assert str(value) in request.text
        if parameter.role == "who" and parameter.type == "array":
            assert all(name in request.text for name in value or ())


@given(SEEDS)
def test_every_place_of_a_wording_is_filled(seed: int) -> None:
    """No brace of a template is left in a chat."""
    for _, exchange in exchanges(seed, 5):
        for message in exchange.messages:
            assert message.role == "tool" or "{" not in message.text.replace('{"', "")
            assert message.text or message.calls


@given(SEEDS)
def test_every_exchange_ends_with_an_answer(seed: int) -> None:
    """The last turn is the assistant's, and its text is among the right ones."""
    for _, exchange in exchanges(seed, 5):
        assert exchange.messages[0].role == "user"
        assert exchange.answer.role == "assistant"
        assert exchange.answer.calls or exchange.answer.text in exchange.answers


def test_all_tasks_come() -> None:
    """Each kind of exchange is drawn, and each task has its share."""
    drawn = {exchange.task for _, exchange in exchanges(3, 3000)}
    families = {f"tool_{family}" for family in FAMILIES}
    assert drawn == {*TASKS, *families, "tool_two", "tool_result", "no_tool", "meta"}
    assert SHARES.keys() == TASKS.keys()


def test_nothing_is_held_out_by_default() -> None:
    """Training for shipping draws every item of a list."""
    draw = seeded(5)
    assert {draw.pick(DAYS, "entity") for _ in range(500)} == set(DAYS)


@pytest.mark.parametrize("axis", ["wording", "tool", "entity"])
@given(seed=SEEDS, items=st.lists(st.integers(), min_size=6, max_size=40, unique=True))
def test_the_split_parts_a_list(axis: Axis, seed: int, items: list[int]) -> None:
    """Every sixth item is drawn where it is measured, and never in training."""
    held_out = set(items[5::6])
    training = seeded(seed, is_split=True)
    measuring = seeded(seed, held_out=[axis])
    assert not held_out & {training.pick(items, axis) for _ in range(50)}
    assert {measuring.pick(items, axis) for _ in range(50)} <= held_out


def test_a_short_list_has_nothing_to_hold_out() -> None:
    """Below six items the split changes nothing."""
    draw = seeded(5, held_out=["wording"])
    assert {draw.pick("abcde") for _ in range(200)} == set("abcde")


@given(SEEDS)
def test_invented_names_look_like_listed_ones(seed: int) -> None:
    """An invented name has the case of the list, unless all is lower case."""
    draw = seeded(seed)
    assert draw.entity(CITIES, 1.0)[0].isupper()
    assert draw.entity(WORDS, 1.0).islower()
    assert draw.with_case(is_lower=True).entity(CITIES, 0.5).islower()


@pytest.mark.parametrize(
    "names",
    [CITIES, PEOPLE, TOPICS, WORDS, *KINDS.values()],
    ids=lambda names: names[0],
)
def test_lists_name_each_thing_once(names: tuple[str, ...]) -> None:
    """A listing has no doubles, which would shift what the split holds out."""
    assert len(set(names)) == len(names)


def test_wordings_are_different() -> None:
    """No wording stands twice in its list, and every kind has both forms."""
    for group in (tiny_wordings.ASKS, tiny_wordings.CORES, tiny_wordings.QUESTIONS):
        for wordings in group.values():
            assert len(set(wordings)) == len(wordings) > 1
    assert tiny_wordings.ASKS.keys() == tiny_wordings.CORES.keys()
    assert tiny_wordings.LEADS.keys() == tiny_wordings.CORES.keys()
    assert all(itertools.chain.from_iterable(tiny_wordings.ASKS.values()))
