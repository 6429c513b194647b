"""A plan that contradicts what strands need of each other is refused, with the pair and the cycles."""

from dataclasses import replace

import pytest

from einsim.errors import SpecError
from einsim.schedule.lower import lower
from einsim.schedule.pipeline.build import build
from einsim.schedule.pipeline.check import check_order
from einsim.schedule.pipeline.program import Start
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.configuration import load_design
from einsim.spec.workload import Workload

SIZES = {"B": 1, "H": 1, "E": 64, "F": 64, "M": 1024, "P": 1024}


@pytest.fixture
def program():
    design = load_design("fusemax", Workload(tuple(SIZES.items())))
    return build(design, lower(design), Timing()).programs[0]


def test_every_pair_out_of_order_is_named(program):
    check_order(program)
    tried = 0
    for link in program.links:
        source, reader = program.strands[link.source], program.strands[link.reader]
        if source.resource != reader.resource or link.source == link.reader or link.room or link.over is not None:
            continue
        if not (source.computes and source.depth == reader.depth) or link.back:
            continue
        starts = list(program.starts)
        early = starts[link.source].at[0] - 1000
        starts[link.reader] = Start(tuple(early + n for n in range(reader.slots[0])))
        with pytest.raises(SpecError, match=rf"{reader.name}, planned for cycle {early} .* needs .* of {source.name}"):
            check_order(replace(program, links=(link,), starts=tuple(starts)))
        tried += 1
    assert tried >= 5


def test_a_plan_has_every_slot_of_a_resource_in_a_cycle_of_its_own(program):
    for resource in {strand.resource for strand in program.strands if strand.computes}:
        cycles = [
            cycle % program.interval
            for strand, start in zip(program.strands, program.starts, strict=True)
            if strand.resource == resource and strand.depth == len(program.epochs.loops)
            for cycle in start.at
        ]
        assert len(cycles) == len(set(cycles))
