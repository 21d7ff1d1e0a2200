"""`llmbench compare`: two stored results, or the variants of one run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from pytest_llmbench.analysis.comparison import compare, job_evidence
from pytest_llmbench.commands.stored_results import (
    StoredResult,
    one_result,
    stored_result,
)
from pytest_llmbench.errors import UsageFault
from pytest_llmbench.report.comparison import comparison_lines, gain_lines

if TYPE_CHECKING:
    import argparse

    from pytest_llmbench.analysis.comparison import Comparison
    from pytest_llmbench.runs.record import Record

BASE_VARIANT: Final = "native_api"
"""The variant that the others are held against."""

SCHEMA_VERSION: Final = 1
_HELP: Final = (
    "a run id, a run's folder, RUN:VARIANT, or a spec (its newest stored run)"
)


class Pair(Struct, frozen=True, kw_only=True):
    """Two stored results and what holding B against A shows."""

    a: StoredResult
    b: StoredResult
    found: Comparison

    @property
    def variant(self) -> str:
        """The variant of B."""
        return self.b.records[0].variant

    def to_json(self) -> dict[str, Any]:
        """Return the comparison with both sides' run and specs."""
        found = self.found.to_json()
        return {**found, "a": self.a.to_json(), "b": self.b.to_json()}


def add_compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "compare",
        help="hold one stored result against another, prompt by prompt",
        description="Hold B against A; with one run, its variants against"
        f" {BASE_VARIANT}. Status: 0 not worse, 1 worse, 2 usage.",
    )
    parser.add_argument("a", metavar="A", help=_HELP)
    parser.add_argument("b", nargs="?", metavar="B", help="the same; the one judged")
    parser.add_argument("--reports", default="reports", metavar="DIR")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run_compare)


def run_compare(arguments: argparse.Namespace) -> int:
    """Compare and print; return 0 if not worse, 1 if worse, 2 on a usage error."""
    reports = Path(arguments.reports)
    try:
        first = stored_result(reports, arguments.a)
        if arguments.b is None:
            pairs = _variants(first)
        else:
            second = stored_result(reports, arguments.b)
            pairs = [_pair(one_result(first), one_result(second))]
        for pair in pairs:
            _insist_on_common(pair.found)
    except UsageFault as fault:
        sys.stderr.write(f"llmbench: compare: {fault}\n")
        return 2
    text = _json(pairs) if arguments.json else _text(pairs, arguments.b is None)
    sys.stdout.write(text + "\n")
    return int(any(pair.found.verdict == "worse" for pair in pairs))


def _pair(a: StoredResult, b: StoredResult) -> Pair:
    of_a, of_b = job_evidence(a.label, a.records), job_evidence(b.label, b.records)
    return Pair(a=a, b=b, found=compare(of_a, of_b))


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
    blocks = ["\n".join(comparison_lines(pair.found)) for pair in pairs]
    if of_variants:
        blocks += ["\n".join(lines) for lines in _gains(pairs)]
    return "\n\n".join(blocks)


def _gains(pairs: list[Pair]) -> list[list[str]]:
    """Return one table of gains per base: per model and flags."""
    tables: dict[str, dict[str, Comparison]] = {}
    for pair in pairs:
        tables.setdefault(pair.a.label, {})[pair.variant] = pair.found
    return [gain_lines(BASE_VARIANT, found) for found in tables.values()]
