"""What moves between the outermost memory and the chip, and the room that it takes there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod

from einsim.schedule.nest import AccessPlan, Loop, SpillRule
from einsim.schedule.pipeline.epochs import Epochs, Extents, steps
from einsim.schedule.pipeline.program import LOAD, STORE, Flag, Strand, When
from einsim.schedule.pipeline.routes import laid_along
from einsim.schedule.pipeline.strands import Body, grains
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.architecture import Architecture
from einsim.spec.expressions import Number, ceil_div


@dataclass(frozen=True, slots=True)
class Tile:
    """How an access's tile at one level changes: with the epoch, or (`streams`) within a body, too.

    `still` and `again` as in `Flag`; `pieces` of the tile come in different epochs; `words` by the body's extents are
    what is fetched in one instance, or one piece.
    """

    streams: bool
    still: tuple[int, ...]
    again: tuple[int, ...]
    pieces: int
    words: tuple[int, ...]

    def flag(self, kind: When) -> Flag:
        """Epochs of a kind for this tile."""
        if kind is When.RETURNS:
            return Flag(kind, 0, self.still, self.again)
        return Flag(kind, 0, self.still) if self.still else Flag()


def tile_at(epochs: Epochs, body: Body, access: AccessPlan, level: str, outer: Sequence[str]) -> Tile:
    """The tile of an access at a level; `outer` are the memories outside of it."""
    registers = level == body.einsum.registers

    def walks(loop: Loop) -> bool:
        return loop.axis is None and (loop.level in outer or (registers and loop.level != level))

    own = range(body.depth)
    kinds = epochs.kinds(body.depth)
    whole = grains(epochs, body.depth)
    inside = [loop for loop in body.loops if walks(loop)]
    streams = any(access.concerns(loop) and steps_over(loop, inside, kinds[0], whole) > 1 for loop in inside)
    moving = [p for p in own if walks(epochs.loops[p]) and access.concerns(epochs.loops[p])]
    last = max((p for p in moving if epochs.trips[p] > 1), default=-1)
    idle = [p for p in own if not access.concerns(epochs.loops[p])]
    still = () if streams else tuple(p for p in idle if p > last or not walks(epochs.loops[p]))
    again = tuple(p for p in idle if p not in still and walks(epochs.loops[p]))
    parts = [p for p in own if access.concerns(epochs.loops[p]) and not walks(epochs.loops[p])]
    words = tuple(_fetched(access, inside if streams else [], extents, whole) for extents in kinds)
    return Tile(streams, still, again, prod(epochs.trips[p] for p in parts), words)


def steps_over(loop: Loop, loops: Sequence[Loop], extents: Extents, whole: Extents) -> int:
    """Iterations of a loop among others over its rank, all of them together."""
    own = [each for each in loops[: loops.index(loop) + 1] if each.rank == loop.rank]
    return steps(extents[loop.rank], own, whole.get(loop.rank, extents[loop.rank])) // max(
        1, steps(extents[loop.rank], own[:-1], whole.get(loop.rank, extents[loop.rank]))
    )


def _fetched(access: AccessPlan, loops: Sequence[Loop], extents: Extents, whole: Extents) -> int:
    """Words of a tensor fetched in some loops: all of them, again for each iteration of idle loops outside."""
    words = prod(int(each.words(extents[each.rank])) for each in access.dimensions)
    changing = [n for n, loop in enumerate(loops)
                if access.concerns(loop) and steps_over(loop, loops, extents, whole) > 1]  # fmt: skip
    outside = [loop for loop in loops[: max(changing, default=0)] if not access.concerns(loop)]
    for rank in {loop.rank for loop in outside}:
        own = [loop for loop in outside if loop.rank == rank]
        words *= steps(extents[rank], own, whole.get(rank, extents[rank]))
    return words


def with_ports(epochs: Epochs, body: Body, strand: Strand, machine: Architecture, timing: Timing) -> Strand:
    """A strand with the rows of the innermost memory that it reads and writes in a cycle.

    A tile that is shifted into or out of the 2D array passes its edge row by row, however fast it is computed. What
    needs more rows than there are ports takes its slots at the pace of the ports.
    """
    memories = list(machine.memories)
    if len(memories) < 2:
        return strand
    row = machine.memories[memories[-1]].access_bytes // machine.word_bytes
    array = machine.arrays[body.einsum.array]
    reads = writes = 0
    for access in body.einsum.accesses:
        if memories[-1] not in access.path[:-1]:
            continue
        words = max(tile_at(epochs, body, access, body.einsum.registers, memories).words)
        both = array.is_grid and laid_along(body.einsum, access) == {"rows", "columns"}
        cycles = max(strand.slots[0], timing.across(array, "rows") if both else 0)
        rows = ceil_div(words, row * max(1, cycles))
        reads, writes = (reads, writes + rows) if access.is_output else (reads + rows, writes)
    buffer = machine.memories[memories[-1]]
    limits = [(rows, ports) for rows, ports in ((reads, buffer.read_ports), (writes, buffer.write_ports)) if ports]
    pace = max((ceil_div(rows, ports) for rows, ports in limits), default=1) if timing.memory else 1
    return replace(
        strand,
        spacing=max(strand.spacing, pace),
        reads=min(reads, buffer.read_ports or reads),
        writes=min(writes, buffer.write_ports or writes),
    )


@dataclass(frozen=True, slots=True)
class Transfer:
    """A strand of transfers of one access, with the tile at the level that takes or gives it."""

    strand: Strand
    access: AccessPlan
    tile: Tile
    level: str


def transfers_of(
    epochs: Epochs, body: Body, compute: Strand, memories: Sequence[str], spills: Iterable[SpillRule]
) -> list[Transfer]:
    """The strands that bring an Einsum's operands and take its result away, spilled parts included."""
    found: list[Transfer] = []
    for access in body.einsum.accesses:
        rule = next((r for r in spills if access.tensor in r.tensors and r.level in access.path and r.proportion), None)
        if access.path[0] == memories[0] and len(access.path) > 1:
            part = 1 if rule is None else 1 - rule.proportion
            found += _between(epochs, body, compute, access, access.path[1], memories, part)
        if rule is not None and access.path.index(rule.level) + 1 < len(access.path):
            inner = access.path[access.path.index(rule.level) + 1]
            found += _between(epochs, body, compute, access, inner, memories, rule.proportion, spilled=True)
    return found


def _between(
    epochs: Epochs, body: Body, compute: Strand, access: AccessPlan, level: str, memories: Sequence[str],
    part: Number, *, spilled: bool = False,
) -> Iterable[Transfer]:  # fmt: skip
    outer = memories[: memories.index(level)] if level in memories else memories
    tile = tile_at(epochs, body, access, level, outer)
    moved = tuple(words * part for words in tile.words)
    kinds: list[tuple[str, When]] = [(LOAD, When.ARRIVES)]
    if access.is_output:
        kinds = [(STORE, When.LEAVES), *([(LOAD, When.RETURNS)] if tile.again else [])]
    for resource, when in kinds:
        flag = tile.flag(when)
        strand = Strand(
            name=f"{resource} {access.tensor}{' (spilled)' if spilled else ''} {'of' if access.is_output else 'for'} "
            f"{body.einsum.name}",
            einsum=body.einsum.name,
            resource=resource,
            depth=body.depth,
            slots=compute.units if tile.streams else (1,) * len(moved),
            units=compute.units if tile.streams else (1,) * len(moved),
            points=(0,) * len(moved),
            moved=moved,
            when=compute.when if compute.when.kind is not When.ALWAYS else flag,
        )
        yield Transfer(strand, access, tile, level)
