"""Whole attention on generated hardware: every bit as the arithmetic says, every cycle as the cycle model says."""

from pathlib import Path

import numpy as np
import pytest

from einsim.cosim.compare import compare, run_once, stimulus
from einsim.cosim.subject import load_subject
from einsim.errors import SpecError
from einsim.rtl import verilator
from einsim.rtl.builds import write_modules
from einsim.rtl.formats import BF16, FP16
from einsim.rtl.generator.simulation import Simulation
from einsim.spec.overrides import parse_override

from ..rtl.test_verilog import PYSLANG, in_another_process

CAUSAL = Path(__file__).parents[1] / "model" / "cycle" / "causal.cascade"
FORMATS = {"bf16": BF16, "fp16": FP16}

# Configuration, size of the array, E, F, operands, filter; then lengths of keys and queries.
HARDWARE = {
    "2x2": ("fusemax-small", 2, 4, 3, "bf16", False),
    "4x4": ("fusemax-small", 4, 8, 8, "bf16", False),
    "4x4 fp16": ("fusemax-small", 4, 6, 8, "fp16", False),
    "4x4 one tile at a time": ("architecture-small", 4, 8, 8, "bf16", False),
    "4x4 causal": ("fusemax-small", 4, 8, 8, "bf16", True),
    "3x3 exp unit": ("fusemax-small", 3, 7, 5, "bf16", False),
}
LENGTHS = [(4, 4), (16, 16), (13, 10), (40, 23), (64, 64), (1, 1), (8, 37)]


def subject_of(name: str, keys: int, queries: int):
    configuration, size, e, f, operand, causal = HARDWARE[name]
    changes = [f"arch.array2d.{axis}={size}" for axis in ("rows", "columns")] + [f"arch.array1d.lanes={size}"]
    changes += [f"mapping.cascade={CAUSAL}"] if causal else []
    if "exp unit" in name:
        changes += [f"arch.{array}.operations.exp={{cycles: 1}}" for array in ("array2d", "array1d")]
    shape = {"E": e, "F": f, "M": keys, "P": queries}
    overrides = [parse_override(change) for change in changes]
    return load_subject(configuration, shape, overrides=overrides, operand=FORMATS[operand])


@pytest.mark.parametrize("name", HARDWARE)
def test_every_bit_and_every_cycle(name, builds):
    for seed, (keys, queries) in enumerate(LENGTHS):
        subject = subject_of(name, keys, queries)
        simulation = Simulation(subject.generated, builds)
        for pressure in (False, True):
            given = stimulus(subject, seed, pressure=pressure)
            found = compare(subject, run_once(subject, simulation, given), given, seed)
            assert found.equal, found
            assert found.bits_compared == 16 * queries * subject.sizes["f"]
            assert found.events_compared > 10
            assert 0 < found.util_2d < 1
            assert 0 < found.util_1d < 1


@pytest.mark.parametrize("name", HARDWARE)
def test_linters_have_nothing_to_say(name, tmp_path):
    generated = subject_of(name, 16, 16).generated
    assert verilator.lint(generated.modules, generated.name, tmp_path / "verilator") == ""
    write_modules(generated.modules, tmp_path / "pyslang")
    assert in_another_process(PYSLANG, str(tmp_path / "pyslang")) == [generated.name]


def test_one_hardware_runs_any_lengths():
    digests = {subject_of("4x4", keys, queries).generated.digest for keys, queries in LENGTHS}
    texts = {subject_of("4x4", keys, queries).generated.top.source for keys, queries in LENGTHS}
    assert len(digests) == len(texts) == 1


def test_generation_is_deterministic():
    first, second = (subject_of("4x4", 16, 16).generated for _ in range(2))
    assert [part.source for part in first.modules] == [part.source for part in second.modules]


def test_a_wrong_bit_and_a_wrong_cycle_are_found(builds):
    subject = subject_of("4x4", 16, 16)
    given = stimulus(subject, 5, pressure=False)
    watched = run_once(subject, Simulation(subject.generated, builds), given)
    watched.out[3, 2] ^= 1
    watched.events["array2d"][7, 2] += 1
    found = compare(subject, watched, given, 5)
    assert (found.bit_mismatches, found.event_mismatches) == (1, 1)
    assert not found.equal
    assert np.any(watched.out)


def test_a_stream_has_no_bandwidth_of_its_own():
    with pytest.raises(SpecError, match="bandwidth"):
        load_subject("fusemax", {"E": 8, "F": 8})
