"""One run of generated hardware beside the golden arithmetic and the cycle model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einsim.cascade import evaluate
from einsim.cosim.subject import Subject
from einsim.model.cycle.foretell import foretell
from einsim.rtl.formats import Format, Integer, Patterns
from einsim.rtl.generator.hardware import CONTROL, Hardware
from einsim.rtl.generator.host import Host
from einsim.rtl.generator.simulation import CocotbSimulation, Simulation, Watched
from einsim.rtl.golden import Arithmetic, evaluate_patterns
from einsim.rtl.unpacked import encode
from einsim.schedule.pipeline.program import LOAD, STORE
from einsim.schedule.pipeline.resize import resized


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one run was like. Utilisations are shares of the arrays' element-cycles with a point of work."""

    seed: int
    sizes: dict[str, int]
    bits_compared: int
    bit_mismatches: int
    cycles_rtl: int
    cycles_model: int
    events_compared: int
    event_mismatches: int
    util_2d: float
    util_1d: float
    first_difference: str | None

    @property
    def equal(self) -> bool:
        """Whether every bit and every cycle agrees."""
        return not self.bit_mismatches and not self.event_mismatches and self.cycles_rtl == self.cycles_model

    def record(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Stimulus:
    """What a run is given: inputs by tensor, and in which cycles the other ends of the streams take part."""

    inputs: dict[str, Patterns]
    valid: NDArray[np.uint8]
    ready: NDArray[np.uint8]


def stimulus(subject: Subject, seed: int, *, pressure: bool) -> Stimulus:
    """Random inputs, normal with a spread of their own for each tensor, and random back-pressure (or none)."""
    random = np.random.default_rng(seed)
    hardware = subject.hardware
    inputs = {}
    for declared in hardware.design.cascade.inputs:
        shape = tuple(subject.sizes[rank] for rank in declared.ranks)
        form = hardware.operand
        if isinstance(form, Integer):
            inputs[declared.name] = random.integers(0, 1 << form.width, shape, form.dtype)
            continue
        values = random.normal(size=shape) * random.choice([0.25, 0.5, 1.0, 2.0])
        inputs[declared.name] = np.asarray(encode(form, values), form.dtype)
    always = np.ones(1, np.uint8)
    if not pressure:
        return Stimulus(inputs, always, always)
    patterns = [(random.random(4099) < random.uniform(0.2, 1)).astype(np.uint8) for _ in range(2)]
    return Stimulus(inputs, *patterns)


def run_once(
    subject: Subject, simulation: Simulation | CocotbSimulation, given: Stimulus, *, streams: bool = False
) -> Watched:
    """One run, in the C++ loop (which can write down its `streams`) or under cocotb."""
    host = Host(subject.hardware, subject.sizes)
    beats, results = host.beats(given.inputs), sum(host.durations(STORE))
    most = 64 * (len(beats) + results) * max(subject.hardware.rows, 16) + 100_000
    if isinstance(simulation, CocotbSimulation):
        return simulation.run(subject.sizes, beats, results, valid=given.valid, ready=given.ready, most=most)
    issues = 4 * sum(duty.slots * max(duty.units, 1) for duty in subject.hardware.duties) * (len(host.epochs()) + 8)
    return simulation.run(subject.sizes, beats, results, valid=given.valid, ready=given.ready, most=most,
                          most_events=issues, streams=streams)  # fmt: skip


def compare(subject: Subject, watched: Watched, given: Stimulus, seed: int) -> Comparison:
    """The bits that came out against the golden arithmetic, what happened against the cycle model."""
    host = Host(subject.hardware, subject.sizes)
    out = host.results(watched.out)
    bits, wrong, where = _bits(subject, given, out)
    steady = given.valid.all() and given.ready.all()
    beats = {LOAD: host.durations(LOAD), STORE: host.durations(STORE)}
    # Where rows are as wide as the stream, the channel's bandwidth says the same: a run for the compiled simulator.
    given_for = beats if steady else {name: measured(watched, name) for name in beats}
    durations = None if steady and _wide(subject.hardware) else given_for
    machine = subject.hardware.design.architecture
    program = resized(subject.hardware.assembly, subject.sizes)
    foretold = foretell(program, machine, subject.timing, durations)
    compared, missed, first = _events(subject, watched, foretold.issues)
    hardware = subject.hardware
    use = utilisation(hardware, host, watched)
    return Comparison(
        seed, dict(subject.sizes), bits, wrong, watched.cycles, foretold.cycles, compared, missed,
        use[hardware.grid], use.get(hardware.lanes or "", 0.0), where or first,
    )  # fmt: skip


def _wide(hardware: Hardware) -> bool:
    """Whether every beat of the streams is full."""
    moving = [duty for duty in hardware.duties if not duty.strand.computes]
    return all(max(d.strand.moved) == d.beats * hardware.beat * max(d.strand.units) for d in moving)


def _bits(subject: Subject, given: Stimulus, out: Mapping[str, Patterns]) -> tuple[int, int, str | None]:
    hardware = subject.hardware
    golden = golden_of(subject, given)
    compared = mismatches = 0
    first = None
    for name, values in out.items():
        different = np.asarray(values) != golden[name]
        compared += values.size * hardware.leaving.format.width
        mismatches += int(different.sum())
        if different.any() and first is None:
            place = tuple(int(each) for each in np.argwhere(different)[0])
            first = f"{name}{list(place)}: {int(values[place]):#x} instead of {int(golden[name][place]):#x}"
    return compared, mismatches, first


def golden_of(subject: Subject, given: Stimulus) -> Mapping[str, NDArray[Any]]:
    """What has to come out, from the cascade's text: integers are exact, and wrap around."""
    hardware = subject.hardware
    operand, accumulator = hardware.operand, hardware.accumulator
    if isinstance(operand, Format) and isinstance(accumulator, Format):
        arithmetic = Arithmetic(operand=operand, accumulator=accumulator, narrow=hardware.narrow)
        return evaluate_patterns(hardware.design.cascade, given.inputs, subject.symbols, arithmetic=arithmetic)
    sign = 1 << (operand.width - 1)
    numbers = {name: (each.astype(np.int64) ^ sign) - sign for name, each in given.inputs.items()}
    exact = evaluate(hardware.design.cascade, numbers, subject.symbols)
    return {name: (each.astype(np.int64) % (1 << accumulator.width)).astype(accumulator.dtype)
            for name, each in exact.items()}  # fmt: skip


def measured(watched: Watched, resource: str) -> list[int]:
    """Cycles that each transfer took, from its first cycle to its last beat."""
    begun, done = watched.events[resource][:, 2], watched.events[f"{resource} done"][:, 2]
    return [int(end - start) + 1 for start, end in zip(begun, done, strict=True)]


def _events(
    subject: Subject, watched: Watched, foretold: Mapping[str, NDArray[np.int64]]
) -> tuple[int, int, str | None]:
    """Every issue, and every operation in the last element, against the model's."""
    hardware = subject.hardware
    expected = {name: rows.copy() for name, rows in foretold.items() if name in hardware.resources}
    for rows in expected.values():  # hardware counts the slots of strands of no fixed length unit by unit
        for duty in hardware.duties:
            if duty.counted:
                rows[rows[:, 0] == duty.number, 1] %= duty.slots
    for name, array, skew in (
        ("element last", hardware.grid, hardware.rows + hardware.columns - 2),
        ("lane last", hardware.lanes, hardware.columns - 1),
    ):
        if array is None:
            continue
        numbers = np.array([duty.number for duty in hardware.on(array)])
        rows = expected[array].copy()
        rows[:, 0] = np.searchsorted(numbers, rows[:, 0])
        rows[:, 1] = 0
        rows[:, 2] += skew + CONTROL
        expected[name] = rows[rows[:, 2] <= watched.cycles]
    compared = missed = 0
    first = None
    for name, rows in expected.items():
        seen = watched.events[name].astype(np.int64)
        seen = seen[seen[:, 2] <= watched.cycles]
        both = min(len(seen), len(rows))
        unequal = (seen[:both] != rows[:both]).any(axis=1)
        compared += max(len(seen), len(rows))
        missed += int(unequal.sum()) + abs(len(seen) - len(rows))
        if first is None and (unequal.any() or len(seen) != len(rows)):
            at = int(np.argmax(unequal)) if unequal.any() else both
            first = f"{name} {at}: {_row(seen, at)} instead of {_row(rows, at)} (what, slot, cycle)"
    return compared, missed, first


def _row(rows: NDArray[np.int64], at: int) -> str:
    return str(rows[at].tolist()) if at < len(rows) else "nothing"


def utilisation(hardware: Hardware, host: Host, watched: Watched) -> dict[str, float]:
    """Array -> the share of its elements' cycles in which an operation with a point of work is in them."""
    found = {}
    for array in hardware.arrays:
        strands = watched.events[array][:, 0]
        busy = 0
        for duty in hardware.on(array):
            working = np.repeat(host.elements(duty), duty.slots)
            busy += int(working[: int((strands == duty.number).sum())].sum())
        elements = np.prod(list(hardware.design.architecture.arrays[array].axes.values()))
        found[array] = busy / (watched.cycles * int(elements))
    return found
