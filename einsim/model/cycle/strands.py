"""Kernels: where strands are, and what the next slot of each waits for."""

from __future__ import annotations

from einsim.model.cycle.layout import *
from einsim.model.cycle.walk import next_epoch


def plan_of(M: Memory, strand: int) -> int:
    """The planned cycle of a strand's next slot."""
    number = M[strand + UNIT] if M[strand + IN_UNITS] == 1 else M[strand + SLOT]
    if number < M[strand + HERE_LENGTH]:
        offset = M[M[strand + HERE] + number]
    else:
        offset = M[M[strand + HERE]] + number * M[strand + PACE] // M[strand + PACE_OF]
    return M[strand + K] * M[INTERVAL] + offset


def oldest(M: Memory) -> int:
    """The epoch of the strand that is farthest behind."""
    least = M[M[STRANDS] + K]
    for s in range(1, M[N_STRANDS]):
        least = min(least, M[M[STRANDS] + s * STRAND_SIZE + K])
    return least


def catch_up(M: Memory, cycle: int) -> bool:
    """Sees whether the strand farthest behind has moved on in a cycle, and brings those beyond the rings on.

    Others know of it a cycle later, and of epochs without an instance as they are passed.
    """
    moved = False
    while oldest(M) > M[OLDEST]:
        walked = LONG_AGO
        for s in range(M[N_STRANDS]):
            strand = M[STRANDS] + s * STRAND_SIZE
            walked = max(walked, M[strand + SETTLED] - M[strand + K])
        for number in range(M[OLDEST] + 1, oldest(M) + 1):
            M[M[REACHED] + (number & M[MASK])] = max(cycle + 1, walked + number)
        M[OLDEST] = oldest(M)
        moved = True
        for s in range(M[N_STRANDS]):
            strand = M[STRANDS] + s * STRAND_SIZE
            if M[strand + PRESENT] == 0:
                enter(M, strand)
    return moved


def is_present(M: Memory, strand: int, row: int) -> bool:
    """Whether a strand has an instance in the epoch of a ring's row."""
    kind = M[strand + KINDS] + KIND_SIZE * M[row + KINDS_HERE + M[strand + CLASS]]
    return M[row + BITS] >> M[strand + WHEN] & 1 == 1 and M[kind] > 0


def enter(M: Memory, strand: int) -> None:
    """Brings a strand to its next instance, past epochs that have none, as far as the rings go."""
    while True:
        number = M[strand + K]
        M[strand + NEXT] = NEVER
        if M[MADE_ALL] == 1 and number >= M[TOTAL]:
            M[strand + PRESENT] = 2
            return
        if number >= M[OLDEST] + M[HALF]:
            M[strand + PRESENT] = 0
            M[strand + NEXT] = number * M[INTERVAL] + M[M[strand + PLAN]]
            return
        if number >= M[FRONT]:
            next_epoch(M)
        place = number & M[MASK]
        row = M[EPOCHS] + place * M[EPOCH_SIZE]
        if is_present(M, strand, row):
            kind = M[row + KINDS_HERE + M[strand + CLASS]]
            at = M[strand + KINDS] + KIND_SIZE * kind
            M[strand + PRESENT] = 1
            M[strand + SLOTS] = M[at]
            M[strand + UNITS] = M[at + 1]
            M[strand + HERE] = M[at + 3]
            M[strand + HERE_LENGTH] = M[at + 4]
            M[strand + KIND] = kind
            M[strand + UNIT] = 0
            M[strand + SLOT] = 0
            M[strand + UNIT_START] = 0
            M[strand + UNIT_END] = (M[at] + M[at + 1] - 1) // M[at + 1]
            M[strand + NEXT] = plan_of(M, strand)
            return
        before = M[M[strand + ENDS] + ((number - 1) & M[MASK])] if number > 0 else LONG_AGO
        M[M[strand + ENDS] + place] = before
        M[strand + K] = number + 1
        M[strand + SETTLED] += 1


def shared(M: Memory, link: int, reader: int, row: int) -> int:
    """Steps of a link in the reader's instance in the epoch of a row; 0 where there is none."""
    if not is_present(M, reader, row):
        return 0
    return M[M[link + SHARES] + M[row + KINDS_HERE + M[reader + CLASS]]]


def met(M: Memory, link: int, reader: int) -> int:
    """The cycle from which on a link lets its reader's next unit issue; NEVER while that is not known."""
    number = M[reader + K]
    steps = M[M[link + SHARES] + M[reader + KIND]]
    step = M[reader + UNIT]
    if steps != M[reader + UNITS]:
        step = 0 if steps <= 1 else step * steps // M[reader + UNITS]
    want = number - M[link + BACK]
    if M[link + ROOM] > 0:
        step -= M[link + ROOM]
        while step < 0:
            want -= 1
            if want < 0 or want < number - M[HALF]:
                return LONG_AGO
            steps = shared(M, link, reader, M[EPOCHS] + (want & M[MASK]) * M[EPOCH_SIZE])
            step += steps
    elif M[link + OVER] >= 0:
        row = M[EPOCHS] + (number & M[MASK]) * M[EPOCH_SIZE]
        back = M[row + KINDS_HERE + M[N_CLASSES] + M[link + OVER]]
        if back == 0:
            return LONG_AGO
        want = number - back
    if want < 0 or want < number - M[HALF] or (M[MADE_ALL] == 1 and want >= M[TOTAL]):
        return LONG_AGO
    return ended(M, M[link + SOURCE], want, step, steps, M[link + DELAY])


def ended(M: Memory, source: int, want: int, step: int, steps: int, delay: int) -> int:
    """When a source's step in an epoch has ended, and its delay passed; NEVER while that is not known."""
    at = M[source + K]
    if at < want:
        return NEVER
    place = want & M[MASK]
    if at > want and (steps <= 1 or not is_present(M, source, M[EPOCHS] + place * M[EPOCH_SIZE])):
        return M[M[source + ENDS] + place] + delay
    if steps <= 1 or (at == want and M[source + PRESENT] != 1):
        return NEVER
    row = M[EPOCHS] + place * M[EPOCH_SIZE]
    units = M[M[source + KINDS] + KIND_SIZE * M[row + KINDS_HERE + M[source + CLASS]] + 1]
    unit = min(step, steps - 1)
    if units != steps:
        unit = ((unit + 1) * units + steps - 1) // steps - 1
    if at == want and M[source + UNIT] <= unit:
        return NEVER
    return M[M[source + UNIT_ENDS] + place * M[source + UNITS_MOST] + unit] + delay


def room_for(M: Memory, strand: int) -> int:
    """When a strand's instance is not too far ahead, and its pools have room; NEVER while that is not known."""
    if M[strand + UNIT] > 0:
        return LONG_AGO
    first = M[strand + K] - M[AHEAD] + 1
    if first > M[OLDEST]:
        return NEVER
    ready = M[M[REACHED] + (first & M[MASK])] if first > 0 else LONG_AGO
    bits = M[M[EPOCHS] + (M[strand + K] & M[MASK]) * M[EPOCH_SIZE] + BITS]
    for cell in range(M[strand + OPENING], M[strand + OPENING_END]):
        pool = M[cell]
        if bits >> M[pool + OPENS] & 1 == 1:
            need = M[pool + OPENED] - M[pool + LIMIT]
            if need >= M[pool + CLOSED]:
                return NEVER
            if need >= 0:
                ready = max(ready, M[M[pool + LEFT] + need % M[pool + RING]] + 1)
    return ready


def open_pools(M: Memory, strand: int, cycle: int) -> None:
    """Takes the room that a strand's instance needs."""
    bits = M[M[EPOCHS] + (M[strand + K] & M[MASK]) * M[EPOCH_SIZE] + BITS]
    for cell in range(M[strand + OPENING], M[strand + OPENING_END]):
        pool = M[cell]
        if bits >> M[pool + OPENS] & 1 == 1:
            words = M[M[pool + WORDS] + M[strand + KIND]]
            M[M[pool + CAME] + M[pool + OPENED] % M[pool + RING]] = words
            M[pool + OPENED] += 1
            level = M[pool + LEVEL]
            M[level + HELD] += words
            M[level + HIGHEST] = max(M[level + HIGHEST], M[level + HELD] + leaving(M, level, cycle))


def leaving(M: Memory, level: int, cycle: int) -> int:
    """Words of tiles in a memory whose last use is known and not over before a cycle."""
    words = 0
    for p in range(M[N_POOLS]):
        pool = M[POOLS] + p * POOL_SIZE
        if M[pool + LEVEL] == level:
            tile = M[pool + CLOSED] - 1
            while tile >= 0 and is_leaving(M, pool, tile, cycle):
                words += M[M[pool + CAME] + tile % M[pool + RING]]
                tile -= 1
    return words


def is_leaving(M: Memory, pool: int, tile: int, cycle: int) -> bool:
    """Whether the last use of one of a pool's last tiles is not over before a cycle."""
    return M[pool + OPENED] - tile <= M[pool + RING] and M[M[pool + LEFT] + tile % M[pool + RING]] >= cycle


def close_pools(M: Memory, strand: int, bits: int, cycle: int) -> None:
    """Gives back the room that a strand's instance has used for the last time."""
    for cell in range(M[strand + CLOSING], M[strand + CLOSING_END]):
        pool = M[cell]
        if bits >> M[pool + CLOSES] & 1 == 1 and M[pool + CLOSED] < M[pool + OPENED]:
            place = M[pool + CLOSED] % M[pool + RING]
            M[M[pool + LEFT] + place] = cycle
            M[M[pool + LEVEL] + HELD] -= M[M[pool + CAME] + place]
            M[pool + CLOSED] += 1
