"""Costs: what every action takes in energy and every part in area, and the sum over all actions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial, reduce
from operator import add, mul
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from einsim.errors import Location, SpecError, suggest
from einsim.model.counts import Counts, LevelCount
from einsim.schedule.environment import Columns
from einsim.schedule.nest import EinsumSchedule, Schedule, Shortfall
from einsim.spec.alike import Alike
from einsim.spec.architecture import Architecture, machine_fields
from einsim.spec.configuration import Accounting, Design
from einsim.spec.expressions import Number, is_formula
from einsim.units import INT64_MAX


def as_float(value: Number) -> Number:
    """A count as a float (or float array), from integers of any size, fractions or arrays; formulas stay."""
    if is_formula(value):
        return value
    return value.astype(np.float64) if isinstance(value, np.ndarray) else float(value)


def added(total: Number, value: Number) -> Number:
    """The sum, in the place of a total (nobody else's) that is as wide."""
    both = isinstance(total, np.ndarray) and isinstance(value, np.ndarray) and total.dtype == value.dtype
    if both and np.broadcast_shapes(total.shape, value.shape) == total.shape:
        return np.add(total, value, out=total)
    return total + value


def added_up(numbers: Iterable[Number], same: Callable[..., Number]) -> Number:
    """The sum of integers without those that are 0; the same sum is computed once."""
    some = [number for number in numbers if not (isinstance(number, int) and number == 0)]
    return reduce(partial(same, add), some) if some else 0


def cost_fields(machine: Architecture) -> dict[str, float]:
    """Every cost, rate and area of a machine by its dotted name; operations as `array2d.mac.energy_pj`."""
    fields: dict[str, float] = {"clock_hz": machine.clock_hz}
    for name, memory in machine.memories.items():
        fields[f"{name}.read_energy_pj"] = memory.read_energy_pj
        fields[f"{name}.write_energy_pj"] = memory.write_energy_pj
        fields[f"{name}.area_um2"] = memory.area_um2
        fields[f"{name}.leak_mw"] = memory.leak_mw
        if memory.bandwidth_bytes_per_s is not None:
            fields[f"{name}.bandwidth_bytes_per_s"] = memory.bandwidth_bytes_per_s
    for array_name, array in machine.arrays.items():
        registers = array.registers
        fields[f"{registers.name}.read_energy_pj"] = registers.read_energy_pj
        fields[f"{registers.name}.write_energy_pj"] = registers.write_energy_pj
        fields[f"{registers.name}.area_um2"] = registers.area_um2
        fields[f"{registers.name}.leak_mw"] = registers.leak_mw
        for operation_name, operation in array.operations.items():
            if operation.macro is None:
                fields[f"{array_name}.{operation_name}.energy_pj"] = operation.energy_pj
                fields[f"{array_name}.{operation_name}.area_um2"] = operation.area_um2
                fields[f"{array_name}.{operation_name}.leak_mw"] = operation.leak_mw
    return fields


class Costs(Mapping[str, Number]):
    """The numbers of a design's machine by dotted name, some of them replaced by a sweep's columns.

    Costs from tables follow the columns that they depend on.

    Raises SpecError for a column that names nothing, or values out of range.
    """

    def __init__(self, design: Design, columns: Columns) -> None:
        self.design = design
        self._columns = columns
        own: dict[str, Number] = {**machine_fields(design.architecture), **cost_fields(design.architecture)}
        known = {*own, *(name for name, _ in design.workload.sizes), *(name for name, _ in design.choices)}
        for name in columns:
            if name not in known:
                raise SpecError(f"no number {name!r} to sweep", at=Location("sweep"), remedy=suggest(name, known))
        self._values = own | {name: values for name, values in columns.items() if name in own}
        self._values |= design.architecture.pricing.derived(self._values, columns)

    def __getitem__(self, name: str) -> Number:
        """The number called `name`."""
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        """All names."""
        return iter(self._values)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._values)

    def sizes(self) -> Columns:
        """The columns that sizes depend on: integers."""
        costs = cost_fields(self.design.architecture)
        return {name: values for name, values in self._columns.items() if name not in costs}

    def shortfalls(self) -> tuple[Shortfall, ...]:
        """Where the machine's cost tables do not know a part of it."""
        found = self.design.architecture.pricing.misfits(self._values, self._columns)
        return tuple(Shortfall(each.where, each.what, each.needed, each.available, each.unit) for each in found)

    def area(self) -> Number:
        """Area of the machine, um^2: memories, register files, functional units."""
        return self._whole("area_um2")

    def leakage(self) -> Number:
        """Leakage of the machine, mW."""
        return self._whole("leak_mw")

    def _whole(self, quantity: str) -> Number:
        """A quantity of every instance of every part."""
        machine = self.design.architecture
        total: Number = 0.0
        for name in machine.memories:
            total = total + self[f"{name}.{quantity}"]
        for name, array in machine.arrays.items():
            element = self[f"{array.registers.name}.{quantity}"]
            for operation, unit in array.operations.items():
                element = element + (self[f"{name}.{operation}.{quantity}"] if unit.macro is None else 0.0)
            for axis in array.axes:
                element = element * self[f"{name}.{axis}"]
            total = total + element
        return total


def checked_column(design: Design, name: str, values: NDArray[Any]) -> NDArray[Any]:
    """A column as int64 or float64; raises SpecError for values that no machine or workload can have."""
    whole = name not in cost_fields(design.architecture)
    if values.dtype.kind not in ("iu" if whole else "iuf"):
        raise SpecError(f"{name} takes {'integers' if whole else 'numbers'}", at=Location("sweep"))
    zero_is_fine = name.endswith(("_pj", "_um2", "_mw"))
    if not np.isfinite(values).all() or (values < 0 if zero_is_fine else values <= 0).any():
        raise SpecError(f"{name} has a value that is out of range", at=Location("sweep"),
                        remedy="give " + ("no negative" if zero_is_fine else "only positive") + " numbers")  # fmt: skip
    if whole and (values > np.uint64(INT64_MAX)).any():
        raise SpecError(f"{name} has a value above 2^63 - 1", at=Location("sweep"))
    return values.astype(np.int64 if whole else np.float64)


Charge = tuple[str, Number]
"""An Einsum and the energy of one of its actions, pJ."""
LEAKAGE: Final = "leakage"
"""The part of energy that time takes."""
MJ: Final = 1e9
"""Picojoules in a millijoule."""


class Energy:
    """Energy of all actions, pJ, and of leakage.

    `full` accounting charges every register file, and leakage for as long as the design runs. `published` charges
    the register files of one *used* processing element of each array for all of its Einsum's accesses, and no
    leakage, as the published figures do. Leakage is no Einsum's. `charges` are (Einsum, energy) of all actions.
    """

    def __init__(self, costs: Costs, schedule: Schedule, counts: Counts, latency_s: Number, alike: Alike) -> None:
        self.costs = costs
        self.one_instance = costs.design.accounting is Accounting.PUBLISHED
        self.same = alike.same
        self._known: dict[tuple[object, ...], Number] = {}
        self.by_part: dict[str, Number] = {}
        self.charges: list[Charge] = []
        einsums = {einsum.name: einsum for einsum in schedule.einsums}
        for row in counts.levels:
            if row.charged:
                key = (row.level, *map(id, (row.reads, row.fills, row.updates, self._elements(row, einsums, counts))))
                if key not in self._known:  # tensors that move alike
                    self._known[key] = self._access(row, einsums, counts)
                self._add(row.einsum, row.level, self._known[key])
        for einsum in schedule.einsums:
            points = counts.einsums[einsum.name].points
            for operation, times in einsum.charged:
                part = f"{einsum.array}.{operation}"
                often = self.same(as_float, self.same(mul, points, times) if times != 1 else points)
                self._add(einsum.name, part, self.same(mul, often, costs[f"{part}.energy_pj"]))
        power_mw = costs.leakage()
        if not self.one_instance and np.any(power_mw != 0):
            self.by_part[LEAKAGE] = power_mw * latency_s * MJ

    @property
    def total(self) -> Number:
        """Energy of everything, pJ."""
        return reduce(added, self.by_part.values(), 0.0)

    def _add(self, einsum: str, part: str, energy: Number) -> None:
        self.by_part[part] = added(self.by_part.get(part, 0.0), energy)
        self.charges.append((einsum, energy))

    def _elements(self, row: LevelCount, einsums: dict[str, EinsumSchedule], counts: Counts) -> Number:
        """Processing elements of whose register files one is charged."""
        if self.one_instance and row.level == einsums[row.einsum].registers:
            return counts.einsums[row.einsum].elements
        return 1

    def _access(self, row: LevelCount, einsums: dict[str, EinsumSchedule], counts: Counts) -> Number:
        """Energy of one access at one level: accesses are whole lines or rows, on average."""
        width = self._elements(row, einsums, counts)
        if row.level in self.costs.design.architecture.memories:
            width = self.costs[f"{row.level}.access_bytes"] / self.costs["word_bytes"]
        written = added_up((row.fills, row.updates), self.same)
        sides = [
            self.same(mul, self.same(as_float, words), self.costs[f"{row.level}.{kind}_energy_pj"])
            for words, kind in ((row.reads, "read"), (written, "write"))
            if not (isinstance(words, int) and words == 0)
        ]
        energy = reduce(partial(self.same, add), sides) if sides else 0.0
        return energy if isinstance(width, int) and width == 1 else energy / as_float(width)
