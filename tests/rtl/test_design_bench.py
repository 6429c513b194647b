"""Generated hardware under cocotb: the same as in the C++ loop; whatever breaks a rule of its ports is found out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from einsim.cosim.compare import compare, stimulus
from einsim.cosim.subject import Subject, load_subject
from einsim.errors import SpecError
from einsim.rtl.generator.host import Host
from einsim.rtl.generator.simulation import CocotbSimulation, Simulation, Watched
from einsim.rtl.verilog import Module, closure
from einsim.schedule.pipeline.program import STORE
from einsim.spec.overrides import parse_override

from .mutants import broken
from .operands import EXHAUSTIVE

# Name: rows and columns, E, F.
SIZES = {"2x2": (2, 4, 3), "4x4": (4, 8, 8)}
# Keys and queries: a tile, partial tiles at the end, several tiles of four tiles of queries, nearly nothing.
LENGTHS = [(4, 16), (13, 10), (40, 71), (1, 1)]


def subject_of(name: str, keys: int, queries: int) -> Subject:
    size, e, f = SIZES[name]
    changes = [*(f"arch.array2d.{axis}={size}" for axis in ("rows", "columns")), f"arch.array1d.lanes={size}"]
    shape = {"E": e, "F": f, "M": keys, "P": queries}
    return load_subject("fusemax-small", shape, overrides=[parse_override(change) for change in changes])


def run(subject: Subject, simulation, inputs: int, *, pressure: bool, **how) -> Watched:
    """A run whose inputs and pauses follow from a seed."""
    print(f"{subject.generated.name} {subject.sizes}: seed {inputs}, pressure {pressure}")
    host, given = Host(subject.hardware, subject.sizes), stimulus(subject, inputs, pressure=pressure)
    return simulation.run(subject.sizes, host.beats(given.inputs), sum(host.durations(STORE)), valid=given.valid,
                          ready=given.ready, **how)  # fmt: skip


def assert_same(one: Watched, other: Watched) -> None:
    assert one.cycles == other.cycles
    assert (one.out == other.out).all()
    assert one.events.keys() == other.events.keys()
    for kind, rows in one.events.items():
        assert np.array_equal(rows, other.events[kind]), kind


@pytest.mark.parametrize("name", SIZES)
def test_both_engines_see_the_same(name, builds):
    """In every cycle, with the streams' pauses in the very same cycles.

    A run that a reset has ended changes nothing, and a second one does it all again.
    """
    for seed, (keys, queries) in enumerate(LENGTHS):
        subject = subject_of(name, keys, queries)
        loop, cocotb = (engine(subject.generated, builds) for engine in (Simulation, CocotbSimulation))
        pressure = bool(seed % 2)
        wanted = run(subject, loop, seed, pressure=pressure)
        assert_same(wanted, run(subject, cocotb, seed, pressure=pressure, exact=True, again=True, seed=seed + 1))


@pytest.mark.parametrize("pressure", [False, True])
@pytest.mark.parametrize("name", SIZES)
def test_bus_models(name, pressure, builds):
    """With pauses as the bus models make them, every bit and every cycle is as foretold, the second time too."""
    subject = subject_of(name, 29, 23)
    loop, cocotb = (engine(subject.generated, builds) for engine in (Simulation, CocotbSimulation))
    wanted = run(subject, loop, 7, pressure=pressure)
    found = run(subject, cocotb, 7, pressure=pressure, again=True)
    assert (found.out == wanted.out).all()
    compared = compare(subject, found, stimulus(subject, 7, pressure=pressure), 7)
    assert compared.equal, compared
    assert compared.events_compared > 1000


# Module's last name, what stands there, what stands there instead, what the bench says.
BROKEN = {
    "sizes change": ("", "if (write && !busy)", "if (write)", "registers: "),
    "starts again": ("_control", "wire reload = start && !busy", "wire reload = start", ""),
    "a reset leaves a tile": ("_control", "if (reset) load_busy", "if (1'b0) load_busy", "not over"),
    "answers in passing": ("", "else if (s_axi_bready) s_axi_bvalid", "else s_axi_bvalid", "s_axi_b: None instead"),
    "offers in passing": ("_control", "<= out_valid && ", "<= out_valid && out_ready && ", "m_axis: None instead"),
    "last is late": ("_control", "out_last = store_now == 2'd2", "out_last = store_now == 2'd1", "tlast is 1"),
    "counts more": ("_control", "if (array2d_issues) array2d_busy", "if (going) array2d_busy", "ARRAY2D_BUSY"),
}


def without_arrays(part: Module) -> Module:
    """Control alone is built quickly: of the arrays, ports are left."""
    if not part.name.endswith("_array"):
        return replace(part, uses=tuple(without_arrays(used) for used in part.uses))
    return replace(part, text=part.text[: part.text.index(");")] + ");\nendmodule\n", uses=())


def test_control_alone_breaks_no_rule(builds):
    subject = subject_of("2x2", 13, 10)
    alone = replace(subject.generated, modules=closure([without_arrays(subject.generated.top)]))
    assert run(subject, CocotbSimulation(alone, builds), 3, pressure=True, again=True).cycles > 100


@pytest.mark.parametrize("name", list(BROKEN)[: None if EXHAUSTIVE else 4])
def test_broken_ports_are_found_out(name, builds):
    subject = subject_of("2x2", 13, 10)
    module, old, new, words = BROKEN[name]
    top = broken(subject.generated.top, subject.generated.name + module, old, new)
    generated = replace(subject.generated, modules=closure([without_arrays(top)]))
    simulation = CocotbSimulation(generated, builds)
    with pytest.raises(SpecError) as caught:
        run(subject, simulation, 3, pressure=True, again=True)
    assert words in str(caught.value)
