"""What a run ran on, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.report import numbers
from pytest_llmbench.report.html.tables import Cell, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmbench.report.rundata import RunData

_UNLOADED: Final[Mapping[bool | None, str]] = {True: "yes", False: "could not be"}


def environment_tables(runs: Sequence[RunData]) -> list[Table]:
    """Return machine, models and warm-ups of each run."""
    found: list[Table] = []
    for run in runs:
        name = f" of run {run.view.run_id}" if len(runs) > 1 else ""
        found += _tables(run.inventory, name)
        found += _options(run.options, name)
    return found


def _tables(inventory: Mapping[str, Any], name: str) -> Iterator[Table]:
    facts = [(label, text) for label, text in _machine(inventory) if text]
    if facts:
        yield _of_facts(f"The machine{name}", facts)
    models = inventory.get("models") or []
    if models:
        yield _of_models(models, f"The models{name}")
    warmups = inventory.get("warmups") or []
    if warmups:
        yield _of_warmups(warmups, f"Warm-up{name}")


def _machine(inventory: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    host = inventory.get("host") or {}
    cpu = host.get("cpu") or {}
    yield "host", str(host.get("host") or "")
    yield "system", str(host.get("os") or "")
    yield "Python", str(host.get("python") or "")
    if cpu.get("model"):
        yield "processor", f"{cpu['model']}, {cpu.get('count')} logical"
    for when, one in (inventory.get("snapshots") or {}).items():
        if one:
            yield f"{when} the run", ", ".join(_state(one))
    for gpu in _gpus(inventory):
        size = numbers.size((gpu.get("memory_total_mib") or 0) * 1024**2)
        yield "GPU", f"{gpu.get('name')}, {size}, driver {gpu.get('driver')}"


def _gpus(inventory: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    snapshots = inventory.get("snapshots") or {}
    one = snapshots.get("after") or snapshots.get("before") or {}
    return one.get("gpus") or []


def _state(one: Mapping[str, Any]) -> Iterator[str]:
    yield str(one.get("taken_at", ""))[:19].replace("T", " ")
    if one.get("load_1m") is not None:
        yield f"load {one['load_1m']:.2f}"
    for word, free in (("ram", "available_bytes"), ("disk", "free_bytes")):
        sizes = one.get(word) or {}
        if sizes.get(free) is not None and sizes.get("total_bytes"):
            yield f"{word} {numbers.size_of(sizes[free], sizes['total_bytes'])} free"


def _of_facts(caption: str, facts: Sequence[tuple[str, str]]) -> Table:
    rows = tuple((Cell(label), Cell(text)) for label, text in facts)
    return Table(caption=caption, head=("what", "value"), rows=rows)


def _of_models(models: Sequence[Mapping[str, Any]], caption: str) -> Table:
    names = (
        *("server", "server_version", "parameter_size", "quantization"),
        *("context_length", "capabilities", "digest"),
    )
    rows = tuple(
        (
            Cell(str(one.get("model"))),
            *(Cell(_fact(name, one.get(name))) for name in names),
        )
        for one in models
    )
    head = ("model", *(name.replace("_", " ") for name in names))
    return Table(caption=caption, head=head, rows=rows)


def _fact(name: str, value: object) -> str:
    if not value:
        return numbers.NONE
    if name == "digest":
        return str(value).removeprefix("sha256:")[:12]
    if name == "context_length" and isinstance(value, int):
        return numbers.tokens(value)
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _of_warmups(warmups: Sequence[Mapping[str, Any]], caption: str) -> Table:
    rows = tuple(
        (
            Cell(str(one.get("model"))),
            Cell(_before(one)),
            Cell(_UNLOADED.get(one.get("unloaded"), numbers.NONE)),
            Cell(str(one.get("status")).replace("_", " ")),
            Cell(_seconds(one.get("wall_s")), "", "n"),
            Cell(_seconds(one.get("load_s")), "", "n"),
            Cell(numbers.percent(one.get("gpu_share")), "", "n"),
            Cell(str(one.get("unload_fault") or one.get("detail") or "")),
        )
        for one in warmups
    )
    head = ("model", "before", "unloaded", "result", "took", "load", "in VRAM")
    return Table(caption=caption, head=(*head, "detail"), rows=rows)


def _before(one: Mapping[str, Any]) -> str:
    """Say what a warm-up came before: all trials of a model, or one run of a spec."""
    spec = one.get("spec")
    return f"run {one.get('run')} of {spec}" if spec else "the first run"


def _seconds(value: float | None) -> str:
    return numbers.NONE if value is None else f"{value:.2f} s"


def _options(options: Mapping[str, Any], name: str) -> Iterator[Table]:
    rows = tuple(
        (Cell(spec), Cell(", ".join(f"{key}={each}" for key, each in own.items())))
        for spec, own in options.items()
        if own
    )
    if rows:
        yield Table(
            caption=f"Sampling options sent{name}", head=("spec", "options"), rows=rows
        )
