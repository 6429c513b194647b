"""Slots of PE(0,0), moved on element by element: each does one thing at a time, with operands that are there."""

import pytest

from einsim.model.cycle.simulate import simulate
from einsim.schedule.pipeline.program import LOAD, STORE, Program
from einsim.schedule.pipeline.timing import Timing

from .small import built, design_of

SIZES = {"B": 1, "H": 2, "E": 3, "F": 4, "M": 11, "P": 13}
CHANGES = ["arch.array2d.rows=4", "arch.array2d.columns=3", "arch.array1d.lanes=3",
           "arch.array2d.operations.mac.latency=4", "arch.array1d.operations.mac.latency=3"]  # fmt: skip
ENDS = {"array2d": (4, 3), "array1d": (1, 3)}


def slots_of(program: Program, log) -> list[tuple[int, int, int, int]]:
    """Strand, epoch, unit and cycle of every slot in PE(0,0)."""
    return [(s, epoch, unit, cycle + n * program.strands[s].spacing) for s, epoch, unit, _, cycle, slots in log.tolist()
            for n in range(slots)]  # fmt: skip


@pytest.mark.parametrize("hop", [1, 2])
@pytest.mark.parametrize("configuration", ["fusemax", "architecture", "cascade"])
def test_every_element_does_one_thing_at_a_time_with_operands_that_are_there(configuration, hop):
    hops = [f"arch.{array}.hop_cycles={hop}" for array in ENDS]
    design = design_of(configuration, SIZES, [*CHANGES, *hops])
    for program in built(design, Timing()).programs:
        run = simulate(program, design.architecture, Timing(), skip=False, log=1 << 20)
        slots = slots_of(program, run.log)
        assert len(slots) == run.issued
        one_thing_at_a_time(program, slots, hop)
        operands_are_there(program, slots, hop)


def one_thing_at_a_time(program: Program, slots, hop: int) -> None:
    """No element of an array has two slots in one cycle."""
    for array, (rows, columns) in ENDS.items():
        mine = [cycle for s, _, _, cycle in slots if program.strands[s].resource == array]
        for row in range(rows):
            for column in range(columns):
                there = [cycle + (row + column) * hop for cycle in mine]
                assert len(set(there)) == len(there)


def operands_are_there(program: Program, slots, hop: int) -> None:
    """Each element's operands have come from the element that makes them: its own, its column's or its row's.

    What a 2D array's column gives its lane leaves the last row; what a lane gives the column comes in at the first row,
    after the way that the link states.
    """
    ends = {}
    begins = {}
    for s, epoch, _, cycle in slots:
        ends[s, epoch] = max(cycle, ends.get((s, epoch), 0))
        begins[s, epoch] = min(cycle, begins.get((s, epoch), cycle))
    for link in program.links:
        source, reader = program.strands[link.source], program.strands[link.reader]
        kinds = {source.resource, reader.resource}
        if link.room is not None or link.over is not None or link.back or kinds & {LOAD, STORE}:
            continue
        if max(link.shares) > 1 or not link.tensor:
            continue
        rows, columns = ENDS[source.resource]
        for (s, epoch), begin in begins.items():
            if s != link.reader or (link.source, epoch) not in ends:
                continue
            for column in range(columns):
                for row in range(ENDS[reader.resource][0]):
                    needed = begin + (row + column) * hop
                    made = ends[link.source, epoch] + source.tail
                    if kinds == {"array2d"}:  # made where it is used
                        assert needed >= made + (row + column) * hop
                    elif source.resource == "array2d":  # made in the last row of the lane's column, a hop to the lane
                        assert needed >= made + (rows - 1 + column) * hop
                    elif reader.resource == "array2d":  # up the link beside the column, then down with the wave
                        assert needed >= made + column * hop + row * hop
                    else:
                        assert needed >= made + column * hop
