"""A model with several addresses, of which one is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bench_project import QUIET, SMALL_ANSWERS
from fake_ollama import FakeModel, FakeOllama, answers_by_prompt, says

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import Bench

Pair = tuple[FakeOllama, FakeOllama]
WORKERS = [pytest.param((), id="one process"), pytest.param(("-n2",), id="-n2")]


@pytest.fixture
def pair(bench: Bench, serve: Callable[..., FakeOllama]) -> Pair:
    """Give two servers of the alias `both`; the second is down."""
    right = answers_by_prompt(SMALL_ANSWERS, says("4"))
    up, down = serve(FakeModel(answer=right)), serve(FakeModel(answer=right))
    down.stop()
    urls = [up.url, down.url.replace("//", "//me:geheim@")]
    text = f"[models.both]\nmodel = 'fake:1b'\nbase_url = {urls}\n"
    (bench.pytester.path / "llmbench.toml").write_text(text, "utf-8")
    bench.suite()
    return up, down


def told(result: pytest.RunResult) -> str:
    """Return what was printed, with line breaks and indents taken for one blank."""
    return " ".join((result.stdout.str() + result.stderr.str()).split())


@pytest.mark.parametrize("workers", WORKERS)
def test_an_address_that_is_down_is_told(
    bench: Bench, pair: Pair, workers: tuple[str, ...]
) -> None:
    """In the header, in the summary and in summary.json; the other one has all."""
    up, down = pair
    result = bench.run_apart("--runs", "2", *workers)
    result.assert_outcomes(passed=6)
    why = f"ollama at {down.url} cannot be reached (Connection refused)"
    text = told(result)
    head, _, rest = text.partition("passed")
    so = "is left out, and looked at again before each run"
    assert f"llmbench: warning: an address of both {so}: {why}" in head
    assert f"note an address of both was left out: {why}" in text
    assert text.count(why) == 2, rest
    (note,) = [one for one in bench.summary()["notes"] if down.url in one]
    assert note.startswith(f"an address of both was left out: {why}")
    assert "geheim" not in text + bench.newest("summary.json").read_text("utf-8")
    assert {r["server"] for r in bench.records()} == {f"ollama at {up.url}"}


def test_the_header_knows_the_addresses_of_every_model(
    bench: Bench, pair: Pair
) -> None:
    """That the first model can be asked does not end the look at the others."""
    up, down = pair
    path = bench.pytester.path / "llmbench.toml"
    first = f"[models.one]\nmodel = 'fake:1b'\nbase_url = '{up.url}'\n"
    path.write_text(first + path.read_text("utf-8"), "utf-8")
    head, _, _rest = told(bench.run()).partition("passed")
    assert f"before each run: ollama at {down.url}" in head


class Dies:
    """A plugin that stops a server once its first trial has been judged."""

    def __init__(self, server: FakeOllama) -> None:
        self.server = server
        self.is_up = True

    def pytest_runtest_logfinish(self) -> None:
        """Look at what it was asked."""
        if self.is_up and self.server.requests_to("/api/chat"):
            self.is_up = False
            self.server.stop()


def test_an_address_that_dies_costs_no_more_than_its_slots(
    bench: Bench, pair: Pair
) -> None:
    """Its call in flight is an error; the other address has all the rest.

    A reply that breaks off does not show that nobody is there: a call more may.
    """
    up, dying = pair
    dying.start()
    given = (*QUIET, "--runs", "4", "--disable-warmup")
    result = bench.pytester.runpytest_inprocess(*given, plugins=[Dies(dying)])
    outcomes = [record["outcome"] for record in bench.records()]
    assert len(outcomes) == 12
    assert outcomes.count("error") <= 2
    # The other one may have answered two before it died, and had one in flight.
    assert len(up.requests_to("/api/chat")) >= 8
    if "error" in outcomes:
        assert f"an address of both was left out: ollama at {dying.url}" in told(result)


class Late:
    """A plugin that starts a server once the first run has been judged."""

    def __init__(self, server: FakeOllama) -> None:
        self.server = server
        self.is_up = False

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Look at the trial that has ended."""
        if "P3" in nodeid and not self.is_up:
            self.is_up = True
            self.server.start()


def test_an_address_that_comes_up_is_asked_from_the_next_run_on(
    bench: Bench, pair: Pair
) -> None:
    """It is warmed, has its share, and the notes say that it was away."""
    _up, down = pair
    late = Late(down)
    words = (*QUIET, "--runs", "3")
    bench.pytester.runpytest_inprocess(*words, plugins=[late]).assert_outcomes(passed=9)
    asked = {r["run"] for r in bench.records() if down.url in r["server"]}
    assert asked == {2, 3}
    (note,) = [one for one in bench.summary()["notes"] if down.url in one]
    assert "was left out until it answered: " in note
    warmed = {one["server"] for one in bench.summary()["warmup_result"]}
    assert f"ollama at {down.url}" in warmed


def test_a_missing_model_can_be_left_out_too(
    bench: Bench, pair: Pair, serve: Callable[..., FakeOllama]
) -> None:
    """A server that lacks the model is no reason to lose the trials."""
    up, _down = pair
    other = serve(FakeModel(name="other:1b"))
    text = f"[models.both]\nmodel = 'fake:1b'\nbase_url = ['{other.url}', '{up.url}']"
    (bench.pytester.path / "llmbench.toml").write_text(text, "utf-8")
    result = bench.run("--runs", "2")
    result.assert_outcomes(passed=6)
    (note,) = [one for one in bench.summary()["notes"] if other.url in one]
    assert "has no model 'fake:1b'" in note
    assert "\n" not in note


def test_nothing_is_said_where_all_answer(bench: Bench, pair: Pair) -> None:
    """Both are asked, and no address is named in the notes."""
    up, down = pair
    down.start()
    result = bench.run("--runs", "2")
    result.assert_outcomes(passed=6)
    assert "an address of" not in told(result)
    assert not [one for one in bench.summary()["notes"] if "address" in one]
    assert {r["server"] for r in bench.records()} == {
        f"ollama at {server.url}" for server in (up, down)
    }


def test_an_address_that_dies_in_mid_run_costs_its_trials(
    bench: Bench, pair: Pair
) -> None:
    """Trials that come to it are errors; the other's are judged."""
    _up, down = pair
    down.start()

    class Dying:
        def pytest_runtestloop(self) -> None:
            down.stop()

    words = (*QUIET, "--runs", "2", "--disable-warmup")
    bench.pytester.runpytest_inprocess(*words, plugins=[Dying()])
    outcomes = {r["outcome"] for r in bench.records()}
    kinds = {r["fault"]["kind"] for r in bench.records() if r["fault"]}
    assert outcomes == {"pass", "error"}
    assert kinds == {"unreachable"}
