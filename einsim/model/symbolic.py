"""Counts as formulas.

The words of the ranks that a tensor has, times the iterations, outside the innermost loop that concerns
the tensor, of the ranks that it has not. The formulas hold where every tile divides what it cuts and the
loops that run more than once are those of the design that they were made for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy

from einsim.model.costs import cost_fields
from einsim.model.counts import QueryTables, Runner
from einsim.model.kernels import (
    ABSENT,
    AT_PE,
    COARSE,
    FIRST,
    FULL,
    INNER,
    KIND,
    LAST,
    MODES,
    RANK,
    SLOT,
    SPATIAL,
    TEMPORAL,
)
from einsim.schedule.environment import machine_fields
from einsim.schedule.nest import Schedule
from einsim.spec.configuration import Design
from einsim.spec.expressions import Number


def symbols(design: Design) -> dict[str, Number]:
    """A positive symbol for every size, machine field and cost that a formula may hold."""
    whole = [*(name for name, _ in design.workload.sizes), *machine_fields(design.architecture)]
    table = {name: sympy.Symbol(name, integer=True, positive=True) for name in whole}
    return table | {name: sympy.Symbol(name, positive=True) for name in cost_fields(design.architecture)}


def single_loops(schedule: Schedule) -> frozenset[tuple[str, str]]:
    """(rank, name) of the loops in time that run once only in every Einsum of a numeric schedule."""
    once: set[tuple[str, str]] = set()
    more: set[tuple[str, str]] = set()
    for einsum in schedule.einsums:
        extents = dict(schedule.sizes)
        for loop in einsum.loops:
            single = loop.axis is None and extents[loop.rank] <= loop.tile
            (once if single else more).add((loop.rank, loop.name))
            extents[loop.rank] = min(extents[loop.rank], loop.tile)
    return frozenset(once - more)


def formulas(single: frozenset[tuple[str, str]]) -> Runner:
    """A runner that writes formulas; loops in `single` are left out."""

    def run(tables: QueryTables, sizes: list[Number], grains: list[Number]) -> tuple[Any, Any]:
        dropped = {number for number, slot in enumerate(tables.slots) if slot in single}
        counter = _Formulas([tuple(loop) for loop in tables.loops], sizes, tables.tiles, grains, dropped)
        results = np.empty((len(tables.queries), 4), object)
        for query, number in tables.queries.items():
            results[number] = [
                counter.visits(query, one=False), counter.visits(query, one=True),
                counter.distinct(query, one=False), counter.distinct(query, one=True),
            ]  # fmt: skip
        return results, [counter.steps(first, last) for first, last in tables.nests]

    return run


class _Formulas:
    def __init__(
        self, loops: list[tuple[int, ...]], sizes: list[Number], tiles: list[Number], grains: list[Number],
        dropped: set[int],
    ) -> None:  # fmt: skip
        self.loops = loops
        self.dropped = dropped
        self.sizes = [sympy.sympify(size) for size in sizes]
        self.tiles = [sympy.sympify(tile) for tile in tiles]
        self.grains = [sympy.sympify(grain) for grain in grains]

    def chain(self, first: int, last: int, rank: int, kind: int, *, inner: bool | None = None) -> list[sympy.Expr]:
        """Tiles of the loops over a rank, outermost first."""
        return [
            self.tiles[loop[SLOT]]
            for loop in self.loops[first:last]
            if loop[RANK] == rank and loop[KIND] == kind and (inner is None or bool(loop[INNER]) == inner)
            and (kind == SPATIAL or loop[SLOT] not in self.dropped)
        ]  # fmt: skip

    def visits(self, query: tuple[int, ...], *, one: bool) -> sympy.Expr:
        """Words fetched: see the module's text."""
        first, last = query[FIRST], query[LAST]
        stop = first
        for position in range(first, last):
            loop = self.loops[position]
            mode = query[MODES + loop[RANK]]
            if loop[SLOT] in self.dropped:
                continue
            if loop[KIND] == TEMPORAL and (mode == FULL or (mode == COARSE and not loop[INNER])):
                stop = position + 1
        total = sympy.Integer(1)
        for rank in range(len(self.sizes)):
            total *= self.factor(query, rank, stop, one=one)
        return total

    def factor(self, query: tuple[int, ...], rank: int, stop: int, *, one: bool) -> sympy.Expr:
        first, last, mode = query[FIRST], query[LAST], query[MODES + rank]
        size, grain = self.sizes[rank], self.grains[rank]
        if mode == FULL:
            return size
        if mode == COARSE:
            within = self.chain(first, stop, rank, TEMPORAL, inner=True)
            repeats = grain / within[-1] if within else sympy.Integer(1)
            return size / grain * repeats * self.spread(query, rank, grain, inner=True, one=one)
        above = self.chain(first, stop, rank, TEMPORAL)
        iterations = size / above[-1] if above else sympy.Integer(1)
        whole = self.chain(first, last, rank, TEMPORAL)
        return iterations * self.spread(query, rank, whole[-1] if whole else size, inner=None, one=one)

    def spread(
        self, query: tuple[int, ...], rank: int, extent: sympy.Expr, *, inner: bool | None, one: bool
    ) -> sympy.Expr:
        """Processing elements that take the same words: those along a rank that the tensor has not."""
        if one or not query[AT_PE]:
            return sympy.Integer(1)
        along = self.chain(query[FIRST], query[LAST], rank, SPATIAL, inner=inner)
        if not along:
            return sympy.Integer(1)
        if inner:
            cut = self.chain(query[FIRST], query[LAST], rank, TEMPORAL, inner=True)
            extent = cut[-1] if cut else extent
        return extent / along[0]

    def distinct(self, query: tuple[int, ...], *, one: bool) -> sympy.Expr:
        """Different words, over all processing elements or as the parent sees them."""
        total = sympy.Integer(1)
        for rank, size in enumerate(self.sizes):
            mode = query[MODES + rank]
            if mode == FULL:
                total *= size
            elif mode == COARSE:
                total *= size / self.grains[rank]
                total *= self.spread(query, rank, self.grains[rank], inner=True, one=one)
            elif mode == ABSENT:
                whole = self.chain(query[FIRST], query[LAST], rank, TEMPORAL)
                total *= self.spread(query, rank, whole[-1] if whole else size, inner=None, one=one)
        return total

    def steps(self, first: int, last: int) -> sympy.Expr:
        """Steps in time of a nest."""
        total = sympy.Integer(1)
        for rank, size in enumerate(self.sizes):
            extent = size
            for loop in self.loops[first:last]:
                if loop[RANK] != rank or (loop[KIND] != SPATIAL and loop[SLOT] in self.dropped):
                    continue
                tile = self.tiles[loop[SLOT]]
                if loop[KIND] != SPATIAL:
                    total *= extent / tile
                extent = tile
        return total
