"""Structures as integer tables for the kernels, and the runs of the kernels on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einsim.model import kernels
from einsim.model.compiled import compiled_kernels
from einsim.model.parallel import in_chunks
from einsim.model.queries import LoopRef, Query, Sight, Structure
from einsim.spec.expressions import Number

Runner = Callable[[Structure, list[Number], list[Number]], tuple[Any, Any]]
"""(structure, size of each rank, grain of each rank) -> (query x RESULTS numbers, steps of each nest)."""

Table = NDArray[np.int64]
Chain = tuple[int, tuple[LoopRef, ...]]


@dataclass(slots=True)
class _Tables:
    """Rows of the tables that `kernels.count_all` documents."""

    chains: dict[Chain, int] = field(default_factory=dict)
    rows: list[tuple[int, int, int]] = field(default_factory=list)
    needs: list[list[int]] = field(default_factory=list)
    loops: list[tuple[int, int, int]] = field(default_factory=list)
    queries: list[tuple[int, int, int, int]] = field(default_factory=list)
    used: list[tuple[int, int, int]] = field(default_factory=list)
    walk: list[tuple[int, int]] = field(default_factory=list)
    nests: list[tuple[int, int]] = field(default_factory=list)
    nest_chains: list[int] = field(default_factory=list)

    def chain(self, rank: int, loops: tuple[LoopRef, ...], *views: int) -> int:
        """The number of the chain of a rank among some loops, with its views marked as needed."""
        own = tuple(loop for loop in loops if loop.rank == rank)
        key = (rank, own)
        if key not in self.chains:
            self.chains[key] = len(self.rows)
            self.rows.append((rank, len(self.loops), len(self.loops) + len(own)))
            self.needs.append([0] * kernels.VIEWS)
            self.loops.extend((loop.slot, loop.kind, int(loop.inner)) for loop in own)
        number = self.chains[key]
        for view in views:
            self.needs[number][view] = 1
        return number

    def add_query(self, query: Query) -> None:
        """Appends a query: a factor for each rank that matters, and a walk over the loops in time."""
        first, start = len(self.used), len(self.walk)
        numbers: dict[int, int] = {}
        for rank, sight in enumerate(query.sights):
            own = [loop for loop in query.loops if loop.rank == rank]
            if own or sight is not Sight.ABSENT:
                both = _views(sight, query, own)
                numbers[rank] = len(numbers)
                self.used.append((self.chain(rank, query.loops, *both), *both))
        for loop in query.loops:
            if loop.in_time:
                self.walk.append((numbers[loop.rank], int(query.relevant(loop))))
        self.queries.append((first, len(self.used), start, len(self.walk)))

    def add_nest(self, loops: tuple[LoopRef, ...]) -> None:
        """Appends a whole nest, whose steps in time are counted."""
        first = len(self.nest_chains)
        for rank in dict.fromkeys(loop.rank for loop in loops):
            self.nest_chains.append(self.chain(rank, loops, kernels.STEPS))
        self.nests.append((first, len(self.nest_chains)))

    def arrays(self) -> tuple[Table, ...]:
        """The structure's arguments of `kernels.count_all`."""
        widths = {"rows": 3, "needs": kernels.VIEWS, "loops": 3, "queries": 4, "used": 3, "walk": 2, "nests": 2}
        made = [np.array(getattr(self, name), np.int64).reshape(-1, width) for name, width in widths.items()]
        return (*made, np.array(self.nest_chains, np.int64))


def _views(sight: Sight, query: Query, own: list[LoopRef]) -> tuple[int, int]:
    """The views of a rank over all processing elements, and as their parent has it."""
    if sight is Sight.FULL:
        return kernels.FULL, kernels.FULL
    along = [loop for loop in own if query.at_pe and loop.kind == kernels.SPATIAL]
    if sight is Sight.ABSENT:
        return (kernels.ABSENT_ALL if along else kernels.ABSENT_ONE), kernels.ABSENT_ONE
    return (kernels.COARSE_ALL if any(loop.inner for loop in along) else kernels.COARSE_ONE), kernels.COARSE_ONE


def _tables(structure: Structure) -> tuple[tuple[Table, ...], int, int]:
    """The tables, how many chains there are, and how deep the deepest is."""
    tables = _Tables()
    for query in structure.queries:
        tables.add_query(query)
    for nest in structure.nests:
        tables.add_nest(nest)
    return tables.arrays(), len(tables.rows), max((last - first for _, first, last in tables.rows), default=0) + 2


def _work(chains: int, ranks: int, depth: int, dtype: Any) -> tuple[Any, ...]:
    """The work arrays of `kernels.count_all`."""
    return (
        np.zeros((chains, kernels.VIEWS, depth), dtype), np.zeros((chains, kernels.VIEWS), dtype),
        np.zeros((2, depth), dtype), np.zeros((2, depth), dtype),
        np.zeros(ranks, np.int64), np.zeros(ranks, dtype),
    )  # fmt: skip


def exactly(structure: Structure, sizes: list[Number], grains: list[Number]) -> tuple[Any, Any]:
    """Counts one design with Python integers, which have no width."""
    tables, chains, depth = _tables(structure)
    numbers = [_integers(values) for values in (sizes, structure.tiles, grains)]
    out = np.zeros((len(structure.queries), kernels.RESULTS), object)
    steps = np.zeros(len(structure.nests), object)
    arguments = [*tables, *numbers, *_work(chains, len(sizes), depth, object), out, steps]
    kernels.count_all(*arguments)
    return out, steps


def _integers(values: list[Number]) -> Any:
    array = np.empty(len(values), object)
    array[:] = [int(value) for value in values]
    return array


def compiled(designs: int) -> Runner:
    """Counts many designs at once with compiled int64; the caller has made sure that it is wide enough."""

    def run(structure: Structure, sizes: list[Number], grains: list[Number]) -> tuple[Any, Any]:
        tables, chains, depth = _tables(structure)
        columns = [_columns(values, designs) for values in (sizes, structure.tiles, grains)]
        out = np.zeros((designs, len(structure.queries), kernels.RESULTS), np.int64)
        steps = np.zeros((designs, len(structure.nests)), np.int64)
        kernel = compiled_kernels().count_many

        def part(start: int, stop: int) -> None:
            kernel(start, stop, *tables, *columns, *_work(chains, len(sizes), depth, np.int64), out, steps)

        in_chunks(part, designs)
        return np.moveaxis(out, 0, -1), steps.T

    return run


def _columns(values: list[Number], designs: int) -> Table:
    table = np.empty((designs, len(values)), np.int64)
    for index, value in enumerate(values):
        table[:, index] = value
    return table
