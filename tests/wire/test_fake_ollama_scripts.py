"""Scripts of the fake Ollama are told the call and decide the answer."""

from __future__ import annotations

from fake_ollama import (
    Answer,
    FakeCall,
    FakeModel,
    FakeOllama,
    Script,
    always,
    answers_by_prompt,
    calls,
    says,
    wrong_while_cold,
)
from fake_ollama_atomic import ATOMIC_ANSWERS, COLD_TEXTS, cold_atomic_script
from fake_ollama_probe import WEATHER_TOOL, Heard, ask


def listening(seen: list[FakeCall]) -> Script:
    """Make a script that keeps what it is told."""

    def answer(call: FakeCall) -> Answer:
        seen.append(call)
        return says("Hi")

    return answer


def test_script_sees_the_call() -> None:
    """A script must be told text, tools, options, seed and what came before."""
    seen: list[FakeCall] = []
    model = FakeModel(answer=listening(seen))
    with FakeOllama(model) as server:
        ask(server, "One", tools=[WEATHER_TOOL], options={"seed": 7})
        ask(server, "What is 2+2?")
        ask(server, "Three")
    assert [call.last_user_text for call in seen] == ["One", "What is 2+2?", "Three"]
    assert [call.generations_since_load for call in seen] == [0, 1, 2]
    assert [call.is_warmed_up for call in seen] == [False, False, True]
    assert (seen[0].seed, seen[0].tool_names) == (7, ("get_weather",))
    assert seen[1].seed is None


def play_suite(server: FakeOllama, runs: int) -> list[str]:
    """Play the atomic suite and return each run as a row of P and F."""
    return ["".join(mark(server, key) for key in ATOMIC_ANSWERS) for _ in range(runs)]


def mark(server: FakeOllama, key: str) -> str:
    """Ask one prompt and say whether its answer is the right one."""
    heard = ask(server, f"Please: {key}!", tools=[WEATHER_TOOL])
    return "P" if said(heard) == wanted(ATOMIC_ANSWERS[key]) else "F"


def said(heard: Heard) -> tuple[str, list[object]]:
    """Return the text and the calls of a reply."""
    found = [
        (call["function"]["name"], call["function"]["arguments"])
        for line in heard.lines
        for call in line["message"].get("tool_calls", ())
    ]
    return heard.text, list(found)


def wanted(answer: Answer) -> tuple[str, list[object]]:
    """Return the same of a scripted answer."""
    return answer.text, list(answer.tool_calls)


def test_cold_model_is_wrong_for_two_runs() -> None:
    """Unwarmed, P6, P7 and P9 must fail in runs 1 and 2 of 12 prompts, then pass."""
    with FakeOllama(FakeModel(answer=cold_atomic_script())) as server:
        rows = play_suite(server, 4)
    assert rows == ["PPPPPFFPFPPP"] * 2 + ["P" * 12] * 2


def test_warm_up_makes_a_model_right_at_once() -> None:
    """A tool-free "What is 2+2?" must end the cold phase; with tools it must not."""
    with FakeOllama(FakeModel(answer=cold_atomic_script())) as server:
        ask(server, "What is 2+2?", tools=[WEATHER_TOOL])
        with_tools = play_suite(server, 1)
        ask(server, "What is 2+2?")
        without = play_suite(server, 1)
    assert (with_tools, without) == (["PPPPPFFPFPPP"], ["P" * 12])


def test_wrong_while_cold_is_wrong_everywhere_by_default() -> None:
    """The default wrong answer must call a tool nobody offers."""
    script = wrong_while_cold(always(says("right")), ["Tokyo"], 2)
    messages = ({"role": "user", "content": "Tokyo?"},)
    cold = script(FakeCall(model="m", messages=messages))
    warm = script(FakeCall(model="m", messages=messages, generations_since_load=2))
    assert cold == calls("open_browser", url="about:blank")
    assert warm == says("right")


def test_answers_by_prompt_takes_the_first_key_that_occurs() -> None:
    """Prompts without a key must get the default."""
    script = answers_by_prompt({"cat": says("meow"), "dog": says("woof")}, says("?"))
    texts = ["a dog", "a cat", "a cow"]
    got = [
        script(FakeCall(model="m", messages=({"role": "user", "content": text},)))
        for text in texts
    ]
    assert got == [says("woof"), says("meow"), says("?")]
    assert set(COLD_TEXTS) < set(ATOMIC_ANSWERS)
