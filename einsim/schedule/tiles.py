"""Capacities: how much of each memory fused Einsums need, and tile counts computed from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from math import isqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from einsim.errors import SpecError
from einsim.schedule.environment import environment, positive
from einsim.schedule.liveness import Liveness
from einsim.schedule.nest import Schedule, Shortfall
from einsim.spec.configuration import Design
from einsim.spec.expressions import Number, choose, expression, maximum, minimum
from einsim.spec.mapping import Fitted

_BY_TRIAL: Final = 1 << 32  # numbers up to which trial division is fast
_TABLE: Final = (1 << 16) + 1  # numbers below which sweeps look all divisors up: 3 MB, made in 30 ms

Divisors = NDArray[np.int64]
Small = NDArray[np.int32]

Trial = Callable[[Number], Liveness]
"""What must live in the Einsums that share a memory, lowered with a trial value of the tile."""


def fit_tile(design: Design, name: str, tile: Fitted, trial: Trial, env: dict[str, Number]) -> tuple[Number, Shortfall]:
    """The largest divisor with which everything fits, and the shortfall where not even 1 does.

    What must be held seldom grows otherwise than linearly with the tile count, so that two trials tell how many
    fit; two more check that it does and the next divisor does not. Where that fails, the divisors are searched by
    halves, which supposes that what must be held does not shrink as the count grows. FuseMax's P1 is this rule
    (Nayak et al., section IV). Raises SpecError for a memory that is not on chip.
    """
    at = design.mapping_document.locate(("tiles", name))
    if tile.fits not in list(design.architecture.memories)[1:]:
        raise SpecError(f"tile {name}: {tile.fits!r} is no on-chip memory", at=at,
                        remedy=f"known: {', '.join(list(design.architecture.memories)[1:])}")  # fmt: skip
    count = positive(expression(tile.divides, at).evaluate(env), tile.divides, at)
    capacity = env[f"{tile.fits}.capacity_bytes"]
    if tile.within_bytes is not None:
        capacity = minimum(capacity, expression(tile.within_bytes, at).evaluate(env))

    def held(value: Number) -> Number:
        live = trial(value)
        if tile.among is not None:
            return live.bytes_held(tile.fits, tile.among)
        return maximum(*(live.bytes_held(tile.fits, group) for group in groups(live)), 0)

    one, two = held(1), held(2)
    slope = maximum(1, two - one)
    fitted = _settle(count, maximum(1, (capacity - one) // slope + 1), capacity, held)
    what = f"{tile.fits}: the least tiles (one step of {name})"
    return fitted, Shortfall(one > capacity, what, one, capacity, "bytes")


def _settle(count: Number, guess: Number, capacity: Number, held: Callable[[Number], Number]) -> Number:
    """The largest divisor that fits, from a guess at the largest count that does."""
    low, high = divisors_around(count, guess)
    fits, more = held(low) <= capacity, (high > low) & (held(high) <= capacity)
    if np.all(fits | (low == 1)) and not np.any(more):
        return low
    # Between a divisor that fits (or 1) and one that does not (or one past the count).
    high = choose(more, count + 1, choose(fits, high, low))
    low = choose(fits, low, 1)
    while np.any(((following := next_divisor(count, low)) > low) & (following < high)):
        middle = maximum(following, largest_divisor(count, (low + high) // 2))
        middle = choose(middle < high, middle, low)
        fits = (held(middle) <= capacity) | (middle == low)
        low, high = choose(fits, middle, low), choose(fits, high, middle)
    return low


def next_divisor(count: Number, divisor: Number) -> Number:
    """The least divisor of `count` that is greater than one of its divisors; itself where there is none."""
    return divisors_around(count, divisor)[1]


def largest_divisor(count: Number, bound: Number) -> Number:
    """The largest divisor of `count` that is at most `bound` (at least 1), element by element."""
    return divisors_around(count, bound)[0]


def divisors_around(count: Number, bound: Number) -> tuple[Number, Number]:
    """The largest divisor of `count` that is at most `bound` (at least 1) and the next, `count` where there is none.

    Element by element.
    """
    if not isinstance(count, np.ndarray) and not isinstance(bound, np.ndarray):
        known = divisors(int(count))
        above = int(np.searchsorted(known, min(int(count), max(1, int(bound))), side="right"))
        return int(known[above - 1]), int(known[min(above, len(known) - 1)])
    counts, bounds = np.broadcast_arrays(count, np.maximum(bound, 1))
    low, high = np.array(counts, dtype=np.int64), np.array(counts, dtype=np.int64)
    cut = bounds < counts
    small = cut & (counts < _TABLE)
    low[small], high[small] = _around_small(counts[small].astype(np.int32), bounds[small].astype(np.int32))
    large = np.nonzero(cut & ~small)
    if large[0].size:
        low[large], high[large] = _around_large(counts[large], bounds[large])
    return low, high


def _around_large(counts: Divisors, bounds: Divisors) -> tuple[Divisors, Divisors]:
    """`divisors_around` for bounds below their counts, count by count."""
    low, high = counts.copy(), counts.copy()
    order = np.argsort(counts, kind="stable")
    values, starts = np.unique(counts[order], return_index=True)
    for value, here in zip(values, np.split(order, starts[1:]), strict=True):
        known = divisors(int(value))
        place = known.searchsorted(bounds[here], side="right")
        low[here] = known[place - 1]
        high[here] = known[place]
    return low, high


def _around_small(counts: Small, bounds: Small) -> tuple[Small, Small]:
    """The same for counts that the table has: halving, for all of them at once, among the divisors of each."""
    starts, known = _table()
    place, last = starts[counts], starts[counts + 1] - 1
    step = 1 << int((last - place).max(initial=0)).bit_length() >> 1
    while step:
        ahead = np.minimum(place + step, last)
        place = np.where(known[ahead] <= bounds, ahead, place)
        step >>= 1
    return known[place], known[place + 1]  # there is one: the bound is below the count


@lru_cache(maxsize=1)
def _table() -> tuple[Small, Small]:
    """Divisors of all numbers below `_TABLE`, number by number and in order; and where those of each start."""
    each = np.arange(1, _TABLE)
    times = (_TABLE - 1) // each
    divisor = np.repeat(each, times)
    multiple = np.arange(1, len(divisor) + 1) - np.repeat(np.cumsum(times) - times, times)
    keys = np.sort(divisor * multiple * _TABLE + divisor)
    starts = np.searchsorted(keys, np.arange(_TABLE + 1) * _TABLE)
    return starts.astype(np.int32), (keys % _TABLE).astype(np.int32)


@lru_cache(maxsize=1 << 16)
def divisors(number: int) -> Divisors:
    """Divisors of a positive integer that 64 bits hold, in order."""
    if number > _BY_TRIAL:
        import sympy  # noqa: PLC0415 - slow to import, and hardly ever needed

        return np.array(sympy.divisors(number), dtype=np.int64)
    trials = np.arange(1, isqrt(number) + 1)
    small = trials[number % trials == 0]
    large = number // small[::-1]
    return np.concatenate((small, large[int(small[-1] == large[0]) :]))


def groups(live: Liveness) -> list[list[str]]:
    """Of the Einsums that are there, those of each fusion group, or of each part of one that has several."""
    found: dict[tuple[int, int | None], list[str]] = {}
    for name in live.einsums:
        found.setdefault((live.flow.groups[name], live.flow.parts.get(name)), []).append(name)
    return list(found.values())


def occupancy(live: Liveness) -> dict[str, Number]:
    """Bytes that the fullest fusion group needs at one time in each on-chip memory."""
    memories = list(live.design.architecture.memories)[1:]
    return {level: maximum(*(live.bytes_held(level, group) for group in groups(live)), 0) for level in memories}


def words_held(design: Design, schedule: Schedule, level: str) -> list[dict[str, Number]]:
    """Of each fusion group, the words of every tensor that a memory holds at one time; what `occupancy` adds up."""
    env = environment(design, {}) | schedule.tiles
    live = Liveness(design, {einsum.name: einsum for einsum in schedule.einsums}, env)
    found = []
    for group in groups(live):
        named: dict[str, Number] = {}
        for (tensor, _), words in live.held(level, group).items():
            named[tensor] = named.get(tensor, 0) + words
        found.append(named)
    return found


def check_capacity(design: Design, filled: dict[str, Number], env: dict[str, Number]) -> Iterable[Shortfall]:
    """Memories that cannot hold what they must; one with a spill rule overflows instead."""
    spilling = {rule.level for rule in design.mapping.spill}
    for level, held in filled.items():
        if level not in spilling:
            capacity = env[f"{level}.capacity_bytes"]
            yield Shortfall(held > capacity, f"{level}: the tiles kept there", held, capacity, "bytes")
