"""A walk in tiles: views and copies of what a pass reads, at the ranks of a split."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from einsim.analysis.passes import StreamPasses
from einsim.analysis.plan import Plan
from einsim.analysis.spread import maker_of
from einsim.cascade import (
    Access,
    Cascade,
    Condition,
    Einsum,
    Expr,
    Index,
    Split,
    iterative_rank,
    known_ranks,
    size_of,
    tensor_ranks,
)
from einsim.cascade.substitute import Swap, fresh, reindexed, rewritten, rewritten_condition, substitute


@dataclass(slots=True)
class Tiling:
    """The ranks of a plan's tiles, and the Einsums that bring operands into tiles (`made`, in order).

    A walk of one rank is split, unless it is already; a walk of several goes tile by tile along its outermost.
    """

    cascade: Cascade
    passes: StreamPasses
    plan: Plan
    taken: set[str]
    outer: str = ""
    split: Split | None = None
    made: dict[str, Einsum] = field(default_factory=dict)
    copied: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Choose the ranks, and which tensors are made in tiles rather than seen in tiles."""
        walk = self.plan.walk
        if len(walk) > 1:
            self.outer = walk[0]
            return
        known = set(known_ranks(self.cascade))
        existing = next((split for split in self.cascade.splits if split.rank == walk[0]), None)
        if existing is None:
            outer, inner = _free(f"{walk[0]}1", known), _free(f"{walk[0]}0", known)
            existing = Split(walk[0], outer, inner, size_of(inner))
            self.split = existing
        self.outer = existing.outer
        self.whole = existing
        self.copied = self._copied()

    whole: Split | None = None
    """The split whose parts are the ranks of the tiles; None where the walk has several ranks already."""

    @property
    def ranks(self) -> dict[str, Index]:
        """What the walk's rank is at the ranks of the tiles."""
        if self.whole is None:
            return {}
        inner = Index.of(self.whole.inner)
        return {self.whole.rank: inner.plus(Index.of(self.whole.outer), 1, [self.whole.size])}

    def expression(self, body: Expr, swap: Swap | None = None) -> Expr:
        """An expression in tiles; `swap` may replace operands first."""
        return rewritten(body, {}, lambda access: self._operand(access, swap))

    def condition(self, when: Condition | None) -> Condition | None:
        """A filter in tiles."""
        if when is None:
            return None
        tiled = rewritten_condition(when, {}, lambda access: self._operand(access, None))
        return rewritten_condition(tiled, self.ranks)

    def finish(self, body: Expr) -> Expr:
        """An expression whose operands are in tiles: what is left of the walk's rank is put in terms of the parts."""
        return rewritten(body, self.ranks)

    def indices(self, indices: tuple[Index, ...]) -> tuple[Index, ...]:
        """Plain ranks with the walk's rank taken apart."""
        if self.whole is None:
            return indices
        found: list[Index] = []
        for index in indices:
            if index.rank == self.whole.rank:
                found += [Index.of(self.whole.outer), Index.of(self.whole.inner)]
            else:
                found.append(substitute(index, self.ranks))
        return tuple(found)

    def _operand(self, access: Access, swap: Swap | None) -> Expr:
        if swap is not None:
            swapped = swap(access)
            if swapped != access:
                return swapped
        if self.whole is None:
            return access
        bare = [index.rank == self.whole.rank for index in access.indices]
        if sum(bare) != 1 or any(
            self.whole.rank in i.ranks for i, b in zip(access.indices, bare, strict=True) if not b
        ):
            return reindexed(access, self.ranks)
        return replace(access, tensor=self._tile_of(access), indices=self.indices(access.indices))

    def _tile_of(self, access: Access) -> str:
        """The tensor that holds an operand in tiles; it is added to `made` at first use."""
        key = access.tensor
        if key not in self.made:
            name = fresh(self.cascade, f"B{access.tensor}", self.taken)
            maker = maker_of(self.cascade, access.tensor)
            if access.tensor in self.copied and maker is not None:
                body = self.finish(self.expression(maker.body))
                output = Access(name, self.indices(maker.output.indices))
                einsum = replace(maker, output=output, body=body, when=self.condition(maker.when))
            else:
                own = tuple(Index.of(rank) for rank in _dimension_names(self.cascade, access, self.whole))
                einsum = Einsum(Access(name, self.indices(own)), reindexed(Access(access.tensor, own), self.ranks))
            self.made[key] = einsum
        return self.made[key].tensor

    def _copied(self) -> frozenset[str]:
        """Tensors made element by element whose only readers are made in tiles as well."""
        assert self.whole is not None
        plan = self.plan
        tiled = {plan.maximum.name, *(each.name for each in (*plan.exponentials, *plan.sums))}
        late = {each.name for each in plan.late}
        found: set[str] = set()
        for einsum in reversed(self.cascade.einsums):
            plain = all(index.rank is not None for index in einsum.output.indices)
            along = self.whole.rank in einsum.output.ranks and self.passes.stream.touches(einsum)
            lone = not einsum.part and iterative_rank(einsum) is None and einsum.tensor not in self.cascade.outputs
            readers = [each for each in self.cascade.einsums if any(a.tensor == einsum.tensor for a in each.reads)]
            inside = all(
                r.name in tiled and r.name not in late and self._reads_plainly(r, einsum.tensor) for r in readers
            )
            if plain and along and lone and readers and inside and einsum.name not in tiled:
                found.add(einsum.tensor)
                tiled.add(einsum.name)
        return frozenset(found)

    def _reads_plainly(self, reader: Einsum, tensor: str) -> bool:
        assert self.whole is not None
        reads = [access for access in reader.reads if access.tensor == tensor]
        return all(any(index.rank == self.whole.rank for index in access.indices) for access in reads)


def _dimension_names(cascade: Cascade, access: Access, whole: Split | None) -> list[str]:
    """Ranks for a view of a whole tensor: those that the access reads it with, where they are plain."""
    names = []
    for dimension, index in zip(tensor_ranks(cascade, access.tensor), access.indices, strict=True):
        plain = whole is not None and index.rank == whole.rank
        names.append(index.rank if plain and index.rank is not None else dimension)
    return names


def _free(wanted: str, known: set[str]) -> str:
    name, count = wanted, 2
    while name in known:
        name, count = f"{wanted}_{count}", count + 1
    known.add(name)
    return name
