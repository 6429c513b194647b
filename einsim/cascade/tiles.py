"""Splits as mappings see them: of some, the parts are tiles of one rank, of others, ranks of their own.

A split rank is walked tile by tile where its parts always stand together, the outer one outside. Where they do not (an
inner part alone, a second rank like a part, the whole rank beside a part, a part that is split again), the parts are
ranks like any other, and an index that puts them together (`m1*M0+p0`) is affine in both. Then the last tile counts as
a whole one, as other points do that a filter leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from einsim.cascade.index import Index
from einsim.cascade.ir import Cascade, Split
from einsim.cascade.ranks import alike, iteration_ranks, known_ranks, merge_splits, operands


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """A cascade as the key of a cache: the very object, which the key keeps alive."""

    cascade: Cascade

    def __hash__(self) -> int:
        return id(self.cascade)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.cascade is other.cascade


def tiled_splits(cascade: Cascade) -> tuple[Split, ...]:
    """The splits whose parts are tiles of one rank."""
    return _tiled(_Same(cascade))


def tiled_split(cascade: Cascade, rank: str) -> Split | None:
    """The split of which a rank is a part that is walked tile by tile; None for a rank of its own."""
    return next((split for split in tiled_splits(cascade) if rank in (split.outer, split.inner)), None)


def tiled_rank(cascade: Cascade, rank: str) -> str:
    """The rank whose elements a rank walks in tiles; itself where it is no part."""
    split = tiled_split(cascade, rank)
    return rank if split is None else split.rank


def merge_tiles(cascade: Cascade, index: Index) -> Index:
    """The index with both parts of each tiled split put back together: `m1*M0+m0` becomes `m`."""
    return merge_splits(cascade, index, tiled_splits(cascade))


@lru_cache(maxsize=256)
def _tiled(key: _Same) -> tuple[Split, ...]:
    cascade = key.cascade
    parts = [part for split in cascade.splits for part in (split.outer, split.inner)]
    twins = {alike(cascade, rank) for rank in known_ranks(cascade) if rank not in parts} & set(parts)
    again = {alike(cascade, split.rank) for split in cascade.splits} & set(parts)
    together = [set(iteration_ranks(einsum)) for einsum in cascade.einsums]
    together += [
        {rank for index in access.indices for rank in index.ranks}
        for einsum in cascade.einsums
        for access in (*operands(einsum), einsum.output)
    ]
    return tuple(
        split
        for split in cascade.splits
        if not {split.outer, split.inner} & (twins | again)
        and alike(cascade, split.rank) not in parts
        and not any(_apart(split, ranks) for ranks in together)
    )


def _apart(split: Split, ranks: set[str]) -> bool:
    """Whether a split's parts do not stand as tiles of one rank."""
    alone = split.inner in ranks and split.outer not in ranks
    return alone or (split.rank in ranks and bool({split.outer, split.inner} & ranks))
