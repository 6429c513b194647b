"""Which array runs which Einsum: what each would take where, and assignments by what the busiest array has to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from einsim.binder.solver import solver_module
from einsim.cascade import Einsum, operations
from einsim.spec.architecture import Architecture

Assignment = Mapping[str, str]
"""Einsum -> the array that runs it."""


@dataclass(frozen=True, slots=True)
class Choices:
    """Slots of an epoch that each Einsum takes on each array that has its operations; `start` is the first guess."""

    slots: Mapping[str, Mapping[str, int]]
    start: Assignment

    def loads(self, assignment: Assignment) -> dict[str, int]:
        """Slots of an epoch on every array."""
        found = dict.fromkeys(sorted({array for each in self.slots.values() for array in each}), 0)
        for name, each in self.slots.items():
            found[assignment[name]] += each[assignment[name]]
        return found

    def bound(self, assignment: Assignment) -> int:
        """What the busiest array has to do in an epoch."""
        return max(self.loads(assignment).values())

    def by_bound(self) -> Iterator[dict[str, str]]:
        """All assignments, those with the least bound first, and of these those that are most like the start."""
        cp = solver_module()
        model = cp.CpModel()
        runs = {(name, array): model.new_bool_var("") for name, each in self.slots.items() for array in each}
        for name, each in self.slots.items():
            model.add_exactly_one(runs[name, array] for array in each)
        most = sum(max(each.values()) for each in self.slots.values())
        busiest = model.new_int_var(0, most, "")
        for array in {array for each in self.slots.values() for array in each}:
            load = sum(each[array] * runs[name, array] for name, each in self.slots.items() if array in each)
            model.add(load <= busiest)
        moved = sum(literal for (name, array), literal in runs.items() if self.start[name] != array)
        model.minimize(busiest * (len(self.slots) + 1) + moved)
        while True:
            solver = cp.CpSolver()
            solver.parameters.num_workers = 1
            if solver.solve(model) != cp.OPTIMAL:
                return
            chosen = {name: array for (name, array), literal in runs.items() if solver.boolean_value(literal)}
            yield chosen
            model.add_bool_or(runs[name, array].negated() for name, array in chosen.items())

    def split_bound(self) -> Fraction:
        """Least cycles an epoch takes on average where every Einsum's points may be divided between arrays.

        With two arrays: those Einsums go to the one array that are relatively cheapest there, one of them in part.
        """
        arrays = sorted({array for each in self.slots.values() for array in each})
        fixed = {array: Fraction(sum(each[array] for each in self.slots.values() if [*each] == [array]))
                 for array in arrays}  # fmt: skip
        if len(arrays) < 2:
            return max(fixed.values(), default=Fraction())
        one, other = arrays
        free = [(each[one], each[other]) for each in self.slots.values() if len(each) > 1]
        free.sort(key=lambda pair: Fraction(pair[0], pair[1]))
        left, right = fixed[one], fixed[other] + sum(pair[1] for pair in free)
        for here, there in free:
            if left + here >= right - there:  # the part that makes both equal
                part = min(max((right - left) / (here + there), Fraction()), Fraction(1))
                return max(left + part * here, right - part * there)
            left, right = left + here, right - there
        return max(left, right)


def able(einsum: Einsum, machine: Architecture) -> list[str]:
    """The arrays that have every operation of an Einsum, the 2D array first."""
    needed = set(operations(einsum))
    found = [name for name, array in machine.arrays.items() if needed <= set(array.operations)]
    return sorted(found, key=lambda name: not machine.arrays[name].is_grid)


def moves(start: Assignment, assignment: Assignment) -> Sequence[str]:
    """Einsums that run elsewhere than at the start."""
    return [name for name, array in assignment.items() if start[name] != array]
