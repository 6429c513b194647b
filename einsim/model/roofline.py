"""Rooflines: how much work a design does for each byte off chip, and how fast its arrays could do it at that.

Williams, Waterman and Patterson, CACM 2009, with a roof for each array. Work is counted in operations of an element's
cycle: an exponential of six multiply-accumulates and a subtraction is seven, so that an array's peak is one operation
an element and cycle, whatever it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, prod

from einsim.analysis.bound import traffic_bound
from einsim.cascade import bind_sizes, size_of, size_parameters
from einsim.model.closed_form import Evaluation
from einsim.schedule.environment import environment
from einsim.schedule.flow import flow_of
from einsim.schedule.pipeline.sections import Section, groups_of
from einsim.spec.configuration import Design


@dataclass(frozen=True, slots=True)
class Roof:
    """What an array can do: operations a second at most, and with each byte a second of the outermost memory."""

    array: str
    is_grid: bool
    peak_per_s: float
    bandwidth_bytes_per_s: float
    """inf where nothing limits it."""

    @property
    def ridge(self) -> float:
        """Operations a byte from which on the array limits, not the memory; 0 where memory never does."""
        return self.peak_per_s / self.bandwidth_bytes_per_s

    def at(self, intensity: float) -> float:
        """Operations a second at most with so many operations a byte."""
        return min(self.peak_per_s, intensity * self.bandwidth_bytes_per_s)


@dataclass(frozen=True, slots=True)
class Load:
    """What some Einsums ask of the machine: operations on each array, bytes off chip, and seconds that they take.

    `seconds` is None for an Einsum that runs beside others.
    """

    name: str
    einsums: tuple[str, ...]
    operations: dict[str, int]
    traffic_bytes: float
    seconds: float | None

    def intensity(self, array: str) -> float:
        """Operations on an array a byte off chip; inf where nothing goes there."""
        work = self.operations.get(array, 0)
        return work / self.traffic_bytes if self.traffic_bytes else (inf if work else 0.0)

    def attained(self, array: str) -> float | None:
        """Operations a second on an array, where it is known how long they take."""
        return None if not self.seconds else self.operations.get(array, 0) / self.seconds


@dataclass(frozen=True, slots=True)
class Roofline:
    """A design under its machine's roofs.

    least_traffic_bytes: what any mapping of the cascade moves at least, with the passes that it makes and the words
    that the machine holds on chip (`analysis.bound`).
    """

    roofs: tuple[Roof, ...]
    whole: Load
    groups: tuple[Load, ...]
    einsums: tuple[Load, ...]
    least_traffic_bytes: float

    def most_intense(self, array: str) -> float:
        """Operations a byte that no mapping of the cascade exceeds."""
        return self.whole.operations.get(array, 0) / self.least_traffic_bytes


def roofline(design: Design, evaluation: Evaluation) -> Roofline:
    """The rooflines of one design that fits."""
    costs = {einsum.name: einsum for einsum in evaluation.schedule.einsums}
    traffic = _traffic(design, evaluation)
    arrays = design.architecture.arrays

    def load(name: str, einsums: tuple[str, ...], seconds: float | None) -> Load:
        work: dict[str, int] = dict.fromkeys(arrays, 0)
        for each in einsums:
            work[costs[each].array] += int(evaluation.counts.einsums[each].points) * int(costs[each].cycles_per_point)
        return Load(name, einsums, work, sum(traffic.get(each, 0.0) for each in einsums), seconds)

    groups = [(Section(names, {}).name, names) for names in groups_of(evaluation.schedule, flow_of(design))]
    latency = float(evaluation.latency_s)
    roofs = tuple(_roofs(design))

    def seconds(names: tuple[str, ...]) -> float | None:
        """How long a group takes: the whole run, or as long as its kernel's arrays or memory are busy."""
        if len(groups) == 1:
            return latency
        if not evaluation.schedule.per_phase_memory:
            return None
        busy = {name: sum(float(evaluation.cycles[e]) for e in names if costs[e].array == name) for name in arrays}
        moved = sum(traffic.get(name, 0.0) for name in names) / roofs[0].bandwidth_bytes_per_s
        return max(max(busy.values()) / design.architecture.clock_hz, moved)

    return Roofline(
        roofs=roofs,
        whole=load(design.mapping.name, tuple(costs), latency),
        groups=tuple(load(name, names, seconds(names)) for name, names in groups),
        einsums=tuple(load(name, (name,), None) for name in costs),
        least_traffic_bytes=_least(design),
    )


def _roofs(design: Design) -> list[Roof]:
    machine = design.architecture
    bandwidth = machine.memories[machine.outermost].bandwidth_bytes_per_s
    limit = float(bandwidth) if bandwidth is not None else inf
    return [
        Roof(name, array.is_grid, prod(array.axes.values()) * machine.clock_hz, limit)
        for name, array in machine.arrays.items()
    ]


def _traffic(design: Design, evaluation: Evaluation) -> dict[str, float]:
    """Bytes off chip of each Einsum."""
    machine = design.architecture
    found: dict[str, float] = {}
    for row in evaluation.counts.levels:
        if row.level == machine.outermost:
            words = float(row.reads + row.updates)
            found[row.einsum] = found.get(row.einsum, 0.0) + words * machine.word_bytes
    return found


def _least(design: Design) -> float:
    """Bytes that no mapping avoids, with all on-chip memories and register files as one."""
    machine, cascade = design.architecture, design.cascade
    given = environment(design, {})
    own = {symbol: int(given[symbol]) for symbol in size_parameters(cascade)}
    batch = prod(int(given[size_of(rank)]) for rank in design.mapping.batch)
    chip = [memory for name, memory in machine.memories.items() if name != machine.outermost]
    words = sum((memory.capacity_bytes or 0) // machine.word_bytes for memory in chip)
    words += sum(prod(array.axes.values()) * array.registers.depth_words for array in machine.arrays.values())
    return traffic_bound(cascade, bind_sizes(cascade, own), batch=batch).at(words) * machine.word_bytes
