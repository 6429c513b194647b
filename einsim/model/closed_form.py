"""The closed-form model: time, traffic and energy of a design from its counts.

The arithmetic is the published evaluation's (Nayak et al., MICRO 2024, section VI): an Einsum takes its
steps times its cycles per point; Einsums of a phase run side by side on their arrays; memory time hides
behind the whole run or behind its phase. What this leaves out (fill, drain, hazards) is the cycle model's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import reduce
from math import prod
from operator import mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

from einsim.errors import SpecError
from einsim.model.costs import Charge, Costs, Energy, added, added_up, as_float, checked_column
from einsim.model.counts import Counts, LevelCount, count
from einsim.model.overflow import refuse_overflow
from einsim.model.tables import Runner, as_numbers
from einsim.schedule.environment import Columns
from einsim.schedule.lower import lower
from einsim.schedule.nest import Schedule
from einsim.spec.alike import Alike
from einsim.spec.configuration import Design
from einsim.spec.expressions import Number, maximum, negation


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the closed form says of a design, or (every number an array) of the points of a sweep.

    Energies in pJ, times in seconds, traffic in bytes to and from the outermost memory; counts are totals
    over all instances. `energy_by_part_pj` has one key a memory, register file and `array.operation`, and `leakage`
    where there is any; `charges` are the energies of the single actions, pJ, each with its Einsum.
    """

    schedule: Schedule
    counts: Counts
    feasible: Number
    traffic_bytes: Number
    latency_s: Number
    compute_s: Number
    memory_s: Number
    energy_pj: Number
    utilisation: dict[str, Number]
    cycles: dict[str, Number]
    cycles_by_array: dict[str, Number]
    energy_by_part_pj: dict[str, Number]
    charges: tuple[Charge, ...] = field(repr=False)
    area_um2: Number

    @property
    def energy_by_einsum_pj(self) -> dict[str, Number]:
        """Energy of all but leakage, pJ, by Einsum."""
        totals: dict[str, Number] = dict.fromkeys(self.cycles, 0.0)
        for einsum, energy in self.charges:
            totals[einsum] = totals[einsum] + energy
        return totals


def evaluate(design: Design) -> Evaluation:
    """Evaluates one design exactly. Raises SpecError where its files are wrong."""
    costs = Costs(design, {})
    return assemble(costs, lower(design), as_numbers)


def evaluate_many(design: Design, columns: Columns) -> Evaluation:
    """Evaluates many designs that differ in some numbers, given as arrays that are equally long or broadcast.

    Of a grid with an axis for each column, a column of shape (n, 1, 1) varies along the first only; results have
    length 1 along the axes on which they do not depend, and are integers where they are the same all over.

    Column names are those of mapping expressions (`array2d.rows`, `buffer.capacity_bytes`, `M`, `B`) and
    of costs (`buffer.read_energy_pj`, `dram.bandwidth_bytes_per_s`, `clock_hz`). Raises SpecError for
    an unknown name or a value out of range, OverflowError where 64 bits might not hold a count.
    """
    arrays = {name: checked_column(design, name, np.atleast_1d(np.asarray(each))) for name, each in columns.items()}
    grid_shape(arrays.values())
    costs = Costs(design, arrays)
    schedule = lower(design, costs.sizes())
    refuse_overflow(schedule, costs["word_bytes"])
    return assemble(costs, schedule, as_numbers)


def grid_shape(columns: Iterable[NDArray[Any]]) -> tuple[int, ...]:
    """The shape over which columns broadcast; raises SpecError where they do not."""
    shapes = [values.shape for values in columns]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        shown = ", ".join(sorted(map(str, set(shapes))))
        raise SpecError(f"columns of shapes {shown}; they must be equally long, or broadcast") from None


def assemble(costs: Costs, schedule: Schedule, run: Runner) -> Evaluation:
    """Counts a schedule with `run` and makes times, energies and utilisations of the counts."""
    design = costs.design
    return costed(costs, schedule, _spill(schedule, count(schedule, list(design.architecture.memories), run), design))


def costed(costs: Costs, schedule: Schedule, counts: Counts) -> Evaluation:
    """Times, energies and utilisations of counts; what cost tables do not know of the machine does not fit."""
    schedule = replace(schedule, shortfalls=(*schedule.shortfalls, *costs.shortfalls()))
    alike = Alike()
    cycles = {e.name: alike.same(mul, counts.einsums[e.name].steps, e.cycles_per_point) for e in schedule.einsums}
    times = _channel_times(costs, counts, alike)
    latency, compute, memory = _latency(costs, schedule, counts, cycles, times)
    energy = Energy(costs, schedule, counts, latency, alike)
    return Evaluation(
        schedule=schedule,
        counts=counts,
        feasible=_feasible(schedule),
        traffic_bytes=_traffic(costs, counts),
        latency_s=latency,
        compute_s=compute,
        memory_s=memory,
        energy_pj=energy.total,
        utilisation=_utilisation(costs, schedule, counts, latency, alike),
        cycles=cycles,
        cycles_by_array=_by_array(schedule, cycles),
        energy_by_part_pj=energy.by_part,
        charges=tuple(energy.charges),
        area_um2=costs.area(),
    )


def _feasible(schedule: Schedule) -> Number:
    """Whether nothing falls short: a truth value, an array of them, or a formula."""
    fits: Number = True
    for shortfall in schedule.shortfalls:
        fits = negation(shortfall.where) & fits
    return fits


def _spill(schedule: Schedule, counts: Counts, design: Design) -> Counts:
    """Moves the spilled proportion of tensors' buffer traffic to the outermost memory.

    A spilled word is read and written there instead of being fetched for keeping, so that of the tensor's
    own traffic to the outermost memory only the other proportion remains. Buffer counts stay.
    """
    rules = [rule for rule in schedule.spills if np.any(rule.proportion != 0)]
    if not rules:
        return counts
    outermost = design.architecture.outermost
    levels: list[LevelCount] = []
    for row in counts.levels:
        rule = next((r for r in rules if row.tensor in r.tensors and _passes(counts, row, r.level)), None)
        if rule is None or row.level not in {outermost, rule.level}:
            levels.append(row)
        elif row.level == outermost:
            keep = 1 - rule.proportion
            levels.append(replace(row, reads=row.reads * keep, fills=row.fills * keep, updates=row.updates * keep))
        else:
            part = rule.proportion
            levels.append(row)
            levels.append(replace(row, level=outermost, reads=row.reads * part, fills=0, updates=row.updates * part))
    return Counts(tuple(levels), counts.einsums)


def _passes(counts: Counts, row: LevelCount, level: str) -> bool:
    """Whether the access that a row belongs to goes through `level`."""
    return any(r.level == level and r.einsum == row.einsum and r.label == row.label for r in counts.levels)


def _traffic(costs: Costs, counts: Counts) -> Number:
    """Bytes to and from the outermost memory."""
    outermost = costs.design.architecture.outermost
    rows = [row for row in counts.levels if row.level == outermost]
    words = reduce(added, (part for row in rows for part in (row.reads, row.updates)), 0)
    traffic = words * costs["word_bytes"]
    return int(traffic) if isinstance(traffic, Fraction) and traffic.denominator == 1 else traffic


def _channel_times(costs: Costs, counts: Counts, alike: Alike) -> list[dict[str, Number]]:
    """Of each channel of a memory with a bandwidth: Einsum -> seconds that its words take on it."""
    times: list[dict[str, Number]] = []
    for name, memory in costs.design.architecture.memories.items():
        if memory.bandwidth_bytes_per_s is None:
            continue
        scale = costs["word_bytes"] / costs[f"{name}.bandwidth_bytes_per_s"]
        for kinds in (("reads",), ("fills", "updates")) if memory.duplex else (("reads", "fills", "updates"),):
            channel: dict[str, Number] = {}
            for row in counts.levels:
                if row.level == name:
                    words = alike.same(as_float, added_up((getattr(row, kind) for kind in kinds), alike.same))
                    channel[row.einsum] = added(channel.get(row.einsum, 0.0), alike.same(mul, words, scale))
            times.append(channel)
    return times


def _latency(
    costs: Costs, schedule: Schedule, counts: Counts, cycles: dict[str, Number], times: list[dict[str, Number]]
) -> tuple[Number, Number, Number]:
    """Latency, its compute part and its memory part, in seconds."""
    total: Number = 0.0
    compute: Number = 0.0
    memory = _longest(times, list(cycles))
    for phase in schedule.phases:
        stall: Number = 0
        if phase.stall_each is not None:
            stall = counts.einsums[phase.stall_each].steps * phase.stall_cycles
        sides = [reduce(added, (cycles[name] for name in names), 0) for _, names in phase.run]
        busy = as_float((maximum(*sides) if len(sides) > 1 else sum(sides)) + stall) / costs["clock_hz"]
        compute = added(compute, busy)
        names = [name for _, side in phase.run for name in side]
        total = total + (maximum(busy, _longest(times, names)) if schedule.per_phase_memory else busy)
    return (total if schedule.per_phase_memory else maximum(compute, memory)), compute, memory


def _longest(times: list[dict[str, Number]], names: list[str]) -> Number:
    """Seconds of the slowest channel over some Einsums."""
    each = [reduce(added, (einsums.get(name, 0.0) for name in names), 0.0) for einsums in times]
    return maximum(*each) if len(each) > 1 else sum(each, start=0.0)


def _utilisation(costs: Costs, schedule: Schedule, counts: Counts, latency: Number, alike: Alike) -> dict[str, Number]:
    """Busy processing-element cycles over all of them, by array; points that exist, not whole tiles."""
    shares: dict[str, Number] = {}
    for array, parts in costs.design.architecture.arrays.items():
        busy: Number = 0.0
        for einsum in schedule.einsums:
            if einsum.array == array:
                points = alike.same(as_float, counts.einsums[einsum.name].points)
                busy = added(busy, alike.same(mul, points, einsum.cycles_per_point))
        elements = as_float(prod(costs[f"{array}.{axis}"] for axis in parts.axes))
        shares[array] = busy / (elements * latency * costs["clock_hz"])
    return shares


def _by_array(schedule: Schedule, cycles: dict[str, Number]) -> dict[str, Number]:
    totals: dict[str, Number] = {}
    for einsum in schedule.einsums:
        totals[einsum.array] = added(totals.get(einsum.array, 0), cycles[einsum.name])
    return totals
