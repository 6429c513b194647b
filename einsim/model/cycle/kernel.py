"""Kernels: programs run slot by slot.

Time advances from issue to issue: of all resources that know when their next slot can issue, the one with the
earliest cycle issues (the first of them on ties). A slot waits for its resource, for the strand's slot before,
and, at the start of a unit, for the strand's links and pools (docs/microarchitecture.md). A source that has not
issued yet blocks a resource until it ends a unit.

Epochs are made one by one and described in a ring, as are the cycles in which units and instances ended; a strand
runs at most half a ring ahead of the last one. Where a run repeats itself it is moved on by whole periods
(`repeat`).
"""

from __future__ import annotations

from einsim.model.cycle.layout import *
from einsim.model.cycle.repeat import look_back
from einsim.model.cycle.strands import catch_up, close_pools, enter, met, open_pools, plan_of, room_for
from einsim.model.cycle.walk import is_empty, settle_loops, step_epoch


def begin(M: Memory) -> None:
    """Brings all strands to their first instances."""
    settle_loops(M, M[NOW], 0)
    if is_empty(M, M[NOW]) and step_epoch(M, M[NOW]) < 0:
        M[MADE_ALL] = 1
    for s in range(M[N_STRANDS]):
        enter(M, M[STRANDS] + s * STRAND_SIZE)
    catch_up(M, LONG_AGO)
    for r in range(M[N_RESOURCES]):
        consider(M, M[RESOURCES] + r * RESOURCE_SIZE)


def consider(M: Memory, resource: int) -> None:
    """Finds the resource's next slot, and when it can issue: READY (NEVER while that is not known) and WHY.

    BLOCKER is the strand that it waits for then; 0 where any may help.
    """
    best = 0
    first = NEVER
    settled = LONG_AGO
    for strand in range(M[resource + FIRST_STRAND], M[resource + STRANDS_END], STRAND_SIZE):
        settled = max(settled, M[strand + SETTLED])
        if M[strand + NEXT] < first:
            best = strand
            first = M[strand + NEXT]
    M[resource + STRAND] = best
    M[resource + READY] = NEVER
    M[resource + ON_WAY] = 0
    M[resource + BLOCKER] = 0
    if best == 0 or M[best + PRESENT] == 0:
        return
    ready = M[best + LAST] + M[best + SPACING]
    why = LATENCY
    on_way = 0
    if M[best + SLOT] == M[best + UNIT_START]:
        links = M[best + LINKS] if M[best + UNIT] == 0 else M[best + LINKS_BETWEEN]
        for link in range(links, M[best + LINKS_END], LINK_SIZE):
            cycle = met(M, link, best)
            if cycle > ready:
                if cycle == NEVER:
                    M[resource + BLOCKER] = M[link + SOURCE]
                    return
                ready = cycle
                why = M[link + CAUSE]
                on_way = M[link + TRAVEL]
        cycle = room_for(M, best)
        if cycle == NEVER:
            return
        if cycle > ready:
            ready = cycle
            why = FULL
            on_way = 0
    if settled > ready:
        settled = in_sight(M, resource, best)
        if settled > ready:
            ready = settled
            why = LATENCY
            on_way = 0
    M[resource + READY] = ready
    M[resource + WHY] = why
    M[resource + ON_WAY] = on_way


def in_sight(M: Memory, resource: int, best: int) -> int:
    """When it is known that a strand's slot is the next of its resource.

    Having ended an instance, a strand looks for its next one at an epoch a cycle; others wait while it might be first.
    """
    cycle = M[best + SETTLED]
    for strand in range(M[resource + FIRST_STRAND], M[resource + STRANDS_END], STRAND_SIZE):
        if strand != best:
            planned = M[strand + K] * M[INTERVAL] + M[M[strand + PLAN]]
            later = planned - M[best + NEXT] - (1 if strand < best else 0)
            cycle = max(cycle, M[strand + SETTLED] - max(0, later) // M[INTERVAL])
    return cycle


def start_of(M: Memory, resource: int) -> int:
    """The cycle in which a resource's next slot would issue; loads and stores wait for their channel."""
    start = max(M[resource + READY], M[resource + FREE])
    if resource >= M[LOADS]:
        start = max(start, M[M[resource + CHANNEL] + BOOKED_CYCLE])
    return start


def issue(M: Memory, resource: int, cycle: int) -> int:
    """Issues a resource's next slot (of strands planned in units, all of a unit); returns 0, 1 or 2.

    1 if that ended a unit, 2 if an instance.
    """
    strand = M[resource + STRAND]
    note_stall(M, resource, cycle)
    slots = 1
    if M[strand + IN_UNITS] == 1:
        slots = M[strand + UNIT_END] - M[strand + SLOT]
    if M[strand + SLOT] == 0 and M[strand + OPENING] < M[strand + OPENING_END]:
        open_pools(M, strand, cycle)
    if M[LOGGED] < M[LOG_SIZE]:
        write_down(M, strand, cycle, slots)
    last = cycle + (slots - 1) * M[strand + SPACING]
    M[resource + FREE] = last + 1
    M[resource + BEGUN] = 1
    M[resource + ISSUED] += slots
    end = last
    if resource >= M[LOADS]:
        end = transfer(M, resource, strand, cycle)
    else:
        M[resource + BUSY] += slots
        M[resource + STALLS + LATENCY] += (slots - 1) * (M[strand + SPACING] - 1)
    M[strand + LAST] = last
    M[strand + SLOT] += slots
    if M[strand + SLOT] < M[strand + UNIT_END]:
        M[strand + NEXT] = plan_of(M, strand)
        return 0
    return end_unit(M, strand, end)


def write_down(M: Memory, strand: int, cycle: int, slots: int) -> None:
    """Writes an issue in the log."""
    row = M[LOG] + M[LOGGED] * LOG_ROW
    M[row] = (strand - M[STRANDS]) // STRAND_SIZE
    M[row + 1] = M[strand + K]
    M[row + 2] = M[strand + UNIT]
    M[row + 3] = M[strand + SLOT]
    M[row + 4] = cycle
    M[row + 5] = slots
    M[LOGGED] += 1


def transfer(M: Memory, resource: int, strand: int, cycle: int) -> int:
    """Occupies the channel for a unit; returns the cycle from which its data are there."""
    unit = M[CHANNEL_UNIT]
    taken = M[M[strand + KINDS] + KIND_SIZE * M[strand + KIND] + 2]
    channel = M[resource + CHANNEL]
    booked = max(M[channel + BOOKED], cycle * unit) + taken
    M[channel + BOOKED] = booked
    M[channel + BOOKED_CYCLE] = booked // unit
    M[resource + BUSY] += taken
    done = (booked + unit - 1) // unit
    return done + M[RESPONSE] if resource == M[LOADS] else done


def note_stall(M: Memory, resource: int, cycle: int) -> None:
    """Counts the cycles that a resource has waited, by cause."""
    free = M[resource + FREE]
    if cycle <= free:
        return
    if M[resource + BEGUN] == 0:
        M[resource + STALLS + FILL] += cycle - free
        return
    ready = min(max(M[resource + READY], free), cycle)
    way = min(M[resource + ON_WAY], ready - free)
    M[resource + STALLS + PORT] += cycle - ready
    M[resource + STALLS + ON_THE_WAY] += way
    M[resource + STALLS + M[resource + WHY]] += ready - free - way


def end_unit(M: Memory, strand: int, end: int) -> int:
    """Records that a strand's unit has ended, and its instance if that was the last."""
    place = M[strand + K] & M[MASK]
    M[M[strand + UNIT_ENDS] + place * M[strand + UNITS_MOST] + M[strand + UNIT]] = end
    M[strand + UNIT] += 1
    M[strand + ENDED] = max(M[strand + ENDED], end)
    if M[strand + UNIT] < M[strand + UNITS]:
        M[strand + UNIT_START] = M[strand + SLOT]
        if M[strand + SLOTS] == M[strand + UNITS]:
            M[strand + UNIT_END] = M[strand + SLOT] + 1
        else:
            after = (M[strand + UNIT] + 1) * M[strand + SLOTS]
            M[strand + UNIT_END] = (after + M[strand + UNITS] - 1) // M[strand + UNITS]
        M[strand + NEXT] = plan_of(M, strand)
        return 1
    M[M[strand + ENDS] + place] = end
    M[M[strand + COUNTS] + M[strand + KIND]] += 1
    close_pools(M, strand, M[M[EPOCHS] + place * M[EPOCH_SIZE] + BITS], end)
    M[strand + K] += 1
    M[strand + SETTLED] = M[strand + LAST] + 1
    enter(M, strand)
    return 2


def take_ports(M: Memory, strand: int, cycle: int) -> bool:
    """Takes the buffer ports that a slot needs in a cycle, if they are free."""
    if M[READ_PORTS] < 0 and M[WRITE_PORTS] < 0:
        return True
    if M[PORT_CYCLE] != cycle:
        M[PORT_CYCLE] = cycle
        M[READS_USED] = 0
        M[WRITES_USED] = 0
    reads = M[READS_USED] + M[strand + READS]
    writes = M[WRITES_USED] + M[strand + WRITES]
    if 0 <= M[READ_PORTS] < reads or 0 <= M[WRITE_PORTS] < writes:
        return False
    M[READS_USED] = reads
    M[WRITES_USED] = writes
    return True


def wait_for_ports(M: Memory, resource: int, cycle: int) -> None:
    """Makes a resource try again a cycle later; the cycle counts as waiting for ports."""
    if M[resource + BEGUN] == 1:
        note_stall(M, resource, cycle)
        M[resource + STALLS + PORT] += 1
        M[resource + FREE] = cycle + 1
    M[resource + READY] = cycle + 1


def run(M: Memory, budget: int) -> int:
    """Issues slots until everything is done, nothing can issue, or `budget` issues are spent."""
    first = M[RESOURCES]
    last = first + M[N_RESOURCES] * RESOURCE_SIZE
    while budget > 0:
        chosen = 0
        cycle = NEVER
        for resource in range(first, last, RESOURCE_SIZE):
            if M[resource + READY] < NEVER:
                start = start_of(M, resource)
                if start < cycle:
                    chosen = resource
                    cycle = start
        if chosen == 0:
            return finished(M)
        strand = M[chosen + STRAND]
        if not take_ports(M, strand, cycle):
            wait_for_ports(M, chosen, cycle)
            continue
        begins = strand == M[REFERENCE] and M[strand + SLOT] == 0
        number = M[strand + K]
        outcome = issue(M, chosen, cycle)
        budget -= 1
        M[ISSUES] += 1
        moved = outcome == 2 and catch_up(M, cycle)
        consider(M, chosen)
        if outcome > 0:
            for resource in range(first, last, RESOURCE_SIZE):
                if M[resource + READY] == NEVER and resource != chosen:
                    blocker = M[resource + BLOCKER]
                    if moved or blocker == strand or (outcome == 2 and blocker == 0):
                        consider(M, resource)
        if begins and M[SKIPS] == 1:
            look_back(M, number, cycle)
    return MORE


def finished(M: Memory) -> int:
    """DONE where every strand is at its end, else STUCK."""
    for s in range(M[N_STRANDS]):
        if M[M[STRANDS] + s * STRAND_SIZE + PRESENT] != 2:
            return STUCK
    return DONE
