"""The space has the published design in it, and what a search finds is a file that `einsim run` takes."""

import pytest

from einsim.mapper.objective import Objective
from einsim.mapper.plan import Group, Home, Layout, Plan
from einsim.mapper.search import search
from einsim.mapper.space import Space
from einsim.mapper.text import Written
from einsim.mapper.trial import Trials
from einsim.model.closed_form import evaluate
from einsim.spec.configuration import load_design

from .tasks import bert, published, task

REGISTERS = {"array2d": "registers2d", "array1d": "registers1d"}
ON_GRID = ("BQK", "LM", "SLN", "SLD", "SLNV")
HOMES = {
    "Q": Home(("dram", "buffer"), "dram"),
    "K": Home(("dram", "buffer"), "dram"),
    "V": Home(("dram", "buffer"), "dram"),
    "BQK": Home((), "registers2d"),
    "SLN": Home((), "registers2d"),
    "LM": Home(("registers1d",), "registers1d"),
    "SLD": Home(("registers1d",), "registers1d"),
    "SLNV": Home(("registers1d",), "registers1d"),
    "RM": Home(("buffer",), "registers1d"),
    "PRM": Home((), "registers1d"),
    "SPD": Home((), "registers1d"),
    "SPNV": Home((), "registers1d"),
    "RD": Home(("buffer",), "buffer"),
    "RNV": Home(("buffer",), "buffer"),
    "AV": Home(("dram",), "dram"),
}


def fusemax(attention) -> Plan:
    """FuseMax's mapping (mappings/fusemax.yaml) as a plan."""
    layouts = {}
    for name in attention.einsums:
        free = attention.free(name)
        if name in ON_GRID:
            order = tuple(rank for rank in ("e", "f", "m0", "p") if rank in free)
            layouts[name] = Layout("array2d", (("columns", "p"), ("rows", "m0")), order)
        else:
            order = ("p", "f") if name == "AV" else tuple(rank for rank in ("f", "p") if rank in free)
            layouts[name] = Layout("array1d", (("lanes", "p"),), order)
    group = Group(tuple(attention.einsums), ("p", "m1", "f", "e"), ("p",))
    return Plan((group,), layouts, {(tensor, 0): home for tensor, home in HOMES.items()})


@pytest.mark.parametrize(("seq_len", "block"), [(1024, 1024), (16384, 16384)])
def test_the_published_design_is_in_the_space(seq_len, block):
    attention = bert("attention-1pass", "fusemax", seq_len)
    plan = fusemax(attention)
    space = Space(attention)
    arrays = {name: layout.array for name, layout in plan.layouts.items()}
    for key, home in plan.homes.items():
        assert home in space.homes([plan.groups[0].einsums], key, arrays), key
    for name, layout in plan.layouts.items():
        assert layout in space.layouts(name, layout.array)
    assert plan.groups[0].outer in set(space.orders(plan.groups[0].einsums))
    assert plan.groups[0].units in space.units(plan.groups[0].einsums, plan.layouts)
    numbers = {"M0_tile": 256, "p_tile": block, "e_tile": 64, "f_tile": 64}
    found = Trials(attention, Objective.ENERGY).at(plan, numbers)
    known = published("fusemax", attention)
    assert found.score == pytest.approx(
        (known.energy_pj, known.energy_pj, known.latency_s, known.traffic_bytes), rel=1e-12
    )


@pytest.mark.parametrize("objective", Objective)
@pytest.mark.parametrize("name", ["normed", "product", "tiled", "gqa-online"])
def test_the_text_is_worth_what_is_reported(name, objective, tmp_path):
    sizes = {"normed": {"M": 9}, "tiled": {"M": 9}, "product": {"M": 5, "N": 6, "K": 7},
             "gqa-online": {"E": 4, "F": 4, "H": 4, "R": 2, "M": 8, "P": 8}}[name]  # fmt: skip
    small = task(name, sizes, lanes=2, grid=(2, 2), capacity=400)
    result = search(small, objective, seconds=2)
    text = Written(small, result.best.plan).text(result.best.numbers)
    cascade, machine, mapping = (tmp_path / each for each in ("it.cascade", "small.yaml", "best.yaml"))
    cascade.write_text(str(small.cascade))
    machine.write_text(small.machine.model_dump_json(exclude_defaults=True))
    for old, new in (("cascade: " + name, "cascade: it.cascade"), ("architecture: small", "architecture: small.yaml")):
        assert old in text
        text = text.replace(old, new)
    mapping.write_text(text)
    evaluation = evaluate(load_design(str(mapping), small.workload))
    assert evaluation.feasible
    assert float(objective.of(evaluation)) == pytest.approx(result.best.value, rel=1e-12)
