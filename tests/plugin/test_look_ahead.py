"""Calls ahead of pytest: as many as there are slots, and only what will run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import pytest
from fake_ollama import FakeModel, crashes, says
from numbered import (
    LATE_S,
    PARALLEL,
    asked,
    number_in,
    numbered_model,
    numbered_suite,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import Bench
    from fake_ollama import Answer, FakeCall, FakeOllama

    Serve = Callable[..., FakeOllama]

RUN: Final = ("--model", "fake:1b", "--runs", "1", "--disable-warmup")
FOUR: Final = ("--concurrency", "4")
SLOW: Final = dict.fromkeys(range(1, 30), 0.03)


@pytest.fixture
def twelve(bench: Bench) -> Bench:
    """Give a project with a suite of twelve questions."""
    bench.suite(numbered_suite(12), "numbered")
    return bench


def arrived_before_the_end_of(server: FakeOllama, number: int) -> int:
    """Return how many calls had come when this one was answered, itself included."""
    calls = server.requests_to("/api/chat")
    (slow,) = [c for n, c in zip(asked(server), calls, strict=True) if n == number]
    end_ns = slow.received_at_ns + int(SLOWEST_S * 1e9)
    return sum(call.received_at_ns < end_ns for call in calls)


SLOWEST_S: Final = 1.0


@pytest.mark.parametrize(("options", "most"), [(FOUR, 4), ((), 1)])
def test_calls_overlap_as_far_as_there_are_slots(
    twelve: Bench, serve: Serve, options: tuple[str, ...], most: int
) -> None:
    """`--concurrency 4` has four in flight, never more; a local server one."""
    server = serve(numbered_model(slow_s=SLOW), settings=PARALLEL)
    twelve.run(*RUN, "--runs", "2", *options).assert_outcomes(passed=24)
    assert server.most_in_flight == most
    assert len(asked(server)) == 24


def test_runs_of_a_local_model_are_kept_apart(twelve: Bench, serve: Serve) -> None:
    """No call of a run comes before all of the one before are answered and judged."""
    server = serve(numbered_model(slow_s={**SLOW, 12: 0.2}), settings=PARALLEL)
    twelve.pytester.makeconftest("""
        import time

        def pytest_runtest_teardown(item):
            if "P12[" in item.name:
                time.sleep(0.1)
                with open("judged.txt", "a") as file:
                    print(time.perf_counter_ns(), file=file)
    """)
    twelve.run(*RUN, "--runs", "3", *FOUR).assert_outcomes(passed=36)
    ends = (twelve.pytester.path / "judged.txt").read_text().split()
    calls = server.requests_to("/api/chat")
    seeds = [(call.body or {})["options"]["seed"] for call in calls]
    runs = list(dict.fromkeys(seeds))
    assert len(runs) == 3
    assert seeds == sorted(seeds, key=runs.index)
    for end, seed in zip(ends, runs[1:], strict=False):
        assert calls[seeds.index(seed)].received_at_ns > int(end)
    assert server.most_in_flight == 4


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (("-k", "P3[ or P7["), [3, 7]),
        (("-m", "few"), [5, 6]),
        (("numbered.bench.yaml::P9[fake:1b-native_api-run1]",), [9]),
        (
            tuple(
                f"--deselect=numbered.bench.yaml::P{n}[fake:1b-native_api-run1]"
                for n in (2, 3, 4, 5, 6, 8, 9, 10, 11, 12)
            ),
            [1, 7],
        ),
    ],
    ids=["-k", "-m", "node id", "--deselect"],
)
def test_what_is_deselected_is_never_asked(
    bench: Bench, serve: Serve, options: tuple[str, ...], wanted: list[int]
) -> None:
    """The plan is what is left of the items, not the suite."""
    server = serve(numbered_model(), settings=PARALLEL)
    bench.suite(numbered_suite(12, {5: "few", 6: "few"}), "numbered")
    bench.run(*RUN, *FOUR, *options).assert_outcomes(
        passed=len(wanted),
        deselected=0 if "::" in options[0][:30] else 12 - len(wanted),
    )
    assert sorted(asked(server)) == wanted


def test_last_failed_asks_the_failed_only(twelve: Bench, serve: Serve) -> None:
    """`--lf` asks what failed before, and nothing around it."""
    server = serve(numbered_model(wrong={4, 9}), settings=PARALLEL)
    run = twelve.pytester.runpytest_inprocess
    run(*RUN, *FOUR).assert_outcomes(passed=10, failed=2)
    count = len(asked(server))
    run(*RUN, *FOUR, "--lf").assert_outcomes(failed=2)
    assert sorted(asked(server)[count:]) == [4, 9]


def test_stepwise_asks_from_the_failed_one_on(twelve: Bench, serve: Serve) -> None:
    """`--sw` leaves out what passed, and asks no further ahead than there are slots."""
    server = serve(numbered_model(wrong={4}), settings=PARALLEL)
    run = twelve.pytester.runpytest_inprocess
    two = ("--concurrency", "2", "--sw")
    run(*RUN, *two)
    assert set(asked(server)) <= set(range(1, 7))
    count = len(asked(server))
    run(*RUN, *two)
    assert {4} <= set(asked(server)[count:]) <= {4, 5, 6}


SKIPS: Final = {
    "a mark in a conftest": """
        def pytest_collection_modifyitems(items):
            for item in items:
                if "P3[" in item.name or "P8[" in item.name:
                    item.add_marker(pytest.mark.skipif(True, reason="not here"))
    """,
    "xfail that is not run": """
        def pytest_collection_modifyitems(items):
            for item in items:
                if "P3[" in item.name or "P8[" in item.name:
                    item.add_marker(pytest.mark.xfail(run=False))
    """,
    "a fixture": """
        @pytest.fixture(autouse=True)
        def choosy(request):
            if "P3[" in request.node.name or "P8[" in request.node.name:
                pytest.skip("not now")
    """,
    "a fixture in a plugin of the project": """
        pytest_plugins = ["choosy"]
    """,
    "a hook": """
        def pytest_runtest_setup(item):
            if "P3[" in item.name or "P8[" in item.name:
                pytest.skip("not now")
    """,
}


@pytest.mark.parametrize("how", SKIPS)
def test_what_is_skipped_is_never_asked(twelve: Bench, serve: Serve, how: str) -> None:
    """A trial that may be skipped waits until pytest has decided."""
    import textwrap

    server = serve(numbered_model(slow_s=SLOW), settings=PARALLEL)
    code = textwrap.dedent(SKIPS[how])
    fixture = textwrap.dedent(SKIPS["a fixture"])
    twelve.pytester.makepyfile(choosy=f"import pytest\n{fixture}")
    twelve.pytester.makeconftest(f"import pytest\n{code}")
    twelve.pytester.syspathinsert()
    result = twelve.run(*RUN, *FOUR)
    kind = "xfailed" if "xfail" in how else "skipped"
    result.assert_outcomes(passed=10, **{kind: 2})
    assert sorted(asked(server)) == [1, 2, 4, 5, 6, 7, 9, 10, 11, 12]


def test_a_skip_mark_in_the_suite_is_heeded(bench: Bench, serve: Serve) -> None:
    """`marks: [skip]` of a prompt keeps it from being asked; the others overlap."""
    server = serve(numbered_model(slow_s=SLOW), settings=PARALLEL)
    bench.suite(numbered_suite(12, {6: "skip"}), "numbered")
    bench.run(*RUN, *FOUR).assert_outcomes(passed=11, skipped=1)
    assert 6 not in asked(server)
    assert server.most_in_flight == 4


def test_what_a_fixture_changes_before_each_test_is_seen(
    twelve: Bench, serve: Serve
) -> None:
    """With a fixture of the user's before each trial, none is asked before its own."""
    state = twelve.pytester.path / "state.txt"

    def answer(call: FakeCall) -> Answer:
        number = number_in(call.last_user_text)
        return says("READY" if state.read_text() == str(number) else "TOO EARLY")

    server = serve(FakeModel(answer=answer), settings=PARALLEL)
    twelve.pytester.makeconftest("""
        import pathlib, pytest

        @pytest.fixture(autouse=True)
        def changed(request):
            number = request.node.name.partition("[")[0].removeprefix("P")
            pathlib.Path("state.txt").write_text(number)
    """)
    twelve.run(*RUN, *FOUR).assert_outcomes(passed=12)
    assert asked(server) == list(range(1, 13))


def test_what_a_file_sets_up_comes_before_its_trials(
    bench: Bench, serve: Serve
) -> None:
    """Fixtures of a module are set up before any trial of that file is asked."""
    state = bench.pytester.path / "state.txt"

    def answer(_call: FakeCall) -> Answer:
        return says("READY" if state.exists() else "TOO EARLY")

    serve(FakeModel(answer=answer), settings=PARALLEL)
    for name in ("one", "two"):
        text = numbered_suite(4).replace("suite: numbered", f"suite: {name}")
        bench.suite(text, name)
    bench.pytester.makeconftest("""
        import pathlib, pytest

        @pytest.fixture(autouse=True, scope="module")
        def there():
            path = pathlib.Path("state.txt")
            path.touch()
            yield
            path.unlink()
    """)
    bench.run(*RUN, *FOUR).assert_outcomes(passed=8)


@pytest.mark.parametrize(
    ("options", "ahead"),
    [((), 10), (("-x",), 2), (("--maxfail=3",), 2), (("--sw",), 2)],
    ids=["to the end", "-x", "--maxfail", "--sw"],
)
def test_the_window_is_bounded(
    bench: Bench, serve: Serve, options: tuple[str, ...], ahead: int
) -> None:
    """Five times the slots are asked; just the slots where a failure may end all."""
    server = serve(numbered_model(slow_s={1: SLOWEST_S}), settings=PARALLEL)
    bench.suite(numbered_suite(24), "numbered")
    run = bench.pytester.runpytest_inprocess
    run(*RUN, "--concurrency", "2", *options).assert_outcomes(passed=24)
    assert arrived_before_the_end_of(server, 1) == ahead
    assert server.most_in_flight == 2


def test_each_model_is_warmed_before_it_is_asked(twelve: Bench, serve: Serve) -> None:
    """The second model's trials wait for its warm-up, which comes after the first's."""
    models = [numbered_model(name=name, slow_s=SLOW) for name in ("one:1b", "two:1b")]
    server = serve(*models, settings=PARALLEL)
    twelve.run("--model", "one:1b,two:1b", "--runs", "1", *FOUR).assert_outcomes(
        passed=24
    )
    bodies = [request.body or {} for request in server.requests_to("/api/chat")]
    assert [body["model"] for body in bodies] == ["one:1b"] * 14 + ["two:1b"] * 14
    for own in (bodies[:14], bodies[14:]):
        texts = [body["messages"][-1]["content"] for body in own if body["messages"]]
        assert not own[0]["messages"]
        assert texts[0] == "What is 2+2?"


def alias(*urls: str) -> str:
    """Return settings in which the model `both` is at several addresses."""
    shown = ", ".join(f'"{url}"' for url in urls)
    return f'[models.both]\nmodel = "fake:1b"\nbase_url = [{shown}]\n'


def test_trials_are_spread_over_all_addresses(twelve: Bench, serve: Serve) -> None:
    """Two servers of one alias share its trials, each with slots of its own."""
    servers = [serve(numbered_model(slow_s=SLOW)) for _ in range(2)]
    settings = twelve.pytester.path / "llmbench.toml"
    settings.write_text(alias(*(server.url for server in servers)))
    options = ("--model", "both", "--runs", "2", "--disable-warmup")
    twelve.run(*options).assert_outcomes(passed=24)
    counts = [len(asked(server)) for server in servers]
    assert sum(counts) == 24
    assert min(counts) >= 8
    assert [server.most_in_flight for server in servers] == [1, 1]
    seen: dict[str, int] = {}
    for record in twelve.records():
        seen[record["server"]] = seen.get(record["server"], 0) + 1
    assert sorted(seen.values()) == sorted(counts)


def test_a_spec_that_is_given_up_leaves_its_calls(twelve: Bench, serve: Serve) -> None:
    """`--fail-fast` cancels what is in flight: no late call is waited for."""
    model = numbered_model(late=range(3, 13))
    server = serve(model, settings=PARALLEL)
    server.faults += [crashes().where(prompt_contains=f"Question {n}.") for n in (1, 2)]
    began_s = time.monotonic()
    twelve.run(*RUN, *FOUR, "--fail-fast=2").assert_outcomes(errors=2, skipped=10)
    assert time.monotonic() - began_s < LATE_S / 2
    in_flight = sorted(asked(server))[2:]
    assert 1 <= len(in_flight) <= 4
    for call in server.requests_to("/api/chat"):
        assert call.finished.wait(5.0)
    left = [call for call in server.requests_to("/api/chat") if call.client_closed]
    assert len(left) == len(in_flight)
    outcomes: dict[str, Any] = twelve.summary()["job_summaries"][0]["outcomes"]
    assert (outcomes["error"], outcomes["skipped"]) == (2, 10)
