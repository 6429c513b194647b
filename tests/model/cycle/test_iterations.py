"""What an iteration hands on is planned for the fewest epochs that any size of tile leaves between iterations: one."""

from dataclasses import replace

import pytest

from einsim.errors import InfeasibleError
from einsim.model.cycle.simulate import simulate
from einsim.schedule.lower import lower
from einsim.schedule.pipeline.build import assemble, orderings
from einsim.schedule.pipeline.plan import Need
from einsim.schedule.pipeline.resize import resized
from einsim.schedule.pipeline.timing import Timing

from .small import design_of

SMALL = ["arch.array2d.rows=2", "arch.array2d.columns=2", "arch.array1d.lanes=2"]
FOUR_TILES = {"B": 1, "H": 1, "E": 2, "F": 2, "M": 16, "P": 8}


def later(program, name: str, cycles: int):
    """The program with one Einsum, and the last one, that much later, and room for all that is then under way."""
    last = program.strands[[s.computes for s in program.strands].index(False) - 1].name
    starts = [
        replace(start, at=tuple(cycle + cycles for cycle in start.at)) if strand.einsum in {name, last} else start
        for strand, start in zip(program.strands, program.starts, strict=True)
    ]
    links = tuple(replace(link, room=link.room + 100) if link.room else link for link in program.links)
    return replace(program, starts=tuple(starts), links=links)


def test_a_later_plan_would_run_in_whole_blocks_only():
    """Four tiles of queries leave four epochs from iteration to iteration, one tile leaves one."""
    design = design_of("fusemax", FOUR_TILES, SMALL)
    (assembly,) = assemble(design, lower(design), Timing())
    program, machine = assembly.program, design.architecture
    assert program.epochs.trips[-1] == 4
    for tiles in (4, 3, 2, 1):
        simulate(resized(assembly, {"p": 2 * tiles}), machine, Timing())
    late = replace(assembly, program=later(program, "RNV", 2 * program.interval))
    simulate(resized(late, {"p": 8}), machine, Timing())
    with pytest.raises(InfeasibleError, match="wait for each other"):
        simulate(resized(late, {"p": 2}), machine, Timing())


def test_every_value_of_an_iteration_is_planned_for_one_epoch_as_well():
    design = design_of("fusemax", FOUR_TILES, SMALL)
    (ordering,) = orderings(design, lower(design), Timing())
    needs = ordering.needs()
    carried = [need for need in needs if need.distance > 1]
    assert len(carried) == 3
    assert all(Need(need.source, need.reader, need.steps, 1, 1) in needs for need in carried)
