"""A plain array that multiplies matrices, output-stationary: every bit and every cycle, in all formats and shapes."""

import numpy as np
import pytest

from einsim.cosim.compare import compare, golden_of, run_once, stimulus
from einsim.cosim.subject import load_subject
from einsim.errors import SpecError
from einsim.rtl import verilator
from einsim.rtl.convert import Convert
from einsim.rtl.formats import BF16, FP16, FP32, INT8, INT16, INT32, named
from einsim.rtl.generator.hardware import Place
from einsim.rtl.generator.simulation import Simulation
from einsim.rtl.integer import IntegerMac
from einsim.rtl.mac import Mac
from einsim.spec.overrides import parse_override

# Operands, rows, columns and K: one, fewer and more than there are rows.
HARDWARE = [("int8", 4, 4, 1), ("bf16", 4, 4, 3), ("int16", 3, 5, 7), ("bf16", 5, 3, 4), ("fp16", 1, 2, 2)]
LENGTHS = [(1, 1), (4, 4), (10, 13), (17, 3), (5, 23)]
"""M and N: one tile and several, whole and partial ones along either axis."""


def subject_of(operand: str, rows: int, columns: int, k: int, m: int = 4, n: int = 4):
    changes = [parse_override(f"arch.array2d.{axis}={size}") for axis, size in (("rows", rows), ("columns", columns))]
    return load_subject("matmul-small", {"K": k, "M": m, "N": n}, overrides=changes, operand=named(operand))


@pytest.mark.parametrize(("operand", "rows", "columns", "k"), HARDWARE)
def test_every_bit_and_every_cycle(operand, rows, columns, k, builds):
    for seed, (m, n) in enumerate(LENGTHS):
        subject = subject_of(operand, rows, columns, k, m, n)
        simulation = Simulation(subject.generated, builds)
        for pressure in (False, True):
            given = stimulus(subject, seed, pressure=pressure)
            found = compare(subject, run_once(subject, simulation, given), given, seed)
            assert found.equal, found
            assert found.bits_compared == m * n * subject.hardware.leaving.format.width
            tiles = -(-m // rows) * -(-n // columns)
            assert found.events_compared >= 2 * k * tiles + 2 * tiles
            assert found.util_1d == 0


@pytest.mark.parametrize(("operand", "rows", "columns", "k"), HARDWARE)
def test_linters_have_nothing_to_say(operand, rows, columns, k, tmp_path):
    generated = subject_of(operand, rows, columns, k).generated
    assert verilator.lint(generated.modules, generated.name, tmp_path) == ""


@pytest.mark.parametrize("operand", ["bf16", "fp16", "int8", "int16"])
def test_what_comes_out_is_what_the_unit_computes(operand):
    """The reference for whole runs, against a loop over the unit's own steps."""
    subject = subject_of(operand, 4, 4, 6, 5, 9)
    given = stimulus(subject, 3, pressure=False)
    form = subject.hardware.operand
    unit = Mac(form, FP32) if form in {BF16, FP16} else IntegerMac(form, INT32)
    total = np.zeros((5, 9), np.uint32)
    for a, b in zip(given.inputs["A"], given.inputs["B"], strict=True):
        total = unit.compute(*np.broadcast_arrays(a[:, None], b[None, :]), total)
    if form in {BF16, FP16}:
        total = Convert(FP32, form).compute(total)
    assert np.array_equal(golden_of(subject, given)["Z"], total)


def test_integers_wrap_around(builds):
    """Products of the lowest int16 are 2^30; the sum of seven leaves int32."""
    subject = subject_of("int16", 3, 5, 7, 3, 5)
    given = stimulus(subject, 0, pressure=False)
    for each in given.inputs.values():
        each[:] = 0x8000
    watched = run_once(subject, Simulation(subject.generated, builds), given)
    found = compare(subject, watched, given, 0)
    assert found.equal, found
    assert set(watched.out[:3].ravel().tolist()) == {(7 << 30) % (1 << 32)}


def test_what_is_built_follows_from_the_formats():
    """No lanes, no adder beside the multiplier, sums only where they are; int32 leaves as it is, fp32 is rounded."""
    for operand, out, unit in ((INT8, INT32, "int8_mac_int32"), (INT16, INT32, "int16_mac_int32"),
                               (BF16, BF16, "bf16_mac_fp32")):  # fmt: skip
        generated = subject_of(operand.name, 4, 4, 8).generated
        hardware = generated.hardware
        names = {part.name for part in generated.modules}
        assert unit in names
        assert hardware.lanes is None
        assert hardware.leaving.format == out
        assert hardware.column == operand
        assert {store.place for store in hardware.stores} == {Place.WEST, Place.NORTH, Place.ELEMENT, Place.FOOT}
        (total,) = hardware.at(Place.ELEMENT)
        assert (total.words, total.format) == (1, hardware.accumulator)
        assert ("fp32_to_bf16" in names) == (operand == BF16)


def test_one_hardware_runs_any_lengths():
    assert len({subject_of("int8", 4, 4, 5, m, n).generated.digest for m, n in LENGTHS}) == 1


def test_the_array_is_busy_as_long_as_tiles_arrive(builds):
    """Of two matrices whose tiles take as long to load as to use: a tile of A more for every row of tiles of B."""
    subject = subject_of("int8", 4, 4, 5, 64, 64)
    given = stimulus(subject, 0, pressure=False)
    found = compare(subject, run_once(subject, Simulation(subject.generated, builds), given), given, 0)
    assert found.equal, found
    assert found.util_2d > 0.9 * 16 / 17


@pytest.mark.parametrize(("change", "message"), [
    ("mapping.einsums.Z.keep.Z=[dram, buffer, registers2d]", "straight from registers"),
    ("arch.dram.duplex=false", "share a channel"),
    ("arch.array2d.mac.latency=2", "more than one cycle"),
    ("mapping.einsums.Z.keep.A=[dram, registers2d]", "does not stay in the buffer"),
    ("mapping.nests.grid.loops={dram: [m1, n1, k]}", "tile after tile"),
    ("mapping.nests.grid.loops={dram: [k, m1, n1]}", "come back"),
    ("mapping.nests.grid.loops={dram: [m1], buffer: [n1, k]}", "one result of every element"),
    ("mapping.partition.k={k1: 4, k0: 1}", "runs of any K"),
    ("mapping.tiles.M0=16", "16 of m along 8 rows"),
])  # fmt: skip
def test_what_cannot_be_built_is_said(change, message):
    with pytest.raises(SpecError, match=message) as caught:
        load_subject("matmul-small", {"K": 8}, overrides=[parse_override(change)])
    assert caught.value.remedy


def test_formats_that_do_not_go_together():
    for operand, accumulator in ((INT8, FP32), (BF16, INT32), (INT16, INT16)):
        with pytest.raises(SpecError) as caught:
            load_subject("matmul-small", {"K": 8}, operand=operand, accumulator=accumulator)
        assert caught.value.remedy
    with pytest.raises(SpecError, match="floating-point"):
        load_subject("fusemax-small", {"E": 4, "F": 4}, operand=INT8)
