"""Partial tiles do what they have when whole ones would."""

from random import Random

import numpy as np

from einsim.schedule.nest import Loop
from einsim.schedule.pipeline.epochs import steps
from einsim.schedule.pipeline.places import slots_there, steps_there
from einsim.schedule.pipeline.program import Strand


def vectors(loops, extents, grain, inside=frozenset()):
    """The iterations of every step in time, loop by loop, as docs/counting.md has them."""
    if not loops:
        return [()]
    loop, *rest = loops
    rank, extents, grain = loop.rank, dict(extents), dict(grain)
    if loop.inner and rank not in inside:
        extents[rank], inside = grain[rank], inside | {rank}
    if rank not in inside:
        grain[rank] = loop.tile
    starts = enumerate(range(0, extents[rank], loop.tile))
    pieces = [(n, min(loop.tile, extents[rank] - start)) for n, start in starts]
    return [(n, *more) for n, piece in pieces for more in vectors(rest, extents | {rank: piece}, grain, inside)]


def random_loops(random: Random) -> tuple[list[Loop], dict[str, int], dict[str, int], dict[str, int]]:
    whole = {rank: random.randint(1, 7) for rank in "ab"}
    part = {rank: random.randint(1, size) for rank, size in whole.items()}
    tiles, loops = dict(whole), []
    for n in range(random.randint(1, 4)):
        rank = random.choice("ab")
        tiles[rank] = random.randint(1, tiles[rank])
        split = any(loop.inner for loop in loops if loop.rank == rank)
        loops.append(Loop(f"{rank}{n}", rank, tiles[rank], "dram", inner=split or random.random() < 0.2))
    return loops, whole, part, {"a": random.randint(1, 3)}


def test_steps_of_a_part_are_found_among_those_of_the_whole():
    for seed in range(300):
        loops, whole, part, grain = random_loops(Random(seed))
        there = vectors(loops, whole, {**whole, **grain})
        here = vectors(loops, part, {**whole, **grain})
        found = steps_there(loops, whole, part, grain)
        assert [there[n] for n in found] == here
        for rank in {loop.rank for loop in loops}:
            own = [loop for loop in loops if loop.rank == rank]
            assert len(steps_there(own, whole, part, grain)) == steps(part[rank], own, grain.get(rank, whole[rank]))


def test_slots_of_a_unit_stand_at_those_of_the_whole_tiles_unit():
    """Of three units with four slots each, a part has the first and the last, with two slots each."""
    strand = Strand("E", "E", "array2d", 1, (12, 4), (3, 2), (12, 4))
    assert slots_there(strand, 1, np.array([0, 2])).tolist() == [0, 1, 8, 9]
