"""Capacities: how much of a memory the tiles of fused Einsums fill, and tile counts computed from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache, reduce
from math import isqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from einsim.cascade import size_of
from einsim.errors import SpecError
from einsim.schedule.environment import positive
from einsim.schedule.nest import AccessPlan, EinsumSchedule, Shortfall, tile_above
from einsim.spec.configuration import Design
from einsim.spec.expressions import Number, expression, maximum, minimum, product, total
from einsim.spec.mapping import Fitted

_BY_TRIAL: Final = 1 << 32  # numbers up to which trial division is fast

Divisors = NDArray[np.int64]

Trial = Callable[[int], tuple[EinsumSchedule, ...]]
"""The Einsums that share a memory, lowered with a trial value of the tile."""


def tile_words(
    design: Design, einsum: EinsumSchedule, access: AccessPlan, level: str, env: dict[str, Number]
) -> Number:
    """Words of the tile of a tensor that a memory holds, whole tiles even where the last one is partial."""
    memories = list(design.architecture.memories)
    outer = memories[: memories.index(level)]
    above = tuple(loop for loop in einsum.temporal if loop.level in outer)
    words: Number = 1
    for dimension in access.dimensions:
        words = product(words, dimension.words(tile_above(above, dimension.rank, env[size_of(dimension.rank)])))
    return words


def bytes_held(design: Design, einsums: Iterable[EinsumSchedule], level: str, env: dict[str, Number]) -> Number:
    """Bytes of a memory that one tile of every tensor kept there takes; a tensor shared by Einsums counts once."""
    tiles: dict[str, Number] = {}
    for einsum in einsums:
        for access in einsum.accesses:
            if level in access.path:
                words = tile_words(design, einsum, access, level, env)
                tiles[access.tensor] = maximum(tiles[access.tensor], words) if access.tensor in tiles else words
    return product(reduce(total, tiles.values(), 0), env["word_bytes"])


def fit_tile(design: Design, name: str, tile: Fitted, trial: Trial, env: dict[str, Number]) -> tuple[Number, Shortfall]:
    """The largest divisor whose tiles fit, and the shortfall where not even 1 does.

    What the tiles take must grow linearly with the tile count, as it does when one rank is cut by it; raises
    SpecError otherwise. FuseMax's P1 is this rule (Nayak et al., section IV).
    """
    document = design.mapping_document
    at = document.locate(("tiles", name))
    if tile.fits not in list(design.architecture.memories)[1:]:
        raise SpecError(f"tile {name}: {tile.fits!r} is no on-chip memory", at=at,
                        remedy=f"known: {', '.join(list(design.architecture.memories)[1:])}")  # fmt: skip
    count = positive(expression(tile.divides, at).evaluate(env), tile.divides, at)
    capacity = env[f"{tile.fits}.capacity_bytes"]
    if tile.within_bytes is not None:
        capacity = minimum(capacity, expression(tile.within_bytes, at).evaluate(env))
    one, two, three = (bytes_held(design, trial(value), tile.fits, env) for value in (1, 2, 3))
    slope = two - one
    if np.any(three - two != slope) or np.any(slope < 0):
        raise SpecError(f"tile {name}: what fits in {tile.fits!r} does not grow linearly with it", at=at,
                        remedy="let it cut one rank only")  # fmt: skip
    # A slope of 0: nothing that the memory keeps depends on the tile, so any count fits if one does.
    bound = maximum(1, (capacity - one) // maximum(1, slope) + 1)
    bound = np.where(slope == 0, count, bound) if isinstance(slope, np.ndarray) else (bound if slope else count)
    what = f"{tile.fits}: the least tiles (one step of {name})"
    return largest_divisor(count, bound), Shortfall(one > capacity, what, one, capacity, "bytes")


def largest_divisor(count: Number, bound: Number) -> Number:
    """The largest divisor of `count` that is at most `bound` (at least 1), element by element."""
    if not isinstance(count, np.ndarray) and not isinstance(bound, np.ndarray):
        known = divisors(int(count))
        return int(known[np.searchsorted(known, min(int(count), max(1, int(bound))), side="right") - 1])
    counts, bounds = np.broadcast_arrays(count, bound)
    result = np.array(counts, dtype=np.int64)
    cut = np.flatnonzero(bounds < counts)
    order = cut[np.argsort(counts[cut], kind="stable")]
    values, starts = np.unique(counts[order], return_index=True)
    for value, here in zip(values, np.split(order, starts[1:]), strict=False):  # split gives one part of nothing
        known = divisors(int(value))
        result[here] = known[np.maximum(np.searchsorted(known, bounds[here], side="right") - 1, 0)]
    return result


@lru_cache(maxsize=4096)
def divisors(number: int) -> Divisors:
    """Divisors of a positive integer that 64 bits hold, in order."""
    if number > _BY_TRIAL:
        import sympy  # noqa: PLC0415 - slow to import, and hardly ever needed

        return np.array(sympy.divisors(number), dtype=np.int64)
    trials = np.arange(1, isqrt(number) + 1)
    small = trials[number % trials == 0]
    large = number // small[::-1]
    return np.concatenate((small, large[int(small[-1] == large[0]) :]))


def occupancy(design: Design, einsums: tuple[EinsumSchedule, ...], env: dict[str, Number]) -> dict[str, Number]:
    """Bytes that the tiles of the fullest fusion group take in each on-chip memory."""
    groups = design.mapping.fusion or [[einsum.name for einsum in einsums]]
    filled: dict[str, Number] = {}
    for level in list(design.architecture.memories)[1:]:
        for group in groups:
            held = bytes_held(design, [einsum for einsum in einsums if einsum.name in group], level, env)
            filled[level] = maximum(filled[level], held) if level in filled else held
    return filled


def check_capacity(design: Design, filled: dict[str, Number], env: dict[str, Number]) -> Iterable[Shortfall]:
    """Memories that cannot hold their tiles; one with a spill rule overflows instead."""
    spilling = {rule.level for rule in design.mapping.spill}
    for level, held in filled.items():
        if level not in spilling:
            capacity = env[f"{level}.capacity_bytes"]
            yield Shortfall(held > capacity, f"{level}: the tiles kept there", held, capacity, "bytes")
