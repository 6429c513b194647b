"""Work divided between the arrays: a rank in two parts, whose Einsums are bound apart."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from einsim.binder import bind as bind_module
from einsim.binder import divide as divide_module
from einsim.binder import pipeline, solver
from einsim.binder.assignment import able
from einsim.binder.bind import Start, bind, choices_of
from einsim.binder.bounds import bounds_of
from einsim.binder.divide import Cut, Tiled, bind_divided, compared, foremost, pace, start_of
from einsim.binder.graph import graph_of
from einsim.binder.solver import Order
from einsim.binder.starts import from_cascade, in_tiles
from einsim.cascade import Division
from einsim.errors import SpecError
from einsim.schedule.lower import lower
from einsim.schedule.pipeline.build import orderings
from einsim.spec import library
from einsim.spec.mappingfile import design_of
from tests.cli.commands import einsim, refused
from tests.model.compare import EXHAUSTIVE

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


# Where to cut.

MANY_LANES = {"rows: 8": "rows: 4", "columns: 8": "columns: 4", "lanes: 8": "lanes: 16",
              "depth_words: 12": "depth_words: 32"}  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> str:
    """A 4 x 4 array over 16 lanes, which compute as much as the array does."""
    text = library.find("architecture", "fusemax-small").read_text()
    for old, new in MANY_LANES.items():
        assert old in text
        text = text.replace(old, new)
    path = tmp_path_factory.mktemp("arch") / "lanes.yaml"
    path.write_text(text)
    return str(path)


def tiled(arch: str, e: int, f: int) -> Tiled:
    return in_tiles("attention-1pass", arch, {"E": e, "F": f}, Order.INTERLEAVED)


def least_bound(start: Start) -> int:
    """The least load of the busiest array over every assignment, one by one."""
    slots = choices_of(start).slots
    free = list(slots)
    arrays = list(start.machine.arrays)
    options = [[array for array in able(start.cascade.einsum(name), start.machine) if array in slots[name]]
               for name in free]  # fmt: skip
    loads = {tuple([0] * len(arrays))}
    for name, each in zip(free, options, strict=True):
        loads = {
            tuple(load + slots[name][own] * (array == own) for array, load in zip(arrays, before, strict=True))
            for before, own in product(loads, each)
        }
    return min(max(load) for load in loads)


@pytest.mark.parametrize(("e", "f"), [(4, 8), (8, 16)])
def test_the_best_cut_of_values_is_the_best_of_all_by_brute_force(small, e, f):
    start = tiled(small, e, f)
    bounds = {
        first: least_bound(start_of(start, Cut(Division("f", ("fa", "fb")), (first, f - first))))
        for first in range(1, f)
    }
    (chosen,) = [
        each for each in foremost(sorted(compared(start), key=lambda p: p.least)) if each.cut.division.rank == "f"
    ]
    assert chosen.least == min(bounds.values()) == bounds[chosen.cut.into[0]]


def test_whole_tiles_have_the_bound_of_their_epoch(small):
    for each in compared(tiled(small, 8, 16)):
        if each.cut.tiles > 1:
            assert each.least * each.cut.tiles == least_bound(each.start)
            assert sum(each.cut.into) == 16 * each.cut.tiles


def test_no_cut_is_below_what_dividing_every_einsum_gives(small):
    for arch in (small, "fusemax"):
        start = tiled(arch, 8, 16)
        split = choices_of(start.start()).split_bound()
        assert all(each.least >= split for each in compared(start))


def test_nothing_to_gain_on_fusemax_beyond_a_hundred_and_thirty_seven_and_a_half():
    """At 138 cycles a tile, 0.4 % is all there is, whatever the cut."""
    found = compared(tiled("fusemax", 64, 64))
    assert min(each.least for each in found) == 137.5


def test_wide_lanes_leave_one_percent_to_cuts():
    """On as many lanes as elements whole Einsums balance the arrays: at least 1168 cycles a tile, 1165 divided."""
    start = tiled("transfusion-edge", 64, 64)
    choices = choices_of(start.start())
    assert (choices.bound(next(choices.by_bound())), choices.split_bound()) == (1168, 1165)
    assert min(each.least for each in compared(start)) == 1166


def test_a_cut_that_gains_is_written_and_followed(small, tmp_path):
    """E = 8, F = 16: 96 cycles a tile undivided, 88 with the values' width in 2 + 14."""
    path = tmp_path / "divided.yaml"
    outcome = einsim("bind", "attention-1pass", "--arch", small, "--shape", "E=8,F=16", "--divide", "--seconds", "20",
                     "--json", "--out", str(path))  # fmt: skip
    record = outcome.json
    divided = record["divided"]
    tiles = divided["tiles"]
    assert sum(divided["into"].values()) == 16 * tiles  # both ranks: a tile has 16 queries, values are 16 wide
    assert divided["undivided_interval"] == 96
    assert divided["split_bound"] <= divided["cycles_per_tile"] <= 88
    assert divided["cycles_per_tile"] == pytest.approx(record["simulated_interval"] / tiles)
    assert divided["gain"] == pytest.approx(96 / divided["cycles_per_tile"])
    assert record["binding"] == path.read_text()
    runs = [einsim("simulate", str(path), "--shape", f"E=8,F=16,M={m},P=192", "--set",
                   "arch.dram.bandwidth_bytes_per_s=null", "--json").json for m in (512, 1024)]  # fmt: skip
    epochs = 512 // 4 * 192 // (16 * tiles)
    steady = (runs[1]["cycles"] - runs[0]["cycles"]) / epochs
    assert steady == pytest.approx(record["simulated_interval"], abs=0.05)


# E, F, seconds, undivided, best: how far a search comes in its time shows in the long run alone.
CUTS = [(16, 32, 10, 528, 528)] + [(64, 128, 60, 2064, 1859)] * EXHAUSTIVE


@pytest.mark.exhaustive
@pytest.mark.parametrize(("e", "f", "seconds", "undivided", "best"), CUTS)
def test_cuts_are_found_between_their_bounds_and_no_cut_at_all(e, f, seconds, undivided, best):
    """E = 64, F = 128: values 20 + 108 promise 1744 cycles a tile and take 2053; 16 + 112 take 1859, their bound."""
    found = bind_divided(tiled("transfusion-edge", e, f), seconds)
    assert pace(found.whole) == undivided
    assert found.whole.split <= found.least <= pace(found.best, found.cut) <= best


class Clock:
    """Time that passes as far as the solver is given it, and by a fixed cost for each assignment that is made."""

    def __init__(self, monkeypatch, assignment_s: float) -> None:
        self.now = 0.0
        made, asked = bind_module._candidate, solver.ask

        def candidate(*given):
            self.now += assignment_s
            return made(*given)

        def ask(question):
            self.now += question.seconds
            return asked(replace(question, seconds=min(question.seconds, 0.1)))

        for module in (bind_module, divide_module, pipeline):
            monkeypatch.setattr(module, "monotonic", lambda: self.now)
        monkeypatch.setattr(bind_module, "_candidate", candidate)
        monkeypatch.setattr(pipeline, "ask", ask)


def test_no_legal_assignment_takes_no_longer_than_any(monkeypatch):
    """Two tiles and one in an epoch overfill registers, assignment after assignment."""
    start = start_of(tiled("transfusion-edge", 64, 128), Cut(Division("p", ("pa", "pb"), "pg"), (256, 512), 3))
    clock = Clock(monkeypatch, 0.5)
    with pytest.raises(SpecError, match="no binding of"):
        bind(start, 3)
    assert 0.5 < clock.now <= 3.5


def test_the_time_given_is_kept_however_long_an_assignment_takes(monkeypatch, small):
    start = tiled(small, 8, 16)
    clock = Clock(monkeypatch, 2)
    bind_divided(start, 20)
    assert 5 < clock.now <= 24


def test_a_start_of_a_cut_is_bound_as_any(small):
    cut = Cut(Division("f", ("fa", "fb")), (2, 14))
    found = bind(start_of(tiled(small, 8, 16), cut), 5)
    assert (found.interval, found.bounds.resource, found.measured) == (88, 88, 88)
    assert "divide:" in found.text


@pytest.mark.parametrize(
    ("more", "parts"),
    [
        (("--mapping", "fusemax"), ("--divide", "divide:")),
        (("--fixed",), ("--divide", "--fixed")),
        (("--order", "single"), ("--divide", "--order")),
    ],
)
def test_nothing_to_divide(more, parts):
    refused("bind", "attention-1pass", "--arch", "fusemax", "--shape", "E=64,F=64", "--divide", *more, parts=parts)
