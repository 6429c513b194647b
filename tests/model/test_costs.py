"""Costs that depend on a sweep's columns, leakage, and the chain of counts and costs behind each field."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einsim.errors import SpecError
from einsim.model.closed_form import evaluate, evaluate_many
from einsim.model.costs import added
from einsim.model.explain import Explanation
from einsim.model.result import metrics, reason
from einsim.model.steps import How, combine, faults
from einsim.spec import library
from einsim.spec.configuration import Accounting, load_design
from einsim.spec.library import load_models
from einsim.spec.overrides import parse_override
from einsim.spec.workload import Workload, attention, find_model

WORKLOAD = attention(find_model(load_models(), "BERT"), 1024)
TABLES = ("paper-45nm", "paper-45nm-own-depth", "paper-45nm-shares-applied")
PATHS = {
    "registers2d.depth_words": "array2d.registers.depth_words",
    "registers1d.depth_words": "array1d.registers.depth_words",
    "registers2d.area_um2": "array2d.registers.area_um2",
}


def design(*changes, accounting=Accounting.FULL, configuration="fusemax"):
    overrides = [parse_override(f"arch.{change}") for change in changes]
    return load_design(configuration, WORKLOAD, overrides=overrides, accounting=accounting)


VALUES = {
    "registers2d.depth_words": st.integers(1, 300),
    "registers1d.depth_words": st.integers(1, 300),
    "buffer.capacity_bytes": st.integers(1 << 12, 1 << 28),
    "buffer.access_bytes": st.sampled_from([64, 96, 512, 1024]),
    "registers2d.area_um2": st.floats(0, 1e6),
}


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(TABLES), st.sets(st.sampled_from(list(VALUES)), min_size=1), st.data())
def test_many_machines_at_once_cost_what_each_does(table, names, data):
    size = data.draw(st.integers(1, 4))
    columns = {name: data.draw(st.lists(VALUES[name], min_size=size, max_size=size)) for name in sorted(names)}
    many = evaluate_many(design(f"costs={table}"), {name: np.array(values) for name, values in columns.items()})
    for place in range(size):
        texts = [f"{PATHS.get(name, name)}={values[place]}" for name, values in columns.items()]
        alone = evaluate(design(f"costs={table}", *texts))
        assert bool(np.broadcast_to(many.feasible, size)[place]) == bool(alone.feasible)
        if alone.feasible:
            for name in ("energy_pj", "area_um2", "latency_s"):
                found = np.broadcast_to(getattr(many, name), size)[place]
                assert found == pytest.approx(getattr(alone, name), rel=1e-14), name
            for part, energy in alone.energy_by_part_pj.items():
                assert np.broadcast_to(many.energy_by_part_pj[part], size)[place] == pytest.approx(energy, rel=1e-13)


def test_a_column_of_costs_wins_over_the_table():
    columns = {"buffer.capacity_bytes": np.array([16 << 20, 8 << 20]), "buffer.area_um2": np.array([1.0, 2.0])}
    many, one = evaluate_many(design(), columns), evaluate(design("buffer.area_um2=0"))
    assert (many.area_um2 - one.area_um2).tolist() == pytest.approx([1.0, 2.0])


def test_what_the_table_does_not_know_is_infeasible_with_a_reason():
    found = evaluate(design("buffer.capacity_bytes=256 MiB"))
    assert not found.feasible
    assert "no costs at 45 nm" in reason(found.schedule.shortfalls)
    assert "available 134217728 bytes" in reason(found.schedule.shortfalls)
    stated = ("buffer.read_energy_pj=1", "buffer.write_energy_pj=1", "buffer.area_um2=1")
    assert evaluate(design("buffer.capacity_bytes=256 MiB", *stated)).feasible


def test_leakage_is_power_times_time_and_not_published():
    full, published = evaluate(design()), evaluate(design(accounting=Accounting.PUBLISHED))
    assert "leakage" not in published.energy_by_part_pj
    power_mw = 0.38215610537 + 65536 * 0.001609361432 + 256 * 0.00161010179
    assert full.energy_by_part_pj["leakage"] == pytest.approx(power_mw * 1e-3 * float(full.latency_s) * 1e12, rel=1e-9)
    parts = sum(energy for part, energy in full.energy_by_part_pj.items() if part != "leakage")
    assert sum(full.energy_by_einsum_pj.values()) == pytest.approx(parts, rel=1e-12)
    none = design("buffer.leak_mw=0", "array2d.registers.leak_mw=0", "array1d.registers.leak_mw=0")
    assert "leakage" not in evaluate(none).energy_by_part_pj


def test_a_column_of_leakage():
    columns = {"buffer.leak_mw": np.array([0.0, 1.0])}
    found = evaluate_many(design(), columns)
    more = found.energy_by_part_pj["leakage"]
    assert more[1] - more[0] == pytest.approx(1e9 * float(np.broadcast_to(found.latency_s, 2)[0]))
    with pytest.raises(SpecError, match="no negative"):
        evaluate_many(design(), {"buffer.leak_mw": np.array([-1.0])})


def again(step):
    """A step's value from its parts' values alone, all the way down."""
    return combine(step.how, [again(part) for part in step.parts]) if step.parts else step.value


def leaves(step):
    return [leaf for part in step.parts for leaf in leaves(part)] if step.parts else [step]


PRODUCT = {"G": 1, "M": 1024, "K": 64, "N": 96}
LAYER = {"B": 2, "M": 1024, "N": 256, "D": 256, "E": 64, "U": 512}
SIZES = {
    "linear": PRODUCT,
    "linear-divided": PRODUCT,
    "matmul-small": {"M": 64, "K": 64, "N": 64},
    "layer-encoder": LAYER,
    "layer-decoder": {**LAYER, "R": 2},
}
"""Sizes of what is no attention."""


@pytest.mark.parametrize("accounting", Accounting)
@pytest.mark.parametrize("configuration", library.names("mapping"))
def test_every_chain_gives_its_field_to_the_last_bit(configuration, accounting):
    workload = Workload(tuple(SIZES[configuration].items())) if configuration in SIZES else WORKLOAD
    made = load_design(configuration, workload, accounting=accounting)
    found = evaluate(made)
    expected = {name: value for name, value in metrics(made, found).items() if value is not None}
    expected |= {f"energy_by_part_pj/{part}": value for part, value in found.energy_by_part_pj.items()}
    expected |= {f"cycles_by_array/{array}": value for array, value in found.cycles_by_array.items()}
    chains = {name: explained() for name, explained in Explanation(made, found).fields().items()}
    assert {name: chains[name].value for name in expected} == expected
    assert {name: again(chain) for name, chain in chains.items()} == {n: chain.value for n, chain in chains.items()}
    assert [fault for chain in chains.values() for fault in faults(chain)] == []


def test_every_cost_in_a_chain_has_its_place():
    made = design("buffer.write_energy_pj=7")
    chain = Explanation(made, evaluate(made)).energy()
    given_ = {leaf.name: leaf for leaf in leaves(chain) if leaf.how is How.GIVEN}
    assert all((leaf.origin is not None and leaf.origin.at.line) or "--set" in str(leaf.origin.at) for leaf in
               given_.values())  # fmt: skip
    assert "--set arch.buffer.write_energy_pj" in str(given_["buffer.write_energy_pj"].origin.at)
    assert given_["buffer.read_energy_pj"].origin.at.source.endswith("sram-cacti7.csv")
    assert given_["array2d.mac.energy_pj"].origin.table == "paper-45nm"
    at = given_["array2d.mac.energy_pj"].origin.at
    line = library.read(library.folder("cost table") / "paper-45nm.yaml").decode().splitlines()[at.line - 1]
    assert line.strip().startswith("mac: {energy_pj: 17.1645")


def test_sums_grow_in_their_place_and_leave_what_is_added():
    first, second, wider = np.array([[1.0], [2.0]]), np.array([[3.0], [4.0]]), np.array([[0.5, 0.25]])
    total = added(0.0, first)
    assert added(total, second) is total
    assert added(added(total, wider), 1.0).tolist() == [[5.5, 5.25], [7.5, 7.25]]
    assert added(np.array([1, 2]), np.array([0.5, 0.5])).tolist() == [1.5, 2.5]
    assert (first.tolist(), second.tolist(), wider.tolist()) == ([[1.0], [2.0]], [[3.0], [4.0]], [[0.5, 0.25]])
