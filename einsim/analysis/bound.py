"""A lower bound on traffic from what must be alive: words to and from memory against the size of the buffer.

Every input that is surely needed is read once, every output written once (`compulsory`). Beyond that: where a pass
ends, all elements of a row have been read, and the next pass needs them again. The buffer holds at most as many
positions of a row as it has words. For each of the others something comes from memory once more: values written
before, or the inputs that make them again. The cheapest choice is a minimum cut through the Einsums between the
inputs and what the next pass reads; rows may share what does not depend on them. Where a cut has more than inputs,
something has been written, too.

What would need a closer look costs nothing here (windows, tensors in parts, running values, values of whole tiles,
what is gathered or chosen by data), so that the bound holds for any mapping and any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

import networkx as nx

from einsim.analysis.demand import Demand, sure_reads
from einsim.analysis.passes import StreamPasses, count_passes
from einsim.analysis.sizes import extent, number
from einsim.cascade import (
    Access,
    Cascade,
    Einsum,
    iteration_ranks,
    iterative_rank,
    merge_splits,
    tensor_ranks,
)


@dataclass(frozen=True, slots=True)
class Boundary:
    """The end of one pass, before the next: `positions` of each row are needed again (less than all under a filter).

    again: words that a position costs at least to have again, for all rows; from_inputs: the same without
    anything written in between; written: words a position that something written has at least.
    """

    positions: float
    again: float
    from_inputs: float
    written: float

    def missing(self, capacity: int) -> float:
        """Positions that a buffer of `capacity` words cannot hold."""
        return max(0.0, self.positions - capacity)


@dataclass(frozen=True, slots=True)
class TrafficBound:
    """Least traffic of a cascade at given sizes, in words, as a function of the buffer's capacity in words.

    `streams`: the boundaries over each sequence; of several sequences the one that costs most counts.
    """

    compulsory: int
    streams: tuple[tuple[Boundary, ...], ...]
    batch: int = 1

    def at(self, capacity: int) -> int:
        """Words to and from memory, at least, with a buffer of `capacity` words."""
        extra = max((_extra(boundaries, capacity) for boundaries in self.streams), default=0.0)
        return self.batch * (self.compulsory + int(extra + 1e-6))

    def curve(self, capacities: Iterable[int]) -> list[int]:
        """The bound at several capacities."""
        return [self.at(capacity) for capacity in capacities]


def traffic_bound(cascade: Cascade, sizes: Mapping[str, int], rank: str | None = None, batch: int = 1) -> TrafficBound:
    """The bound of a cascade at the sizes of all its ranks (`bind_sizes`), times a number of independent batches.

    Without a rank, over the sequences that the cascade declares, if any.
    """
    demand = Demand(cascade, sizes)
    compulsory = sum(demand.inputs.values()) + sum(demand.elements(output) for output in cascade.outputs)
    every = count_passes(cascade, rank) if rank is not None or cascade.sequences else ()
    return TrafficBound(compulsory, tuple(_Boundaries(demand, passes).found() for passes in every), batch)


def _extra(boundaries: Iterable[Boundary], capacity: int) -> float:
    """Words beyond the compulsory ones.

    What is missing at several boundaries may be the same positions, so that what is written for one serves the
    others: the positions are taken in layers, each missing at one boundary fewer.
    """
    missing = sorted(((boundary.missing(capacity), boundary) for boundary in boundaries), key=lambda pair: -pair[0])
    total = 0.0
    for place, (positions, _) in enumerate(missing):
        below = missing[place + 1][0] if place + 1 < len(missing) else 0.0
        layer = [boundary for _, boundary in missing[: place + 1]]
        recomputed = sum(boundary.from_inputs for boundary in layer)
        reloaded = sum(boundary.again for boundary in layer) + min(boundary.written for boundary in layer)
        total += (positions - below) * min(recomputed, reloaded)
    return total


@dataclass(slots=True)
class _Boundaries:
    """The search for the boundaries of one stream, from its last pass back."""

    demand: Demand
    passes: StreamPasses

    @property
    def cascade(self) -> Cascade:
        return self.demand.cascade

    def found(self) -> tuple[Boundary, ...]:
        """One boundary a pass after the first, along the chain of Einsums that costs most."""
        return self._before(self.passes.first, self.demand.whole)

    def _before(self, number_: int, needed: frozenset[str]) -> tuple[Boundary, ...]:
        """The boundaries up to the one before a pass of which some tensors are needed whole."""
        best: tuple[Boundary, ...] = ()
        if number_ < 2:
            return best
        for einsum in self.cascade.einsums:
            reason = self.passes.reasons.get(einsum.name)
            state = self.passes.states[einsum.name]
            waits = reason is not None and state.number == number_ and reason.number == number_ - 1
            if not waits or reason is None or einsum.tensor not in needed or not self.passes.stream.touches(einsum):
                continue
            before = self.demand.needed_for([reason.access.tensor])
            boundary = self._boundary(einsum, reason.access.tensor, before)
            chain = (*self._before(number_ - 1, before), *([] if boundary is None else [boundary]))
            best = max(best, chain, key=lambda boundaries: _extra(boundaries, 0))
        return best

    def _boundary(self, reader: Einsum, complete: str, before: frozenset[str]) -> Boundary | None:
        """What an Einsum must have again after a tensor is complete that needed some others whole; None: nothing."""
        walks = self.passes.stream.walked(iteration_ranks(reader))
        positions = min(number(extent(self.cascade, walk), self.demand.sizes) for walk in walks)
        left = positions * self._kept(reader, before)
        graph = _Graph(self, positions, before)
        for access in sure_reads(reader):
            if self.aligned(reader, access):
                graph.connect(access.tensor, "sink")
        again, from_inputs = graph.cut(only_inputs=False), graph.cut(only_inputs=True)
        return Boundary(left, again, from_inputs, graph.least_written()) if again > 0 else None

    def _kept(self, reader: Einsum, before: frozenset[str]) -> float:
        """The share of positions that no filter leaves out, of the reader's and of all before it, at least."""
        filtered = [e for e in self.cascade.einsums if e.when is not None and (e is reader or e.tensor in before)]
        shares = {str(einsum.when): self.demand.kept(einsum) for einsum in filtered}
        return max(0.0, 1.0 - sum(1.0 - share for share in shares.values()))

    def aligned(self, reader: Einsum, access: Access) -> bool:
        """Whether an access moves along the sequence with its reader, one element a position."""
        along = [index for index in access.indices if set(index.ranks) & self.passes.stream.ranks]
        whole = all(merge_splits(self.cascade, index).rank is not None and not index.gathers for index in along)
        return bool(along) and whole and self.passes.stream.touches(reader)

    def along(self, tensor: str) -> int:
        """Positions of the sequence that a tensor has elements for."""
        ranks = [rank for rank in tensor_ranks(self.cascade, tensor) if rank in self.passes.stream.ranks]
        return number(extent(self.cascade, ranks), self.demand.sizes)


class _Graph:
    """The Einsums between inputs and a reader, as a network whose cuts are ways to have a position again."""

    def __init__(self, search: _Boundaries, positions: int, before: frozenset[str]) -> None:
        self.search, self.positions, self.before = search, positions, before
        self.network: nx.DiGraph[str] = nx.DiGraph()
        self.network.add_nodes_from(("source", "sink"))
        self.weights: dict[str, float] = {}
        self.inputs = {tensor.name for tensor in search.cascade.inputs}

    def connect(self, tensor: str, to: str) -> None:
        """Adds a tensor that something needs, and what makes it; what is had for nothing is left out."""
        makers = self.search.cascade.makers(tensor)
        states = [self.search.passes.states[maker.name] for maker in makers]
        if tensor in self.weights:
            self.network.add_edge(f"{tensor}>", to)
            return
        known = tensor in self.before if not makers else states[0].number > 0 and not states[0].after
        if not known or len(makers) > 1 or any(iterative_rank(maker) is not None for maker in makers):
            return
        if self.search.along(tensor) < self.positions:
            return
        demand = self.search.demand
        self.weights[tensor] = demand.elements(tensor) / self.search.along(tensor)
        self.network.add_edge(tensor, f"{tensor}>", weight=self.weights[tensor])
        self.network.add_edge(f"{tensor}>", to)
        if not makers:
            self.network.add_edge("source", tensor)
        for maker in makers:
            for access in sure_reads(maker):
                if self.search.aligned(maker, access):
                    self.connect(access.tensor, tensor)

    def cut(self, *, only_inputs: bool) -> float:
        """Words a position that the cheapest choice reads."""
        network = self.network.copy()
        for tensor, weight in self.weights.items():
            if tensor in self.inputs or not only_inputs:
                network.edges[tensor, f"{tensor}>"]["capacity"] = weight
        value, _ = nx.minimum_cut(network, "source", "sink")
        return float(value)

    def least_written(self) -> float:
        """Words a position of the smallest tensor that is made on the way."""
        return min((weight for tensor, weight in self.weights.items() if tensor not in self.inputs), default=inf)
