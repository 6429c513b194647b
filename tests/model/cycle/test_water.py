"""The most words in the buffer at one time are what the closed form says has to be there.

Without prefetch, of whole tiles. Partial tiles take less room than the whole ones that the closed form counts, and
tiles that are used once may leave before others come. The `cascade` configuration hands scores on tile by tile, where
the closed form has those of a whole block of queries in the buffer; `unfused` has more of them in flight than one.
"""

from random import Random

import pytest

from einsim.model.closed_form import evaluate
from einsim.model.cycle.simulate import simulate
from einsim.schedule.pipeline.timing import Timing

from .small import built, design_of, random_design


@pytest.mark.parametrize("configuration", ["fusemax", "architecture", "unfused"])
def test_whole_tiles_take_the_closed_forms_room(configuration):
    for seed in range(20):
        random = Random(seed)
        rows, columns = random.randint(1, 4), random.randint(1, 4)
        sizes = {"B": 1, "H": 2, "E": random.randint(1, 5), "F": random.randint(1, 5),
                 "M": rows * random.randint(2, 4), "P": columns * random.randint(1, 4)}  # fmt: skip
        machine = {"array2d.rows": rows, "array2d.columns": columns, "array1d.lanes": columns}
        changes = [f"arch.{name}={number}" for name, number in machine.items()]
        design = design_of(configuration, sizes, [*changes, "arch.memories.buffer.prefetch_tiles=0"])
        needed = evaluate(design).schedule.occupancy["buffer"]
        programs = built(design, Timing()).programs
        highest = max(simulate(program, design.architecture, Timing()).high_water["buffer"] for program in programs)
        highest *= design.architecture.word_bytes
        assert highest == needed or (configuration == "unfused" and highest > needed)


@pytest.mark.parametrize("configuration", ["fusemax", "architecture", "cascade", "unfused"])
def test_no_more_than_pools_have_room_for(configuration):
    for seed in range(20):
        design, timing = random_design(seed, configuration)
        for program in built(design, timing).programs:
            room = program.fixed["buffer"] + sum(pool.limit * max(pool.words) for pool in program.pools)
            assert simulate(program, design.architecture, timing).high_water["buffer"] <= room
