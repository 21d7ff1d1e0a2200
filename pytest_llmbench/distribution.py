"""How xdist shares trials and tests out over its workers. Needs xdist."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol, final

import pytest
from msgspec import Struct, field
from xdist.report import report_collection_diff
from xdist.workermanage import parse_tx_spec_config

from pytest_llmbench.session import readable_settings
from pytest_llmbench.units import Unit, Units
from pytest_llmbench.workplace import Workplace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_llmbench.settings import Settings

_LOW: Final = 2
"""Trials a worker has left when it gets a new unit: one runs, one is next."""
_SENT: Final = 8
"""Trials of its unit that a worker is sent ahead: so far it runs on after `-x`."""


class Worker(Protocol):
    """What is used of xdist's WorkerController."""

    workerinput: dict[str, Any]

    @property
    def gateway(self) -> Any:  # noqa: ANN401 - execnet's class
        """What has the worker's name, as `id`."""
        ...

    @property
    def shutting_down(self) -> bool:
        """Whether it has been told to end, or has ended."""
        ...

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        """Queue tests at the worker, by their places in the collection."""
        ...

    def shutdown(self) -> None:
        """Let the worker end once its queue is empty."""
        ...


def new_scheduler(config: pytest.Config, log: object) -> TrialScheduling | None:
    """Return the scheduler of a session; None where the settings can't be read.

    Each worker then says what is wrong with them, as an error of collection.
    """
    settings = readable_settings(config)
    return TrialScheduling(config, log, settings) if settings else None


class _Load(Struct):
    """What one worker has to do, as places in the collection, in running order.

    Attributes:
        sent: what it knows of and has not finished, as keys.
        unsent: the rest of its units, of which it is sent a few at a time.
        has_collected: whether it may be given anything.
    """

    sent: dict[int, None] = field(default_factory=dict)
    unsent: deque[int] = field(default_factory=deque)
    has_collected: bool = False

    def __len__(self) -> int:
        return len(self.sent) + len(self.unsent)


@final
class TrialScheduling:
    """xdist's Scheduling for trials: a unit stays on one worker, in order.

    A unit (`units.Unit`) belongs to one worker until its end, or the worker's; its
    trials are sent in collection order, a few at a time, so that a stop reaches every
    worker soon. One worker at a time has the units of a local server. Other tests
    are shared out as `--dist` asks. The cost grows with the number of tests, not
    with its square.

    Attributes:
        collection: the node ids that all workers have collected; None before.
    """

    def __init__(self, config: pytest.Config, log: object, settings: Settings) -> None:
        del log  # each step can be read from xdist's own
        self.config = config
        self.collection: list[str] | None = None
        self._settings = settings
        self._units = Units(settings)
        self._dist = str(config.getoption("dist"))
        self._expected = len(parse_tx_spec_config(config))
        self._loads: dict[Worker, _Load] = {}
        self._collected: dict[Worker, list[str]] = {}
        self._keys: list[Unit | str] = []
        self._places: dict[str, deque[list[int]]] = {}
        self._remote: deque[list[int]] = deque()
        self._tests: deque[list[int]] = deque()
        self._owners: dict[str, Worker] = {}

    @property
    def nodes(self) -> list[Worker]:
        """The workers that are up, idle ones too."""
        return list(self._loads)

    @property
    def collection_is_completed(self) -> bool:
        """Whether all of the first workers have collected."""
        return self.collection is not None or len(self._collected) >= self._expected

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left but what each worker runs just now."""
        if not self.collection_is_completed or self._is_waiting():
            return False
        return all(len(load) < _LOW for load in self._loads.values())

    @property
    def has_pending(self) -> bool:
        """Whether anything is left to do."""
        return self._is_waiting() or any(map(len, self._loads.values()))

    def add_node(self, node: Worker) -> None:
        """Take in a worker that has started, before it has collected."""
        self._loads[node] = _Load()

    def add_node_collection(self, node: Worker, collection: Sequence[str]) -> None:
        """Take what a worker has collected; it must be what all have.

        If a worker that replaces another one finds other tests, because a file was
        changed since, nothing more is run.
        """
        if self.collection is None:
            self._collected[node] = list(collection)
            self._loads[node].has_collected = True
        elif list(collection) == self.collection:
            self._loads[node].has_collected = True
        else:
            self._tell_difference(node, self.collection, collection, "the first")
            self._give_up()
            node.shutdown()

    def schedule(self) -> None:
        """Share out what all workers have collected; later, what is left of it."""
        if self.collection is None:
            if not self._have_collected_the_same():
                self.collection = []
                return
            self.collection = next(iter(self._collected.values()))
            self._collected.clear()
            self._set_out()
        self._feed_all()

    def mark_test_complete(
        self,
        node: Worker,
        item_index: int,
        duration: float = 0,  # noqa: ARG002 - part of the protocol
    ) -> None:
        """Note that a worker has finished a test; give it the next ones."""
        self._loads[node].sent.pop(item_index, None)
        self._feed(node)

    def mark_test_pending(self, item: str) -> None:
        """Run a test again, before what waits (pytest-rerunfailures asks for it)."""
        if self.collection is not None:
            self._give_back([self.collection.index(item)])
            self._feed_all()

    def remove_pending_tests_from_node(
        self, node: Worker, indices: Sequence[int]
    ) -> None:
        """Take tests back that a worker has given up; none is ever asked to."""
        raise NotImplementedError

    def remove_node(self, node: Worker) -> str | None:
        """Let a worker go; what it has not begun waits for others, in its order.

        Returns:
            The test during which it ended; None if it had finished all.

        Raises:
            KeyError: it was never added.
        """
        load = self._loads.pop(node)
        self._collected.pop(node, None)
        self._owners = {s: own for s, own in self._owners.items() if own is not node}
        if self.collection is None:
            return None
        running = next(iter(load.sent), None)
        self._give_back(i for i in (*load.sent, *load.unsent) if i != running)
        self._feed_all()
        return None if running is None else self.collection[running]

    def _is_waiting(self) -> bool:
        return bool(self._remote or self._tests or any(self._places.values()))

    def _set_out(self) -> None:
        """Put all tests into units, and the units where they wait."""
        places = [Workplace(node.workerinput) for node in self.nodes]
        self._units = Units(
            self._settings,
            (place.seat for place in places),
            splits_runs=any(place.splits_runs for place in places),
        )
        collection = self.collection or []
        self._keys = [self._key(nodeid) for nodeid in collection]
        units: dict[object, list[int]] = {}
        for index, key in enumerate(self._keys):
            is_alone = key == ""
            units.setdefault(index if is_alone else key, []).append(index)
        tests = []
        for indices in units.values():
            key = self._keys[indices[0]]
            if isinstance(key, Unit):
                self._waiting(key).append(indices)
            else:
                tests.append(indices)
        if self._reorders:
            tests.sort(key=len, reverse=True)
        self._tests.extend(tests)

    @property
    def _reorders(self) -> bool:
        """Whether the largest scopes go first, as in xdist."""
        return bool(getattr(self.config.option, "loadscopereorder", True))

    def _key(self, nodeid: str) -> Unit | str:
        """Return what a test is kept together with; empty where with nothing."""
        unit = self._units.of_nodeid(nodeid)
        if unit is not None:
            return unit
        if self._dist == "loadfile":
            return nodeid.partition("::")[0]
        if self._dist == "loadscope":
            return nodeid.rpartition("::")[0]
        has_group = nodeid.rfind("@") > nodeid.rfind("]") and self._dist == "loadgroup"
        return nodeid.rpartition("@")[2] if has_group else ""

    def _waiting(self, key: Unit | str) -> deque[list[int]]:
        if not isinstance(key, Unit):
            return self._tests
        return (
            self._places.setdefault(key.place, deque()) if key.place else self._remote
        )

    def _give_back(self, indices: Iterable[int]) -> None:
        """Let parts of units wait again, before all others and in their order."""
        parts: dict[Unit | str, list[int]] = {}
        for index in indices:
            parts.setdefault(self._keys[index], []).append(index)
        for key, part in reversed(parts.items()):
            whole = [part] if key else [[index] for index in part]
            self._waiting(key).extendleft(reversed(whole))

    def _give_up(self) -> None:
        for waiting in (*self._places.values(), self._remote, self._tests):
            waiting.clear()

    def _feed_all(self) -> None:
        """Give units in turns, so that no worker has two while another has none."""
        nodes = self.nodes
        while nodes:
            nodes = [node for node in nodes if self._has_taken(node)]
        for node in self.nodes:
            self._feed(node)

    def _feed(self, node: Worker) -> None:
        """Keep a worker in work; let it end where there is none for it."""
        load = self._loads[node]
        if node.shutting_down or not load.has_collected:
            return
        while self._has_taken(node):
            pass
        if load.unsent and len(load.sent) <= _SENT // 2:
            count = min(len(load.unsent), _SENT - len(load.sent))
            batch = [load.unsent.popleft() for _ in range(count)]
            try:
                node.send_runtest_some(batch)
            except OSError:  # it has just died, which xdist tells us next
                load.unsent.extendleft(reversed(batch))
                return
            load.sent.update(dict.fromkeys(batch))
        if len(load) <= _LOW and not load.unsent:
            # A worker runs its last test only when it knows that none follows.
            node.shutdown()

    def _has_taken(self, node: Worker) -> bool:
        """Give a worker a unit if it needs one and there is one for it."""
        load = self._loads[node]
        if len(load) > _LOW or node.shutting_down or not load.has_collected:
            return False
        taken = self._local(node) or self._next_remote() or self._next_tests()
        load.unsent.extend(taken)
        return bool(taken)

    def _local(self, node: Worker) -> list[int]:
        """Return a unit of local servers, none of which another worker uses."""
        seat = Workplace(node.workerinput).seat
        for place, waiting in self._places.items():
            servers = self._units.servers(place, seat) if waiting else ()
            if waiting and all(self._owners.get(s, node) is node for s in servers):
                self._owners.update(dict.fromkeys(servers, node))
                return waiting.popleft()
        return []

    def _next_remote(self) -> list[int]:
        return self._remote.popleft() if self._remote else []

    def _next_tests(self) -> list[int]:
        """Return a unit of other tests; where each is one, a share of them."""
        share = len(self._tests) // len(self._loads) // 4
        count = max(1, min(share, self.config.getoption("maxschedchunk") or share))
        taken: list[int] = []
        while self._tests and len(taken) < count:
            is_whole = bool(self._keys[self._tests[0][0]])
            if is_whole and taken:
                break
            taken.extend(self._tests.popleft())
            if is_whole:
                break
        return taken

    def _have_collected_the_same(self) -> bool:
        """Compare what the workers have collected; a difference is an error each."""
        (first, wanted), *others = self._collected.items()
        different = [(node, ids) for node, ids in others if ids != wanted]
        for node, ids in different:
            self._tell_difference(node, wanted, ids, first.gateway.id)
        return not different

    def _tell_difference(
        self, node: Worker, wanted: list[str], found: Sequence[str], first: str
    ) -> None:
        name = node.gateway.id
        text = report_collection_diff(wanted, list(found), first, name)
        report = pytest.CollectReport(name, "failed", longrepr=text, result=[])
        self.config.hook.pytest_collectreport(report=report)
