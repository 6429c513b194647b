"""Lower bounds: what no mapping of a cascade on a machine can do better than, and no mapping with some choices made.

* Work: every point of an Einsum takes its cycles on a processing element of the array that runs it. With all arrays
  busy side by side, a run lasts at least as long as the busiest; which assignment makes that least is found exactly.
* Traffic: `einsim.analysis.bound`, for a chip that keeps as many words as all its memories and registers hold; of a
  product of two matrices alone, also what its points need (`product_words`).
  Where groups are one after another, what one makes and another reads goes out and comes back.
* Energy: operations, a read of every operand and an update of the result in the registers at every point, and the
  traffic.

Sizes that a mapping chooses (of tiles) are taken at each of their values; of everything, the least counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product as combinations
from math import inf, prod, sqrt

import numpy as np

from einsim.analysis.bound import traffic_bound
from einsim.cascade import iteration_ranks, operands, operations, size_of, tensor_ranks
from einsim.errors import SpecError
from einsim.mapper.objective import Objective
from einsim.mapper.task import Task
from einsim.schedule.lower import unit_operations

Assignment = Mapping[str, str]
"""Einsum -> the array that runs it."""

FEW = 40
"""Values of open sizes up to which the traffic bound looks at each; beyond, inputs and outputs once are the bound."""

MANY = 200_000
"""Steps of the search for an assignment, at most; beyond, Einsums count as divisible."""


@dataclass(frozen=True)
class Work:
    """Points of every Einsum, over all instances, and what they cost at least on each array that can run it."""

    task: Task
    points: dict[str, int]

    @cached_property
    def cycles(self) -> dict[str, dict[str, float]]:
        """Cycles that the points take on all of an array."""
        task = self.task
        return {
            name: {a: -(-self.points[name] // task.elements(a)) * task.cycles(name, a) for a in task.capable[name]}
            for name in task.einsums
        }

    @cached_property
    def energy_pj(self) -> dict[str, dict[str, float]]:
        """Energy of the operations, and of the registers at every point."""
        found: dict[str, dict[str, float]] = {}
        for name, einsum in self.task.einsums.items():
            found[name] = {}
            for array in self.task.capable[name]:
                parts = self.task.array_of(array)
                work = sum(parts.operations[each].energy_pj * times
                           for each, times in unit_operations(operations(einsum), parts).items())  # fmt: skip
                registers = len(operands(einsum)) * parts.registers.read_energy_pj + parts.registers.write_energy_pj
                found[name][array] = self.points[name] * (work + registers)
        return found


def product_words(task: Task, sizes: Mapping[str, int], capacity: int) -> int:
    """Words that a cascade which is one product of two matrices moves at least with so many words on chip; else 0.

    2 m n k / sqrt(S) - 2 S (Smith, Lowery, Langou, van de Geijn, arXiv 1702.02017); several ranks may make a side.
    """
    if len(task.einsums) != 1:
        return 0
    (einsum,) = task.einsums.values()
    reads = operands(einsum)
    sides = [frozenset(rank for index in access.indices for rank in index.ranks) for access in (*reads, einsum.output)]
    plain = all(index.rank is not None for access in (*reads, einsum.output) for index in access.indices)
    every = set(iteration_ranks(einsum))
    if operations(einsum) != ("mac",) or len(reads) != 2 or not plain or einsum.when is not None:
        return 0
    if any(sum(rank in side for side in sides) != 2 for rank in every):
        return 0
    points = prod(sizes[size_of(rank)] for rank in every)
    return max(0, int(2 * points / sqrt(capacity)) - 2 * capacity - 1)


def points_of(task: Task, sizes: Mapping[str, int]) -> dict[str, int]:
    """Points of each Einsum: of both parts of a split, the elements that there are."""
    found = {}
    for name in task.einsums:
        ranks = set(task.space(name))
        for split in task.cascade.splits:
            if {split.outer, split.inner} <= ranks:
                ranks = ranks - {split.outer, split.inner} | {split.rank}
        found[name] = task.instances * prod(sizes[size_of(rank)] for rank in ranks)
    return found


class Bounds:
    """Lower bounds of a task, over all values of the sizes that it leaves open."""

    def __init__(self, task: Task, open_sizes: Mapping[str, Iterable[int]]) -> None:
        self.task = task
        values = combinations(*([int(size) for size in open_sizes[name]] for name in task.unsized))
        self.sizes = [task.sizes(dict(zip(task.unsized, each, strict=True))) for each in values]
        every = [points_of(task, sizes) for sizes in self.sizes]
        self.work = Work(task, {name: min(points[name] for points in every) for name in task.einsums})
        self.compulsory, self.traffic_words, self.writes = self._traffic()

    def _traffic(self) -> tuple[float, float, float]:
        """Words to and from the outermost memory: inputs and outputs once, all at least, and of these outputs."""
        task, machine = self.task, self.task.machine
        held = sum(memory.capacity_bytes or 0 for name, memory in machine.memories.items() if name != machine.outermost)
        words = held // machine.word_bytes
        words += sum(task.elements(name) * array.registers.depth_words for name, array in machine.arrays.items())
        outputs = task.instances * sum(self._least_words(name) for name in task.kept)
        compulsory = least = inf
        few = len(self.sizes) <= FEW
        for sizes in self.sizes if few else (self.sizes[0], self.sizes[-1]):
            try:
                found = traffic_bound(task.cascade, {name: size for name, size in sizes.items() if name in task.known})
            except SpecError:
                return outputs, outputs, outputs
            compulsory = min(compulsory, found.compulsory)
            least = min(least, max(found.at(words) if few else found.compulsory, product_words(task, sizes, words)))
        return compulsory * task.instances, least * task.instances, outputs

    def _least_words(self, tensor: str) -> int:
        ranks = [rank for rank in tensor_ranks(self.task.cascade, tensor) if rank not in self.task.iterative]
        if tensor in self.task.assembled:
            makers = self.task.cascade.makers(tensor)
            return min(sum(prod(sizes[size_of(rank)] for rank in maker.output.ranks) for maker in makers)
                       for sizes in self.sizes)  # fmt: skip
        return min(prod(sizes[size_of(rank)] for rank in ranks) for sizes in self.sizes)

    # With no choice made.

    @cached_property
    def assignment(self) -> tuple[float, dict[str, str]]:
        """The least cycles of the busiest array, and an assignment that has them."""
        return assign(self.work.cycles)

    def memory_s(self, words: float) -> float:
        """Seconds that words to and from the outermost memory take at least."""
        machine = self.task.machine
        memory = machine.memories[machine.outermost]
        if memory.bandwidth_bytes_per_s is None:
            return 0.0
        return words * machine.word_bytes / memory.bandwidth_bytes_per_s / (2 if memory.duplex else 1)

    def traffic_pj(self, words: float) -> float:
        """Energy of words to and from the outermost memory; beyond the outputs, at the cheaper of read and write."""
        machine = self.task.machine
        memory = machine.memories[machine.outermost]
        reads = max(0.0, self.compulsory - self.writes)
        others = max(0.0, words - reads - self.writes)
        cheaper = min(memory.read_energy_pj, memory.write_energy_pj)
        total = reads * memory.read_energy_pj + self.writes * memory.write_energy_pj + others * cheaper
        return total / (memory.access_bytes / machine.word_bytes)

    def of(self, objective: Objective) -> float:
        """The bound on an objective, over all mappings."""
        return self._bound(objective, self.assignment[0], self._energy(), self.traffic_words)

    # With the groups and arrays chosen.

    def of_groups(self, objective: Objective, groups: Sequence[Sequence[str]]) -> float:
        """The bound over all mappings with these groups, one after another."""
        cycles = sum(assign({name: self.work.cycles[name] for name in group})[0] for group in groups)
        return self._bound(objective, cycles, self._energy(), self._words(groups))

    def of_arrays(
        self, objective: Objective, groups: Sequence[Sequence[str]], arrays: Assignment, overlap: Sequence[bool]
    ) -> float:
        """The bound over all mappings with these groups and arrays; a group without overlap runs one by one."""
        energy = sum(self.work.energy_pj[name][array] for name, array in arrays.items())
        pairs = zip(groups, overlap, strict=True)
        cycles = sum(_busy(self.work, group, arrays, together=each) for group, each in pairs)
        return self._bound(objective, cycles, energy, self._words(groups))

    def _energy(self) -> float:
        return sum(min(each.values()) for each in self.work.energy_pj.values())

    def _words(self, groups: Sequence[Sequence[str]]) -> float:
        return max(self.traffic_words, self.compulsory + self.crossing(groups))

    def crossing(self, groups: Sequence[Sequence[str]]) -> float:
        """Words that pass between groups: written once, and read once by each group that needs them.

        Inputs that several groups need are read by each.
        """
        words = 0.0
        inputs = {tensor.name for tensor in self.task.cascade.inputs}
        for tensor, names in self.task.touching.items():
            touched = sum(bool(set(group) & set(names)) for group in groups)
            if touched < 2:
                continue
            size = self._least_words(tensor) if self._is_plain(tensor) else 0
            again = touched - 1 if tensor in inputs or tensor in self.task.kept else touched
            words += self.task.instances * size * again
        return words

    def _is_plain(self, tensor: str) -> bool:
        """Whether every reader reads all of a tensor (at least once)."""
        return tensor in self.task.whole

    def _bound(self, objective: Objective, cycles: float, energy: float, words: float) -> float:
        latency = max(cycles / self.task.machine.clock_hz, self.memory_s(words))
        energy += self.traffic_pj(words)
        match objective:
            case Objective.LATENCY:
                return latency
            case Objective.ENERGY:
                return energy
            case Objective.EDP:
                return latency * energy
            case Objective.TRAFFIC:
                return words * self.task.machine.word_bytes


def _busy(work: Work, group: Sequence[str], arrays: Assignment, *, together: bool) -> float:
    loads: dict[str, float] = {}
    for name in group:
        loads[arrays[name]] = loads.get(arrays[name], 0.0) + work.cycles[name][arrays[name]]
    return max(loads.values(), default=0.0) if together else sum(loads.values())


def assign(cycles: Mapping[str, Mapping[str, float]]) -> tuple[float, dict[str, str]]:
    """The least cycles of the busiest array over all assignments, and one that has them: branch and bound.

    Where that takes too long, the first number is the one for Einsums that may be divided (all arrays busy alike).
    """
    order = sorted(cycles, key=lambda name: (len(cycles[name]), -min(cycles[name].values())))
    arrays = sorted({array for each in cycles.values() for array in each})
    best: list[tuple[float, dict[str, str]]] = [_greedy(cycles, order, arrays)]
    steps = 0

    def extend(at: int, loads: dict[str, float], chosen: dict[str, str]) -> None:
        nonlocal steps
        steps += 1
        if steps > MANY or max(loads.values()) >= best[0][0]:
            return
        if at == len(order):
            best[0] = (max(loads.values()), dict(chosen))
            return
        name = order[at]
        for array in sorted(cycles[name], key=lambda each: loads[each] + cycles[name][each]):
            chosen[name] = array
            extend(at + 1, {**loads, array: loads[array] + cycles[name][array]}, chosen)

    extend(0, dict.fromkeys(arrays, 0.0), {})
    if steps > MANY:
        return _divided(cycles), best[0][1]
    return best[0]


def _greedy(
    cycles: Mapping[str, Mapping[str, float]], order: Sequence[str], arrays: Sequence[str]
) -> tuple[float, dict[str, str]]:
    loads = dict.fromkeys(arrays, 0.0)
    chosen = {}
    for name in sorted(order, key=lambda each: -min(cycles[each].values())):
        array = min(cycles[name], key=lambda each: loads[each] + cycles[name][each])
        loads[array] += cycles[name][array]
        chosen[name] = array
    return max(loads.values(), default=0.0), chosen


def _divided(cycles: Mapping[str, Mapping[str, float]]) -> float:
    """A bound without a search: an Einsum that only one array runs, and all work on all arrays at its fastest."""
    alone: dict[str, float] = {}
    for each in cycles.values():
        if len(each) == 1:
            ((array, own),) = each.items()
            alone[array] = alone.get(array, 0.0) + own
    arrays = {array for each in cycles.values() for array in each}
    shared = sum(min(each.values()) for each in cycles.values()) / max(1, len(arrays))
    return float(np.max([shared, *alone.values()]))
