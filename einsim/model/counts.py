"""Reads, fills and updates of every tensor at every level, from a schedule.

What is counted (and walked one by one in `tests/model/walk.py`):

* an operand is read once a point at the registers; a level that gets a tile from its parent is *filled*
  with it whenever the tile changes, and the parent is *read* for it, once for all processing elements
  that take the same words at the same step (multicast);
* a result is *updated* once a point at the registers; when a tile leaves a level, its parent is updated,
  once for all processing elements that hold partial sums of the same words (spatial reduction); a word
  that comes back to be added to is filled and its parent read; every update but a word's first reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from operator import sub
from typing import Any

import numpy as np

from einsim.model.queries import Structure
from einsim.model.tables import DISTINCT, VISITS_ALL, VISITS_ONE, Runner
from einsim.schedule.nest import AccessPlan, EinsumSchedule, Schedule
from einsim.spec.alike import Alike
from einsim.spec.expressions import Number


@dataclass(frozen=True, slots=True)
class LevelCount:
    """Words moved for one access at one level, over all its instances."""

    einsum: str
    tensor: str
    label: str
    level: str
    reads: Number
    fills: Number
    updates: Number
    charged: bool = True


@dataclass(frozen=True, slots=True)
class EinsumCount:
    """Work of one Einsum: points of its iteration space, steps in time, processing elements that it uses."""

    points: Number
    steps: Number
    elements: Number


@dataclass(frozen=True, slots=True)
class Counts:
    """Everything counted of a schedule; numbers are integers, or int64 arrays over the points of a sweep."""

    levels: tuple[LevelCount, ...]
    einsums: dict[str, EinsumCount]


def count(schedule: Schedule, memories: list[str], run: Runner) -> Counts:
    """Counts of a schedule, of one design or many (`tables.as_numbers`), or as formulas (`symbolic`)."""
    structure = Structure(list(schedule.sizes))
    plans = [(einsum, structure.add(einsum, memories)) for einsum in schedule.einsums]
    results, steps = run(structure, list(schedule.sizes.values()), grains(schedule))
    levels: list[LevelCount] = []
    work: dict[str, EinsumCount] = {}
    known: dict[frozenset[tuple[str, bool]], Number] = {}
    same = Alike().same
    for index, (einsum, plan) in enumerate(plans):
        points = _points(schedule, einsum, known)
        work[einsum.name] = EinsumCount(points, steps[index], results[plan.elements][DISTINCT])
        for access, queries in zip(einsum.accesses, plan.accesses, strict=True):
            levels.extend(_level_counts(einsum, access, [results[query] for query in queries], points, same))
    return Counts(tuple(levels), work)


def grains(schedule: Schedule) -> list[Number]:
    """The grain of each rank: 1 for one that no split makes coarse."""
    found: dict[str, Number] = dict.fromkeys(schedule.sizes, 1)
    for einsum in schedule.einsums:
        for each in (einsum.dimensions, *(access.dimensions for access in einsum.accesses)):
            found |= {dimension.rank: dimension.grain for dimension in each if dimension.coarse}
    return list(found.values())


def _points(schedule: Schedule, einsum: EinsumSchedule, known: dict[frozenset[tuple[str, bool]], Number]) -> Number:
    """Points of an iteration space; `known` has those over the same ranks."""
    key = frozenset((dimension.rank, dimension.coarse) for dimension in einsum.dimensions)
    if key not in known:
        words = [dimension.words(schedule.sizes[dimension.rank]) for dimension in einsum.dimensions]
        known[key] = prod(sorted(words, key=np.size))  # what does not vary first
    return known[key]


def _level_counts(
    einsum: EinsumSchedule, access: AccessPlan, results: list[Any], points: Number, same: Callable[..., Number]
) -> list[LevelCount]:
    """The rules of the module's text, level by level, home first."""
    counts: list[LevelCount] = []
    last = len(access.path) - 1
    for depth, level in enumerate(access.path):
        own = results[depth]
        fetched = own[VISITS_ALL] if depth else 0
        passed = points if depth == last else results[depth + 1][VISITS_ONE]
        if access.is_output:
            different = own[DISTINCT]
            fills = same(sub, fetched, different) if depth else 0
            reads, updates = same(sub, passed, different), passed
        else:
            reads, fills, updates = passed, fetched, 0
        charged = level not in access.free_levels
        counts.append(LevelCount(einsum.name, access.tensor, access.label, level, reads, fills, updates, charged))
    return counts
