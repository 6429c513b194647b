"""Exact counts of a loop nest, as plain loops over arrays.

Every function here runs twice: interpreted on arrays of Python integers (one design; no width, so no
overflow) and compiled by numba on int64 arrays (sweeps; `einsim.model.compiled`). Docs: docs/counting.md.

The nest of one *query* visits tiles of one tensor at one level. A tile is fetched again whenever it
changes from one step to the next, so loops that do not concern the tensor are free while they are
inside the innermost loop that does, and multiply otherwise. Ranks are independent, so the count is a
sum, over loops that concern the tensor, of products of one factor per rank:

    visits = sum over k of (X_r(k) - X_r(k-1)) * product over other ranks q of X_q(k)

where, for a rank that the tensor has, X_r(k) is the number of its words in tiles for which no loop
after k changes the rank any more, and for a rank that it has not, the number of iterations up to k.
Ragged tiles are carried exactly: along each rank, `values`/`counts` hold the distinct extents of the
tiles at the current depth and how many there are of each.
"""

from __future__ import annotations

from typing import Any

Array = Any  # an int64 array, or an object array of Python integers

# Columns of a loop table.
RANK, SLOT, KIND, INNER = 0, 1, 2, 3
TEMPORAL, SPATIAL, WITHIN = 0, 1, 2
# How a tensor sees a rank.
ABSENT, FULL, COARSE = 0, 1, 2
# Columns of a query table, then one column per rank with how the tensor sees it.
FIRST, LAST, AT_PE, MODES = 0, 1, 2, 3
# Columns of the results.
VISITS_ALL, VISITS_ONE, DISTINCT_ALL, DISTINCT_ONE = 0, 1, 2, 3


def ceil_div(a: Any, b: Any) -> Any:
    """ceil(a / b) of non-negative integers."""
    return (a + b - 1) // b


def refine(values: Array, counts: Array, length: int, tile: Any) -> int:
    """Cuts every extent into tiles of `tile`; returns the new number of distinct extents."""
    full = 0 * tile
    kept = 0
    for i in range(length):
        extent = values[i]
        count = counts[i]
        full += count * (extent // tile)
        rest = extent % tile
        if rest > 0:
            values[kept] = rest
            counts[kept] = count
            kept += 1
    if full > 0:
        values[kept] = tile
        counts[kept] = full
        kept += 1
    return kept


def tiles_in(counts: Array, length: int) -> Any:
    """How many tiles there are."""
    total = 0 * counts[0]
    for i in range(length):
        total += counts[i]
    return total


def two_largest(
    extent: Any, loops: Array, first: int, last: int, rank: int, outer_only: bool, tiles: Array, scratch: Array
) -> None:
    """The largest and second-largest tiles that the loops first..last-1 cut an extent of a rank into.

    `outer_only` leaves out loops inside the rank's grain. `scratch` (2 rows) is overwritten; the answer is
    left in scratch[0, 0] and scratch[0, 1].
    """
    values, counts = scratch[0], scratch[1]
    values[0] = extent
    counts[0] = 0 * extent + 1
    length = 1
    for i in range(first, last):
        if loops[i, RANK] != rank or loops[i, KIND] != TEMPORAL or (outer_only and loops[i, INNER] == 1):
            continue
        length = refine(values, counts, length, tiles[loops[i, SLOT]])
    largest = 0 * extent
    second = 0 * extent
    for i in range(length):
        if values[i] > largest:
            second = largest
            largest = values[i]
            if counts[i] > 1:
                second = largest
        elif values[i] > second:
            second = values[i]
    values[0] = largest
    values[1] = second


def settled(
    values: Array, counts: Array, length: int, loops: Array, position: int, last: int, rank: int,
    tiles: Array, grain: Any, outer_only: bool, spread: Any, inner_spread: Any, scratch: Array,
) -> Any:  # fmt: skip
    """Words of a rank, over tiles in which the loops after `position` change the rank no more.

    With `spread` > 0 the rank (with `inner_spread` > 0 the inside of its grain) lies along an axis of the
    array, `spread` elements per processing element, and the words of all processing elements are summed:
    one for which only the first tile of several reaches counts that one as settled.
    """
    total = 0 * grain
    for i in range(length):
        two_largest(values[i], loops, position, last, rank, outer_only, tiles, scratch)
        largest = scratch[0, 0]
        second = scratch[0, 1]
        if spread > 0:
            reach = ceil_div(second, spread) * spread
            if largest > reach:
                total += counts[i] * ceil_div(largest - reach, grain)
        elif inner_spread > 0:
            total += counts[i] * (ceil_div(largest, inner_spread) - ceil_div(second, inner_spread))
        elif second == 0:
            total += counts[i] * ceil_div(largest, grain)
    return total


def active(values: Array, counts: Array, length: int, least: Any, spread: Any) -> Any:
    """Iterations over the current tiles, summed over the processing elements that take part in each.

    `least` is the tile that the remaining loops in time leave (0: they leave it whole).
    """
    total = 0 * counts[0]
    for i in range(length):
        extent = values[i]
        if least > 0 and least < extent:
            extent = least
        total += counts[i] * ceil_div(extent, spread)
    return total


def least_tile(loops: Array, first: int, last: int, rank: int, only_inner: bool, tiles: Array) -> Any:
    """The least tile among loops in time over a rank (0 where there is none)."""
    least = 0 * tiles[0]
    for i in range(first, last):
        if loops[i, RANK] != rank or loops[i, KIND] != TEMPORAL:
            continue
        if only_inner and loops[i, INNER] == 0:
            continue
        tile = tiles[loops[i, SLOT]]
        if least == 0 or tile < least:
            least = tile
    return least


def spread_of(loops: Array, first: int, last: int, rank: int, inner: int, tiles: Array) -> Any:
    """Elements per processing element of the spatial loop over a rank (0 where there is none)."""
    for i in range(first, last):
        if loops[i, RANK] == rank and loops[i, KIND] == SPATIAL and loops[i, INNER] == inner:
            return tiles[loops[i, SLOT]]
    return 0 * tiles[0]


def count_query(
    query: Array, loops: Array, sizes: Array, tiles: Array, grains: Array,
    values: Array, counts: Array, lengths: Array, factors: Array, scratch: Array, out: Array,
) -> None:  # fmt: skip
    """Fills `out` with visits and distinct words: over all processing elements, and as their parent sees them.

    Seen from the parent, processing elements that want the same word at the same time want it once.
    """
    for one in range(2):
        out[VISITS_ALL + one] = visits(
            query, loops, sizes, tiles, grains, values, counts, lengths, factors, scratch, one == 1
        )
        out[DISTINCT_ALL + one] = distinct(query, loops, sizes, tiles, grains, values, counts, one == 1)


def visits(
    query: Array, loops: Array, sizes: Array, tiles: Array, grains: Array,
    values: Array, counts: Array, lengths: Array, factors: Array, scratch: Array, one: bool,
) -> Any:  # fmt: skip
    """Words fetched over the whole nest; `one`: those of processing elements with the same data only once."""
    first, last = query[FIRST], query[LAST]
    total = 1 + 0 * tiles[0]
    for rank in range(len(sizes)):
        values[rank, 0] = sizes[rank]
        counts[rank, 0] = 1 + 0 * sizes[rank]
        lengths[rank] = 1
        factors[rank] = factor(
            query, loops, first, rank, False, tiles, grains, values, counts, lengths, scratch, one
        )
        total *= factors[rank]
    for k in range(first, last):
        if loops[k, KIND] != TEMPORAL:
            continue
        rank = loops[k, RANK]
        inside = loops[k, INNER] == 1
        lengths[rank] = refine(values[rank], counts[rank], lengths[rank], tiles[loops[k, SLOT]])
        mode = query[MODES + rank]
        new = factor(
            query, loops, k + 1, rank, inside, tiles, grains, values, counts, lengths, scratch, one
        )
        if mode == FULL or (mode == COARSE and not inside):
            gain = new - factors[rank]
            for other in range(len(sizes)):
                if other != rank:
                    gain *= factors[other]
            total += gain
        factors[rank] = new
    return total


def factor(
    query: Array, loops: Array, position: int, rank: int, inside: bool, tiles: Array, grains: Array,
    values: Array, counts: Array, lengths: Array, scratch: Array, one: bool,
) -> Any:  # fmt: skip
    """X_rank after the loops before `position`: see the module's text."""
    first, last = query[FIRST], query[LAST]
    mode = query[MODES + rank]
    outer = 0 * tiles[0]
    inner = 0 * tiles[0]
    if query[AT_PE] == 1:
        outer = spread_of(loops, first, last, rank, 0, tiles)
        inner = spread_of(loops, first, last, rank, 1, tiles)
    if mode == ABSENT or inside and mode == COARSE:
        spread = outer if outer > 0 else inner
        if one or spread == 0:
            return tiles_in(counts[rank], lengths[rank])
        least = least_tile(loops, position, last, rank, False, tiles)
        return active(values[rank], counts[rank], lengths[rank], least, spread)
    if mode == COARSE:
        return settled_coarse(
            query, loops, position, rank, outer, inner, tiles, grains, values, counts, lengths, scratch, one
        )
    spread = outer if outer > 0 else inner
    return settled(
        values[rank], counts[rank], lengths[rank], loops, position, last, rank, tiles,
        1 + 0 * tiles[0], False, spread, 0 * tiles[0], scratch,
    )  # fmt: skip


def settled_coarse(
    query: Array, loops: Array, position: int, rank: int, outer: Any, inner: Any, tiles: Array, grains: Array,
    values: Array, counts: Array, lengths: Array, scratch: Array, one: bool,
) -> Any:  # fmt: skip
    """`settled` for a tensor with one word per grain: loops inside the grain do not change it."""
    last = query[LAST]
    inner_spread = 0 * tiles[0]
    if inner > 0 and not one:
        inner_spread = inner
        least = least_tile(loops, query[FIRST], query[LAST], rank, True, tiles)
        if least > 0:
            return settled_clipped(
                values[rank], counts[rank], lengths[rank], loops, position, last, rank, tiles, inner, least, scratch
            )
    return settled(
        values[rank], counts[rank], lengths[rank], loops, position, last, rank, tiles, grains[rank],
        True, outer, inner_spread, scratch,
    )  # fmt: skip


def settled_clipped(
    values: Array, counts: Array, length: int, loops: Array, position: int, last: int, rank: int,
    tiles: Array, spread: Any, least: Any, scratch: Array,
) -> Any:  # fmt: skip
    """`settled` over processing elements inside the grain, when loops in time cut the grain to `least` first."""
    total = 0 * spread
    for i in range(length):
        two_largest(values[i], loops, position, last, rank, True, tiles, scratch)
        largest = scratch[0, 0] if scratch[0, 0] < least else least
        second = scratch[0, 1] if scratch[0, 1] < least else least
        total += counts[i] * (ceil_div(largest, spread) - ceil_div(second, spread))
    return total


def distinct(
    query: Array, loops: Array, sizes: Array, tiles: Array, grains: Array, values: Array, counts: Array, one: bool
) -> Any:
    """Different words that the level (with `one`: its parent on its behalf) ever sees."""
    first, last = query[FIRST], query[LAST]
    total = 1 + 0 * tiles[0]
    for rank in range(len(sizes)):
        mode = query[MODES + rank]
        spread = 0 * tiles[0]
        if query[AT_PE] == 1 and not one:
            spread = spread_of(loops, first, last, rank, 1, tiles)
            if spread == 0 and mode == ABSENT:
                spread = spread_of(loops, first, last, rank, 0, tiles)
        if mode == FULL:
            total *= sizes[rank]
        elif mode == COARSE and spread == 0:
            total *= ceil_div(sizes[rank], grains[rank])
        elif mode == COARSE:
            values[rank, 0] = sizes[rank]
            counts[rank, 0] = 1 + 0 * sizes[rank]
            length = refine(values[rank], counts[rank], 1, grains[rank])
            least = least_tile(loops, first, last, rank, True, tiles)
            total *= active(values[rank], counts[rank], length, least, spread)
        elif spread > 0:
            extent = sizes[rank]
            least = least_tile(loops, first, last, rank, False, tiles)
            if least > 0 and least < extent:
                extent = least
            total *= ceil_div(extent, spread)
    return total


def steps(first: int, last: int, loops: Array, sizes: Array, tiles: Array, values: Array, counts: Array) -> Any:
    """Steps in time of the nest: a grain that loops walk inside counts whole, other partial tiles as they are."""
    total = 1 + 0 * tiles[0]
    for rank in range(len(sizes)):
        values[rank, 0] = sizes[rank]
        counts[rank, 0] = 1 + 0 * sizes[rank]
        length = 1
        grain = sizes[rank]
        for i in range(first, last):
            if loops[i, RANK] != rank:
                continue
            if loops[i, INNER] == 1:
                counts[rank, 0] = tiles_in(counts[rank], length)
                values[rank, 0] = grain
                length = 1
                break
            grain = tiles[loops[i, SLOT]]
            length = narrow(values[rank], counts[rank], length, loops[i, KIND], tiles[loops[i, SLOT]])
        for i in range(first, last):
            if loops[i, RANK] == rank and loops[i, INNER] == 1:
                length = narrow(values[rank], counts[rank], length, loops[i, KIND], tiles[loops[i, SLOT]])
        total *= tiles_in(counts[rank], length)
    return total


def narrow(values: Array, counts: Array, length: int, kind: int, tile: Any) -> int:
    """One loop as the first processing element sees it: time cuts, space takes the first part."""
    if kind != SPATIAL:
        return refine(values, counts, length, tile)
    for i in range(length):
        if values[i] > tile:
            values[i] = tile
    return length


def count_all(
    queries: Array, nests: Array, loops: Array, sizes: Array, tiles: Array, grains: Array,
    values: Array, counts: Array, lengths: Array, factors: Array, scratch: Array,
    out: Array, out_steps: Array,
) -> None:  # fmt: skip
    """All queries and all nests of one design.

    queries (Q, 3 + R), nests (N, 2): first and last loop; loops (L, 4); sizes, grains (R,); tiles (T,);
    work arrays values, counts (R, D), lengths, factors (R,), scratch (2, D); out (Q, 4), out_steps (N,).
    """
    for q in range(len(queries)):
        count_query(
            queries[q], loops, sizes, tiles, grains, values, counts, lengths, factors, scratch, out[q]
        )
    for n in range(len(nests)):
        out_steps[n] = steps(nests[n, 0], nests[n, 1], loops, sizes, tiles, values, counts)


def count_many(
    start: int, stop: int, queries: Array, nests: Array, loops: Array, sizes: Array, tiles: Array, grains: Array,
    values: Array, counts: Array, lengths: Array, factors: Array, scratch: Array,
    out: Array, out_steps: Array,
) -> None:  # fmt: skip
    """`count_all` for designs start..stop-1: sizes, tiles, grains and results have a first axis over designs."""
    for n in range(start, stop):
        count_all(
            queries, nests, loops, sizes[n], tiles[n], grains[n], values, counts, lengths, factors, scratch,
            out[n], out_steps[n],
        )  # fmt: skip

