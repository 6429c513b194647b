"""The generated SystemVerilog, simulated, against the golden model, bit by bit; broken hardware is found out."""

from itertools import groupby

import numpy as np
import pytest

from einsim.rtl import library

from .mutants import MUTATIONS, mutants
from .operands import EXHAUSTIVE, FEW, ROUNDS, UNITS, corner_operands, random_operands, typed


def kind(unit) -> str:
    """Units with operands of the same formats are driven together."""
    return "_".join(port.format.name if port.width > 1 else "bit" for port in unit.signature.operands)


KINDS = {name: list(units) for name, units in groupby(sorted(UNITS, key=kind), key=kind)}


def assert_equal(units, harness, columns):
    results = harness.run(columns)
    for unit in units:
        golden = unit.compute(*typed(unit, columns)).astype(np.uint32)
        wrong = np.flatnonzero(results[unit.name] != golden)
        if wrong.size:
            first = wrong[0]
            operands = ", ".join(f"{int(column[first]):#x}" for column in columns)
            pytest.fail(
                f"{unit.name}({operands}): hardware {int(results[unit.name][first]):#x}, "
                f"golden {int(golden[first]):#x}; {wrong.size} of {golden.size} differ"
            )


@pytest.mark.parametrize("name", KINDS)
def test_corners(name, harness):
    assert_equal(KINDS[name], harness, corner_operands(KINDS[name][0]))


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", KINDS)
def test_random_operands(name, harness):
    """Half a million tuples for every kind of operands that units have; a hundred times as many in the long run."""
    for seed in range(100, 100 + ROUNDS):
        assert_equal(KINDS[name], harness, random_operands(KINDS[name][0], seed))


@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_every_pattern_converted(name, harness):
    assert_equal(KINDS[name], harness, [np.arange(1 << 16, dtype=np.uint32)])


def test_every_pair_of_eight_bits(harness):
    columns = [each.ravel() for each in np.indices((256, 256), dtype=np.uint32)]
    assert_equal(KINDS["e4m3_e4m3"], harness, columns)


@pytest.mark.parametrize("b", [0x00000000, 0x41230000, 0xC2AE1234, 0xFF7FFFFF])
def test_every_pattern_exponentiated(b, harness):
    """exp(a - b) for every bf16 pattern a, with its subnormals and NaNs."""
    a = np.arange(1 << 16, dtype=np.uint32) << 16
    units = [library.unit("bf16_exp_fp32"), library.unit("fp16_exp_fp32"), library.unit("fp32_add")]
    assert_equal(units, harness, [a, np.full_like(a, b)])


@pytest.mark.exhaustive
@pytest.mark.parametrize("part", range(256))
def test_all_pairs_of_bf16(part, harness):
    """In the long run all 2^32 pairs; otherwise one first operand in a thousand with every second one."""
    first = range(256) if EXHAUSTIVE else [part * 157 % 256] * (part % 4 == 0)
    for low in first:
        a = np.full(1 << 16, part << 8 | low, np.uint32)
        assert_equal(KINDS["bf16_bf16"], harness, [a, np.arange(1 << 16, dtype=np.uint32)])


@pytest.mark.parametrize("number", range(len(MUTATIONS)), ids=lambda number: "-".join(MUTATIONS[number][:3]))
def test_mutants_are_caught(number, harness):
    """What breaks the hardware makes the comparisons above fail, in at least one result."""
    mutant = mutants()[number]
    corners = corner_operands(mutant.unit)
    some = np.random.default_rng(0).permutation(corners[0].size)[:FEW]
    for columns in ([column[some] for column in corners], random_operands(mutant.unit, 100, FEW)):
        result = harness.run(columns)[mutant.name]
        if (result != mutant.unit.compute(*typed(mutant.unit, columns))).any():
            return
    pytest.fail(f"not caught: {MUTATIONS[number]}")
