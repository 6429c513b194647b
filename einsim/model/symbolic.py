"""Counts as formulas.

The words of the ranks that a tensor has, times the iterations, outside the innermost loop that concerns
the tensor, of the ranks that it has not. The formulas hold where every tile divides what it cuts and the
loops that run more than once are those of the design that they were made for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import sympy

from einsim.model.closed_form import Evaluation, assemble
from einsim.model.costs import Costs, cost_fields
from einsim.model.queries import SPATIAL, LoopRef, Query, Sight, Structure
from einsim.model.tables import RESULTS, Runner
from einsim.schedule.lower import lower
from einsim.schedule.nest import Schedule
from einsim.spec.architecture import machine_fields
from einsim.spec.configuration import Design
from einsim.spec.expressions import Number


def evaluate_symbolic(design: Design) -> Evaluation:
    """The closed form as sympy formulas in rank sizes, machine fields, costs and fitted tiles.

    They hold for designs in which the same loops run more than once and the same tensors spill, and whose
    tiles divide evenly.
    """
    numeric = lower(design)
    costs = Costs(design, symbols(design))
    schedule = lower(design, costs.sizes())
    spilling = [rule for rule, number in zip(schedule.spills, numeric.spills, strict=True) if number.proportion]
    return assemble(costs, replace(schedule, spills=tuple(spilling)), formulas(single_loops(numeric)))


def symbols(design: Design) -> dict[str, Number]:
    """A positive symbol for every size, machine field and cost that a formula may hold; what leaks nothing has none."""
    whole = [*(name for name, _ in design.workload.sizes), *machine_fields(design.architecture)]
    table = {name: sympy.Symbol(name, integer=True, positive=True) for name in whole}
    costs = cost_fields(design.architecture)
    leaks = {name for name, value in costs.items() if name.endswith("leak_mw") and not value}
    return table | {name: 0.0 if name in leaks else sympy.Symbol(name, positive=True) for name in costs}


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

    def run(structure: Structure, sizes: list[Number], grains: list[Number]) -> tuple[Any, Any]:
        dropped = {number for number, slot in enumerate(structure.slots) if slot in single}
        counter = _Formulas(structure, sizes, grains, dropped)
        results = np.empty((len(structure.queries), RESULTS), object)
        for query, number in structure.queries.items():
            results[number] = [
                counter.visits(query, one=False), counter.visits(query, one=True),
                counter.distinct(query),
            ]  # fmt: skip
        return results, [counter.steps(nest) for nest in structure.nests]

    return run


class _Formulas:
    def __init__(self, structure: Structure, sizes: list[Number], grains: list[Number], dropped: set[int]) -> None:
        self.sizes = [sympy.sympify(size) for size in sizes]
        self.tiles = [sympy.sympify(tile) for tile in structure.tiles]
        self.grains = [sympy.sympify(grain) for grain in grains]
        self.dropped = dropped

    def in_time(self, loops: tuple[LoopRef, ...], rank: int, *, inner: bool | None = None) -> list[sympy.Expr]:
        """Tiles of the loops in time over a rank that run more than once, outermost first."""
        return [
            self.tiles[loop.slot]
            for loop in loops
            if loop.rank == rank and loop.in_time and loop.slot not in self.dropped and inner in {None, loop.inner}
        ]

    def visits(self, query: Query, *, one: bool) -> sympy.Expr:
        """Words fetched: see the module's text."""
        concerned = [
            position
            for position, loop in enumerate(query.loops)
            if query.relevant(loop) and loop.slot not in self.dropped
        ]
        outside = query.loops[: concerned[-1] + 1] if concerned else ()
        total = sympy.Integer(1)
        for rank in range(len(self.sizes)):
            total *= self.factor(query, rank, outside, one=one)
        return total

    def factor(self, query: Query, rank: int, outside: tuple[LoopRef, ...], *, one: bool) -> sympy.Expr:
        """Words of a rank that the tensor has, or iterations over one that it has not."""
        size, grain = self.sizes[rank], self.grains[rank]
        match query.sights[rank]:
            case Sight.FULL:
                return size
            case Sight.COARSE:
                within = self.in_time(outside, rank, inner=True)
                repeats = grain / within[-1] if within else sympy.Integer(1)
                return size / grain * repeats * self.spread(query, rank, grain, inner=True, one=one)
            case Sight.ABSENT:
                above = self.in_time(outside, rank)
                iterations = size / above[-1] if above else sympy.Integer(1)
                whole = self.in_time(query.loops, rank)
                return iterations * self.spread(query, rank, whole[-1] if whole else size, inner=None, one=one)

    def spread(self, query: Query, rank: int, extent: sympy.Expr, *, inner: bool | None, one: bool) -> sympy.Expr:
        """Processing elements that take the same words: those along a rank that the tensor has not."""
        along = [
            self.tiles[loop.slot]
            for loop in query.loops
            if loop.rank == rank and loop.kind == SPATIAL and inner in {None, loop.inner}
        ]
        if one or not query.at_pe or not along:
            return sympy.Integer(1)
        if inner:
            cut = self.in_time(query.loops, rank, inner=True)
            extent = cut[-1] if cut else extent
        return extent / along[0]

    def distinct(self, query: Query) -> sympy.Expr:
        """Different words, over all processing elements."""
        total = sympy.Integer(1)
        for rank, size in enumerate(self.sizes):
            match query.sights[rank]:
                case Sight.FULL:
                    total *= size
                case Sight.COARSE:
                    total *= size / self.grains[rank]
                    total *= self.spread(query, rank, self.grains[rank], inner=True, one=False)
                case Sight.ABSENT:
                    whole = self.in_time(query.loops, rank)
                    total *= self.spread(query, rank, whole[-1] if whole else size, inner=None, one=False)
        return total

    def steps(self, nest: tuple[LoopRef, ...]) -> sympy.Expr:
        """Steps in time of a nest."""
        total = sympy.Integer(1)
        for rank, size in enumerate(self.sizes):
            extent = size
            for loop in nest:
                if loop.rank != rank or (loop.kind != SPATIAL and loop.slot in self.dropped):
                    continue
                if loop.kind != SPATIAL:
                    total *= extent / self.tiles[loop.slot]
                extent = self.tiles[loop.slot]
        return total
