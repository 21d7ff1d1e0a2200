"""Draw the plain tasks: short questions and format instructions, no tools."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tiny_wordings import PROGRAMS, QUESTIONS
from tiny_words import (
    CAPITALS,
    CITIES,
    COMMON_WORDS,
    KINDS,
    MONTHS,
    PEOPLE,
    WORDS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tiny_draw import Draw

_FAVOURED: Final = (0.6, 0.25, 0.15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A question and the answer to be learnt.

    Attributes:
        answers: every answer that is as right as the learnt one.
        is_verbatim: the question may not be dressed up with a greeting.
    """

    question: str
    answer: str
    answers: tuple[str, ...] = ()
    is_verbatim: bool = False


def favoured(draw: Draw, answers: Sequence[str]) -> str:
    """Choose an answer, the first ones more often."""
    weights = _FAVOURED[: len(answers)]
    return draw.source.choices(answers, weights)[0]


def draw_exact(draw: Draw) -> Task:
    """Draw a text to be repeated as it is."""
    words = [_draw_any_word(draw) for _ in range(draw.any_of((1, 1, 1, 2, 3)))]
    text = " ".join(words) + draw.any_of(("", "", "", "!", "."))
    question = draw.pick(QUESTIONS["exact"]).format(text)
    return Task(question=question, answer=text, is_verbatim=True)


def _draw_any_word(draw: Draw) -> str:
    word = draw.word()
    common = draw.any_of(COMMON_WORDS)
    listed = draw.pick(WORDS, "entity")
    city = draw.pick(CITIES, "entity")
    number = str(draw.number(0, 999))
    made = (word, word.capitalize(), word.upper())
    known = (listed, listed.upper(), city, common, common, "OK", "PONG", "hello")
    return draw.any_of((*made, *known, number))


def draw_yes_no(draw: Draw) -> Task:
    """Draw a question with two possible answers."""
    question, is_true = _draw_claim(draw)
    endings = (
        (" Answer yes or no.", "yes", "no"),
        (" Yes or no?", "Yes", "No"),
        (" Reply with only yes or no.", "yes", "no"),
        (" Answer Yes or No.", "Yes", "No"),
        (" True or false?", "True", "False"),
        (" Just say yes or no.", "yes", "no"),
        ("", "Yes", "No"),
    )
    ending, yes, no = draw.pick(endings)
    return Task(question=question + ending, answer=yes if is_true else no)


def _draw_claim(draw: Draw) -> tuple[str, bool]:
    """Draw a question and whether its answer is yes."""
    one, other = draw.some_of(range(100), 2)
    kind, other_kind = draw.some_of(tuple(KINDS), 2)
    item = draw.any_of(KINDS[kind if draw.chance(0.5) else other_kind])
    subject = item if draw.chance(0.5) else _with_article(item)
    greater = ("greater than", "larger than", "more than", "bigger than", "above")
    return draw.any_of((
        (f"Is {one} {draw.pick(greater)} {other}?", one > other),
        (f"Is {one} less than {other}?", one < other),
        (f"Is {one} even?", one % 2 == 0),
        (f"Is {one} odd?", one % 2 == 1),
        (f"Is {subject} {_with_article(kind)}?", item in KINDS[kind]),
    ))


def _with_article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def draw_integer(draw: Draw) -> Task:
    """Draw a sentence from which a number is to be read."""
    number, animal = draw.number(1, 999), draw.any_of(KINDS["animal"])
    city, person = draw.entity(CITIES), draw.entity(PEOPLE)
    sentences = (
        f"The box holds {number} apples.",
        f"There were {number} people in {city}.",
        f"{person} bought {number} {animal}s.",
        f"Order number {number} was shipped.",
        f"I paid {number} euros for it.",
        f"We saw {number} {animal}s near {city}.",
        f"Room {number} is free.",
        f"{person} ran {number} miles.",
        f"The bus carried {number} passengers.",
        f"It took {number} days.",
        f"{person} scored {number} points.",
        f"My flight is number {number}.",
    )
    question = draw.pick(QUESTIONS["integer"]).format(draw.pick(sentences))
    return Task(question=question, answer=str(number), is_verbatim=True)


def draw_iso_date(draw: Draw) -> Task:
    """Draw a date to be written as YYYY-MM-DD."""
    year, month, day = draw.number(1990, 2030), draw.number(1, 12), draw.number(1, 28)
    name = MONTHS[month - 1]
    dates = (
        f"{name} {day}, {year}",
        f"{day} {name} {year}",
        f"{name[:3]} {day} {year}",
        f"{day} {name[:3]} {year}",
        f"{name} {day} {year}",
        f"{day} of {name} {year}",
        f"{year} {name} {day}",
    )
    question = draw.pick(QUESTIONS["iso_date"]).format(draw.pick(dates))
    return Task(question=question, answer=f"{year}-{month:02d}-{day:02d}")


def draw_json_keys(draw: Draw) -> Task:
    """Draw a sentence to be turned into a JSON object with given keys."""
    facts = {
        "name": draw.entity(PEOPLE),
        "age": draw.number(5, 98),
        "city": draw.entity(CITIES),
    }
    keys = draw.some_of(tuple(facts), draw.any_of((2, 3, 3)))
    sentences = (
        "{name} is {age} and lives in {city}.",
        "{name}, {age}, from {city}.",
        "I am {name}, {age} years old, living in {city}.",
        "{name} ({age}) moved to {city}.",
        "In {city} lives {name}, aged {age}.",
        "A {age} year old called {name} came from {city}.",
    )
    question = draw.pick(QUESTIONS["json_keys"]).format(
        keys=", ".join(keys[:-1]) + " and " + keys[-1],
        sentence=draw.pick(sentences).format(**facts),
    )
    answer = json.dumps({key: facts[key] for key in keys}, ensure_ascii=False)
    return Task(question=question, answer=answer)


def draw_bullets(draw: Draw) -> Task:
    """Draw a list of a given length; any right one is accepted."""
    kind, count = draw.any_of(tuple(KINDS)), draw.any_of((3, 3, 3, 2, 4))
    number = {2: "two", 3: "three", 4: "four"}[count] if draw.chance(0.7) else count
    # In the order of the list: one thing less to guess.
    chosen = sorted(draw.some_of(range(len(KINDS[kind])), count))
    answer = "\n".join(f"- {KINDS[kind][index]}" for index in chosen)
    return Task(
        question=draw.pick(QUESTIONS["bullets"]).format(n=number, k=kind), answer=answer
    )


def draw_arithmetic(draw: Draw) -> Task:
    """Draw a sum or a difference of small numbers, never below zero."""
    left, right = draw.number(0, 12), draw.number(0, 12)
    sign, name = draw.any_of((("+", "plus"), ("-", "minus")))
    if sign == "-":
        left, right = max(left, right), min(left, right)
    operation = draw.any_of((f" {sign} ", f" {sign} ", sign, f" {name} ", f" {name} "))
    question = draw.pick(QUESTIONS["arithmetic"]).format(f"{left}{operation}{right}")
    result = left + right if sign == "+" else left - right
    return Task(question=question, answer=str(result))


def draw_capital(draw: Draw) -> Task:
    """Draw one of the few facts there are."""
    country = draw.any_of(tuple(CAPITALS))
    city = CAPITALS[country]
    answers = (f"The capital of {country} is {city}.", f"{city}.")
    return Task(
        question=draw.pick(QUESTIONS["capital"]).format(country),
        answer=favoured(draw, answers),
        answers=answers,
    )


def draw_count(draw: Draw) -> Task:
    """Draw a limit to count to."""
    limit = draw.number(3, 20)
    answer = ", ".join(map(str, range(1, limit + 1)))
    return Task(question=draw.pick(QUESTIONS["count"]).format(limit), answer=answer)


def draw_story(draw: Draw) -> Task:
    """Draw a story of four sentences; any such one is accepted."""
    animal, hero = draw.any_of(KINDS["animal"]), draw.word().capitalize()
    colour, kind = draw.any_of(KINDS["color"]), draw.any_of(tuple(KINDS))
    nature = draw.any_of(("small", "big", "old", "young", "happy", "shy"))
    lives = ("lived near a river", "wanted to see the world", "loved the rain")
    life = draw.any_of((*lives, f"had a {colour} house"))
    found = draw.any_of(KINDS[kind])
    place = draw.any_of(("under a tree", "in the garden", "by the sea", "on a hill"))
    ends = (f"It made {hero} very happy.", f"{hero} took it home.")
    other_ends = (f"{hero} gave it to a friend.", "Then everyone went to sleep.")
    answer = (
        f"Once there was a {nature} {animal} named {hero}. {hero} {life}. "
        f"One day {hero} found a {found} {place}. {draw.any_of(ends + other_ends)}"
    )
    return Task(question=draw.pick(QUESTIONS["story"]).format(animal), answer=answer)


def draw_code(draw: Draw) -> Task:
    """Draw a wish for code, also about the tools' subjects: no call."""
    question = draw.pick(QUESTIONS["code"]).format(draw.pick(PROGRAMS))
    answer = "Here is a sketch:\n```python\ndef main():\n    pass\n```"
    return Task(question=question, answer=answer)


_SMALL_TALK: Final = (
    (
        ("Hello!", "Hi", "Hey there", "Good morning", "Hi there!", "Good evening"),
        ("Hello! How can I help?", "Hi! What can I do for you?", "Hello."),
    ),
    (
        (
            *("Thanks!", "Thank you.", "Great, thanks", "Thank you so much!"),
            *("Thanks a lot.", "Many thanks!"),
        ),
        ("You're welcome!", "Happy to help.", "Any time."),
    ),
    (
        (
            *("Who are you?", "What are you?", "What is your name?"),
            *("Introduce yourself.", "Tell me about yourself.", "What model are you?"),
        ),
        ("I am llmbench-tiny, a very small test model.", "I am a tiny test model."),
    ),
    (
        ("Bye", "Goodbye!", "See you later.", "Good night.", "See you", "Bye bye!"),
        ("Goodbye!", "See you later!", "Bye."),
    ),
)


def draw_chat(draw: Draw) -> Task:
    """Draw small talk."""
    questions, answers = draw.any_of(_SMALL_TALK)
    return Task(
        question=draw.cased(draw.pick(questions)),
        answer=favoured(draw, answers),
        answers=answers,
        is_verbatim=True,
    )


TASKS: Final[dict[str, Callable[[Draw], Task]]] = {
    "exact": draw_exact,
    "yes_no": draw_yes_no,
    "integer": draw_integer,
    "iso_date": draw_iso_date,
    "json_keys": draw_json_keys,
    "bullets": draw_bullets,
    "arithmetic": draw_arithmetic,
    "capital": draw_capital,
    "count": draw_count,
    "story": draw_story,
    "chat": draw_chat,
    "code": draw_code,
}
SHARES: Final = {
    "exact": 4,
    "yes_no": 5,
    "integer": 2,
    "iso_date": 2,
    "json_keys": 3,
    "bullets": 2,
    "arithmetic": 4,
    "capital": 1,
    "count": 1,
    "story": 1,
    "chat": 1,
    "code": 1,
}
"""How often each task comes, against the others."""

CASE_MATTERS: Final = frozenset({"exact", "yes_no", "integer"})
"""Tasks whose answer's letter case is part of the task: never in lower case."""
