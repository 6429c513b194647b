"""Planned orders can run, in partial tiles, too: when the turn of a slot comes, all that it waits for has issued."""

import pytest

from einsim.model.cycle.events import Events
from einsim.schedule.lower import lower
from einsim.schedule.pipeline.build import build
from einsim.schedule.pipeline.timing import IDEAL, Timing

from ..compare import EXHAUSTIVE
from .small import built, design_of, random_design

SEEDS = 200 if EXHAUSTIVE else 4
PLANNED = ("fusemax", "cascade", "unfused", "flat", "fusemax-divided")


def stuck(program, machine, timing):
    """What the first slots are that wait for later ones, in the order of planned cycles; none if all goes well."""
    events = Events(program, machine, timing)
    orders = [events.order(resource) for resource in program.resources]
    for cycle in sorted({issue.planned for order in orders for issue in order}):
        left = [[issue for issue in order if issue.planned == cycle] for order in orders]
        while heads := [order[0] for order in left if order]:
            able = [order for order in left if order and events.ready(order[0]) is not None]
            if not able:
                return [f"{program.strands[head.strand].name}: {head}" for head in heads]
            events.issue(able[0].pop(0), cycle)
    return []


@pytest.mark.parametrize("configuration", PLANNED)
def test_nothing_waits_for_what_is_planned_later(configuration):
    for seed in range(SEEDS):
        design, timing = random_design(seed, configuration)
        programs = built(design, timing)
        for program in programs.programs if programs else ():
            assert stuck(program, design.architecture, timing) == []


FEW_LANES = ["arch.array2d.rows=1", "arch.array2d.columns=2", "arch.array1d.lanes=1",
             "arch.array2d.operations.mac.latency=3"]  # fmt: skip
BLOCKS = ["arch.array2d.rows=1", "arch.array2d.columns=1", "arch.array1d.lanes=2",
          *(f"mapping.{name}=onchip" for name in ("Q_loc", "K_loc")),
          *(f"mapping.{name}=offchip" for name in ("QK_loc", "A_loc", "V_loc", "AV_loc")),
          "mapping.QK_stationarity=weight", "mapping.AV_stationarity=input", "mapping.fusion_granularity=row",
          "mapping.P1=6"]  # fmt: skip
ONE_READER_LATE = ["arch.array2d.rows=1", "arch.array2d.columns=1", "arch.array1d.lanes=11"]


@pytest.mark.parametrize(("configuration", "sizes", "changes", "timing"), [
    ("fusemax", {"E": 1, "F": 5, "M": 2, "P": 3}, FEW_LANES, Timing()),  # a tile of two turns on the lanes, then of one
    ("flat", {"E": 2, "F": 2, "M": 4, "P": 7}, BLOCKS, IDEAL),  # six rows, then one
    ("fusemax-divided", {"E": 4, "F": 2, "M": 1, "P": 6}, ONE_READER_LATE, Timing()),  # a tile that two parts take
])  # fmt: skip
def test_partial_tiles_and_shared_tiles_do_not_wait_in_a_circle(configuration, sizes, changes, timing):
    design = design_of(configuration, {"B": 1, "H": 2, **sizes}, changes)
    found = build(design, lower(design), timing)
    for program in found.programs:
        assert stuck(program, design.architecture, found.timing) == []


FEW_QUERIES = ["arch.array2d.rows=4", "arch.array2d.columns=4", "arch.array1d.lanes=64",
               "arch.array1d.registers.depth_words=40"]  # fmt: skip


def test_short_strands_are_spread_where_their_results_would_not_fit():
    """Products in one burst would wait in 132 words of each lane; one by one, as lanes take them, in far fewer."""
    design = design_of("fusemax-divided", {"B": 1, "H": 1, "E": 32, "F": 32, "M": 64, "P": 64}, FEW_QUERIES)
    found = build(design, lower(design), Timing())
    assert found.shortfalls == ()
    assert found.programs[0].registers["registers1d"] <= 40
