"""Model names: who serves which model, with which options."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmbench.errors import SpecError
from pytest_llmbench.prompts.spec import PROVIDERS, ModelName, parse_model

PRINTABLE = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="?"), max_size=12
)


def model_names() -> st.SearchStrategy[ModelName]:
    """Make model names of every provider, odd ones first of all."""
    heads = st.sampled_from(["", "/", "embedded", "openai/", "openi/", "hf.co/", "a/"])
    names = st.builds("{}{}x".format, heads, PRINTABLE) | st.just("embedded")
    options = st.fixed_dictionaries(
        {},
        optional={
            "temperature": st.floats(allow_nan=False, allow_infinity=False),
            "num_ctx": st.integers(),
            "effort": st.sampled_from(["low", "high"]),
        },
    ).map(lambda given: tuple(given.items()))
    return st.builds(
        ModelName, provider=st.sampled_from(PROVIDERS), name=names, options=options
    )


@pytest.mark.parametrize(
    ("text", "provider", "name"),
    [
        ("lfm2.5-thinking:1.2b", "ollama", "lfm2.5-thinking:1.2b"),
        ("user/model:tag", "ollama", "user/model:tag"),
        ("hf.co/org/model:q4", "ollama", "hf.co/org/model:q4"),
        ("huggingface.co/org/model", "ollama", "huggingface.co/org/model"),
        ("ollama/llama3.2", "ollama", "llama3.2"),
        ("ollama/openai/gpt", "ollama", "openai/gpt"),
        ("openai/gpt-6", "openai", "gpt-6"),
        ("openai/org/gpt-6", "openai", "org/gpt-6"),
        ("openai-responses/gpt-6", "openai-responses", "gpt-6"),
        ("anthropic/claude-haiku-5-5", "anthropic", "claude-haiku-5-5"),
        ("claude-code/haiku", "claude-code", "haiku"),
        ("embedded", "embedded", "llmbench-tiny"),
        ("embedded/other", "embedded", "other"),
        ("ollama/embedded", "ollama", "embedded"),
        ("openai", "ollama", "openai"),
        ("OpenAI.example/x", "ollama", "OpenAI.example/x"),
    ],
)
def test_only_a_known_word_is_a_provider(text: str, provider: str, name: str) -> None:
    """A slash alone makes no provider; Ollama is the default."""
    assert parse_model(text) == ModelName(provider=provider, name=name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ollama/llama3.2", "llama3.2"),
        ("ollama/user/m", "user/m"),
        ("embedded/llmbench-tiny", "embedded"),
        ("ollama/embedded", "ollama/embedded"),
        ("ollama/openai/m", "ollama/openai/m"),
        ("openai/m", "openai/m"),
    ],
)
def test_a_name_is_printed_as_short_as_it_reads_back(text: str, shown: str) -> None:
    """The default provider is left out where nothing else could be meant."""
    assert str(parse_model(text)) == shown


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("openi/gpt-6", "openai/gpt-6"),
        ("OpenAI/gpt-6", "openai/gpt-6"),
        ("antropic/claude", "anthropic/claude"),
        ("olama/llama3", "ollama/llama3"),
        ("claude_code/haiku", "claude-code/haiku"),
        ("embeded/x", "embedded/x"),
    ],
)
def test_a_near_miss_of_a_provider_is_refused(text: str, meant: str) -> None:
    """A misspelt provider asks back, and says how to name an Ollama user."""
    with pytest.raises(SpecError) as caught:
        parse_model(text)
    message = str(caught.value)
    assert f"did you mean '{meant}'?" in message
    assert f"is written 'ollama/{text}'" in message
    assert str(parse_model(f"ollama/{text}")) == f"ollama/{text}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "?",
        "?temperature=1",
        "a b",
        " m",
        "m ",
        "a\tb",
        "m\n",
        "\xa0",
        "/",
        "-",
    ],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    """Blanks of any kind, and names without a letter or digit, are no names."""
    with pytest.raises(SpecError, match="is no model name; a right one: "):
        parse_model(text)


@pytest.mark.parametrize("text", ["openai/", "ollama/", "ollama//", "anthropic/?a=1"])
def test_a_provider_without_a_model_is_refused(text: str) -> None:
    """The message shows what is missing."""
    with pytest.raises(SpecError, match=r"names a provider but no model|unknown opti"):
        parse_model(text)


def test_options_keep_their_written_order() -> None:
    """The part behind `?` sets sampling options."""
    model = parse_model("m:1b?num_ctx=8192&temperature=0.2")
    assert model.options == (("num_ctx", 8192), ("temperature", 0.2))
    assert str(model) == "m:1b?num_ctx=8192&temperature=0.2"
    assert parse_model("m?") == parse_model("m")


def test_an_option_given_twice_is_refused() -> None:
    """Two values for one option leave open which one counts."""
    with pytest.raises(SpecError, match="'temperature' is given twice"):
        parse_model("m?temperature=1&top_k=4&temperature=2")


def test_an_alias_is_a_provider_of_its_own() -> None:
    """A configured alias wins over every other reading."""
    aliases = {"fast", "embedded"}
    assert parse_model("fast?top_k=1", aliases) == ModelName(
        provider="fast", name="", options=(("top_k", 1),)
    )
    assert str(parse_model("fast?top_k=1", aliases)) == "fast?top_k=1"
    assert parse_model("embedded", aliases).provider == "embedded"
    assert parse_model("fast/x", aliases) == ModelName(provider="ollama", name="fast/x")


@given(model_names())
def test_print_and_parse_round_trip(model: ModelName) -> None:
    """The printed name reads back to the same model."""
    assert parse_model(str(model)) == model


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_model_or_a_spec_error(text: str) -> None:
    """Reading a model name raises nothing but a SpecError."""
    try:
        model = parse_model(text)
    except SpecError:
        return
    assert parse_model(str(model)) == model
