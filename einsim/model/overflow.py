"""What 64 bits hold: bounds on the counts of many designs, before anything is counted."""

from __future__ import annotations

from functools import reduce
from operator import mul

import numpy as np
from numpy.typing import NDArray

from einsim.schedule.nest import EinsumSchedule, Loop, Schedule
from einsim.spec.alike import Alike
from einsim.spec.expressions import Number
from einsim.units import INT64_MAX

Bound = NDArray[np.float64]


def refuse_overflow(schedule: Schedule, word_bytes: Number) -> None:
    """Raises OverflowError where a count, or a sum of counts in bytes or cycles, might need more than 64 bits.

    An access moves at most one word a point, an Einsum lasts its steps; both are bounded by trip counts with
    every tile whole.
    """
    trips = _Trips(schedule)
    accesses: _Weights = {}
    lasting: _Weights = {}
    for einsum in schedule.einsums:
        in_time, everywhere = trips.of(einsum)
        stalls = [phase.stall_cycles for phase in schedule.phases if phase.stall_each == einsum.name]
        _weigh(accesses, everywhere, 2.0 * len(einsum.accesses))
        _weigh(lasting, in_time, sum(map(_floats, [einsum.cycles_per_point, *stalls]), start=np.zeros(1)))
    words, cycles = (sum((bound * weight for bound, weight in each.values()), start=np.zeros(1))
                     for each in (accesses, lasting))  # fmt: skip
    if np.any(words * _floats(word_bytes) >= INT64_MAX) or np.any(cycles >= INT64_MAX):
        raise OverflowError("counts may exceed 64 bits; evaluate such points one by one")


_Weights = dict[int, tuple[Bound, Bound | float]]
"""Trip counts by their identity, and how often each counts."""


def _weigh(weights: _Weights, bound: Bound, weight: Bound | float) -> None:
    weights[id(bound)] = bound, weight + (weights[id(bound)][1] if id(bound) in weights else 0.0)


class _Trips:
    """Trip counts of loops multiplied: of those in time, and of all of them; the same ones once."""

    def __init__(self, schedule: Schedule) -> None:
        self.sizes = schedule.sizes
        self.same = Alike().same
        self.ranks: dict[tuple[object, ...], tuple[Bound, Bound]] = {}
        self.nests: dict[tuple[int, ...], tuple[Bound, Bound]] = {}

    def of(self, einsum: EinsumSchedule) -> tuple[Bound, Bound]:
        """Of an Einsum."""
        factors = [
            self.along(self.sizes[dimension.rank], [loop for loop in einsum.loops if loop.rank == dimension.rank])
            for dimension in einsum.dimensions
        ]
        factors.sort(key=lambda both: both[1].size)  # what does not vary first
        key = tuple(map(id, factors))
        if key not in self.nests:
            self.nests[key] = (
                reduce(mul, (in_time for in_time, _ in factors), np.ones(1)),
                reduce(mul, (everywhere for _, everywhere in factors), np.ones(1)),
            )
        return self.nests[key]

    def along(self, size: Number, loops: list[Loop]) -> tuple[Bound, Bound]:
        """Of the loops over one rank."""
        key = (id(size), *((id(loop.tile), loop.inner, loop.axis is None) for loop in loops))
        if key not in self.ranks:
            self.ranks[key] = self._along(self.same(_floats, size), loops)
        return self.ranks[key]

    def _along(self, extent: Bound, loops: list[Loop]) -> tuple[Bound, Bound]:
        in_time, everywhere = np.ones(1), np.ones(1)
        outside, inside = extent, False
        for loop in loops:
            if loop.inner and not inside:  # a grain counts whole, however little of the rank is left
                extent, inside = outside, True
            tile = self.same(_floats, loop.tile)
            if not loop.inner:
                outside = tile
            trips = self.same(_trips, extent, tile)
            extent = self.same(np.minimum, extent, tile)
            everywhere = everywhere * trips
            in_time = in_time * (trips if loop.axis is None else 1.0)
        return in_time, everywhere


def _trips(extent: Bound, tile: Bound) -> Bound:
    return np.ceil(extent / tile)


def _floats(value: Number) -> Bound:
    return np.atleast_1d(np.asarray(value, dtype=np.float64))
