"""How a program and the state of its run lie in one int64 array, the kernels' memory `M`.

A *record* is known by the number of its first cell, its address; names below are offsets in records, those of the
header (which is at 0) addresses and lengths of everything else. Kernels so take the memory and addresses, nothing
else: they compile in seconds and run as fast as with arrays of their own.
"""

from __future__ import annotations

from typing import Final

Memory = list[int]  # or an int64 array

NEVER: Final = 1 << 62
LONG_AGO: Final = -(1 << 40)

HEADER_NAMES: Final = (
    "LOOPS", "N_LOOPS", "N_CLASSES", "CLASSES", "STRANDS", "N_STRANDS", "RESOURCES", "N_RESOURCES", "FLAGS", "N_FLAGS",
    "POOLS", "N_POOLS", "FORMS", "N_FORMS", "EPOCHS", "EPOCH_SIZE", "INTERVAL", "MASK", "HALF", "CHANNEL_UNIT", "LOADS",
    "STORES", "RESPONSE", "READ_PORTS", "WRITE_PORTS", "REFERENCE", "SKIPS", "FAR", "NOW", "AFTER", "PROBE", "STARTS",
    "FRONT", "MADE_ALL", "CHANGED", "TOTAL", "CHANNELS", "N_CHANNELS", "SKIPPED", "PORT_CYCLE",
    "READS_USED", "WRITES_USED", "LOG",
    "LOG_SIZE", "LOGGED", "LEVELS", "N_LEVELS", "HISTORY", "SNAPSHOTS", "SNAPSHOT_SIZE", "PICTURE", "SPARE", "ISSUES",
    "AHEAD", "OLDEST", "REACHED",
)  # fmt: skip
(
    LOOPS, N_LOOPS, N_CLASSES, CLASSES, STRANDS, N_STRANDS, RESOURCES, N_RESOURCES, FLAGS, N_FLAGS,
    POOLS, N_POOLS, FORMS, N_FORMS, EPOCHS, EPOCH_SIZE, INTERVAL, MASK, HALF, CHANNEL_UNIT, LOADS,
    STORES, RESPONSE, READ_PORTS, WRITE_PORTS, REFERENCE, SKIPS, FAR, NOW, AFTER, PROBE, STARTS,
    FRONT, MADE_ALL, CHANGED, TOTAL, CHANNELS, N_CHANNELS, SKIPPED, PORT_CYCLE, READS_USED, WRITES_USED, LOG,
    LOG_SIZE, LOGGED, LEVELS, N_LEVELS, HISTORY, SNAPSHOTS, SNAPSHOT_SIZE, PICTURE, SPARE, ISSUES,
    AHEAD, OLDEST, REACHED,
) = range(len(HEADER_NAMES))  # fmt: skip
"""MASK: rows of the rings less one; HALF: of them; INTERVAL: of the plan. FRONT: epochs described so far; CHANGED: the
outermost loop that the next one changes (-1: there is none). AHEAD: how many epochs strands may be apart, OLDEST: the
next of the one farthest behind, REACHED: from when on it is seen that epochs are the oldest, in a ring. NOW, AFTER,
PROBE: indices, trips and extents of all loops; STARTS: first epochs of each loop's iteration and of the last."""

# An epoch's loop: its tile, the loop around it over its rank (-1: none), whether it walks whole tiles of that, the
# rank's size, whether iterations may differ; then, by class of strands, what its extent counts for in a kind.
TILE, PARENT, RESTARTS, RANK_SIZE, CAREFUL, EXTENTS, N_EXTENTS, RADIX = range(8)
LOOP_SIZE: Final = 8
# An epoch, in the ring: flags as bits, the outermost loop that it changed and its index; then kinds by class, and by
# loop how many epochs back the iteration before is (0: there is none).
BITS, OUTERMOST, INDEX, KINDS_HERE = range(4)
# A strand; from K on what moves. Links from LINKS_BETWEEN on are asked at every unit, others at the first only.
# PRESENT: 1 in an instance, 0 beyond what the rings hold, 2 at the end of all. NEXT: the next slot's planned cycle (of
# one beyond, not before that). SETTLED: when it stands at K, having looked at an epoch a cycle. PLAN: of whole tiles;
# HERE, HERE_LENGTH: of the instance's kind.
(
    RESOURCE, CLASS, WHEN, SPACING, READS, WRITES, UNIT_ENDS, UNITS_MOST, ENDS, KINDS, PLAN, PACE, PACE_OF,
    IN_UNITS, LINKS, LINKS_BETWEEN, LINKS_END, OPENING, OPENING_END, CLOSING, CLOSING_END, COUNTS, N_KINDS,
    K, UNIT, SLOT, NEXT, LAST, PRESENT, SLOTS, UNITS, KIND, UNIT_START, UNIT_END, ENDED,
    SETTLED, HERE, HERE_LENGTH,
) = range(38)  # fmt: skip
STRAND_SIZE: Final = 38
# A link of the strand that waits.
SOURCE, SHARES, DELAY, TRAVEL, CAUSE, BACK, OVER, ROOM = range(8)
LINK_SIZE: Final = 8
# A resource, with the cycles that it waited by cause at its end.
FIRST_STRAND, STRANDS_END, FREE, READY, STRAND, WHY, ON_WAY, BEGUN, BUSY, ISSUED, BLOCKER, CHANNEL, STALLS = range(13)
FILL, OPERAND, LATENCY, ON_THE_WAY, MEMORY, FULL, PORT, PHASE, END = range(9)
CAUSES: Final = 9
RESOURCE_SIZE: Final = 13 + CAUSES
# A channel: when it is free, in its own units, and the cycle of that.
BOOKED, BOOKED_CYCLE = range(2)
CHANNEL_SIZE: Final = 2
# A pool of room for tiles; its rings have cycles in which tiles left, and words of those that came.
OPENS, CLOSES, LIMIT, WORDS, LEFT, CAME, RING, LEVEL, OPENED, CLOSED = range(10)
POOL_SIZE: Final = 10
# A memory: words in it, and the most that there were.
HELD, HIGHEST = range(2)
# A flag of epochs, and its kinds.
FLAG_KIND, FLAG_DEPTH, STILL, AGAIN = range(4)
FLAG_SIZE: Final = 4
ALWAYS, FIRST, LAST_OF, ARRIVES, LEAVES, RETURNS = range(6)
# A filter's form: its group, its constant, then two factors by loop.
GROUP, CONSTANT, FACTORS = range(3)
# Of each kind of a strand: slots, units, and channel time of a unit; the plan of them, and how much of it is a list.
KIND_SIZE: Final = 5
# An issue in the log: strand, epoch, unit, slot, cycle, slots.
LOG_ROW: Final = 6
# A snapshot: length and digest of its picture, epoch, cycle, index of the loop; then counters, then the picture.
S_LENGTH, S_DIGEST, S_EPOCH, S_CYCLE, S_INDEX, S_COUNTERS = range(6)
# How a run of the kernel ends.
DONE, MORE, STUCK = range(3)
