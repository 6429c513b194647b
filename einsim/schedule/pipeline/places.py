"""Where the steps of a partial tile stand among those of a whole one, which is the one that is planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from einsim.schedule.nest import Loop
from einsim.schedule.pipeline.epochs import Epochs, Extents
from einsim.schedule.pipeline.plan import Cycles
from einsim.schedule.pipeline.program import Start, Strand
from einsim.schedule.pipeline.strands import Body, grains, unit_loops


def placed(start: Start, strand: Strand, body: Body, running: Sequence[Loop], epochs: Epochs) -> Start:
    """A strand's start with the places of partial tiles: each of their slots is planned where a whole tile has it.

    So what runs in partial tiles is a part of what is planned, in the same order. `strand` is the one that computes.
    """
    whole, *partial = epochs.kinds(body.depth)
    loops, grain = unit_loops(body, running, body.unit), grains(epochs, body.depth)
    found: list[tuple[int, ...]] = [()]
    for kind, extents in enumerate(partial, start=1):
        units = steps_there(loops, whole, extents, grain)[: strand.units[kind]]
        numbers = units if start.in_units else slots_there(strand, kind, units)
        found.append(() if np.array_equal(numbers, np.arange(len(numbers))) else tuple(numbers.tolist()))
    return replace(start, places=tuple(found)) if any(found) else start


def steps_there(loops: Sequence[Loop], whole: Extents, part: Extents, grain: Extents) -> Cycles:
    """Of each step in time of a partial tile, its number among the steps of the whole one.

    Loops inside a split's tile walk `grain` whole in both, as in `epochs.steps`.
    """
    size = {loop.rank: np.array([whole[loop.rank]]) for loop in loops}
    left = {loop.rank: np.array([part[loop.rank]]) for loop in loops}
    grain = {rank: grain.get(rank, whole[rank]) for rank in size}
    there = np.ones(1, np.bool_)
    inside: set[str] = set()
    for loop in loops:
        rank = loop.rank
        if loop.inner and rank not in inside:
            inside.add(rank)
            size[rank] = left[rank] = np.full(len(there), grain[rank])
        if rank not in inside:
            grain[rank] = loop.tile
        trips = -(-size[rank] // loop.tile)
        rows = np.repeat(np.arange(len(there)), trips)
        done = (np.arange(len(rows)) - np.repeat(np.cumsum(trips) - trips, trips)) * loop.tile
        size, left = ({name: each[rows] for name, each in sizes.items()} for sizes in (size, left))
        size[rank], left[rank] = (np.clip(each - done, 0, loop.tile) for each in (size[rank], left[rank]))
        there = there[rows] & (left[rank] > 0)
    return np.flatnonzero(there)


def slots_there(strand: Strand, kind: int, units: Cycles) -> Cycles:
    """The same of slots: those of a unit stand, one by one, at those of the whole tile's unit."""
    slot = np.arange(strand.slots[kind])
    unit = slot * strand.units[kind] // strand.slots[kind]
    within = slot - -(-unit * strand.slots[kind] // strand.units[kind])
    first, after = (-(-(units[unit] + more) * strand.slots[0] // strand.units[0]) for more in (0, 1))
    return np.asarray(first + np.minimum(within, after - first - 1))
