"""The contract with hwcomponents, kept by a stand-in that answers as its memory models do (metres, bits, joules)."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from einsim.errors import Location, SpecError
from einsim.spec import library
from einsim.spec.components import SRAM_QUANTITIES
from einsim.spec.hwcomponents import from_hwcomponents
from einsim.spec.machine import load_machine
from einsim.spec.overrides import apply, parse_override

AT = Location("table.yaml", 7)


class Model:
    """A memory as hwcomponents-cacti has it; `answer` changes what it says."""

    def __init__(self, attributes, **answer):
        self.attributes = attributes
        self.area = answer.get("area", 4e-8)
        self.leak_power = answer.get("leak", 5e-4)
        self.energy = answer.get("energy", 1e-12 * attributes["depth"])

    def read(self):
        return self.energy

    def write(self):
        return self.energy * 2, 1e-9  # newer versions say how long it takes


@pytest.fixture
def stand_in(monkeypatch):
    asked = []

    def install(**answer):
        def get_model(component_name, component_attributes, required_actions=()):
            if answer.get("raises"):
                raise RuntimeError(answer["raises"])
            asked.append((component_name, component_attributes, tuple(required_actions)))
            return Model(component_attributes, **answer)

        monkeypatch.setitem(sys.modules, "hwcomponents", SimpleNamespace(get_model=get_model))
        return asked

    return install


def memory(name, *, node=45.0, banks=1, ports=1):
    return from_hwcomponents("buffer", name, node, banks, ports, AT)


def test_units_and_attributes(stand_in):
    asked = stand_in()
    found = memory("SRAM-a", banks=2, ports=4).costs((65536, 512))
    assert found == pytest.approx(
        {"read_energy_pj": 1024, "write_energy_pj": 2048, "area_um2": 40000, "leak_mw": 0.5}, rel=1e-12
    )
    ((name, attributes, actions),) = asked
    assert (name, actions) == ("SRAM-a", ("read", "write"))
    assert attributes["tech_node"] == pytest.approx(45e-9)
    assert {key: attributes[key] for key in ("size", "width", "depth", "n_banks", "n_rw_ports")} == {
        "size": 524288, "width": 512, "depth": 1024, "n_banks": 2, "n_rw_ports": 4,
    }  # fmt: skip


def test_many_memories_are_asked_for_once_each(stand_in):
    asked = stand_in()
    capacities = np.array([65536, 131072, 65536, 131072])
    found = memory("SRAM-b").costs((capacities, 512))
    assert list(found) == list(SRAM_QUANTITIES)
    assert found["read_energy_pj"].tolist() == pytest.approx([1024, 2048, 1024, 2048])
    assert len(asked) == 2


@pytest.mark.parametrize(("capacity", "width"), [(1024, 512), (65537, 512), (1, 8)])
def test_memories_that_make_no_sense_are_not_asked_for(stand_in, capacity, width):
    asked = stand_in()
    made = memory("SRAM-c")
    assert any(misfit.where for misfit in made.misfits((capacity, width)))
    made.costs((capacity, width))
    assert asked == []


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        ({"energy": -1.0}, "-1e+12 for read_energy_pj"),
        ({"energy": float("nan")}, "nan for read_energy_pj"),
        ({"area": 0.0}, "0 for area_um2"),
        ({"leak": float("inf")}, "inf for leak_mw"),
        ({"raises": "CACTI executable not found\nand more"}, "no answer for SRAM-d: CACTI executable not found; see"),
    ],
)
def test_answers_that_make_no_sense_are_refused(stand_in, answer, part):
    stand_in(**answer)
    with pytest.raises(SpecError) as error:
        memory("SRAM-d").costs((65536, 512))
    assert part in str(error.value)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("table.yaml:7: ")


@pytest.mark.parametrize(
    ("changes", "part"), [({"node": 7.0}, "22 to 90 nm, not 7"), ({"banks": 3}, "power of two of banks, not 3"),
                          ({"ports": 6}, "power of two of ports, not 6")],
)  # fmt: skip
def test_parameters_that_make_no_sense_are_refused(stand_in, changes, part):
    stand_in()
    with pytest.raises(SpecError, match=part):
        memory("SRAM-e", **changes)


def test_without_it_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "hwcomponents", None)
    with pytest.raises(SpecError, match=r"pip install 'einsim\[hwcomponents\]' with Python 3.12"):
        memory("SRAM")


def test_a_machine_with_a_table_that_asks_it(stand_in, tmp_path):
    stand_in()
    path = tmp_path / "hw.yaml"
    path.write_text("name: hw\nbased_on: paper-45nm\nsram: {hwcomponents: SRAM-f, source: a test}\n")
    document = library.load_document(library.find("architecture", "fusemax"))
    made = load_machine(apply(document, [parse_override(f"arch.costs={path}")]))
    rows = (16 << 20) // 512
    assert made.memories["buffer"].read_energy_pj == pytest.approx(rows)
    (origin,) = [part.origin("area_um2", {"buffer.capacity_bytes": 16 << 20, "buffer.access_bytes": 512})
                 for part in made.pricing.parts if ("area_um2", "buffer.area_um2") in part.fields]  # fmt: skip
    assert (origin.at.line, origin.source) == (3, "a test")
