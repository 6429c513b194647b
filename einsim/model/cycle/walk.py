"""Kernels: the epochs of a program, one by one, and what is so of each."""

from __future__ import annotations

from einsim.model.cycle.layout import *


def settle_loops(M: Memory, at: int, first: int) -> None:
    """Trips and extents of the loops from `first` on, at the indices at an address."""
    loops = M[N_LOOPS]
    for j in range(first, loops):
        loop = M[LOOPS] + j * LOOP_SIZE
        parent = M[loop + PARENT]
        if parent < 0:
            around = M[loop + RANK_SIZE]
        elif M[loop + RESTARTS] == 1:
            around = M[M[LOOPS] + parent * LOOP_SIZE + TILE]
        else:
            around = M[at + 2 * loops + parent]
        tile = M[loop + TILE]
        M[at + loops + j] = (around + tile - 1) // tile
        M[at + 2 * loops + j] = min(tile, around - M[at + j] * tile)


def step_loops(M: Memory, at: int) -> int:
    """Moves to the next iteration; returns the outermost loop that changed, -1 at the end."""
    loops = M[N_LOOPS]
    j = loops - 1
    while j >= 0 and M[at + j] + 1 >= M[at + loops + j]:
        M[at + j] = 0
        j -= 1
    if j >= 0:
        M[at + j] += 1
        settle_loops(M, at, j)
    return j


def copy_cells(M: Memory, source: int, target: int, count: int) -> None:
    """Copies cells from one address to another."""
    for n in range(count):
        M[target + n] = M[source + n]


def is_empty(M: Memory, at: int) -> bool:
    """Whether filters leave no point of any Einsum in the tile at some indices.

    Each form is a linear condition: the sum of its factors times coordinates, plus a constant, is at least 0 somewhere
    in the tile. A tile is empty if of every group of forms (an Einsum's) one has no such point.
    """
    if M[N_FORMS] == 0:
        return False
    loops = M[N_LOOPS]
    group = -1
    holds = False
    for f in range(M[N_FORMS]):
        form = M[FORMS] + f * (FACTORS + 2 * loops)
        if M[form + GROUP] != group:
            if holds:
                return False
            group = M[form + GROUP]
            holds = True
        best = M[form + CONSTANT]
        for j in range(loops):
            best += M[form + FACTORS + 2 * j] * M[at + j] * M[M[LOOPS] + j * LOOP_SIZE + TILE]
            best += M[form + FACTORS + 2 * j + 1] * (M[at + 2 * loops + j] - 1)
        if best < 0:
            holds = False
    return not holds


def is_used_again(M: Memory, at: int, still: int, by: int) -> bool:
    """Whether a tile that the loops in `still` leave has points in later (`by` 1) or earlier (-1) epochs."""
    loops = M[N_LOOPS]
    probe = M[PROBE]
    copy_cells(M, at, probe, 3 * loops)
    while True:
        j = loops - 1
        while j >= 0:
            if still >> j & 1 == 1:
                M[probe + j] += by
                if 0 <= M[probe + j] < M[probe + loops + j]:
                    break
                M[probe + j] = 0
            j -= 1
        if j < 0:
            return False
        there = True
        for k in range(j, loops):
            settle_loops(M, probe, k)
            if k > j and by < 0 and still >> k & 1 == 1:
                M[probe + k] = M[probe + loops + k] - 1
                settle_loops(M, probe, k)
            there = there and M[probe + k] < M[probe + loops + k]
        if there and not is_empty(M, probe):
            return True


def step_epoch(M: Memory, at: int) -> int:
    """Moves to the next epoch that has points; returns the outermost loop that changed, -1 at the end."""
    outermost = M[N_LOOPS]
    while True:
        changed = step_loops(M, at)
        if changed < 0:
            return -1
        outermost = min(outermost, changed)
        if not is_empty(M, at):
            return outermost


def edge_of_tile(M: Memory, at: int, still: int, by: int) -> bool:
    """Whether an epoch is the last (`by` 1; the first: -1) of the tile that the loops in `still` leave where it is."""
    if M[N_FORMS] > 0:
        return not is_used_again(M, at, still, by)
    loops = M[N_LOOPS]
    for j in range(loops):
        if still >> j & 1 == 1 and 0 <= M[at + j] + by < M[at + loops + j]:
            return False
    return True


def is_so(M: Memory, flag: int, number: int, changed: int, following: int) -> bool:
    """Whether the epoch at NOW has a flag; it changed a loop, and the following one will."""
    kind = M[flag + FLAG_KIND]
    if kind == FIRST:
        return changed < M[flag + FLAG_DEPTH] or number == 0
    if kind == LAST_OF:
        return following < M[flag + FLAG_DEPTH]
    if kind == LEAVES:
        return edge_of_tile(M, M[NOW], M[flag + STILL], 1)
    if kind == ALWAYS:
        return True
    if not edge_of_tile(M, M[NOW], M[flag + STILL], -1):
        return False
    return kind == ARRIVES or not edge_of_tile(M, M[NOW], M[flag + STILL] | M[flag + AGAIN], -1)


def next_epoch(M: Memory) -> None:
    """Describes the epoch at the front in the ring, and moves on."""
    number = M[FRONT]
    loops = M[N_LOOPS]
    row = M[EPOCHS] + (number & M[MASK]) * M[EPOCH_SIZE]
    changed = M[CHANGED]
    for j in range(changed, loops):
        M[M[STARTS] + loops + j] = M[M[STARTS] + j] if j == changed else -1
        M[M[STARTS] + j] = number
    copy_cells(M, M[NOW], M[AFTER], 3 * loops)
    following = step_epoch(M, M[AFTER])
    bits = 0
    for f in range(M[N_FLAGS]):
        if is_so(M, M[FLAGS] + f * FLAG_SIZE, number, changed, following):
            bits |= 1 << f
    M[row + BITS] = bits
    M[row + OUTERMOST] = changed
    M[row + INDEX] = M[M[NOW] + changed] if loops > 0 else 0
    for c in range(M[N_CLASSES]):
        M[row + KINDS_HERE + c] = kind_of(M, c)
    for j in range(loops):
        M[row + KINDS_HERE + M[N_CLASSES] + j] = carried_back(M, j, number)
    copy_cells(M, M[AFTER], M[NOW], 3 * loops)
    M[FRONT] = number + 1
    M[CHANGED] = following
    if following < 0:
        M[MADE_ALL] = 1
        M[TOTAL] = number + 1


def kind_of(M: Memory, c: int) -> int:
    """The kind of the epoch at NOW for a class of strands: which of their extents its tiles have."""
    loops = M[N_LOOPS]
    kind = 0
    for j in range(loops):
        loop = M[LOOPS] + j * LOOP_SIZE
        radix = M[M[loop + RADIX] + c]
        if radix > 0:
            place = 0
            while M[M[loop + EXTENTS] + place] != M[M[NOW] + 2 * loops + j]:
                place += 1
            kind += place * radix
    return kind


def carried_back(M: Memory, j: int, number: int) -> int:
    """Epochs back to where the iteration of a loop before had what this one continues; 0 where there is none.

    Where iterations may differ, to the last epoch of the one before.
    """
    before = M[STARTS] + M[N_LOOPS]
    if M[before + j] >= 0 and M[M[LOOPS] + j * LOOP_SIZE + CAREFUL] == 0:
        return M[M[STARTS] + j] - M[before + j]
    while j >= 0 and M[before + j] < 0:
        j = M[M[LOOPS] + j * LOOP_SIZE + PARENT]
    return 0 if j < 0 else number - M[M[STARTS] + j] + 1
