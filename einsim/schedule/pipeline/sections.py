"""What one program runs: a kernel, a fusion group, or one block of a part of a fusion group.

Parts of a fusion group follow each other inside the loops that all of them share, block by block. Each part of each
kind of block (whole ones, and the remainders along every rank) is a program that runs as often as there are such
blocks, and begins when the part before has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from einsim.schedule.flow import Flow
from einsim.schedule.liveness import Liveness
from einsim.schedule.nest import Loop, Schedule
from einsim.schedule.pipeline.epochs import Extents


@dataclass(frozen=True, slots=True)
class Section:
    """Einsums that run together, `times` over, on ranks of some sizes; `outside` are the loops around them."""

    names: tuple[str, ...]
    sizes: Extents
    times: int = 1
    outside: int = 0

    @property
    def name(self) -> str:
        """For what is in it."""
        return self.names[0] if len(self.names) == 1 else f"{self.names[0]}..{self.names[-1]}"


def groups_of(schedule: Schedule, flow: Flow) -> list[tuple[str, ...]]:
    """Einsums that run together: phases that are kernels, or else fusion groups."""
    if schedule.per_phase_memory:
        lists = [[name for _, names in phase.run for name in names] for phase in schedule.phases]
    else:
        by_group: dict[int, list[str]] = {}
        for einsum in schedule.einsums:
            by_group.setdefault(flow.groups[einsum.name], []).append(einsum.name)
        lists = list(by_group.values())
    return [tuple(names) for names in lists if names]


def sections_of(schedule: Schedule, flow: Flow, live: Liveness | None) -> Iterator[Section]:
    """The sections of a schedule, in order."""
    sizes = {rank: int(size) for rank, size in schedule.sizes.items()}
    for names in groups_of(schedule, flow):
        if live is None or names[0] not in flow.parts:
            yield Section(names, sizes)
            continue
        ((_, sharing),) = live.parts
        outside = sharing.common[names[0]]
        places = sharing.running[names[0]][:outside]
        common = [live.shape.loops[names[0]][position] for position in places]
        tiles = [next(each for each in live.einsums[names[0]].loops if _same(each, loop)) for loop in common]
        parts = [[name for name in names if flow.parts[name] == part]
                 for part in dict.fromkeys(flow.parts[name] for name in names)]  # fmt: skip
        for block, times in blocks(tiles, sizes):
            yield from (Section(tuple(part), block, times, outside) for part in parts)


def _same(one: Loop, other: Loop) -> bool:
    return (one.name, one.level) == (other.name, other.level)


def blocks(loops: Sequence[Loop], sizes: Extents) -> Iterator[tuple[dict[str, int], int]]:
    """The extents that some loops leave of every rank, whole tiles first, and how often."""
    ranks = list(dict.fromkeys(loop.rank for loop in loops))
    cut = [tuple(_cut([loop for loop in loops if loop.rank == rank], sizes[rank]).items()) for rank in ranks]
    for extents in product(*cut):
        block = {rank: extent for rank, (extent, _) in zip(ranks, extents, strict=True)}
        yield {**sizes, **block}, prod(times for _, times in extents)


def _cut(loops: Iterable[Loop], size: int) -> dict[int, int]:
    """The extents that loops over one rank cut it into, and how often."""
    found = {size: 1}
    for loop in loops:
        pieces: dict[int, int] = {}
        for extent, times in found.items():
            for piece, many in ((loop.tile, extent // loop.tile), (extent % loop.tile, 1)):
                if piece and many:
                    pieces[int(piece)] = pieces.get(int(piece), 0) + int(many) * times
        found = pieces
    return found
