"""What a cascade surely reads: the least number of elements that its outputs need, whatever the mapping.

Least means: of what a gather, a branch of `where` or a filter on data may leave out, nothing is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod

from einsim.analysis.share import share
from einsim.analysis.sizes import number, points, words
from einsim.cascade import (
    Access,
    Cascade,
    Compare,
    Condition,
    Einsum,
    Index,
    Init,
    Junction,
    Node,
    Position,
    Quotient,
    Where,
    accesses,
    children,
    iteration_ranks,
    iterative_rank,
    merge_splits,
    size_of,
    tensor_ranks,
)
from einsim.cascade.bounds import numeric_reach


@dataclass(frozen=True)
class Demand:
    """What the outputs of a cascade need at given sizes (of all ranks: `bind_sizes`)."""

    cascade: Cascade
    sizes: Mapping[str, int]
    _shares: dict[str, float] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def whole(self) -> frozenset[str]:
        """The tensors of which every element that is made is needed."""
        return self.needed_for(self.cascade.outputs)

    def needed_for(self, tensors: Iterable[str]) -> frozenset[str]:
        """The tensors that are needed whole to make some tensors whole; those themselves too."""
        found = set(tensors)
        waiting = list(found)
        while waiting:
            for statement, access in self.reads_of(waiting.pop()):
                if access.tensor not in found and self.covers(statement, access):
                    found.add(access.tensor)
                    waiting.append(access.tensor)
        return frozenset(found)

    def reads_of(self, tensor: str) -> Iterator[tuple[Einsum | Init, Access]]:
        """What making a tensor surely reads: (statement, access)."""
        for statement in self.cascade.statements:
            if statement.output.tensor == tensor:
                yield from ((statement, access) for access in sure_reads(statement))

    @cached_property
    def inputs(self) -> dict[str, int]:
        """Elements of each input that are surely read."""
        found = {tensor.name: 0 for tensor in self.cascade.inputs}
        for tensor in self.whole:
            for statement, access in self.reads_of(tensor):
                if access.tensor in found:
                    found[access.tensor] = max(found[access.tensor], self.read(statement, access))
        return found

    def elements(self, tensor: str) -> int:
        """How many elements a tensor has."""
        return number(words(self.cascade, tensor), self.sizes)

    def covers(self, statement: Einsum | Init, access: Access) -> bool:
        """Whether an access touches every element of its tensor that is made."""
        if self._reached(access) < self.elements(access.tensor):
            return False
        when = _filter(statement, access)
        if when is None or self._everywhere(when, access):
            return True
        makers = self.cascade.makers(access.tensor)
        return len(makers) == 1 and (makers[0].when == when or _implied(makers[0], when))

    def read(self, statement: Einsum | Init, access: Access) -> int:
        """The least number of elements that an access of a statement touches."""
        when = _filter(statement, access)
        if when is None or self._everywhere(when, access):
            return self._reached(access)
        assert isinstance(statement, Einsum)
        return int(self._reached(access) * self.kept(statement) + 1e-6)

    def _reached(self, access: Access) -> int:
        """The least number of elements that the indices of an access reach, before any filter."""
        groups: list[tuple[set[str], int]] = []
        for rank, index in zip(tensor_ranks(self.cascade, access.tensor), access.indices, strict=True):
            ranks, count = set(index.ranks), self._coordinates(access, rank, index)
            for other in [group for group in groups if group[0] & ranks]:  # dimensions that move together: the longest
                groups.remove(other)
                ranks, count = ranks | other[0], max(count, other[1])
            groups.append((ranks, count))
        return prod(count for _, count in groups)

    def kept(self, einsum: Einsum) -> float:
        """The share of an Einsum's points that its filter leaves; 0 where data decide and no density is given."""
        if einsum.when is None:
            return 1.0
        if accesses(einsum.when) and einsum.density is None:
            return 0.0
        if einsum.name not in self._shares:
            every = prod(self.sizes[size_of(rank)] for rank in iteration_ranks(einsum))
            there = number(points(self.cascade, einsum), self.sizes)  # less than all where tiles are partial
            self._shares[einsum.name] = min(1.0, share(self.cascade, einsum, self.sizes) * every / there)
        return self._shares[einsum.name]

    def _everywhere(self, when: Condition, access: Access) -> bool:
        """Whether a filter such as `m <= p` leaves some point for every element of an access that lacks one side."""
        match when:
            case Junction("or", parts):
                return any(self._everywhere(part, access) for part in parts)
            case Compare("<=", Position(Index() as less), Position(Index() as more)):
                pass
            case Compare(">=", Position(Index() as more), Position(Index() as less)):
                pass
            case _:
                return False
        if not (less.is_affine and more.is_affine) or set(less.ranks) & set(more.ranks):
            return False
        least, most = numeric_reach(self.cascade, less, self.sizes), numeric_reach(self.cascade, more, self.sizes)
        if not set(access.ranks) & set(more.ranks):
            return most[1] >= least[1]
        return not set(access.ranks) & set(less.ranks) and least[0] <= most[0]

    def _coordinates(self, access: Access, rank: str, index: Index) -> int:
        """The least number of coordinates that an index takes in a dimension."""
        extent = self.sizes[size_of(rank)]
        over = {iterative_rank(maker) for maker in self.cascade.makers(access.tensor)}
        if rank in over:  # the last slice needs all before it
            last = index.is_constant and index.value({}, self.sizes) == extent
            return extent if last or (index.shift is not None and index.ranks) else 1
        index = merge_splits(self.cascade, index)
        if index.rank is not None:
            return min(extent, self.sizes[size_of(index.rank)])
        if index.is_affine:
            return _contiguous(self.cascade, index, self.sizes, extent)
        match index.terms[0].atoms if len(index.terms) == 1 and index.terms[0].factor == 1 else ():
            case (Quotient(Index() as left, Index() as right, remainder),) if left.rank and right.is_constant:
                by, length = right.value({}, self.sizes), self.sizes[size_of(left.rank)]
                return min(extent, min(by, length) if remainder else -(-length // by))
        return 1


def sure_reads(statement: Einsum | Init) -> tuple[Access, ...]:
    """The operands that are read at every point: not those of a branch, nor of what a condition may not come to."""
    nodes: list[Node] = [statement.body]
    if isinstance(statement, Einsum) and statement.when is not None:
        nodes.append(statement.when)
    found: list[Access] = []
    while nodes:
        node = nodes.pop()
        match node:
            case Access():
                found.append(node)
                nodes += children(node)
            case Where(condition, _, _):
                nodes.append(condition)
            case Junction(_, parts):
                nodes.append(parts[0])
            case _:
                nodes += children(node)
    return tuple(dict.fromkeys(found))


def _contiguous(cascade: Cascade, index: Index, sizes: Mapping[str, int], extent: int) -> int:
    """How many coordinates inside a dimension an affine index takes, where they follow each other; else 1."""
    steps = sorted((abs(term.scale(sizes)), sizes[size_of(term.rank)]) for term in index.terms if term.rank is not None)
    reached = 0
    for step, length in steps:
        if step > reached + 1:
            return 1
        reached += step * (length - 1)
    least, greatest = numeric_reach(cascade, index, sizes)
    return max(1, min(greatest, extent - 1) - max(least, 0) + 1)


def _filter(statement: Einsum | Init, access: Access) -> Condition | None:
    """The filter under which a statement reads: none for what the filter itself reads."""
    if not isinstance(statement, Einsum) or statement.when is None or access in accesses(statement.when):
        return None
    return statement.when


def _implied(maker: Einsum, when: Condition) -> bool:
    """Whether elements are made only where a filter holds: tiles with any `m1*M0+m0 <= p` are those of `m1*M0 <= p`."""
    match maker.when, when:
        case (
            Compare("<=", Position(Index() as less), Position(Index() as more)),
            Compare("<=", Position(Index() as low), Position(Index() as high)),
        ):
            apart = less.plus(more, -1)
            first = tuple(t for t in apart.terms if not (t.rank in maker.reduced and t.factor > 0))
            return replace(apart, terms=first) == low.plus(high, -1)
    return False
