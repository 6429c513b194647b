"""Attention on arrays that are no square, and of several heads; and what there is no hardware for."""

from dataclasses import replace

import pytest

from einsim.cosim.compare import compare, run_once, stimulus
from einsim.cosim.subject import load_subject
from einsim.errors import SpecError
from einsim.rtl.generator.checks import check_stores
from einsim.rtl.generator.simulation import Simulation
from einsim.spec.overrides import parse_override

from .test_attention import CAUSAL

SHAPES = [(3, 5, {}), (5, 3, {"B": 2, "H": 2}), (4, 2, {}), (5, 5, {"E": 1, "F": 2})]


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


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("LM[m1,p] = max over m0: BQK[m1,m0,p] when m1*M0+m0 <= p", "LM[m1,p] = max over m0: BQK[m1,m0,p]",
         "LM, which folds what the filter of BQK leaves out"),
        ("SLD[m1,p] = SLN[m1,m0,p] when m1*M0+m0 <= p", "SLD[m1,p] = SLN[m1,m0,p] when m1*M0+m0 <= p+1",
         "SLD, which folds what the filter of SLN leaves out"),
    ],
)  # fmt: skip
def test_filters_that_do_not_fit_are_refused(before, after, words, tmp_path):
    text = CAUSAL.read_text()
    assert before in text
    cascade = tmp_path / "changed.cascade"
    cascade.write_text(text.replace(before, after))
    with pytest.raises(SpecError, match=words):
        load_subject("fusemax-small", {"E": 4, "F": 3}, overrides=[parse_override(f"mapping.cascade={cascade}")])


def test_what_elements_have_no_wires_for_is_refused():
    hardware = subject_of(2, 2, {}).hardware
    check_stores(hardware)
    reader = next(duty for duty in hardware.duties if len(duty.sources) == 2)
    twice = replace(reader, sources=reader.sources[:1] * 2)
    with pytest.raises(SpecError, match=f"{reader.name}, which reads two words of .* at a time"):
        check_stores(replace(hardware, duties=(twice,)))
    maker = next(duty for duty in hardware.duties if duty.along)
    use = maker.results[0]
    narrow = replace(maker, results=(replace(use, store=replace(use.store, format=hardware.operand)),))
    with pytest.raises(SpecError, match=f"{maker.name}, a sum that the lanes take and the 2D array multiplies"):
        check_stores(replace(hardware, duties=(narrow,)))
