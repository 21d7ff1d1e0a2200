"""The spec string: one canonical text, and messages that point."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pytest_llmbench.errors import SpecError
from pytest_llmbench.prompts.options import OPTION_KINDS, parse_option
from pytest_llmbench.prompts.spec import (
    EXAMPLE,
    PROVIDERS,
    ModelName,
    Spec,
    parse_model,
    parse_spec,
)

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,10}", fullmatch=True)
CANONICAL = "m:1b / atomic / native_api / t60 r0 i0 w1"


def values_of(name: str) -> st.SearchStrategy[tuple[str, int | float | str]]:
    """Make one option with a value of its kind."""
    kind = OPTION_KINDS[name]
    if kind == "an integer":
        return st.integers(-(2**62), 2**62).map(lambda value: (name, value))
    if kind == "a number":
        floats = st.floats(allow_nan=False, allow_infinity=False)
        return floats.map(lambda value: (name, value))
    words = kind.removeprefix("one of ").split(", ")
    return st.sampled_from(words).map(lambda value: (name, value))


OPTIONS = (
    st
    .sets(st.sampled_from(sorted(OPTION_KINDS)), max_size=3)
    .flatmap(lambda names: st.tuples(*map(values_of, sorted(names))))
    .map(tuple)
)
MODELS = st.builds(
    ModelName,
    provider=st.sampled_from(PROVIDERS),
    name=st.from_regex(r"[a-z0-9][a-z0-9./:_-]{0,12}", fullmatch=True),
    options=OPTIONS,
)
SPECS = st.builds(
    Spec,
    model=MODELS,
    phase=NAMES,
    variant=NAMES,
    timeout_s=st.floats(0, 86_400, exclude_min=True),
    retries=st.integers(0, 100),
    isolate=st.booleans(),
    warm_up=st.booleans(),
    options=OPTIONS,
)


@given(SPECS)
@example(Spec(model=parse_model("m"), phase="a", timeout_s=0.1 + 0.2))
@example(Spec(model=parse_model("m"), phase="a", timeout_s=1e-05))
@settings(deadline=None)
def test_print_and_parse_round_trip(spec: Spec) -> None:
    """The canonical text of any spec reads back to it, and stays the same."""
    assert parse_spec(str(spec)) == spec
    assert str(parse_spec(str(spec))) == str(spec)


@given(SPECS, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_flags_stand_in_any_order(spec: Spec, random: object) -> None:
    """Shuffled flags and options mean the same spec."""
    head, _, tail = str(spec).rpartition(" / ")
    words = tail.split()
    random.shuffle(words)  # type: ignore[attr-defined] # hypothesis gives a Random
    assert parse_spec(f"{head} {' '.join(words)}") == spec


@pytest.mark.parametrize(
    "text",
    [
        CANONICAL,
        "m:1b atomic native_api",
        "m:1b  atomic\tnative_api\n",
        "m:1b / atomic / native_api",
        "m:1b / atomic native_api / w1",
        "m:1b atomic native_api w1 i0 r0 t60",
        "m:1b atomic native_api t60.0",
        "/ m:1b / atomic / native_api /",
        "ollama/m:1b atomic native_api",
    ],
)
def test_blanks_and_slashes_mean_the_same(text: str) -> None:
    """Parts stand apart by ` / ` or by blanks of any kind."""
    assert str(parse_spec(text)) == CANONICAL


def test_what_is_given_is_read() -> None:
    """Every flag and option lands in its field."""
    text = "m?top_k=1 extended few_shot i1 t2.5 w0 r3 temperature=0.5 effort=high"
    assert parse_spec(text) == Spec(
        model=parse_model("m?top_k=1"),
        phase="extended",
        variant="few_shot",
        timeout_s=2.5,
        retries=3,
        isolate=True,
        warm_up=False,
        options=(("effort", "high"), ("temperature", 0.5)),
    )


@pytest.mark.parametrize(
    ("text", "word", "fault"),
    [
        ("m / a / b / x", "x", "a flag is tN (seconds), rN, i0, i1, w0 or w1"),
        ("tt / t_t / t_u / t", "t", "a flag is tN (seconds), rN, i0, i1, w0 or w1"),
        ("m a b t", "t", "a flag is tN"),
        ("m a b t1e5", "t1e5", "a flag is tN"),
        ("m a b t-1", "t-1", "a flag is tN"),
        ("m a b t٣", "t٣", "a flag is tN"),
        ("m a b t0", "t0", "t takes seconds above 0 and up to 86400"),
        ("m a b t0.00", "t0.00", "t takes seconds above 0 and up to 86400"),
        ("m a b t86401", "t86401", "t takes seconds above 0 and up to 86400"),
        ("m a b r101", "r101", "r takes 0 to 100"),
        ("m a b r1.0", "r1.0", "r takes 0 to 100"),
        ("m a b i2", "i2", "i takes 0 or 1"),
        ("m a b w0.0", "w0.0", "w takes 0 or 1"),
        ("m a b w0 t5 w0", "w0", "'w' is given twice"),
        ("m a b t5 t6", "t6", "'t' is given twice"),
        ("m a b top_k=1 top_k=1", "top_k=1", "'top_k' is given twice"),
        ("m a b topk=1", "topk=1", "unknown option 'topk'; did you mean 'top_k'?"),
        ("m a b top_k=x", "top_k=x", "top_k must be an integer, not 'x'"),
        ("m 1a b", "1a", "a name has letters, digits, _ and - only, a letter first"),
        ("m a b.c", "b.c", "a name has letters, digits, _ and - only, a letter first"),
        ("m a é", "é", "a name has letters, digits, _ and - only, a letter first"),
        ("openi/x a b", "openi/x", "unknown provider 'openi' in 'openi/x'"),
        ("m?x=1 a b", "m?x=1", "unknown option 'x'"),
    ],
)
def test_a_bad_word_is_pointed_at(text: str, word: str, fault: str) -> None:
    """The message underlines the bad word, its last place, and shows a right spec."""
    with pytest.raises(SpecError) as caught:
        parse_spec(text)
    first, shown, marker, right = str(caught.value).splitlines()
    assert first.startswith(fault)
    assert shown == f"  {text}"
    assert marker.strip() == "^" * len(word)
    start = marker.index("^")
    assert shown[start : start + len(word)] == word
    assert start == shown.rindex(word)
    assert right == f"  a right one: {EXAMPLE}"


def test_the_marker_stands_under_the_word_whatever_the_blanks() -> None:
    """Tabs and doubled blanks are shown as one, so that columns agree."""
    with pytest.raises(SpecError) as caught:
        parse_spec("m\t a \n b   oops")
    assert str(caught.value).splitlines()[1:3] == ["  m a b oops", "        ^^^^"]


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", "model and phase and variant"),
        (" / ", "model and phase and variant"),
        ("m", "phase and variant"),
        ("m / atomic", "variant"),
    ],
)
def test_missing_parts_are_named(text: str, missing: str) -> None:
    """A spec needs model, phase and variant."""
    with pytest.raises(SpecError, match=f"lacks {missing}; a right one: "):
        parse_spec(text)


def test_the_example_is_right() -> None:
    """The spec shown in every message can be read."""
    assert str(parse_spec(EXAMPLE)) == f"{EXAMPLE} w1"


def test_an_alias_serves_a_spec() -> None:
    """A configured alias stands where a model stands."""
    spec = parse_spec("fast?top_k=2 atomic native_api", {"fast"})
    assert spec.model == ModelName(provider="fast", name="", options=(("top_k", 2),))
    assert parse_spec(str(spec), {"fast"}) == spec


def test_the_specs_options_win_over_the_models() -> None:
    """Both option parts set sampling; the spec's has the last word."""
    spec = parse_spec("m?top_k=1&temperature=1 a b top_k=2")
    assert spec.sampling == {"top_k": 2, "temperature": 1}


@given(SPECS, st.integers(1, 10_000))
@settings(max_examples=50, deadline=None)
def test_seeds_are_31_bits(spec: Spec, run: int) -> None:
    """A seed fits a signed 32-bit field of any server, and repeats."""
    assert 0 <= spec.seed(run) < 2**31
    assert spec.seed(run) == parse_spec(str(spec)).seed(run)


def test_flags_do_not_change_the_seed() -> None:
    """Warm or cold, patient or not: the same draws, so runs can be paired."""
    spec = parse_spec(CANONICAL)
    for flags in ("w0", "t5", "r2", "i1", "w0 t5 r2 i1"):
        other = parse_spec(f"m:1b atomic native_api {flags}")
        assert other.seed(3) == spec.seed(3)


def test_the_place_of_an_option_does_not_change_the_seed() -> None:
    """An option means the same behind the model and behind the spec."""
    behind_model = parse_spec("m?top_k=2 atomic native_api")
    behind_spec = parse_spec("m atomic native_api top_k=2")
    assert behind_model.seed(1) == behind_spec.seed(1)


def test_what_is_asked_changes_the_seed() -> None:
    """Run, model, phase, variant and options each give other draws."""
    spec = parse_spec(CANONICAL)
    others = [
        replace(spec, model=parse_model("m:2b")),
        replace(spec, model=parse_model("openai/m:1b")),
        replace(spec, phase="extended"),
        replace(spec, variant="few_shot"),
        replace(spec, options=(parse_option("top_k=2"),)),
        replace(spec, options=(parse_option("top_k=3"),)),
    ]
    seeds = [spec.seed(run) for run in range(1, 101)]
    seeds += [other.seed(1) for other in others]
    assert len(set(seeds)) == len(seeds)


WORDS = st.sampled_from([
    "m",
    "/",
    "atomic",
    "native_api",
    "t5",
    "t0",
    "r1",
    "i0",
    "w9",
    "top_k=2",
    "=",
    "^",
])


@given(st.text() | st.lists(WORDS | st.text(max_size=4)).map(" ".join))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_spec_or_a_spec_error(text: str) -> None:
    """Reading a spec raises nothing but a SpecError."""
    try:
        spec = parse_spec(text)
    except SpecError:
        return
    assert parse_spec(str(spec)) == spec
