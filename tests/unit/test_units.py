"""Which trials are kept together, read from ids and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmbench.settings import read_settings
from pytest_llmbench.units import Seat, Unit, Units

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_llmbench.settings import Settings

    Read = Callable[..., Settings]

ALIASES = """
[models.shared]
model = "m:1b"
base_url = "http://10.0.0.1:11434"
[models.two-hosts]
model = "m:1b"
base_url = ["http://10.0.0.1:11434", "http://10.0.0.2:11434"]
[models.apart]
model = "m:1b"
base_url = "http://10.0.0.3:11434"
"""


@pytest.fixture
def read(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Give a function that reads the settings of options and a settings file."""
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:1")

    def settings(*options: str, file: str = "", **names: Any) -> Settings:  # noqa: ANN401 - passed on
        (pytester.path / "llmbench.toml").write_text(file, encoding="utf-8")
        return read_settings(pytester.parseconfig(*options), **names)

    return settings


def nodeid(name: str, suffix: str = "") -> str:
    """Return the id of a trial of prompt P6."""
    return f"suites/a.bench.yaml::P6[{name}]{suffix}"


def test_models_of_one_local_server_are_one_unit(read: Read) -> None:
    """Two models at once would measure each other, whatever their run."""
    units = Units(read("--model", "one:1b,two:1b", "--runs", "3"))
    names = ("one:1b-native_api-run1", "two:1b-native_api-run3")
    assert {units.of_nodeid(nodeid(name)) for name in names} == {Unit(place="one:1b")}


def test_the_embedded_engine_is_a_server_of_its_own(read: Read) -> None:
    """Ollama's trials and the embedded engine's are two units."""
    units = Units(read("--model", "one:1b,embedded"))
    found = [
        units.of_nodeid(nodeid(f"{model}-native_api-run1"))
        for model in ("one:1b", "embedded")
    ]
    assert found == [Unit(place="one:1b"), Unit(place="embedded")]


def test_aliases_that_share_a_server_are_one_unit(read: Read) -> None:
    """An alias of several addresses joins all that share one of them."""
    units = Units(read(file=ALIASES))
    places = {
        name: (units.of_nodeid(nodeid(f"{name}-native_api-run1")) or Unit()).place
        for name in ("shared", "two-hosts", "apart")
    }
    assert places == {"shared": "shared", "two-hosts": "shared", "apart": "apart"}


def test_an_alias_may_join_two_that_stood_apart(read: Read) -> None:
    """Two places become one where a later alias uses servers of both."""
    last = '[models.all]\nmodel = "m:1b"\nbase_url = ["10.0.0.2", "10.0.0.3"]\n'
    units = Units(read(file=ALIASES + last))
    names = ("shared", "two-hosts", "apart", "all")
    found = {units.of_nodeid(nodeid(f"{name}-native_api-run1")) for name in names}
    assert found == {Unit(place="shared")}


def test_names_with_dashes_are_read_right(read: Read) -> None:
    """Model and variant may hold dashes, and even what looks like a run."""
    names = ("user/mo-del:q4-run1", "user/mo")
    options = ("--model", ",".join(names), "--variant", "my-own,native_api")
    settings = read(*options, variants=("my-own", "native_api"))
    units = Units(settings, splits_runs=True)
    found = units.of_nodeid(nodeid("user/mo-del:q4-run1-my-own-run12"))
    assert found == Unit(place="user/mo-del:q4-run1", model=names[0], run=12)


def test_a_group_behind_the_id_changes_nothing(read: Read) -> None:
    """Under loadgroup xdist puts a test's group there."""
    units = Units(read("--model", "one:1b"))
    name = "one:1b-native_api-run1"
    assert units.of_nodeid(nodeid(name, "@group")) == units.of_nodeid(nodeid(name))


@pytest.mark.parametrize(
    "other",
    ["tests/test_a.py::test_b[one:1b-native_api-run1]", "a.bench.yaml", "a.py::t"],
)
def test_other_tests_have_no_unit(read: Read, other: str) -> None:
    """Only items of suite files are trials."""
    assert Units(read("--model", "one:1b")).of_nodeid(other) is None


def test_stored_replies_have_no_unit(read: Read) -> None:
    """A replay asks no server, so its trials may run anywhere."""
    units = Units(read("--model", "one:1b", "--replay", "results.jsonl"))
    assert units.of_nodeid(nodeid("one:1b-native_api-run1")) is None


def test_seats_with_servers_of_their_own_split_runs(read: Read) -> None:
    """Each run of a model is a unit, and each seat has other servers for it."""
    seats = (
        Seat(machine="hosta", ollama_host=""),
        Seat(machine="hostb", ollama_host="127.0.0.1"),
        Seat(machine="hostb", ollama_host="http://hosta:11434"),
    )
    units = Units(read("--model", "one:1b"), seats, splits_runs=True)
    unit = units.of_nodeid(nodeid("one:1b-native_api-run2"))
    assert unit == Unit(place="one:1b", model="one:1b", run=2)
    first, second, third = (units.servers("one:1b", seat) for seat in seats)
    assert first == third == {"ollama http://hosta:11434"}
    assert second == {"ollama http://hostb:11434"}


def test_a_fixed_address_is_one_server_for_all_seats(read: Read) -> None:
    """It joins the model that one of the seats reaches by its own OLLAMA_HOST."""
    seats = (
        Seat(machine="hosta", ollama_host=""),
        Seat(machine="hostb", ollama_host="10.0.0.3"),
    )
    settings = read("--model", "one:1b,apart", file=ALIASES)
    names = ("one:1b-native_api-run1", "apart-native_api-run1")
    joined = Units(settings, seats)
    assert {joined.of_nodeid(nodeid(name)) for name in names} == {Unit(place="one:1b")}
    alone = Units(settings, seats[:1])
    assert len({alone.of_nodeid(nodeid(name)) for name in names}) == 2
