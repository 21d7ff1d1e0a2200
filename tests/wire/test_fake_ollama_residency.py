"""The fake Ollama loads, keeps, reloads and unloads models as documented."""

from __future__ import annotations

import dataclasses
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from fake_ollama import FakeModel, FakeOllama, FakeSettings, load_fails, says
from fake_ollama_probe import ask, get, loaded, preload, wait_until
from fake_ollama_requests import read_keep_alive
from fake_ollama_steps import Refusal

if TYPE_CHECKING:
    from fake_ollama import Answer, FakeCall
    from fake_ollama_models import JsonObject

LOAD_S = 0.1
MODEL = FakeModel(load_s=LOAD_S, warm_load_s=0.002)
QUICK = FakeModel(load_s=0.0)


def load_s(done: JsonObject) -> float:
    """Return a done line's load time in seconds."""
    return float(done["load_duration"]) / 1e9


def unexplained_s(done: JsonObject) -> float:
    """Return what of a done line's total is in no part of it, in seconds."""
    parts = ("load_duration", "prompt_eval_duration", "eval_duration")
    return float(done["total_duration"] - sum(done.get(p, 0) for p in parts)) / 1e9


def names(server: FakeOllama) -> list[str]:
    """Return the names in /api/ps."""
    return [str(row["name"]) for row in loaded(server)]


def test_load_duration_tells_cold_from_warm_and_is_never_zero() -> None:
    """The first call must wait for the load and say so; the next must be short."""
    with FakeOllama(MODEL) as server:
        cold, warm = ask(server), ask(server)
    assert load_s(cold.done) >= LOAD_S
    assert cold.seconds >= LOAD_S
    assert 0.002 <= load_s(warm.done) < LOAD_S
    assert [load.is_finished for load in server.loads] == [True]


def test_preload_answers_one_object_without_metrics() -> None:
    """An empty chat must load and answer one JSON object even when streaming."""
    with FakeOllama(MODEL) as server:
        heard = preload(server, stream=True)
        assert names(server) == ["fake:1b"]
        assert load_s(ask(server).done) < LOAD_S
    assert heard.seconds >= LOAD_S
    assert heard.content_type == "application/json; charset=utf-8"
    assert not heard.body.endswith(b"\n")
    assert set(heard.json) == {"model", "created_at", "message", "done", "done_reason"}
    assert heard.json["done_reason"] == "load"


def test_preload_is_no_generation() -> None:
    """A preload must not make a model warm or count as a generation."""
    seen: list[tuple[int, bool]] = []

    def answer(call: FakeCall) -> Answer:
        seen.append((call.generations_since_load, call.is_warmed_up))
        return says("Hi")

    with FakeOllama(FakeModel(load_s=0.0, answer=answer)) as server:
        preload(server)
        ask(server)
    assert seen == [(0, False)]


def test_ps_describes_what_is_loaded() -> None:
    """/api/ps must be empty at first, then show sizes, digest, context and expiry."""
    model = FakeModel(size=2000, size_vram=500, load_s=0.0)
    with FakeOllama(model) as server:
        assert loaded(server) == []
        preload(server, options={"num_ctx": 8192}, keep_alive="10m")
        (row,) = loaded(server)
    assert (row["name"], row["model"]) == ("fake:1b", "fake:1b")
    assert (row["size"], row["size_vram"]) == (2000, 500)
    assert (row["digest"], row["context_length"]) == (model.digest, 8192)
    assert row["details"]["parameter_size"] == "1.2B"
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?\+01:00"
    assert re.fullmatch(stamp, row["expires_at"])
    left = datetime.fromisoformat(row["expires_at"]) - datetime.now().astimezone()
    assert 590 < left.total_seconds() <= 600


def test_loading_model_is_invisible() -> None:
    """A model must not be listed before its load is over."""
    with FakeOllama(FakeModel(load_s=0.2)) as server, ThreadPoolExecutor() as pool:
        call = pool.submit(preload, server)
        assert wait_until(lambda: bool(server.loads))
        assert names(server) == []
        call.result()
        assert names(server) == ["fake:1b"]


def test_keep_alive_expires_in_real_time() -> None:
    """A model must go when its keep-alive is over, and load cold again."""
    settings = FakeSettings(unload_delay_s=0.02)
    with FakeOllama(MODEL, settings=settings) as server:
        ask(server, keep_alive=0.15)
        assert names(server) == ["fake:1b"]
        assert wait_until(lambda: not server.loaded_names)
        assert load_s(ask(server).done) >= LOAD_S


def test_keep_alive_is_sticky_and_restarts_with_each_call() -> None:
    """A call without keep_alive must keep the last one and start it anew."""
    with FakeOllama(QUICK) as server:
        preload(server, keep_alive=100)
        ask(server)
        ((resident, left_s),) = server.residents()
    assert resident.keep_alive_s == 100
    assert 99 < left_s <= 100


def test_expiry_stands_only_once_a_model_was_idle() -> None:
    """In its first call it moves from look to look; in later ones it stays."""
    model = dataclasses.replace(QUICK, first_token_delay_s=0.3)
    with FakeOllama(model) as server, ThreadPoolExecutor() as pool:
        for is_first in (True, False):
            call = pool.submit(ask, server)
            assert wait_until(lambda: any(one.users for one, _ in server.residents()))
            looks = {loaded(server)[0]["expires_at"] for _ in range(2)}
            assert len(looks) == (2 if is_first else 1)
            call.result()


def test_loading_model_is_listed_by_old_servers() -> None:
    """Before 0.30 a model was listed while it loaded."""
    settings = FakeSettings(lists_loading=True)
    slow = FakeModel(load_s=0.2)
    with FakeOllama(slow, settings=settings) as server, ThreadPoolExecutor() as pool:
        call = pool.submit(preload, server)
        assert wait_until(lambda: bool(server.loads))
        assert names(server) == ["fake:1b"]
        assert not server.loads[0].is_finished
        call.result()
    assert len(server.loads) == 1


def test_negative_keep_alive_lasts_for_ever() -> None:
    """A negative keep-alive must show an expiry in the year 2318 or so."""
    with FakeOllama(QUICK) as server:
        preload(server, keep_alive=-1)
        (row,) = loaded(server)
    assert row["expires_at"].startswith("23")


def test_unload_is_asynchronous() -> None:
    """keep_alive 0 must answer at once; the model stays listed for a while."""
    settings = FakeSettings(unload_delay_s=0.2)
    with FakeOllama(QUICK, settings=settings) as server:
        preload(server)
        heard = preload(server, keep_alive=0)
        assert names(server) == ["fake:1b"]
        assert wait_until(lambda: not server.loaded_names)
    assert (heard.status, heard.json["done_reason"]) == (200, "unload")
    assert not any(key.endswith("_duration") for key in heard.json)


def test_unloading_what_is_not_loaded_is_fine_unless_it_is_missing() -> None:
    """An idle unload must be 200; one of an unknown model 404."""
    with FakeOllama(QUICK) as server:
        idle = preload(server, keep_alive=0)
        missing = preload(server, keep_alive=0, model="none")
    assert (idle.json["done_reason"], missing.status) == ("unload", 404)
    assert server.loads == []


def test_keep_alive_zero_on_a_real_call_unloads_after_it() -> None:
    """A prompt with keep_alive 0 must be answered, then the model must go."""
    with FakeOllama(QUICK) as server:
        assert ask(server, keep_alive=0).status == 200
        assert wait_until(lambda: not server.loaded_names)


@pytest.mark.parametrize(
    ("options", "loads"),
    [
        pytest.param({"num_ctx": 4096}, 1, id="same-as-default"),
        pytest.param({"num_ctx": 8192}, 2, id="other-context"),
        pytest.param({"num_gpu": -1}, 1, id="automatic-gpu"),
        pytest.param({"num_gpu": 0}, 2, id="other-gpu"),
        pytest.param({"temperature": 0.1, "seed": 3}, 1, id="sampling"),
    ],
)
def test_launch_options_reload(options: dict[str, object], loads: int) -> None:
    """Changing num_ctx or another launch option must load again, sampling not."""
    with FakeOllama(QUICK) as server:
        ask(server)
        ask(server, options=options)
    assert len(server.loads) == loads


def test_context_is_clamped_to_what_the_model_was_trained_for() -> None:
    """num_ctx above the model's own context must be cut to it."""
    with FakeOllama(FakeModel(context_length=2048, load_s=0.0)) as server:
        preload(server, options={"num_ctx": 100_000})
        assert loaded(server)[0]["context_length"] == 2048


def test_client_that_leaves_aborts_the_load() -> None:
    """A read timeout shorter than the load must end it; the next try starts cold."""
    with FakeOllama(FakeModel(load_s=0.3)) as server:
        heard = ask(server, timeout_s=0.05)
        (request,) = server.requests
        assert request.finished.wait(1)
        assert [load.is_aborted for load in server.loads] == [True]
        assert server.loaded_names == []
    assert heard.error is not None
    assert request.client_closed
    assert request.status is None


def test_one_load_at_a_time() -> None:
    """A second model must wait for the first one's load, and count the wait."""
    one, two = FakeModel(name="a:1", load_s=0.1), FakeModel(name="b:1", load_s=0.1)
    with FakeOllama(one, two) as server, ThreadPoolExecutor() as pool:
        calls = {name: pool.submit(ask, server, model=name) for name in ("a:1", "b:1")}
        times = {name: load_s(call.result().done) for name, call in calls.items()}
        assert sorted(names(server)) == ["a:1", "b:1"]
    first, second = server.loads
    assert first.ended_ns <= second.started_ns
    for asked in server.requests_to("/api/chat"):
        name = (asked.body or {})["model"]
        (ended_ns,) = [load.ended_ns for load in server.loads if load.model == name]
        assert times[name] >= (ended_ns - asked.received_at_ns) / 1e9


def test_callers_of_one_model_share_its_load() -> None:
    """Calls that come during a load must wait for it instead of loading again."""
    with FakeOllama(MODEL) as server, ThreadPoolExecutor() as pool:
        calls = [pool.submit(ask, server) for _ in range(3)]
        assert all(call.result().status == 200 for call in calls)
    assert len(server.loads) == 1


def test_loaded_model_answers_while_another_loads() -> None:
    """A load must not hold up what is loaded already."""
    slow = FakeModel(name="slow:1", load_s=2.0)
    with FakeOllama(QUICK, slow) as server, ThreadPoolExecutor() as pool:
        preload(server)
        pool.submit(ask, server, model="slow:1")
        assert wait_until(lambda: len(server.loads) == 2)
        assert ask(server).status == 200
        assert not server.loads[1].is_finished
        server.stop()


def test_waiting_for_a_slot_is_in_no_part_but_the_total() -> None:
    """With one slot the second call's wait must show only in total_duration."""

    def answer(_call: FakeCall) -> Answer:
        assert wait_until(lambda: len(server.requests) == 3)
        time.sleep(0.1)
        return says("Hi")

    with (
        FakeOllama(replace(QUICK, answer=answer)) as server,
        ThreadPoolExecutor() as pool,
    ):
        preload(server)
        calls = [pool.submit(ask, server) for _ in range(2)]
        waits = sorted(unexplained_s(call.result().done) for call in calls)
    assert waits[0] >= 0.1
    assert waits[1] >= 0.15


def test_parallel_slots_overlap() -> None:
    """With two slots two calls must run at once."""
    both = threading.Barrier(2, timeout=2)

    def answer(_call: FakeCall) -> Answer:
        both.wait()
        return says("Hi")

    settings = FakeSettings(num_parallel=2)
    model = replace(QUICK, answer=answer)
    with FakeOllama(model, settings=settings) as server, ThreadPoolExecutor() as pool:
        calls = [pool.submit(ask, server) for _ in range(2)]
        assert [call.result().status for call in calls] == [200, 200]


def test_idle_model_with_shortest_keep_alive_is_evicted() -> None:
    """At the limit the least wanted idle model must make room."""
    models = [FakeModel(name=f"{name}:1", load_s=0.0) for name in "abc"]
    with FakeOllama(*models, settings=FakeSettings(max_loaded=2)) as server:
        for name, keep_alive in (("a", 500), ("b", 50), ("c", 100)):
            preload(server, model=f"{name}:1", keep_alive=keep_alive)
        assert sorted(names(server)) == ["a:1", "c:1"]


def test_failed_load_leaves_nothing_loaded() -> None:
    """A load failure must take the load time and leave /api/ps empty."""
    with FakeOllama(MODEL) as server:
        server.faults.append(load_fails())
        failed = preload(server)
        assert names(server) == []
        assert ask(server).status == 200
    assert failed.seconds >= LOAD_S
    assert failed.status == 500
    assert failed.problem.startswith("llama-server process has terminated")


def test_stopping_during_a_load_blames_nobody() -> None:
    """A server that stops must not record its clients as gone."""
    with ThreadPoolExecutor() as pool:
        with FakeOllama(FakeModel(load_s=5.0)) as server:
            call = pool.submit(ask, server)
            assert wait_until(lambda: bool(server.loads))
        heard = call.result()
    assert heard.error is not None
    assert not server.requests[0].client_closed
    assert heard.seconds < 2


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        (0, 0.0),
        (1.5, 1.5),
        pytest.param("0", 0.0, id="zero-text"),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("250ms", 0.25),
        (".5s", 0.5),
        (-1, float("inf")),
        ("-1s", float("inf")),
    ],
)
def test_keep_alive_forms(value: object, seconds: float | None) -> None:
    """Numbers and Go durations must be read; negative means for ever."""
    assert read_keep_alive(value) == seconds


@pytest.mark.parametrize("value", ["300", "-7", "5 m", "m", "", "5y", True, [1]])
def test_bad_keep_alive_is_refused(value: object) -> None:
    """Anything else must be a 400."""
    with pytest.raises(Refusal) as caught:
        read_keep_alive(value)
    assert caught.value.status == 400


def test_version_and_tags_do_not_load() -> None:
    """Looking around must not load a model."""
    with FakeOllama(QUICK) as server:
        get(server, "/api/tags")
        get(server, "/api/version")
    assert server.loads == []
