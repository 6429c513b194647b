"""One program for other sizes: the machine and its plan stay, only the numbers of tiles change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from einsim.errors import SpecError
from einsim.schedule.pipeline.build import Assembly
from einsim.schedule.pipeline.epochs import Epochs
from einsim.schedule.pipeline.program import Link, Program, Strand
from einsim.schedule.pipeline.strands import grains, points_of, slots_of, steps_of, unit_loops
from einsim.spec.expressions import Number


def resized(assembly: Assembly, sizes: Mapping[str, int]) -> Program:
    """The program of an assembly for other sizes of its base ranks: same loops, links, plan and room.

    What moves, `moved` words of transfers, is that of whole tiles: a partial tile is filled up. Raises SpecError for a
    rank that there is none of, and for a size that is no positive number.
    """
    program = assembly.program
    known = program.epochs.sizes
    for rank, size in sizes.items():
        if rank not in known or size < 1:
            problem = "sizes are at least 1" if rank in known else f"ranks are {', '.join(known)}"
            raise SpecError(f"size {size} of rank {rank!r}", remedy=problem)
    epochs = Epochs(program.epochs.loops, {**known, **sizes})
    by_einsum = {body.einsum.name: body for body in assembly.group.bodies}
    strands: list[Strand] = []
    computing: dict[str, tuple[Strand, Strand]] = {}
    for strand in program.strands:
        body = by_einsum[strand.einsum]
        kinds, whole = epochs.kinds(strand.depth), grains(epochs, strand.depth)
        if strand.computes:
            units = unit_loops(body, assembly.running[strand.einsum], body.unit)
            slots = tuple(slots_of(body.einsum, body.loops, extents, whole) for extents in kinds)
            made = tuple(min(steps_of(units, each, whole), slots[n]) for n, each in enumerate(kinds))
            points = tuple(points_of(body.einsum, extents) for extents in kinds)
            new = replace(strand, slots=slots, units=made, points=points)
            computing[strand.einsum] = strand, new
        else:
            old, owner = computing[strand.einsum]
            streams = strand.units == old.units and max(old.units) > 1
            each = owner.units if streams else (1,) * len(kinds)
            unit = Fraction(max(strand.moved, default=0)) / max(1, *strand.units)
            moved = tuple(_whole(unit * units) for units in each)
            new = replace(strand, slots=each, units=each, points=(0,) * len(kinds), moved=moved)
        strands.append(new)
    links = tuple(_link(link, program, strands) for link in program.links)
    pools = tuple(
        replace(pool, words=(max(pool.words),) * len(epochs.kinds(strands[pool.opener].depth)))
        for pool in program.pools
    )
    starts = tuple(replace(start, places=()) for start in program.starts)  # all tiles take the slots of whole ones
    return replace(program, epochs=epochs, strands=tuple(strands), starts=starts, links=links, pools=pools)


def _whole(words: Fraction) -> Number:
    return int(words) if words.denominator == 1 else words


def _link(link: Link, program: Program, strands: list[Strand]) -> Link:
    reader, new = program.strands[link.reader], strands[link.reader]
    if max(link.shares) == 1 and max(reader.units) > 1:
        return replace(link, shares=(1,) * len(new.units))
    if link.shares != reader.units:
        raise SpecError(f"{reader.name} waits for {program.strands[link.source].name} in steps that are not its units")
    return replace(link, shares=new.units)
