"""Structures as chains of loops, and the runs of the kernels on them.

A chain is the loops over one rank above a level. The kernels say what it brings at every depth; a query's visits are
sums of products of what the chains of its ranks bring (`einsim.model.kernels` has the formula).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einsim.model import kernels
from einsim.model.compiled import compiled_kernels
from einsim.model.parallel import in_chunks
from einsim.model.products import Products
from einsim.model.queries import LoopRef, Query, Sight, Structure
from einsim.spec.expressions import Number

Runner = Callable[[Structure, list[Number], list[Number]], tuple[Any, Any]]
"""(structure, size of each rank, grain of each rank) -> (query x RESULTS numbers, steps of each nest)."""

VISITS_ALL, VISITS_ONE, DISTINCT, RESULTS = 0, 1, 2, 3
"""Words fetched by all processing elements, as their parent sees them, and different words over all."""


@dataclass(slots=True)
class Chain:
    """The loops over one rank above a level, and the views of it that matter."""

    rank: int
    loops: tuple[LoopRef, ...]
    views: set[int] = field(default_factory=set)

    @property
    def needs(self) -> NDArray[np.int64]:
        """Which views matter, as the kernels take it."""
        return np.array([view in self.views for view in range(kernels.VIEWS)], np.int64)

    @property
    def table(self) -> NDArray[np.int64]:
        """The loops as the kernels take them."""
        return np.array([(loop.kind, int(loop.inner)) for loop in self.loops], np.int64).reshape(-1, 2)

    @property
    def depth(self) -> int:
        """Loops in time."""
        return sum(loop.in_time for loop in self.loops)

    def numbers(self, structure: Structure, sizes: list[Number], grains: list[Number]) -> list[Number]:
        """Size of the rank, of its grain (where that matters), and the tile of each loop."""
        coarse = self.views & {kernels.COARSE_ALL, kernels.COARSE_ONE}
        tiles = [structure.tiles[loop.slot] for loop in self.loops]
        return [sizes[self.rank], grains[self.rank] if coarse else 1, *tiles]


@dataclass(frozen=True, slots=True)
class Factors:
    """What one chain brings: numbers by view and depth, and how many different words there are by view."""

    at: dict[int, list[Number]]
    distinct: dict[int, Number]


Measure = Callable[[Chain, list[Number]], Factors]
"""What a chain with these numbers (`Chain.numbers`) brings."""


class _Counter:
    """The chains of a structure, measured, and its queries and nests counted."""

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.chains: dict[tuple[int, tuple[LoopRef, ...]], Chain] = {}
        self.queries = [self._used(query) for query in structure.queries]
        self.nests = [
            [self._chain(rank, nest, kernels.STEPS) for rank in dict.fromkeys(loop.rank for loop in nest)]
            for nest in structure.nests
        ]

    def _chain(self, rank: int, loops: tuple[LoopRef, ...], *views: int) -> Chain:
        own = tuple(loop for loop in loops if loop.rank == rank)
        chain = self.chains.setdefault((rank, own), Chain(rank, own))
        chain.views.update(views)
        return chain

    def _used(self, query: Query) -> dict[int, tuple[Chain, int, int]]:
        """The chain of every rank that matters, and its views over all processing elements and for their parent."""
        used = {}
        for rank, sight in enumerate(query.sights):
            own = [loop for loop in query.loops if loop.rank == rank]
            if own or sight is not Sight.ABSENT:
                both = _views(sight, query, own)
                used[rank] = (self._chain(rank, query.loops, *both), *both)
        return used

    def count(self, sizes: list[Number], grains: list[Number], measure: Measure, products: Products) -> tuple[Any, Any]:
        """The results of a runner."""
        found = {
            id(chain): measure(chain, chain.numbers(self.structure, sizes, grains)) for chain in self.chains.values()
        }
        results = np.empty((len(self.queries), RESULTS), object)
        for number, (query, used) in enumerate(zip(self.structure.queries, self.queries, strict=True)):
            everywhere = [(rank, found[id(chain)], view) for rank, (chain, view, _) in used.items()]
            parent = [(rank, found[id(chain)], view) for rank, (chain, _, view) in used.items()]
            visits = _visits(query, everywhere, products)
            results[number, VISITS_ALL] = visits
            results[number, VISITS_ONE] = visits if parent == everywhere else _visits(query, parent, products)
            results[number, DISTINCT] = products.product([chain.distinct[view] for _, chain, view in everywhere])
        steps = [products.product([found[id(chain)].distinct[kernels.STEPS] for chain in nest]) for nest in self.nests]
        return results, steps


def _visits(query: Query, used: list[tuple[int, Factors, int]], products: Products) -> Number:
    """Words fetched over the whole nest: what each loop that changes the tile adds to the product of all ranks."""
    by_depth = {rank: chain.at[view] for rank, chain, view in used}
    depths = dict.fromkeys(by_depth, 0)

    def all_ranks() -> list[Number]:
        return [by_depth[rank][depth] for rank, depth in depths.items()]

    terms = [(1, all_ranks())]
    for loop in query.loops:
        if not loop.in_time:
            continue
        relevant = query.relevant(loop)
        if relevant:
            terms.append((-1, all_ranks()))
        depths[loop.rank] += 1
        if relevant:
            terms.append((1, all_ranks()))
    return products.sum(terms)


def _views(sight: Sight, query: Query, own: list[LoopRef]) -> tuple[int, int]:
    """The views of a rank over all processing elements, and as their parent has it."""
    if sight is Sight.FULL:
        return kernels.FULL, kernels.FULL
    along = [loop for loop in own if query.at_pe and loop.kind == kernels.SPATIAL]
    if sight is Sight.ABSENT:
        return (kernels.ABSENT_ALL if along else kernels.ABSENT_ONE), kernels.ABSENT_ONE
    return (kernels.COARSE_ALL if any(loop.inner for loop in along) else kernels.COARSE_ONE), kernels.COARSE_ONE


def exactly(structure: Structure, sizes: list[Number], grains: list[Number]) -> tuple[Any, Any]:
    """Counts one design with Python integers, which have no width."""
    return _Counter(structure).count(sizes, grains, _measure_one, Products())


def _measure_one(chain: Chain, numbers: list[Number]) -> Factors:
    size, grain, *tiles = (int(number) for number in numbers)
    depth = len(tiles) + 2
    extents, scratch, factors, distinct = (
        np.zeros(shape, object) for shape in ((2, depth), (2, depth), (kernels.VIEWS, depth), kernels.VIEWS)
    )
    kernels.chain_factors(
        chain.needs, chain.table, size, grain, tiles or [0], extents, scratch, factors, distinct
    )  # fmt: skip
    return Factors({view: factors[view, : chain.depth + 1].tolist() for view in chain.views},
                   {view: distinct[view] for view in chain.views})  # fmt: skip


def compiled(structure: Structure, sizes: list[Number], grains: list[Number]) -> tuple[Any, Any]:
    """Counts many designs at once with compiled int64; the caller has made sure that it is wide enough."""
    products = Products()

    def measure(chain: Chain, numbers: list[Number]) -> Factors:
        return _measure_many(chain, numbers, products)

    return _Counter(structure).count(sizes, grains, measure, products)


def _measure_many(chain: Chain, numbers: list[Number], products: Products) -> Factors:
    """What a chain brings, along the axes of its numbers only."""
    shape = np.broadcast_shapes(*(np.shape(number) for number in numbers))
    total = prod(shape)
    given = np.empty((len(numbers), total), np.int64)
    for row, number in zip(given, numbers, strict=True):
        row.reshape(shape)[...] = number
    places, rows = _places(chain)
    made = np.empty((rows, total), np.int64)
    needs, table = chain.needs, chain.table
    kernel = compiled_kernels().chain_many
    in_chunks(lambda start, stop: kernel(start, stop, needs, table, places, given, made), total)
    values = [products.one_of(row.reshape(shape)) for row in made]
    return Factors({view: [values[place] for place in places[view, : chain.depth + 1]] for view in chain.views},
                   {view: values[places[view, -1]] for view in chain.views})  # fmt: skip


def _places(chain: Chain) -> tuple[NDArray[np.int64], int]:
    """Where the kernel leaves what (`kernels.chain_many`), and how many rows that takes."""
    places = np.full((kernels.VIEWS, len(chain.loops) + 2), -1, np.int64)
    rows = 0
    for view in sorted(chain.views):
        columns = [-1] if view == kernels.STEPS else [*range(chain.depth + 1), -1]
        for column in columns:
            places[view, column] = rows
            rows += 1
    return places, rows
