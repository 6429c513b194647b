"""Results as plain records: what `--json` prints and what a sweep stores."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from einsim.model.closed_form import Evaluation
from einsim.schedule.nest import Shortfall
from einsim.spec.configuration import Design
from einsim.spec.expressions import Number

Record = dict[str, Any]

METRICS = (
    "traffic_bytes", "latency_s", "compute_s", "memory_s", "energy_pj", "util_2d", "util_1d", "area_um2",
)  # fmt: skip
"""Numbers of every result, in the order of tables."""


def plain(value: Number) -> Any:
    """A number as JSON takes it: integers stay integers, whole fractions too."""
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else float(value)
    return value.item() if isinstance(value, np.generic) else value


def reason(shortfalls: tuple[Shortfall, ...]) -> str | None:
    """Why one design does not fit (the first shortfall), or None if it does."""
    for shortfall in shortfalls:
        if shortfall.where:
            unit = f" {shortfall.unit}" if shortfall.unit else ""
            needed, available = plain(shortfall.needed), plain(shortfall.available)
            return f"{shortfall.what}: needed {needed}{unit}, available {available}{unit}"
    return None


def metrics(design: Design, evaluation: Evaluation) -> Record:
    """The numbers of `METRICS`; utilisation is None where the machine has no such array."""
    arrays = design.architecture.arrays
    shares = {array.is_grid: evaluation.utilisation[name] for name, array in arrays.items()}
    return {
        "traffic_bytes": evaluation.traffic_bytes,
        "latency_s": evaluation.latency_s,
        "compute_s": evaluation.compute_s,
        "memory_s": evaluation.memory_s,
        "energy_pj": evaluation.energy_pj,
        "util_2d": shares.get(True),
        "util_1d": shares.get(False),
        "area_um2": evaluation.area_um2,
    }


def counted_dense(design: Design) -> list[str]:
    """Einsums of which the closed form counts whole iteration spaces, although filters leave points out."""
    return [einsum.name for einsum in design.cascade.einsums if einsum.when is not None]


def to_record(design: Design, evaluation: Evaluation) -> Record:
    """One design's result. An infeasible one has its reason and no numbers."""
    feasible = bool(evaluation.feasible)
    memories = design.architecture.memories
    numbers = {name: plain(value) for name, value in metrics(design, evaluation).items()}
    record: Record = {
        "configuration": design.mapping.name,
        "cascade": design.cascade.name,
        "architecture": design.architecture.name,
        "model": design.workload.model,
        "seq_len": design.workload.seq_len,
        "sizes": dict(design.workload.sizes),
        "accounting": str(design.accounting),
        "choices": dict(design.choices),
        "assumed": {tensor: list(levels) for tensor, levels in design.mapping.assumed.items()},
        "counted_dense": counted_dense(design),
        "cost_notes": list(design.architecture.pricing.notes),
        "feasible": feasible,
        "reason": reason(evaluation.schedule.shortfalls),
        **{name: numbers[name] if feasible else None for name in METRICS},
        "occupancy_bytes": {level: plain(held) for level, held in evaluation.schedule.occupancy.items()},
        "capacity_bytes": {name: memory.capacity_bytes for name, memory in memories.items() if memory.capacity_bytes},
        "spills": spills(evaluation),
    }
    if not feasible:
        return {**record, "tiles": {}, "energy_by_part_pj": {}, "cycles_by_array": {}, "einsums": {}}
    return {
        **record,
        "bound_by": "memory" if evaluation.memory_s >= evaluation.compute_s else "compute",
        "tiles": {name: plain(value) for name, value in evaluation.schedule.tiles.items()},
        "energy_by_part_pj": evaluation.energy_by_part_pj,
        "cycles_by_array": {name: plain(value) for name, value in evaluation.cycles_by_array.items()},
        "einsums": _einsums(evaluation),
    }


def spills(evaluation: Evaluation) -> list[Record]:
    """What of which tensors goes from a memory that is too small for them to the outermost one."""
    return [
        {"level": rule.level, "tensors": sorted(rule.tensors), "proportion": plain(rule.proportion)}
        for rule in evaluation.schedule.spills
        if rule.tensors and rule.proportion
    ]


def _einsums(evaluation: Evaluation) -> Record:
    einsums: Record = {}
    energies_pj = evaluation.energy_by_einsum_pj
    for einsum in evaluation.schedule.einsums:
        work = evaluation.counts.einsums[einsum.name]
        einsums[einsum.name] = {
            "array": einsum.array,
            "cycles": plain(evaluation.cycles[einsum.name]),
            "operations": plain(work.points),
            "cycles_per_point": einsum.cycles_per_point,
            "elements": plain(work.elements),
            "unit_operations": {name: plain(work.points) * times for name, times in einsum.operations},
            "energy_pj": energies_pj[einsum.name],
            "levels": {},
            "accesses": [],
        }
    for row in evaluation.counts.levels:
        entry = einsums[row.einsum]
        moved = {"reads": plain(row.reads), "fills": plain(row.fills), "updates": plain(row.updates)}
        tensor = entry["levels"].setdefault(row.level, {}).setdefault(row.tensor, dict.fromkeys(moved, 0))
        for kind, words in moved.items():
            tensor[kind] += words
        entry["accesses"].append({"access": row.label, "level": row.level, **moved})
    return einsums
