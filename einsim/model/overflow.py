"""What 64 bits hold: bounds on the counts of many designs, before anything is counted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from einsim.schedule.nest import EinsumSchedule, Loop, Schedule
from einsim.spec.expressions import Number
from einsim.units import INT64_MAX

Bound = NDArray[np.float64]


def refuse_overflow(schedule: Schedule, word_bytes: Number) -> None:
    """Raises OverflowError where a count, or a sum of counts in bytes or cycles, might need more than 64 bits.

    An access moves at most one word a point, an Einsum lasts its steps; both are bounded by trip counts with
    every tile whole.
    """
    words: Bound = np.zeros(1)
    cycles: Bound = np.zeros(1)
    known: _Known = {}
    for einsum in schedule.einsums:
        in_time, everywhere = _trips(schedule, einsum, known)
        words = words + 2.0 * len(einsum.accesses) * everywhere
        stalls = [phase.stall_cycles for phase in schedule.phases if phase.stall_each == einsum.name]
        cycles = cycles + in_time * (_floats(einsum.cycles_per_point) + sum(map(_floats, stalls), start=np.zeros(1)))
    if np.any(words * _floats(word_bytes) >= INT64_MAX) or np.any(cycles >= INT64_MAX):
        raise OverflowError("counts may exceed 64 bits; evaluate such points one by one")


_Known = dict[tuple[object, ...], tuple[Bound, Bound]]
"""Trip counts of the loops over one rank, by where they run and the identities of their tiles."""


def _trips(schedule: Schedule, einsum: EinsumSchedule, known: _Known) -> tuple[Bound, Bound]:
    """Trip counts of an Einsum's loops multiplied: of those in time, and of all of them."""
    factors = []
    for dimension in einsum.dimensions:
        loops = [loop for loop in einsum.loops if loop.rank == dimension.rank]
        key = (dimension.rank, *((id(loop.tile), loop.inner, loop.axis is None) for loop in loops))
        if key not in known:
            known[key] = _rank_trips(_floats(schedule.sizes[dimension.rank]), loops)
        factors.append(known[key])
    in_time, everywhere = np.ones(1), np.ones(1)
    for some, all_of_them in sorted(factors, key=lambda both: both[1].size):  # what does not vary first
        in_time, everywhere = in_time * some, everywhere * all_of_them
    return in_time, everywhere


def _rank_trips(extent: Bound, loops: list[Loop]) -> tuple[Bound, Bound]:
    """Trip counts of the loops over one rank multiplied: of those in time, and of all of them."""
    in_time, everywhere = np.ones(1), np.ones(1)
    outside, inside = extent, False
    for loop in loops:
        if loop.inner and not inside:  # a grain counts whole, however little of the rank is left
            extent, inside = outside, True
        tile = _floats(loop.tile)
        if not loop.inner:
            outside = tile
        trips = np.ceil(extent / tile)
        extent = np.minimum(extent, tile)
        everywhere = everywhere * trips
        in_time = in_time * (trips if loop.axis is None else 1.0)
    return in_time, everywhere


def _floats(value: Number) -> Bound:
    return np.atleast_1d(np.asarray(value, dtype=np.float64))
