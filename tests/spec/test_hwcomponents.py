"""The contract with hwcomponents, kept by a stand-in that answers as its memory models do (metres, bits, joules)."""

import csv
import importlib.util
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
with (library.folder("cost table") / "sram-cacti7.csv").open(newline="") as file:
    ROWS = list(csv.DictReader(file))[::29]


class Model:
    """A memory as hwcomponents-cacti has it; `answer` changes what it says."""

    def __init__(self, attributes, **answer):
        self.attributes = attributes
        self.old = answer.get("old", False)
        self.area = answer.get("area", 4e-8)
        self.leak_power = answer.get("leak", 5e-4)
        self.energy = answer.get("energy", 1e-12 * attributes["depth"])

    def read(self):
        return self.energy if self.old else SimpleNamespace(energy=self.energy, latency=1e-9, throughput=1e9)

    def write(self):
        return (self.energy * 2, 1e-9) if self.old else SimpleNamespace(energy=self.energy * 2, latency=1e-9)


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


@pytest.mark.parametrize("old", [False, True])
def test_units_and_attributes(stand_in, old):
    """Versions before 1.0.100 or so answer with numbers and pairs."""
    asked = stand_in(old=old)
    found = memory(f"SRAM-a{old}", banks=2, ports=4).costs((65536, 512))
    assert found == pytest.approx(
        {"read_energy_pj": 1024, "write_energy_pj": 2048, "area_um2": 40000, "leak_mw": 0.5}, rel=1e-12
    )
    ((name, attributes, actions),) = asked
    assert (name, actions) == (f"SRAM-a{old}", ("read", "write"))
    assert attributes["tech_node"] == pytest.approx(45e-9)
    assert {key: attributes[key] for key in ("size", "width", "depth", "n_banks", "n_rw_ports")} == {
        "size": 524288, "width": 512, "depth": 1024, "n_banks": 2, "n_rw_ports": 4,
    }  # fmt: skip


@pytest.mark.parametrize("node", [22.0, 28.0, 32.0, 45.0, 65.0, 90.0])
def test_nodes_come_back_as_they_were(stand_in, node):
    """hwcomponents multiplies with 1e9; 90.00000000000001 nm is beyond its nodes, and gets an answer from 22 nm."""
    asked = stand_in()
    memory(f"SRAM-{node}", node=node).costs((65536, 512))
    assert asked[0][1]["tech_node"] * 1e9 == node


def test_many_memories_are_asked_for_once_each(stand_in):
    asked = stand_in()
    capacities = np.array([65536, 131072, 65536, 131072])
    found = memory("SRAM-b").costs((capacities, 512))
    assert list(found) == list(SRAM_QUANTITIES)
    assert found["read_energy_pj"].tolist() == pytest.approx([1024, 2048, 1024, 2048])
    assert len(asked) == 2


@pytest.mark.parametrize(("capacity", "width"), [(1024, 512), (65537, 512), (1, 8), (63 * 64, 512), (65536, 16)])
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


if importlib.util.find_spec("hwcomponents_cacti") is not None:  # with Python 3.12, and CACTI as docs/costs.md builds it

    @pytest.mark.filterwarnings("ignore:.*default_cfg.cfg:pytest.PytestUnraisableExceptionWarning")  # it leaves it open
    @pytest.mark.parametrize("row", ROWS, ids=[f"{row['technology_nm']}-{row['capacity_bytes']}" for row in ROWS])
    def test_the_package_itself_against_the_shipped_rows(row):
        """The same CACTI, called by others: a row in 29 of those that ship, to five digits."""
        made = memory("SRAM", node=float(row["technology_nm"]), banks=int(row["banks"]), ports=int(row["ports"]))
        parameters = int(row["capacity_bytes"]), int(row["width_bits"])
        if not any(misfit.where for misfit in made.misfits(parameters)):
            for name, value in made.costs(parameters).items():
                assert value == pytest.approx(float(row[name]), rel=1e-4)
