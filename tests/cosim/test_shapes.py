"""Attention on arrays that are no square, and of several heads; and what there is no hardware for."""

import pytest

from einsim.cosim.compare import compare, run_once, stimulus
from einsim.cosim.subject import load_subject
from einsim.errors import SpecError
from einsim.rtl.generator.simulation import Simulation
from einsim.spec.overrides import parse_override

SHAPES = [(3, 5, {}), (5, 3, {"B": 2, "H": 2}), (4, 2, {})]


def subject_of(rows: int, columns: int, shape: dict[str, int]):
    changes = [f"arch.array2d.rows={rows}", f"arch.array2d.columns={columns}", f"arch.array1d.lanes={columns}"]
    return load_subject("fusemax-small", {"E": 4, "F": 3} | shape, overrides=[parse_override(each) for each in changes])


@pytest.mark.parametrize(("rows", "columns", "shape"), SHAPES)
def test_every_bit_and_every_cycle(rows, columns, shape, builds):
    for seed, (keys, queries) in enumerate([(8, 8), (14, 21), (1, 2)]):
        subject = subject_of(rows, columns, shape | {"M": keys, "P": queries})
        simulation = Simulation(subject.generated, builds)
        for pressure in (False, True):
            given = stimulus(subject, seed, pressure=pressure)
            found = compare(subject, run_once(subject, simulation, given), given, seed)
            assert found.equal, found


STREAMS = ["arch.dram.bandwidth_bytes_per_s=null", "arch.dram.duplex=true", "arch.control_cycles=2",
           "arch.buffer.read_ports=null", "arch.buffer.write_ports=null"]  # fmt: skip


@pytest.mark.parametrize(("configuration", "changes", "message"), [
    ("unfused", STREAMS, "3 programs"),
    ("flat", STREAMS, "choices"),
    ("cascade", STREAMS, "from buffer to the 2D array"),
    ("fusemax", [], "bandwidth"),
    ("fusemax-small", ["mapping.sizes.M0=16"], "16 of m along 8 rows"),
    ("fusemax-small", ["mapping.tiles.P0=16"], "16 of p along 8 columns"),
    ("fusemax-small", ["arch.array1d.lanes=4"], "lanes"),
    ("fusemax-small", ["arch.array2d.return_cycles=0"], "return_cycles"),
    ("fusemax-small", ["arch.array1d.divide.latency=4"], "divide"),
    ("fusemax-small", ["arch.array2d.exp={macro: {mac: 5}}"], "exp"),
    ("fusemax-small", ["arch.buffer.read_ports=2"], "ports"),
    ("fusemax-small", ["arch.buffer.latency_cycles=0"], "latency_cycles"),
])  # fmt: skip
def test_what_cannot_be_built_is_one_error_with_a_remedy(configuration, changes, message):
    with pytest.raises(SpecError, match=message) as caught:
        load_subject(configuration, {"E": 8, "F": 8}, overrides=[parse_override(each) for each in changes])
    assert caught.value.remedy


def test_slots_that_depend_on_a_run_are_refused():
    """With one column of values, the last division's only loop is that over the tiles of queries that a run has."""
    with pytest.raises(SpecError, match="so many slots") as caught:
        load_subject("fusemax-small", {"E": 8, "F": 1})
    assert caught.value.remedy
