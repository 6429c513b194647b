"""Exact counts along one rank of a loop nest, as plain loops over arrays.

Every function here runs twice: interpreted on arrays of Python integers (one design; no width, so no
overflow) and compiled by numba on int64 arrays (sweeps; `einsim.model.compiled`). What ranks have in common is
in `einsim.model.products`, the theory in docs/counting.md.

A nest visits tiles of a tensor at a level, and fetches one again whenever it changes from one step to
the next: loops that do not concern the tensor are free while they are inside the innermost loop that
does, and multiply otherwise. Ranks are independent, so the count is a sum, over the loops k that
concern the tensor, of products of one factor a rank:

    visits = sum over k of (X_r(k) - X_r(k-1)) * product over the other ranks q of X_q(k)

For a rank that the tensor has, X_r(k) is the number of its words in tiles for which no loop after k
changes the rank any more; for a rank that it has not, the number of iterations up to k. A *chain* is the
loops over one rank above a level; its factors at every depth are computed here, once for all queries. Ragged
tiles are carried exactly: `extents` (2 rows) holds the distinct extents of the tiles at the current depth and how
many there are of each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any  # an int64 array, or an object array of Python integers

# Columns of a chain's loops.
KIND, INNER = 0, 1
TEMPORAL, SPATIAL, WITHIN = 0, 1, 2
# How a tensor sees a rank: not at all, word by word, or one word a grain; seen by all processing elements
# together, or by their parent, which serves those with the same data once. STEPS counts steps in time.
ABSENT_ALL, ABSENT_ONE, FULL, COARSE_ALL, COARSE_ONE, STEPS, VIEWS = 0, 1, 2, 3, 4, 5, 6
# Rows of a chain's input: sizes of the rank and of its grain, then a tile for each loop.
SIZE, GRAIN, TILES = 0, 1, 2


def ceil_div(a: Any, b: Any) -> Any:
    """ceil(a / b) of non-negative integers; most divisors are 1, and division is slow."""
    return a if b == 1 else (a + b - 1) // b


def refine(extents: Array, length: int, tile: Any) -> int:
    """Cuts every extent into tiles of `tile`; returns the new number of distinct extents."""
    full = 0 * tile
    kept = 0
    for i in range(length):
        extent = extents[0, i]
        count = extents[1, i]
        whole = extent if tile == 1 else extent // tile
        full += count * whole
        rest = extent - whole * tile
        if rest > 0:
            extents[0, kept] = rest
            extents[1, kept] = count
            kept += 1
    if full > 0:
        extents[0, kept] = tile
        extents[1, kept] = full
        kept += 1
    return kept


def tiles_in(extents: Array, length: int) -> Any:
    """How many tiles there are."""
    total = 0 * extents[1, 0]
    for i in range(length):
        total += extents[1, i]
    return total


def two_largest(
    extent: Any, loops: Array, first: int, last: int, outer_only: bool, tiles: Array, scratch: Array
) -> None:
    """The largest and second-largest tiles that the loops first..last-1 cut an extent into.

    `outer_only` leaves out loops inside the rank's grain. `scratch` (2 rows) is overwritten; the answer is
    left in scratch[0, 0] and scratch[0, 1].
    """
    scratch[0, 0] = extent
    scratch[1, 0] = 0 * extent + 1
    length = 1
    for i in range(first, last):
        if loops[i, KIND] == TEMPORAL and not (outer_only and loops[i, INNER] == 1):
            length = refine(scratch, length, tiles[i])
    largest = 0 * extent
    second = 0 * extent
    for i in range(length):
        if scratch[0, i] > largest:
            second = scratch[0, i] if scratch[1, i] > 1 else largest
            largest = scratch[0, i]
        elif scratch[0, i] > second:
            second = scratch[0, i]
    scratch[0, 0] = largest
    scratch[0, 1] = second


def least_tile(loops: Array, first: int, last: int, inner_only: bool, outer_only: bool, tiles: Array) -> Any:
    """The least tile among loops in time (0 where there is none), perhaps only inside or outside the grain."""
    least = 0 * tiles[0]
    for i in range(first, last):
        if loops[i, INNER] == 1 and outer_only:
            continue
        if loops[i, KIND] == TEMPORAL and (loops[i, INNER] == 1 or not inner_only):
            tile = tiles[i]
            if least == 0 or tile < least:
                least = tile
    return least


def spread_of(loops: Array, first: int, last: int, inner: int, tiles: Array) -> Any:
    """Elements per processing element of the loop laid along an axis (0 where there is none)."""
    for i in range(first, last):
        if loops[i, KIND] == SPATIAL and loops[i, INNER] == inner:
            return tiles[i]
    return 0 * tiles[0]


def clip(extent: Any, least: Any) -> Any:
    """What is left of an extent after loops in time whose least tile is `least` (0: there are none)."""
    if least > 0 and least < extent:
        return least
    return extent


def active(extents: Array, length: int, least: Any, spread: Any) -> Any:
    """Iterations over the current tiles, summed over the processing elements that take part in each.

    `least` is the tile that the remaining loops in time leave; without `spread` there is one element.
    """
    if spread == 0:
        return tiles_in(extents, length)
    total = 0 * extents[1, 0]
    for i in range(length):
        total += extents[1, i] * ceil_div(clip(extents[0, i], least), spread)
    return total


def settled(
    extents: Array, length: int, loops: Array, first: int, last: int, outer_only: bool,
    tiles: Array, grain: Any, spread: Any, scratch: Array,
) -> Any:  # fmt: skip
    """Words of a rank, over tiles in which the remaining loops change the rank no more.

    With `spread` > 0 the rank lies along an axis of the array, `spread` elements a processing element, and
    their words are summed: one that only the first of several tiles reaches counts that tile as settled.
    """
    total = 0 * grain
    least = least_tile(loops, first, last, False, outer_only, tiles)
    for i in range(length):
        if least == 0 or extents[0, i] <= least:
            total += extents[1, i] * ceil_div(extents[0, i], grain)
        elif spread > 0:
            two_largest(extents[0, i], loops, first, last, outer_only, tiles, scratch)
            reach = ceil_div(scratch[0, 1], spread) * spread
            if scratch[0, 0] > reach:
                total += extents[1, i] * ceil_div(scratch[0, 0] - reach, grain)
    return total


def settled_inside(
    extents: Array, length: int, loops: Array, first: int, last: int,
    tiles: Array, spread: Any, least: Any, scratch: Array,
) -> Any:  # fmt: skip
    """Processing elements, along an axis inside the grain, for which the remaining loops change the grain no more.

    `least` is the tile that loops in time inside the grain leave (0: there are none).
    """
    total = 0 * spread
    for i in range(length):
        two_largest(extents[0, i], loops, first, last, True, tiles, scratch)
        largest = clip(scratch[0, 0], least)
        second = clip(scratch[0, 1], least)
        total += extents[1, i] * (ceil_div(largest, spread) - ceil_div(second, spread))
    return total


def chain_factors(
    needs: Array, loops: Array, size: Any, grain: Any, tiles: Array,
    extents: Array, scratch: Array, factors: Array, distinct: Array,
) -> None:  # fmt: skip
    """Factors of one chain at every depth, and its different words, for the views that `needs` marks.

    Structure: needs (VIEWS,), loops (L, 2). Sizes: tiles (L,). Work: extents, scratch (2, L + 2).
    Results: factors (VIEWS, L + 1), distinct (VIEWS,).
    """
    first, last = 0, len(loops)
    outer = spread_of(loops, first, last, 0, tiles)
    inner = spread_of(loops, first, last, 1, tiles)
    least_inner = least_tile(loops, first, last, True, False, tiles)
    extents[0, 0] = size
    extents[1, 0] = 0 * size + 1
    length = 1
    depth = 0
    for i in range(first - 1, last):
        inside = False
        if i >= first:
            if loops[i, KIND] != TEMPORAL:
                continue
            inside = loops[i, INNER] == 1
            length = refine(extents, length, tiles[i])
            depth += 1
        spread = outer if outer > 0 else inner
        if needs[ABSENT_ONE] == 1:
            factors[ABSENT_ONE, depth] = tiles_in(extents, length)
        if needs[ABSENT_ALL] == 1:
            least = least_tile(loops, i + 1, last, False, False, tiles)
            factors[ABSENT_ALL, depth] = active(extents, length, least, spread)
        if needs[FULL] == 1:
            factors[FULL, depth] = settled(
                extents, length, loops, i + 1, last, False, tiles, 1 + 0 * grain, spread, scratch
            )
        if needs[COARSE_ONE] == 1:
            factors[COARSE_ONE, depth] = (
                tiles_in(extents, length) if inside
                else settled(extents, length, loops, i + 1, last, True, tiles, grain, outer, scratch)
            )  # fmt: skip
        if needs[COARSE_ALL] == 1:
            if inside:
                least = least_tile(loops, i + 1, last, False, False, tiles)
                factors[COARSE_ALL, depth] = active(extents, length, least, spread)
            elif inner > 0:
                factors[COARSE_ALL, depth] = settled_inside(
                    extents, length, loops, i + 1, last, tiles, inner, least_inner, scratch
                )
            else:
                factors[COARSE_ALL, depth] = settled(
                    extents, length, loops, i + 1, last, True, tiles, grain, outer, scratch
                )
    chain_distinct(needs, loops, size, grain, tiles, extents, distinct, inner, least_inner)


def chain_distinct(
    needs: Array, loops: Array, size: Any, grain: Any, tiles: Array, extents: Array,
    distinct: Array, inner: Any, least_inner: Any,
) -> None:  # fmt: skip
    """Different words of a rank that the level, or its parent on its behalf, ever sees; and steps in time."""
    first, last = 0, len(loops)
    distinct[ABSENT_ONE] = 0 * size + 1
    distinct[FULL] = size
    distinct[COARSE_ONE] = ceil_div(size, grain)
    if needs[ABSENT_ALL] == 1:
        spread = inner if inner > 0 else spread_of(loops, first, last, 0, tiles)
        least = least_tile(loops, first, last, False, False, tiles)
        distinct[ABSENT_ALL] = ceil_div(clip(size, least), spread) if spread > 0 else 0 * size + 1
    if needs[COARSE_ALL] == 1:
        extents[0, 0] = size
        extents[1, 0] = 0 * size + 1
        length = refine(extents, 1, grain)
        distinct[COARSE_ALL] = active(extents, length, least_inner, inner)
    if needs[STEPS] == 1:
        distinct[STEPS] = steps(loops, size, tiles, extents)


def steps(loops: Array, size: Any, tiles: Array, extents: Array) -> Any:
    """Steps in time of a chain: a grain that loops walk inside counts whole, other partial tiles as they are."""
    extents[0, 0] = size
    extents[1, 0] = 0 * size + 1
    length = 1
    grain = size
    inside = False
    for i in range(len(loops)):
        if loops[i, INNER] == 1 and not inside:
            extents[1, 0] = tiles_in(extents, length)
            extents[0, 0] = grain
            length = 1
            inside = True
        grain = tiles[i]
        if loops[i, KIND] == SPATIAL:  # the first processing element has the first part
            for j in range(length):
                extents[0, j] = clip(extents[0, j], grain)
        else:
            length = refine(extents, length, grain)
    return tiles_in(extents, length)


def chain_many(start: int, stop: int, needs: Array, loops: Array, places: Array, given: Array, made: Array) -> None:
    """One chain of designs start..stop-1, compiled only.

    given (TILES + L, designs); places (VIEWS, L + 2) has the row of `made` for each view at each depth, and last for
    its different words; -1: none.
    """
    depth = len(loops) + 2
    extents, scratch = np.zeros((2, depth), np.int64), np.zeros((2, depth), np.int64)
    factors, distinct = np.zeros((VIEWS, depth), np.int64), np.zeros(VIEWS, np.int64)
    tiles = np.zeros(len(loops) + 1, np.int64)
    for n in range(start, stop):
        for i in range(len(loops)):
            tiles[i] = given[TILES + i, n]
        chain_factors(needs, loops, given[SIZE, n], given[GRAIN, n], tiles, extents, scratch, factors, distinct)
        for view in range(VIEWS):
            factors[view, depth - 1] = distinct[view]
            for place in range(depth):
                if places[view, place] >= 0:
                    made[places[view, place], n] = factors[view, place]
