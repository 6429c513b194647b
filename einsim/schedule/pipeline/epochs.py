"""The loops that cut a run into epochs, and the tile extents that they leave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from einsim.schedule.nest import Loop
from einsim.spec.expressions import ceil_div

Extents = Mapping[str, int]
"""Rank -> elements of it in a tile."""


@dataclass(frozen=True)
class Epochs:
    """The epoch's loops, outermost first, over ranks of some sizes.

    A loop inside a split's tile walks all of it, even in the last tile (docs/counting.md).
    """

    loops: tuple[Loop, ...]
    sizes: Extents

    def parent(self, position: int) -> int | None:
        """The loop around a loop over the same rank."""
        rank = self.loops[position].rank
        return max((p for p in range(position) if self.loops[p].rank == rank), default=None)

    def restarts(self, position: int) -> bool:
        """Whether a loop walks a whole tile of its parent, wherever that ends."""
        above = self.parent(position)
        return self.loops[position].inner and (above is None or not self.loops[above].inner)

    @cached_property
    def extents(self) -> tuple[tuple[int, ...], ...]:
        """Of each loop, the different extents that one iteration of it covers, the whole tile's first."""
        found: list[tuple[int, ...]] = []
        for position, loop in enumerate(self.loops):
            above = self.parent(position)
            outer = (self.sizes[loop.rank],) if above is None else found[above]
            if self.restarts(position):
                outer = (self.sizes[loop.rank] if above is None else self.loops[above].tile,)
            pieces = {piece for extent in outer for piece in _pieces(extent, loop.tile)}
            found.append(tuple(sorted(pieces, reverse=True)))
        return tuple(found)

    def innermost(self, depth: int) -> dict[str, int]:
        """Rank -> the last of the first `depth` loops over it."""
        return {loop.rank: position for position, loop in enumerate(self.loops[:depth])}

    def kinds(self, depth: int) -> list[dict[str, int]]:
        """All combinations of extents that the first `depth` loops may leave, whole tiles first."""
        last = self.innermost(depth)
        fixed = {rank: size for rank, size in self.sizes.items() if rank not in last}
        choices = [[(rank, extent) for extent in self.extents[position]] for rank, position in last.items()]
        return [fixed | dict(choice) for choice in product(*choices)]

    @cached_property
    def trips(self) -> tuple[int, ...]:
        """The most iterations that each loop makes."""
        found = []
        for position, loop in enumerate(self.loops):
            above = self.parent(position)
            if above is None:
                most = self.sizes[loop.rank]
            else:
                most = self.loops[above].tile if self.restarts(position) else max(self.extents[above])
            found.append(ceil_div(most, loop.tile))
        return tuple(found)

    @cached_property
    def count(self) -> int:
        """How many epochs there are, none of them filtered out."""
        total = 1
        for rank in {loop.rank for loop in self.loops}:
            total *= steps(self.sizes[rank], [loop for loop in self.loops if loop.rank == rank], self.sizes[rank])
        return total


def _pieces(extent: int, tile: int) -> Iterator[int]:
    """The tiles that an extent is cut into: whole ones and the remainder."""
    if extent >= tile:
        yield tile
    if extent % tile:
        yield extent % tile


def steps(extent: int, loops: Iterable[Loop], grain: int) -> int:
    """Steps in time that loops over one rank take for an extent; those inside a split's tile walk `grain` whole.

    Space costs no time: the first processing element has the first part.
    """
    tiles = {extent: 1}
    inside = False
    for loop in loops:
        if loop.inner and not inside:
            tiles, inside = {grain: sum(tiles.values())}, True
        if not inside:
            grain = loop.tile
        cut: dict[int, int] = {}
        for each, times in tiles.items():
            if loop.axis is not None:
                cut[min(each, loop.tile)] = cut.get(min(each, loop.tile), 0) + times
                continue
            for piece, many in ((loop.tile, each // loop.tile), (each % loop.tile, int(each % loop.tile > 0))):
                if piece and many:
                    cut[piece] = cut.get(piece, 0) + many * times
        tiles = cut
    return sum(tiles.values())
