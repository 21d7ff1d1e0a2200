"""`llmbench compare`: two stored results, or the specs of one run."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmbench.analysis.comparison import compare, job_evidence
from pytest_llmbench.commands.stored_results import (
    StoredResult,
    one_result,
    stored_result,
)
from pytest_llmbench.errors import UsageFault
from pytest_llmbench.report.comparison import comparison_lines, gain_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_llmbench.analysis.comparison import Comparison
    from pytest_llmbench.runs.record import Record

BASELINE: Final = "baseline"
"""The role of the spec that a session's candidates are held against."""

BASE_VARIANT: Final = "native_api"
"""The variant that the others are held against."""

SCHEMA_VERSION: Final = 1
_SHOWN_ELSEWHERE: Final = frozenset({"prompts", "beyond_context", "model", "variant"})
"""Prompts are paired by hash; model and variant stand in the specs."""

_HELP: Final = (
    "a run id, a run's folder, RUN:VARIANT, or a spec (its newest stored run)"
)


class Pair(Struct, frozen=True, kw_only=True):
    """Two stored results and what holding B against A shows.

    Attributes:
        differences: what else A and B were measured under; not judged.
        margin: the loss that is let pass; None where only a shown one is not.
    """

    a: StoredResult
    b: StoredResult
    found: Comparison
    differences: tuple[str, ...] = ()
    margin: float | None = None

    @property
    def variant(self) -> str:
        """The variant of B."""
        return self.b.records[0].variant

    @property
    def is_met(self) -> bool:
        """Whether B passes: not shown to be worse, or shown not to be by a margin."""
        if self.margin is None:
            return self.found.verdict != "worse"
        return self.found.is_within(self.margin)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison with both sides' run and specs."""
        return {
            **self.found.to_json(),
            "a": self.a.to_json(),
            "b": self.b.to_json(),
            "differences": list(self.differences),
            "margin": self.margin,
            "is_met": self.is_met,
        }

    def lines(self) -> list[str]:
        """Return the comparison for a reader."""
        return comparison_lines(self.found, self.differences, self.margin)


def add_compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "compare",
        help="hold one stored result against another, prompt by prompt",
        description="Hold B against A; with one run, its candidates against their"
        f" baseline, or its variants against {BASE_VARIANT}. Status: 0 not worse,"
        " 1 worse, 2 usage.",
    )
    parser.add_argument("a", metavar="A", help=_HELP)
    parser.add_argument("b", nargs="?", metavar="B", help="the same; the one judged")
    parser.add_argument("--reports", default="reports", metavar="DIR")
    parser.add_argument(
        "--margin",
        type=_margin,
        metavar="POINTS",
        help="status 0 only if it is shown that B is not worse by so much: its"
        " interval lies above -POINTS (default: status 1 only if it is shown worse)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run_compare)


def run_compare(arguments: argparse.Namespace) -> int:
    """Compare and print; return 0 if not worse, 1 if worse, 2 on a usage error."""
    reports = Path(arguments.reports)
    try:
        first = stored_result(reports, arguments.a)
        is_of_variants = False
        if arguments.b is None:
            pairs = _candidates(first)
            is_of_variants = not pairs
            pairs = pairs or _variants(first)
        else:
            second = stored_result(reports, arguments.b)
            pairs = [_pair(one_result(first), one_result(second))]
        for pair in pairs:
            _insist_on_common(pair.found)
    except UsageFault as fault:
        sys.stderr.write(f"llmbench: compare: {fault}\n")
        return 2
    pairs = [replace(pair, margin=arguments.margin) for pair in pairs]
    text = _json(pairs) if arguments.json else _text(pairs, is_of_variants)
    sys.stdout.write(text + "\n")
    return int(not all(pair.is_met for pair in pairs))


def _margin(text: str) -> float:
    """Read points as a share.

    Raises:
        ArgumentTypeError: it is none from 0 to 100.
    """
    try:
        points = float(text)
    except ValueError:
        points = math.nan
    if not 0 <= points <= 100:  # noqa: PLR2004 - points of a share
        msg = f"{text!r} is no number of points from 0 to 100"
        raise argparse.ArgumentTypeError(msg)
    return points / 100


def _pair(a: StoredResult, b: StoredResult) -> Pair:
    of_a, of_b = job_evidence(a.label, a.records), job_evidence(b.label, b.records)
    differences = tuple(_differences(a.comparability, b.comparability))
    return Pair(a=a, b=b, found=compare(of_a, of_b), differences=differences)


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """Name what else differs, where both sides have it stored."""
    for key in sorted({*a} & {*b} - _SHOWN_ELSEWHERE):
        if a[key] != b[key]:
            yield f"{key}: {_told(a[key])} in A, {_told(b[key])} in B"


def _told(value: object) -> object:
    return "not told" if value is None or value in ("", [], {}) else value


def _candidates(result: StoredResult) -> list[Pair]:
    """Pair each candidate of a session with the baseline of its phase that ran beside.

    Returns:
        Nothing where specs were not the session's axis.
    """
    groups: dict[str, dict[str, list[Record]]] = {}
    for record in result.records:
        specs = groups.setdefault(record.phase, {})
        specs.setdefault(record.spec, []).append(record)
    return [
        _pair(result.only(specs[base]), result.only(records))
        for specs in groups.values()
        for base in specs
        if result.role(base) == BASELINE
        for spec, records in specs.items()
        if spec != base
    ]


def _variants(result: StoredResult) -> list[Pair]:
    """Pair each variant with the base variant of the same model and flags.

    Raises:
        UsageFault: there is nothing to pair.
    """
    groups: dict[tuple[str, str], dict[str, list[Record]]] = {}
    for record in result.records:
        variants = groups.setdefault((record.model, _flags(record.spec)), {})
        variants.setdefault(record.variant, []).append(record)
    pairs = [
        _pair(result.only(variants[BASE_VARIANT]), result.only(records))
        for variants in groups.values()
        for variant, records in variants.items()
        if BASE_VARIANT in variants and variant != BASE_VARIANT
    ]
    if pairs:
        return pairs
    found = ", ".join(dict.fromkeys(record.variant for record in result.records))
    msg = (
        f"run {result.run_id} has no variant to hold against {BASE_VARIANT}"
        f" (it has {found}); name two results: compare A B"
    )
    raise UsageFault(msg)


def _flags(spec: str) -> str:
    """Return what stands behind model, phase and variant.

    >>> _flags("m:1b / atomic / text / t60 r0 i0 w1")
    't60 r0 i0 w1'
    """
    return spec.rpartition(" / ")[2]


def _insist_on_common(found: Comparison) -> None:
    if found.prompts:
        return
    reasons = list(dict.fromkeys(prompt.reason for prompt in found.left_out))
    msg = (
        f"nothing in common ({', '.join(reasons)}):\n  A {found.label_a}"
        f"\n  B {found.label_b}"
    )
    raise UsageFault(msg)


def _json(pairs: list[Pair]) -> str:
    comparisons = [pair.to_json() for pair in pairs]
    data = {"schema_version": SCHEMA_VERSION, "comparisons": comparisons}
    return json.dumps(data, indent=2)


def _text(pairs: list[Pair], of_variants: bool) -> str:  # noqa: FBT001 - one fact
    blocks = ["\n".join(pair.lines()) for pair in pairs]
    if of_variants:
        blocks += ["\n".join(lines) for lines in _gains(pairs)]
    return "\n\n".join(blocks)


def _gains(pairs: list[Pair]) -> list[list[str]]:
    """Return one table of gains per base: per model and flags."""
    tables: dict[str, dict[str, Comparison]] = {}
    for pair in pairs:
        tables.setdefault(pair.a.label, {})[pair.variant] = pair.found
    return [gain_lines(BASE_VARIANT, found) for found in tables.values()]
