"""Derivations as records for scripts and as text for people."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from einsim.analysis.derive import Derivation, Found, renamed
from einsim.analysis.passes import count_passes
from einsim.analysis.sizes import show, total, work
from einsim.analysis.trial import Comparison
from einsim.cascade import Cascade
from einsim.report.tables import table
from einsim.report.theory import most

Record = dict[str, Any]


def derivation_record(derivation: Derivation) -> Record:
    """The best cascade found with its steps and proofs, and every other that is worth keeping."""
    original = derivation.original.cascade
    best = derivation.best
    laws = best.laws
    return {
        "cascade": original.name,
        "passes_before": _passes(original),
        "passes_after": _passes(best.cascade),
        "steps": [{"what": step.what, "laws": [law.name for law in step.laws]} for step in best.steps],
        "laws": [{"name": law.name, "statement": law.statement, "proved": law.holds()} for law in laws],
        "operations_before": _operations(original),
        "operations_after": _operations(best.cascade),
        "compared": _proof(derivation.comparisons[0]),
        "text": str(_named(original, best)),
        "looked_at": derivation.looked_at,
        "alternatives": [
            {
                "passes": _passes(found.cascade),
                "steps": [step.what for step in found.steps],
                "operations": _operations(found.cascade),
                "operations_at_typical_sizes": found.operations,
                "held_at_typical_sizes": found.held,
                "compared": _proof(comparison),
                "text": str(_named(original, found)),
            }
            for found, comparison in zip(derivation.pareto, derivation.comparisons, strict=True)
        ],
    }


def _named(original: Cascade, found: Found) -> Cascade:
    return renamed(found, f"{original.name}-derived") if found.steps else original


def _passes(cascade: Cascade) -> int | str:
    return most(count_passes(cascade)) if cascade.sequences else 0


def _operations(cascade: Cascade) -> str:
    return show(total(work(cascade, einsum) for einsum in cascade.einsums))


def _proof(comparison: Comparison) -> Record:
    return {"draws": comparison.draws, "largest_relative_difference": comparison.difference}


def derivation_report(record: Record) -> RenderableType:
    """Steps, laws, the price, the cascade, and the alternatives."""
    before, after = record["passes_before"], record["passes_after"]
    parts: list[RenderableType] = [
        Text(
            f"{record['cascade']}: {before} -> {after} passes ({record['looked_at']} cascades looked at)", style="bold"
        )
    ]
    if not record["steps"]:
        parts.append(Text("  no law that is known here lowers the passes"))
    for number, step in enumerate(record["steps"], start=1):
        parts.append(Text(f"  {number}. {step['what']}  ({', '.join(step['laws'])})"))
    for law in record["laws"]:
        proved = "proved in symbols" if law["proved"] else "NOT proved"
        parts.append(Text(f"  {law['name']}: {law['statement']}  [{proved}]"))
    proof = record["compared"]
    parts += [
        Text(f"  operations: {record['operations_before']}"),
        Text(f"          ->  {record['operations_after']}"),
        Text(f"  compared with the original on {proof['draws']} random draws, ragged sizes and large values included: "
             f"largest relative difference {proof['largest_relative_difference']:.1e}"),
        Text(),
        Text(record["text"].rstrip()),
        Text(),
    ]  # fmt: skip
    rows = [
        (str(each["passes"]), "; ".join(each["steps"]) or "as written", f"{each['operations_at_typical_sizes']:,}",
         f"{each['held_at_typical_sizes']:,}")
        for each in record["alternatives"]
    ]  # fmt: skip
    title = "Worth keeping (operations and elements held at typical sizes, for comparison)"
    parts.append(table(title, ("passes", "steps", "operations", "held"), rows, left=2, fold=("steps",)))
    return Group(*parts)
