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
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einsim.model import kernels as interpreted
from einsim.model.compiled import compiled_kernels
from einsim.model.parallel import in_chunks
from einsim.schedule.nest import AccessPlan, EinsumSchedule, Schedule
from einsim.spec.expressions import Number

Table = NDArray[np.int64]


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


@dataclass(slots=True)
class QueryTables:
    """A schedule's structure as integer tables for the kernels; the sizes come separately."""

    ranks: list[str]
    slots: list[tuple[str, str]] = field(default_factory=list)
    loops: list[list[int]] = field(default_factory=list)
    nests: list[tuple[int, int]] = field(default_factory=list)
    queries: dict[tuple[int, ...], int] = field(default_factory=dict)
    tiles: list[Number] = field(default_factory=list)

    def add_nest(self, einsum: EinsumSchedule) -> int:
        """Appends an Einsum's loops; returns where they start."""
        first = len(self.loops)
        for loop in einsum.loops:
            key = (loop.rank, loop.name)
            if key not in self.slots:
                self.slots.append(key)
                self.tiles.append(loop.tile)
            within = loop.axis is None and loop.level == einsum.registers
            kind = interpreted.SPATIAL if loop.axis else interpreted.WITHIN if within else interpreted.TEMPORAL
            self.loops.append([self.ranks.index(loop.rank), self.slots.index(key), kind, int(loop.inner)])
        self.nests.append((first, len(self.loops)))
        return first

    def add_query(self, first: int, last: int, at_pe: bool, access: AccessPlan) -> int:
        """The number of the query for an access at a level whose loops are first..last-1."""
        modes = [interpreted.ABSENT] * len(self.ranks)
        for dimension in access.dimensions:
            modes[self.ranks.index(dimension.rank)] = interpreted.COARSE if dimension.coarse else interpreted.FULL
        return self.queries.setdefault((first, last, int(at_pe), *modes), len(self.queries))


Runner = Callable[[QueryTables, list[Number], list[Number]], tuple[Any, Any]]
"""(tables, size of each rank, grain of each rank) -> (query x 4 results, steps of each nest)."""


def count(schedule: Schedule, memories: list[str], run: Runner) -> Counts:
    """Counts of a schedule: of one design (`exactly`), of many (`compiled`), or as formulas (`symbolic`)."""
    tables = QueryTables(list(schedule.sizes))
    plans = [(einsum, _plan(tables, einsum, memories)) for einsum in schedule.einsums]
    results, steps = run(tables, list(schedule.sizes.values()), _grains(schedule))
    levels: list[LevelCount] = []
    work: dict[str, EinsumCount] = {}
    for index, (einsum, plan) in enumerate(plans):
        points = _points(schedule, einsum)
        work[einsum.name] = EinsumCount(points, steps[index], results[plan.elements][interpreted.DISTINCT_ALL])
        for access, queries in zip(einsum.accesses, plan.accesses, strict=True):
            levels.extend(_level_counts(einsum, access, [results[query] for query in queries], points))
    return Counts(tuple(levels), work)


@dataclass(frozen=True, slots=True)
class _Plan:
    accesses: tuple[tuple[int, ...], ...]
    elements: int


def _plan(tables: QueryTables, einsum: EinsumSchedule, memories: list[str]) -> _Plan:
    """The queries of an Einsum: one a level of each access, and one for the processing elements it uses."""
    first = tables.add_nest(einsum)
    shared = [loop for loop in einsum.temporal if loop.level != einsum.registers]
    at_pe = first + len(shared) + len(einsum.spatial)

    def query(access: AccessPlan, level: str) -> int:
        if level == einsum.registers:
            return tables.add_query(first, at_pe, True, access)
        outer = memories[: memories.index(level)] if level in memories else memories
        return tables.add_query(first, first + sum(loop.level in outer for loop in shared), False, access)

    nothing = AccessPlan("", "", False, (), ())
    accesses = tuple(tuple(query(access, level) for level in access.path) for access in einsum.accesses)
    return _Plan(accesses, tables.add_query(first, at_pe, True, nothing))


def _grains(schedule: Schedule) -> list[Number]:
    grains: dict[str, Number] = dict.fromkeys(schedule.sizes, 1)
    for einsum in schedule.einsums:
        for each in (einsum.dimensions, *(access.dimensions for access in einsum.accesses)):
            grains |= {dimension.rank: dimension.grain for dimension in each if dimension.coarse}
    return list(grains.values())


def _points(schedule: Schedule, einsum: EinsumSchedule) -> Number:
    points: Number = 1
    for dimension in einsum.dimensions:
        points = points * dimension.words(schedule.sizes[dimension.rank])
    return points


def _level_counts(
    einsum: EinsumSchedule, access: AccessPlan, results: list[Any], points: Number
) -> list[LevelCount]:
    """The rules of the module's text, level by level, home first."""
    counts: list[LevelCount] = []
    last = len(access.path) - 1
    for depth, level in enumerate(access.path):
        own = results[depth]
        fetched = own[interpreted.VISITS_ALL] if depth else 0
        passed = points if depth == last else results[depth + 1][interpreted.VISITS_ONE]
        if access.is_output:
            different = own[interpreted.DISTINCT_ALL]
            reads, fills, updates = passed - different, fetched - different if depth else 0, passed
        else:
            reads, fills, updates = passed, fetched, 0
        charged = level not in access.free_levels
        counts.append(LevelCount(einsum.name, access.tensor, access.label, level, reads, fills, updates, charged))
    return counts


def _work_arrays(ranks: int, depth: int, dtype: Any) -> tuple[Any, ...]:
    """values, counts, lengths, factors, scratch (see `kernels.count_all`)."""
    return (
        np.zeros((ranks, depth), dtype), np.zeros((ranks, depth), dtype), np.zeros(ranks, np.int64),
        np.zeros(ranks, dtype), np.zeros((2, depth), dtype),
    )  # fmt: skip


def _structure(tables: QueryTables) -> tuple[Table, Table, Table, int]:
    queries = np.array(list(tables.queries), dtype=np.int64)
    nests = np.array(tables.nests, dtype=np.int64)
    loops = np.array(tables.loops, dtype=np.int64).reshape(-1, 4)
    return queries, nests, loops, int((nests[:, 1] - nests[:, 0]).max(initial=0)) + 2


def exactly(tables: QueryTables, sizes: list[Number], grains: list[Number]) -> tuple[Any, Any]:
    """Counts one design with Python integers, which have no width."""
    queries, nests, loops, depth = _structure(tables)
    arrays = [_integers(values) for values in (sizes, tables.tiles, grains)]
    out, steps = np.zeros((len(queries), 4), object), np.zeros(len(nests), object)
    interpreted.count_all(
        queries, nests, loops, *arrays, *_work_arrays(len(sizes), depth, object), out, steps
    )
    return out, steps


def _integers(values: list[Number]) -> Any:
    array = np.empty(len(values), object)
    array[:] = [int(value) for value in values]
    return array


def compiled(designs: int) -> Runner:
    """Counts many designs at once with compiled int64; the caller has made sure that it is wide enough."""

    def run(tables: QueryTables, sizes: list[Number], grains: list[Number]) -> tuple[Any, Any]:
        queries, nests, loops, depth = _structure(tables)
        columns = [_columns(values, designs) for values in (sizes, tables.tiles, grains)]
        out = np.zeros((designs, len(queries), 4), np.int64)
        steps = np.zeros((designs, len(nests)), np.int64)
        kernel = compiled_kernels().count_many

        def part(start: int, stop: int) -> None:
            work = _work_arrays(len(sizes), depth, np.int64)
            kernel(start, stop, queries, nests, loops, *columns, *work, out, steps)

        in_chunks(part, designs)
        return np.moveaxis(out, 0, -1), steps.T

    return run


def _columns(values: list[Number], designs: int) -> Table:
    table = np.empty((designs, len(values)), np.int64)
    for index, value in enumerate(values):
        table[:, index] = value
    return table
