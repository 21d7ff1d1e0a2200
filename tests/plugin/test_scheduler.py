"""The scheduler alone, with workers that only note what they are sent."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from pytest_llmbench.distribution import TrialScheduling
from pytest_llmbench.prompts.spec import parse_model
from pytest_llmbench.session import readable_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Make = Callable[..., TrialScheduling]

LOCAL = ("one:1b", "two:1b")


@dataclass(eq=False)
class FakeWorker:
    """A worker that runs nothing; `shutting_down` as in xdist."""

    name: str
    workerinput: dict[str, Any] = field(default_factory=dict)
    queue: deque[int] = field(default_factory=deque)
    ran: list[int] = field(default_factory=list)
    shutting_down: bool = False
    is_gone: bool = False

    @property
    def gateway(self) -> SimpleNamespace:
        """What has the worker's name."""
        return SimpleNamespace(id=self.name)

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        """Queue tests; execnet says so where nobody is left to take them."""
        assert not self.shutting_down
        if self.is_gone:
            msg = "cannot send (already closed?)"
            raise OSError(msg)
        self.queue.extend(indices)

    def shutdown(self) -> None:
        """Be told to end."""
        self.shutting_down = True

    @property
    def can_run(self) -> bool:
        """A worker runs a test when it knows the next one, or that there is none."""
        return len(self.queue) > 1 or (bool(self.queue) and self.shutting_down)


@pytest.fixture
def make(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Give a function that makes a scheduler for some models and workers."""
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:1")

    def made(
        workers: int = 1, models: tuple[str, ...] = LOCAL, dist: str = "load"
    ) -> TrialScheduling:
        options = ("--tx", f"{workers}*popen", "--dist", dist)
        config = pytester.parseconfig(*options)
        names = tuple(parse_model(model) for model in models)
        settings = readable_settings(config)
        assert settings is not None
        return TrialScheduling(config, None, replace(settings, models=names))

    return made


def start(
    scheduler: TrialScheduling, ids: list[str], *workers: FakeWorker
) -> list[FakeWorker]:
    """Let workers collect, and share out; return them."""
    for worker in workers:
        scheduler.add_node(worker)
    for worker in workers:
        scheduler.add_node_collection(worker, list(ids))
    scheduler.schedule()
    return list(workers)


def run(scheduler: TrialScheduling, workers: list[FakeWorker], limit: int = 0) -> None:
    """Let the workers run in turns, to the end or for a number of tests."""
    done = 0
    while any(worker.can_run for worker in workers):
        for worker in workers:
            if worker.can_run:
                index = worker.queue.popleft()
                worker.ran.append(index)
                scheduler.mark_test_complete(worker, index, 0.0)
                done += 1
                if limit and done >= limit:
                    return


def trials(*models: str, runs: int, prompts: int = 3) -> list[str]:
    """Return node ids in collection order."""
    return [
        f"a.bench.yaml::P{prompt}[{model}-native_api-run{run}]"
        for model in models
        for run in range(1, runs + 1)
        for prompt in range(prompts)
    ]


def is_over(scheduler: TrialScheduling, workers: list[FakeWorker]) -> bool:
    """Whether nothing is left and each worker knows that it may end."""
    told = all(worker.shutting_down and not worker.queue for worker in workers)
    return told and scheduler.tests_finished and not scheduler.has_pending


def crew(count: int, **workerinput: Any) -> list[FakeWorker]:  # noqa: ANN401 - as in xdist
    """Return workers that are all alike."""
    return [FakeWorker(f"gw{number}", workerinput) for number in range(count)]


def seated(ollama_host: str) -> FakeWorker:
    """Return a worker that was started with an OLLAMA_HOST of its own."""
    told = {"llmbench_seat": ["Host", ollama_host], "llmbench_splits_runs": True}
    return FakeWorker(f"at {ollama_host}", told)


def test_a_local_server_has_one_worker(make: Make) -> None:
    """All models of one server run on one worker in collection order."""
    scheduler = make(2)
    workers = start(scheduler, trials(*LOCAL, runs=9), *crew(2))
    run(scheduler, workers)
    assert [worker.ran for worker in workers] == [list(range(54)), []]
    assert is_over(scheduler, workers)


def test_a_worker_is_sent_a_few_trials_ahead(make: Make) -> None:
    """So a stop in one worker ends the others soon, however large their units."""
    scheduler = make()
    (worker,) = start(scheduler, trials("one:1b", runs=9), *crew(1))
    assert 2 < len(worker.queue) <= 8
    run(scheduler, [worker], limit=10)
    assert 2 < len(worker.queue) <= 8
    worker.shutdown()
    run(scheduler, [worker])
    assert len(worker.ran) <= 18
    assert scheduler.remove_node(worker) is None


def test_runs_of_remote_models_are_shared_out(make: Make) -> None:
    """Each run is whole, on one worker, in order; no worker idles."""
    scheduler = make(3, ("openai/far",))
    ids = trials("openai/far", runs=6, prompts=10)
    workers = start(scheduler, ids, *crew(3))
    run(scheduler, workers)
    for worker in workers:
        runs = [index // 10 for index in worker.ran]
        assert worker.ran == sorted(worker.ran)
        assert {runs.count(number) for number in runs} == {10}
        assert len(worker.ran) == 20
    assert is_over(scheduler, workers)


def test_each_lane_has_one_worker_for_its_server(make: Make) -> None:
    """Runs go to workers with servers of their own; a second one of a lane has none."""
    scheduler = make(3)
    hosts = ("127.0.0.1:1", "127.0.0.1:1", "127.0.0.1:2")
    ids = trials(*LOCAL, runs=9)
    workers = start(scheduler, ids, *(seated(host) for host in hosts))
    run(scheduler, workers)
    first, second, third = (worker.ran for worker in workers)
    assert second == []
    assert sorted(first + third) == list(range(54))
    assert not {index // 3 for index in first} & {index // 3 for index in third}
    assert min(len(first), len(third)) >= 24
    assert is_over(scheduler, workers)


def test_a_lane_goes_on_with_the_worker_that_replaces_its_own(make: Make) -> None:
    """The rest of a run comes first, in order, without the trial that was lost."""
    scheduler = make(2)
    ids = trials("one:1b", runs=9, prompts=10)
    dead, alive = start(scheduler, ids, seated("h:1"), seated("h:2"))
    run(scheduler, [dead, alive], limit=26)
    lost = dead.queue[0]
    assert scheduler.remove_node(dead) == ids[lost]
    (heir,) = start(scheduler, ids, seated("h:1"))
    run(scheduler, [heir, alive])
    assert heir.ran[:6] == list(range(lost + 1, lost + 7))
    assert sorted([*dead.ran, lost, *heir.ran, *alive.ran]) == list(range(90))
    assert is_over(scheduler, [heir, alive])


def test_units_that_were_begun_come_back_in_order(make: Make) -> None:
    """A worker that dies with one run's end and the next one's start leaves both."""
    scheduler = make(1, ("openai/far",))
    ids = trials("openai/far", runs=4)
    (dead,) = start(scheduler, ids, *crew(1))
    run(scheduler, [dead], limit=1)
    assert set(dead.queue) == {1, 2, 3, 4, 5}
    scheduler.remove_node(dead)
    (heir,) = start(scheduler, ids, FakeWorker("gw1"))
    run(scheduler, [heir])
    assert heir.ran == list(range(2, 12))


def test_a_worker_may_be_gone_before_it_is_known(make: Make) -> None:
    """What could not be sent to it is nobody's crash, and is run by its heir."""
    scheduler = make(1)
    ids = trials("one:1b", runs=9)
    (dead,) = start(scheduler, ids, *crew(1))
    dead.is_gone = True
    run(scheduler, [dead])
    assert scheduler.remove_node(dead) == (ids[dead.queue[0]] if dead.queue else None)
    (heir,) = start(scheduler, ids, FakeWorker("gw1"))
    run(scheduler, [heir])
    assert sorted([*dead.ran, *list(dead.queue)[:1], *heir.ran]) == list(range(27))


def test_a_crash_in_collecting_waits_for_the_next(make: Make) -> None:
    """A worker that dies before anything is shared out has lost nothing."""
    scheduler, (dead, heir) = make(), crew(2)
    ids = trials("one:1b", runs=2)
    scheduler.add_node(dead)
    scheduler.add_node_collection(dead, list(ids))
    assert scheduler.remove_node(dead) is None
    assert not scheduler.collection_is_completed
    run(scheduler, start(scheduler, ids, heir))
    assert heir.ran == list(range(6))


def test_a_crashed_trial_may_be_asked_for_again(make: Make) -> None:
    """What pytest-rerunfailures puts back comes before what waits, and runs once."""
    scheduler = make(2)
    ids = trials("one:1b", runs=2)
    dead, _idle = start(scheduler, ids, *crew(2))
    run(scheduler, [dead], limit=2)
    lost = scheduler.remove_node(dead)
    assert lost is not None
    scheduler.mark_test_pending(lost)
    (heir,) = start(scheduler, ids, FakeWorker("gw2"))
    run(scheduler, [heir])
    assert heir.ran == [2, 3, 4, 5]


@pytest.mark.parametrize("dist", ["load", "worksteal"])
def test_other_tests_are_shared_one_by_one(make: Make, dist: str) -> None:
    """Each worker has its share, also while one of them has all the trials."""
    scheduler = make(3, dist=dist)
    ids = [f"test_a.py::test_{n}" for n in range(100)] + trials("one:1b", runs=9)
    workers = start(scheduler, ids, *crew(3))
    run(scheduler, workers)
    assert sorted(index for worker in workers for index in worker.ran) == [*range(127)]
    assert workers[0].ran[:27] == list(range(100, 127))
    assert min(len(worker.ran) for worker in workers) > 25
    assert is_over(scheduler, workers)


@pytest.mark.parametrize(
    ("dist", "first", "second"),
    [
        ("loadfile", [0, 1, 2, 3], [4, 5]),
        ("loadscope", [0, 1, 4, 5], [2, 3]),
        ("loadgroup", [1, 2, 3, 4], [0, 5]),
    ],
)
def test_other_tests_keep_their_scope(
    make: Make, dist: str, first: list[int], second: list[int]
) -> None:
    """By file, by class and by group, as xdist does; the largest first."""
    ids = [
        *("a.py::A::test_1", "a.py::A::test_2@g"),
        *("a.py::test_3@g", "a.py::test_4@g"),
        *("b.py::test_5@g", "b.py::test_6"),
    ]
    scheduler = make(2, dist=dist)
    workers = start(scheduler, ids, *crew(2))
    run(scheduler, workers)
    assert [worker.ran for worker in workers] == [first, second]
    assert is_over(scheduler, workers)


def test_a_few_tests_are_spread(make: Make) -> None:
    """No worker has two tests while another has none."""
    scheduler = make(4)
    workers = start(scheduler, [f"a.py::t{n}" for n in range(4)], *crew(4))
    run(scheduler, workers)
    assert [len(worker.ran) for worker in workers] == [1, 1, 1, 1]


def test_workers_that_collect_other_tests_run_none(make: Make) -> None:
    """The difference is an error of collection, and the session ends."""
    scheduler, (first, second) = make(2), crew(2)
    for worker, models in ((first, "one:1b"), (second, "two:1b")):
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, trials(models, runs=1))
    scheduler.schedule()
    assert scheduler.tests_finished
    assert not first.queue
    assert not second.queue


def test_no_tests_is_the_end(make: Make) -> None:
    """An empty collection is finished at once."""
    scheduler = make(2)
    assert is_over(scheduler, start(scheduler, [], *crew(2)))


def test_cost_grows_with_the_number_of_trials_only(make: Make) -> None:
    """84,000 trials are shared out in seconds; the square of that takes hours."""
    scheduler = make(4)
    began = time.perf_counter()
    ids = trials(*LOCAL, runs=3500, prompts=12)
    workers = start(scheduler, ids, *crew(4))
    while any(worker.can_run for worker in workers):
        for worker in workers:
            if worker.can_run:
                scheduler.mark_test_complete(worker, worker.queue.popleft(), 0.0)
                assert scheduler.has_pending or scheduler.tests_finished
    assert is_over(scheduler, workers)
    assert time.perf_counter() - began < 30
