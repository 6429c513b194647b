"""Kernels: runs that repeat themselves are moved on by whole periods, exactly.

When the reference strand starts the epoch at which a loop goes on to its next iteration, everything that decides
what happens next is put in a *picture*: positions relative to that epoch, cycles relative to now, and what rings and
pools hold, as far back as anything can still be waited for. Two equal pictures of one loop mean that what happened
between them happens again, as long as iterations stay alike: until the last one, which may be partial and ends
the loop, and as far as filters leave the same tiles.
"""

from __future__ import annotations

from einsim.model.cycle.layout import *
from einsim.model.cycle.strands import is_leaving
from einsim.model.cycle.walk import copy_cells, is_empty, settle_loops


def since(M: Memory, value: int, cycle: int) -> int:
    """A cycle relative to now; those too long ago to matter are alike, and so are those not known."""
    if value >= NEVER:
        return NEVER
    return max(value - cycle, -M[FAR])


def take_picture(M: Memory, number: int, level: int, cycle: int) -> int:
    """Fills the picture as of the start of an epoch by the reference strand; returns its length."""
    at = M[PICTURE]
    for s in range(M[N_STRANDS]):
        strand = M[STRANDS] + s * STRAND_SIZE
        M[at] = M[strand + K] - number
        M[at + 1] = M[strand + SLOT]
        M[at + 2] = M[strand + PRESENT]
        M[at + 3] = since(M, M[strand + LAST], cycle)
        M[at + 4] = since(M, M[strand + SETTLED], cycle)
        at += 5
    for r in range(M[N_RESOURCES]):
        resource = M[RESOURCES] + r * RESOURCE_SIZE
        M[at] = since(M, M[resource + FREE], cycle) if M[resource + BEGUN] == 1 else NEVER
        M[at + 1] = since(M, M[resource + READY], cycle)
        M[at + 2] = M[resource + STRAND]
        at += 3
    for c in range(M[N_CHANNELS]):
        M[at] = max(0, M[M[CHANNELS] + c * CHANNEL_SIZE + BOOKED] - cycle * M[CHANNEL_UNIT])
        at += 1
    M[at] = M[FRONT] - number
    M[at + 1] = M[MADE_ALL]
    at += 2
    for epoch in range(max(0, M[OLDEST] - M[AHEAD] + 1), M[OLDEST] + 1):
        M[at] = since(M, M[M[REACHED] + (epoch & M[MASK])], cycle)
        at += 1
    here = M[M[EPOCHS] + (number & M[MASK]) * M[EPOCH_SIZE] + INDEX]
    for j in range(M[N_LOOPS]):
        M[at] = M[M[NOW] + j] - (here if j == level else 0)
        at += 1
    at = picture_pools(M, cycle, at)
    return picture_ring(M, number, cycle, at) - M[PICTURE]


def picture_pools(M: Memory, cycle: int, at: int) -> int:
    """The tiles that pools hold, and when the last ones left."""
    for p in range(M[N_POOLS]):
        pool = M[POOLS] + p * POOL_SIZE
        opened = M[pool + OPENED]
        closed = M[pool + CLOSED]
        ring = M[pool + RING]
        M[at] = opened - closed
        at += 1
        for back in range(1, ring + 1):
            came = opened - back
            left = closed - back
            there = came >= closed or (came >= 0 and is_leaving(M, pool, came, cycle))
            M[at] = M[M[pool + CAME] + came % ring] if there else 0
            M[at + 1] = since(M, M[M[pool + LEFT] + left % ring], cycle) if left >= 0 else -M[FAR]
            at += 2
    return at


def picture_ring(M: Memory, number: int, cycle: int, at: int) -> int:
    """Epochs in the ring, and when strands ended in them."""
    classes = M[N_CLASSES]
    for epoch in range(max(0, number - M[HALF]), M[FRONT]):
        place = epoch & M[MASK]
        row = M[EPOCHS] + place * M[EPOCH_SIZE]
        M[at] = M[row + BITS]
        at += 1
        for c in range(classes):
            M[at] = M[row + KINDS_HERE + c]
            at += 1
        for j in range(M[N_LOOPS]):
            M[at] = min(M[row + KINDS_HERE + classes + j], M[MASK])
            at += 1
        for s in range(M[N_STRANDS]):
            at = picture_ends(M, M[STRANDS] + s * STRAND_SIZE, epoch, place, cycle, at)
    return at


def picture_ends(M: Memory, strand: int, epoch: int, place: int, cycle: int, at: int) -> int:
    """When a strand's units and instance of an epoch ended, as far as they have."""
    if M[strand + K] < epoch:
        return at
    if M[strand + K] > epoch:
        M[at] = since(M, M[M[strand + ENDS] + place], cycle)
        at += 1
        units = M[strand + UNITS_MOST] if M[strand + UNITS_MOST] > 1 else 0
    else:
        units = M[strand + UNIT]
    first = M[strand + UNIT_ENDS] + place * M[strand + UNITS_MOST]
    for unit in range(units):
        M[at + unit] = since(M, M[first + unit], cycle)
    return at + units


def look_back(M: Memory, number: int, cycle: int) -> None:
    """Compares the state with those at earlier iterations of the loop that goes on here; skips if one is equal."""
    row = M[EPOCHS] + (number & M[MASK]) * M[EPOCH_SIZE]
    level = M[row + OUTERMOST]
    taken = 1 + M[SNAPSHOTS] * M[SNAPSHOT_SIZE]
    for deeper in range(level + 1, M[N_LOOPS]):
        M[M[HISTORY] + deeper * taken] = 0
    if level >= M[N_LOOPS]:
        return
    history = M[HISTORY] + level * taken
    length = take_picture(M, number, level, cycle)
    digest = digest_of(M, length)
    count = M[history]
    for back in range(1, min(count, M[SNAPSHOTS]) + 1):
        snapshot = history + 1 + (count - back) % M[SNAPSHOTS] * M[SNAPSHOT_SIZE]
        if is_same(M, snapshot, length, digest, cycle):
            skip(M, level, snapshot, number, cycle)
            M[history] = 0
            return
    snapshot = history + 1 + count % M[SNAPSHOTS] * M[SNAPSHOT_SIZE]
    M[snapshot + S_LENGTH] = length
    M[snapshot + S_DIGEST] = digest
    M[snapshot + S_EPOCH] = number
    M[snapshot + S_CYCLE] = cycle
    M[snapshot + S_INDEX] = M[row + INDEX]
    picture = counters(M, snapshot + S_COUNTERS, 0, 0)
    for r in range(M[N_RESOURCES]):
        M[picture + r] = cycle - M[M[RESOURCES] + r * RESOURCE_SIZE + FREE]
    picture += M[N_RESOURCES]
    copy_cells(M, M[PICTURE], picture, length)
    M[history] = count + 1


def digest_of(M: Memory, length: int) -> int:
    """A number that different pictures hardly share."""
    digest = length
    for n in range(length):
        digest = ((digest << 5) + digest ^ M[M[PICTURE] + n]) & 0xFFFFFFFFFFFF
    return digest


def is_same(M: Memory, snapshot: int, length: int, digest: int, cycle: int) -> bool:
    """Whether the picture is that of an earlier iteration."""
    if M[snapshot + S_LENGTH] != length or M[snapshot + S_DIGEST] != digest:
        return False
    first = snapshot + S_COUNTERS + count_counters(M)
    for n in range(length):
        if M[first + n] != M[M[PICTURE] + n]:
            return False
    return is_as_idle(M, snapshot, cycle)


def is_as_idle(M: Memory, snapshot: int, cycle: int) -> bool:
    """Whether resources that have issued since a snapshot have been idle for as long as then.

    However long that is: it decides nothing, but it is counted when they issue again.
    """
    idle = snapshot + S_COUNTERS + count_counters(M) - M[N_RESOURCES]
    for r in range(M[N_RESOURCES]):
        resource = M[RESOURCES] + r * RESOURCE_SIZE
        issued = M[resource + ISSUED] > M[snapshot + S_COUNTERS + r * (2 + CAUSES) + 1]
        if issued and cycle - M[resource + FREE] != M[idle + r]:
            return False
    return True


def count_counters(M: Memory) -> int:
    """How many counters there are."""
    total = M[N_POOLS] + M[N_RESOURCES] * (3 + CAUSES)
    for s in range(M[N_STRANDS]):
        total += M[M[STRANDS] + s * STRAND_SIZE + N_KINDS]
    return total


def counters(M: Memory, kept: int, action: int, times: int) -> int:
    """Keeps all counters (action 0), or adds their growth since then some times over (1); returns the next cell."""
    for r in range(M[N_RESOURCES]):
        resource = M[RESOURCES] + r * RESOURCE_SIZE
        kept = grow(M, resource + BUSY, 2, kept, action, times)
        kept = grow(M, resource + STALLS, CAUSES, kept, action, times)
    for s in range(M[N_STRANDS]):
        strand = M[STRANDS] + s * STRAND_SIZE
        kept = grow(M, M[strand + COUNTS], M[strand + N_KINDS], kept, action, times)
    for p in range(M[N_POOLS]):
        kept = grow(M, M[POOLS] + p * POOL_SIZE + OPENED, 1, kept, action, 0)
    return kept


def grow(M: Memory, first: int, count: int, kept: int, action: int, times: int) -> int:
    """Some counters of `counters`."""
    for n in range(count):
        if action == 0:
            M[kept + n] = M[first + n]
        else:
            M[first + n] += times * (M[first + n] - M[kept + n])
    return kept + count


def skip(M: Memory, level: int, snapshot: int, number: int, cycle: int) -> None:
    """Moves the run on by as many periods as are alike."""
    index = M[M[EPOCHS] + (number & M[MASK]) * M[EPOCH_SIZE] + INDEX]
    before = M[snapshot + S_INDEX]
    iterations = index - before
    if iterations <= 0 or M[MADE_ALL] == 1:
        return
    left = M[M[NOW] + M[N_LOOPS] + level] - 2 - M[M[NOW] + level]
    times = alike(M, level, before, left) // iterations
    if times <= 0:
        return
    epochs = times * (number - M[snapshot + S_EPOCH])
    cycles = times * (cycle - M[snapshot + S_CYCLE])
    shift_resources(M, snapshot, cycles)
    pools = counters(M, snapshot + S_COUNTERS, 1, times) - M[N_POOLS]
    M[M[NOW] + level] += times * iterations
    settle_loops(M, M[NOW], level)
    for j in range(level, M[N_LOOPS]):
        for cell in range(M[STARTS] + j, M[STARTS] + 2 * M[N_LOOPS], M[N_LOOPS]):
            if M[cell] >= 0:
                M[cell] += epochs
    for place in range(M[MASK] + 1):
        row = M[EPOCHS] + place * M[EPOCH_SIZE]
        if M[row + OUTERMOST] == level:
            M[row + INDEX] += times * iterations
    M[FRONT] += epochs
    M[SKIPPED] += epochs
    M[OLDEST] += epochs
    for c in range(M[N_CHANNELS]):
        M[M[CHANNELS] + c * CHANNEL_SIZE + BOOKED] += cycles * M[CHANNEL_UNIT]
        M[M[CHANNELS] + c * CHANNEL_SIZE + BOOKED_CYCLE] += cycles
    turn(M, M[EPOCHS], M[MASK] + 1, M[EPOCH_SIZE], epochs, 0)
    turn(M, M[REACHED], M[MASK] + 1, 1, epochs, cycles)
    shift_strands(M, epochs, cycles, cycle)
    shift_pools(M, pools, times, cycles)


def alike(M: Memory, level: int, before: int, most: int) -> int:
    """How many iterations after the front's are like those before, with what filters leave out."""
    loops = M[N_LOOPS]
    depends = False
    for f in range(M[N_FORMS]):
        depends = depends or M[M[FORMS] + f * (FACTORS + 2 * loops) + FACTORS + 2 * level] != 0
    if not depends:
        return most
    if level < loops - 2:
        return 0
    now = M[M[NOW] + level]
    inner = M[M[NOW] + 2 * loops - 1] if level == loops - 2 else 1
    for further in range(before + 1 - now, most + 1):
        for place in range(inner):
            if is_empty_at(M, level, now + further, place) != is_empty_at(M, level, before, place):
                return max(0, further - 2)  # the last of them still looks at one that is alike
    return most


def is_empty_at(M: Memory, level: int, index: int, inner: int) -> bool:
    """Whether a tile is empty at some indices of one loop and, if it is not that one, of the innermost."""
    loops = M[N_LOOPS]
    copy_cells(M, M[NOW], M[PROBE], 3 * loops)
    M[M[PROBE] + loops - 1] = inner
    M[M[PROBE] + level] = index
    settle_loops(M, M[PROBE], level)
    return is_empty(M, M[PROBE])


def shift_strands(M: Memory, epochs: int, cycles: int, cycle: int) -> None:
    """Moves strands on; what was long ago stays where it was."""
    rows = M[MASK] + 1
    for s in range(M[N_STRANDS]):
        strand = M[STRANDS] + s * STRAND_SIZE
        M[strand + K] += epochs
        if M[strand + NEXT] < NEVER:
            M[strand + NEXT] += epochs * M[INTERVAL]
        if M[strand + LAST] - cycle > -M[FAR]:
            M[strand + LAST] += cycles
        if M[strand + SETTLED] - cycle > -M[FAR]:
            M[strand + SETTLED] += cycles
        if M[strand + ENDED] - cycle > -M[FAR]:
            M[strand + ENDED] += cycles
        turn(M, M[strand + ENDS], rows, 1, epochs, cycles)
        turn(M, M[strand + UNIT_ENDS], rows, M[strand + UNITS_MOST], epochs, cycles)


def shift_resources(M: Memory, snapshot: int, cycles: int) -> None:
    """Moves resources on; those that have not issued in the period have been idle since."""
    for r in range(M[N_RESOURCES]):
        resource = M[RESOURCES] + r * RESOURCE_SIZE
        if M[resource + ISSUED] > M[snapshot + S_COUNTERS + r * (2 + CAUSES) + 1]:
            M[resource + FREE] += cycles
        if M[resource + READY] < NEVER:
            M[resource + READY] += cycles


def shift_pools(M: Memory, kept: int, times: int, cycles: int) -> None:
    """Counts the tiles that came and went in the periods, and turns the pools' rings."""
    for p in range(M[N_POOLS]):
        pool = M[POOLS] + p * POOL_SIZE
        more = times * (M[pool + OPENED] - M[kept + p])
        M[pool + OPENED] += more
        M[pool + CLOSED] += more
        turn(M, M[pool + LEFT], M[pool + RING], 1, more, cycles)
        turn(M, M[pool + CAME], M[pool + RING], 1, more, 0)


def turn(M: Memory, start: int, rows: int, width: int, by: int, cycles: int) -> None:
    """Turns the rows of a ring by some rows, and moves the cycles in them on."""
    spare = M[SPARE]
    copy_cells(M, start, spare, rows * width)
    for row in range(rows):
        target = start + (row + by) % rows * width
        for n in range(width):
            value = M[spare + row * width + n]
            M[target + n] = value + (cycles if value > LONG_AGO else 0)
