"""Counts of a structure: every query's words, and every nest's steps.

A query's visits are sums of products of what the chains of its ranks bring (`einsim.model.chains` has the formula).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from einsim.model.chains import Loops, Rank, View
from einsim.model.products import Products
from einsim.model.queries import SPATIAL, LoopRef, Query, Sight, Structure
from einsim.spec.alike import Alike
from einsim.spec.expressions import Number

Runner = Callable[[Structure, list[Number], list[Number]], tuple[Any, Any]]
"""(structure, size of each rank, grain of each rank) -> (query x RESULTS numbers, steps of each nest)."""

VISITS_ALL, VISITS_ONE, DISTINCT, RESULTS = 0, 1, 2, 3
"""Words fetched by all processing elements, as their parent sees them, and different words over all."""


def as_numbers(structure: Structure, sizes: list[Number], grains: list[Number]) -> tuple[Any, Any]:
    """Counts one design with Python integers, which have no width, or many at once with arrays of int64.

    The caller has made sure that 64 bits are enough for the results.
    """
    counter = _Counter(structure, sizes, grains)
    results = np.empty((len(structure.queries), RESULTS), object)
    for query, number in structure.queries.items():
        results[number] = counter.results(query)
    return results, [counter.steps(nest) for nest in structure.nests]


class _Counter:
    def __init__(self, structure: Structure, sizes: list[Number], grains: list[Number]) -> None:
        alike = Alike()
        tiles = [alike.one_of(tile) for tile in structure.tiles]
        self.ranks = [
            Rank(alike.one_of(size), alike.one_of(grain), tiles, alike)
            for size, grain in zip(sizes, grains, strict=True)
        ]
        self.products = Products(alike)
        self._chains: dict[Loops, dict[int, Loops]] = {}
        self._same: dict[Loops, Loops] = {}
        self._brought: dict[tuple[int, int, View], list[Number]] = {}  # by the rank and the identity of its chain

    def chains(self, loops: Loops) -> dict[int, Loops]:
        """The loops over each rank that has some; equal chains are one object."""
        if loops not in self._chains:
            own: dict[int, list[LoopRef]] = {}
            for loop in loops:
                own.setdefault(loop.rank, []).append(loop)
            made = {rank: tuple(chain) for rank, chain in own.items()}
            self._chains[loops] = {rank: self._same.setdefault(chain, chain) for rank, chain in made.items()}
        return self._chains[loops]

    def brought(self, rank: int, own: Loops, view: View) -> list[Number]:
        """What a chain brings at every depth; equal arrays are one."""
        key = (rank, id(own), view)
        if key not in self._brought:
            self._brought[key] = [self.products.one_of(number) for number in self.ranks[rank].brought(own, view)]
        return self._brought[key]

    def results(self, query: Query) -> list[Number]:
        """Visits over all processing elements and as their parent sees them, and distinct words over all."""
        used: dict[int, Loops] = {}
        everywhere, parent = {}, {}
        chains = self.chains(query.loops)
        for rank, sight in enumerate(query.sights):
            own = chains.get(rank, ())
            if own or sight is not Sight.ABSENT:
                used[rank] = own
                everywhere[rank], parent[rank] = views(sight, query, own)
        visits = self._visits(query, used, everywhere)
        distinct = [self.ranks[rank].distinct(own, everywhere[rank]) for rank, own in used.items()]
        return [
            visits,
            visits if parent == everywhere else self._visits(query, used, parent),
            self.products.product(map(self.products.one_of, distinct)),
        ]

    def steps(self, nest: Loops) -> Number:
        """Steps in time of a nest."""
        steps = [self.ranks[rank].steps(own) for rank, own in self.chains(nest).items()]
        return self.products.product(map(self.products.one_of, steps))

    def _visits(self, query: Query, used: dict[int, Loops], views: dict[int, View]) -> Number:
        """Words fetched over the whole nest: what each loop that changes the tile adds to the product of all ranks."""
        brought = {rank: self.brought(rank, own, views[rank]) for rank, own in used.items()}
        depths = dict.fromkeys(used, 0)

        def all_ranks() -> list[Number]:
            return [brought[rank][depth] for rank, depth in depths.items()]

        terms = [(1, all_ranks())]
        for loop in query.loops:
            if loop.in_time:
                before = all_ranks()
                depths[loop.rank] += 1
                if query.relevant(loop):
                    terms += [(-1, before), (1, all_ranks())]
        return self.products.sum(terms)


def views(sight: Sight, query: Query, own: tuple[LoopRef, ...]) -> tuple[View, View]:
    """How a query sees a rank with `own` loops: over all processing elements, and as their parent has it."""
    if sight is Sight.FULL:
        return View.FULL, View.FULL
    along = [loop for loop in own if query.at_pe and loop.kind == SPATIAL]
    if sight is Sight.ABSENT:
        return (View.ABSENT_ALL if along else View.ABSENT_ONE), View.ABSENT_ONE
    return (View.COARSE_ALL if any(loop.inner for loop in along) else View.COARSE_ONE), View.COARSE_ONE
