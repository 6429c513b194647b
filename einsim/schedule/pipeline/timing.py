"""How long things take on a machine: what docs/microarchitecture.md defines and the cycle model simulates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil

from einsim.spec.architecture import Architecture, Array, Operation


@dataclass(frozen=True, slots=True)
class Timing:
    """A machine's delays, any part of which may be left out to see what it costs.

    `travel`: values take time from one processing element to the next, so that arrays fill and drain. `latency`:
    operations take longer than they occupy their unit. `memory`: the outermost memory and the buffers answer late,
    and their ports are limited. `stalls`: the stalls that a mapping states for the closed form happen as well.
    `reducing`: see `with_reductions`.
    """

    travel: bool = True
    latency: bool = True
    memory: bool = True
    stalls: bool = False
    reducing: tuple[tuple[str, int], ...] = ()

    def hop(self, array: Array) -> int:
        """Cycles from one processing element to the next: all operations move at the pace of the slowest."""
        if not self.travel:
            return 0
        return max(array.hop_cycles, dict(self.reducing).get(array.registers.name, 0))

    def with_reductions(self, machine: Architecture, slowest: dict[str, int]) -> Timing:
        """The timing of a schedule that adds up along an array's axes with operations of some latency, array by array.

        An element needs its neighbour's result, so that each hop takes as long.
        """
        return replace(
            self, reducing=tuple((machine.arrays[name].registers.name, cycles) for name, cycles in slowest.items())
        )

    def across(self, array: Array, axis: str) -> int:
        """Cycles from before the first to behind the last processing element along an axis."""
        return array.axes[axis] * self.hop(array)

    def back(self, array: Array) -> int:
        """Cycles from the lanes to the first row of the 2D array."""
        if not self.travel:
            return 0
        return self.across(array, "rows") if array.return_cycles is None else array.return_cycles

    def control(self, machine: Architecture) -> int:
        """Cycles from the decision to issue an operation until it is in the first processing element."""
        return machine.control_cycles if self.travel else 0

    def skew(self, array: Array) -> int:
        """Cycles by which the last processing element runs behind the first."""
        return sum(extent - 1 for extent in array.axes.values()) * self.hop(array)

    def result(self, operation: Operation) -> int:
        """Cycles from operands to result."""
        return operation.result_cycles if self.latency else operation.cycles

    def accumulate(self, operation: Operation) -> int:
        """Cycles from one accumulation to the next into one register."""
        return operation.accumulate_cycles if self.latency else operation.cycles

    def response(self, machine: Architecture, memory: str) -> int:
        """Cycles from a request to a memory to its data."""
        return machine.memories[memory].latency_cycles if self.memory else 0

    def words_under_way(self, machine: Architecture) -> int:
        """Words that the channel of the outermost memory delivers while a load waits for its own (0: no limit)."""
        memory = machine.memories[machine.outermost]
        if memory.bandwidth_bytes_per_s is None:
            return 0
        cycles = self.response(machine, machine.outermost)
        return ceil(cycles * memory.bandwidth_bytes_per_s / machine.clock_hz / machine.word_bytes)

    def spacing(self, array: Array, names: Iterable[str]) -> int:
        """Cycles from one step of a point to the next where each needs the one before: its slowest operation's."""
        units = [array.operations[part] for name in names for part in parts(array, name)]
        return max((self.result(unit) - unit.cycles + 1 for unit in units), default=1)

    def tail(self, array: Array, names: Iterable[str], *, pipelined: bool) -> int:
        """Cycles from the start of a point's last step to its result."""
        units = [array.operations[part] for name in names for part in parts(array, name)]
        if not units:
            return 1
        if pipelined:
            return max(1, sum(map(self.result, units)) - max(unit.cycles for unit in units) + 1)
        return self.result(units[-1]) - units[-1].cycles + 1


def parts(array: Array, name: str) -> list[str]:
    """The plain operations that an operation is made of, each once."""
    return list(array.operations[name].macro or (name,))


IDEAL = Timing(travel=False, latency=False, memory=False)
"""Zero fill, drain and latencies: only operations and bandwidth take time."""
