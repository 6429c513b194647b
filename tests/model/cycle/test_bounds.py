"""Bounds that `einsim simulate` prints: no plan and no run of whole tiles is faster, and the binder's are no lower."""

from math import prod
from random import Random

import pytest

from einsim.binder.bounds import bounds_of
from einsim.binder.graph import graph_of
from einsim.errors import SpecError
from einsim.model.cycle.simulate import simulate
from einsim.schedule.lower import lower
from einsim.schedule.pipeline.bounds import recurrence_bound
from einsim.schedule.pipeline.build import build, orderings
from einsim.schedule.pipeline.plan import Job, Need
from einsim.schedule.pipeline.timing import IDEAL, Timing

from ..compare import EXHAUSTIVE
from .small import design_of

SEEDS = 80 if EXHAUSTIVE else 6


def whole_tiles(seed: int, configuration: str):
    """A small design without partial tiles that iterates often."""
    random = Random(seed)
    rows, columns, latency = random.randint(1, 4), random.randint(1, 4), random.randint(1, 8)
    sizes = {"B": 1, "H": 1, "E": random.randint(1, 6), "F": random.randint(1, 6), "M": rows * random.randint(8, 20),
             "P": columns * random.choice([1, 1, 2, 3])}  # fmt: skip
    machine = {"array2d.rows": rows, "array2d.columns": columns, "array1d.lanes": columns}
    changes = [f"arch.{name}={number}" for name, number in machine.items()]
    timing = random.choice([Timing(), IDEAL, Timing(travel=False)])
    return design_of(configuration, sizes, [*changes, f"arch.array2d.operations.mac.latency={latency}"]), timing


@pytest.mark.parametrize("configuration", ["fusemax", "cascade", "architecture", "unfused"])
def test_nothing_is_faster_than_the_bounds(configuration):
    for seed in range(SEEDS):
        design, timing = whole_tiles(seed, configuration)
        schedule = lower(design)
        made = build(design, schedule, timing)
        for program, ordering in zip(made.programs, orderings(design, schedule, timing), strict=True):
            least = max(program.resource_bound, program.recurrence_bound)
            binder = bounds_of(graph_of(ordering))
            assert program.resource_bound <= binder.resource
            assert program.recurrence_bound <= binder.recurrence
            assert least <= program.interval or design.mapping.timing == "phases"
            trips = program.epochs.trips
            iterated = min((link.over for link in program.links if link.over is not None), default=len(trips) - 1)
            inside = prod(trips[iterated + 1 :])  # epochs of an iteration, all but the first of which wait for another
            epochs = prod(trips[max(0, iterated) :]) - inside
            assert simulate(program, design.architecture, made.timing).cycles >= least * epochs


@pytest.mark.parametrize(("delays", "steps", "least"), [((3, 4), 200, 200), ((150, 160), 200, 310), ((9, 2), 1, 409)])
def test_the_bound_of_two_jobs_that_hand_each_other_steps(delays, steps, least):
    """Step by step, a circle is as long as its delays; whole instances take their 200 slots each, too."""
    jobs = [Job("one", 200, 200, 1), Job("other", 200, 200, 1)]
    needs = [Need(0, 1, steps, delays[0], 0), Need(1, 0, steps, delays[1], 1)]
    assert recurrence_bound(jobs, needs) == least


def test_a_circle_within_an_epoch_has_no_bound():
    jobs = [Job("one", 2, 1, 1), Job("other", 2, 1, 1)]
    with pytest.raises(SpecError, match="waits for itself"):
        recurrence_bound(jobs, [Need(0, 1, 1, 1, 0), Need(1, 0, 1, 1, 0)])
