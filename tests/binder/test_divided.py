"""Work divided between the arrays: a rank in two parts, whose Einsums are bound apart."""

from pathlib import Path

from einsim.binder.bind import Start, choices_of
from einsim.binder.bounds import bounds_of
from einsim.binder.graph import graph_of
from einsim.binder.solver import Order
from einsim.binder.starts import from_cascade
from einsim.schedule.lower import lower
from einsim.schedule.pipeline.build import orderings
from einsim.spec.mappingfile import design_of

CASCADE = str(Path(__file__).with_name("divided.cascade"))


def graph(start: Start, moved: dict[str, str]):
    """The tile graph with some Einsums elsewhere."""
    assignment = {**start.assignment, **moved}
    design = design_of(start.rebinding.bound(assignment), start.cascade, start.machine, start.workload)
    return graph_of(next(iter(orderings(design, lower(design), start.timing))))


def test_parts_are_bound_apart():
    """E = 64, values of 112 + 16: 266 slots on the lanes, and 2 x 16 of them may go to the 2D array's 201."""
    start = from_cascade(CASCADE, "fusemax", {"E": 64, "F": 112, "G": 16}, Order.INTERLEAVED)
    choices = choices_of(start)
    assert choices.loads(start.assignment) == {"array1d": 2 * 128 + 10, "array2d": 64 + 128 + 9}
    for moved, loads in (({"SPNW"}, (250, 217)), ({"SPNW", "RNW"}, (234, 233))):
        there = dict.fromkeys(moved, "array2d")
        found = graph(start, there)
        assert found.used == {"array1d": loads[0], "array2d": loads[1]}
        assert choices.loads({**start.assignment, **there}) == found.used
        assert bounds_of(found).resource == loads[0]
    assert float(choices.split_bound()) == (266 + 201) / 2
