"""The cycle model once more, as plainly as docs/microarchitecture.md says it: slot by slot, cycle by cycle.

Every epoch is listed, every slot put in its resource's order, and then time goes on by one cycle at a time. For small
programs, and for whoever wants to know what exactly the compiled simulator is meant to do.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np

from einsim.errors import InfeasibleError
from einsim.model.cycle.lowering import most_ahead
from einsim.model.cycle.simulate import Run
from einsim.schedule.pipeline.listing import Epoch, epochs_of, has
from einsim.schedule.pipeline.program import LOAD, STORE, Cause, Link, Pool, Program, Strand
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.architecture import Architecture

PARTS: Final = 64
"""Parts of a cycle in which the channel is booked."""


@dataclass(frozen=True, slots=True)
class Issue:
    """Slots that issue together: of one strand's unit, one or (of units planned together) all."""

    strand: int
    epoch: int
    unit: int
    planned: int
    slots: int
    begins: bool
    """The first of its unit."""
    ends: bool
    """The last of its unit."""


@dataclass(slots=True)
class Tile:
    """A tile in a pool: when it came and (once that is known) the last cycle in which it is there."""

    words: int
    came: int
    left: int | None = None


@dataclass
class Events:
    """One run of a program. Dictionaries hold what has happened."""

    program: Program
    machine: Architecture
    timing: Timing
    epochs: list[Epoch] = field(init=False)
    kinds: dict[tuple[int, int], int] = field(default_factory=dict)
    """(Strand, epoch) -> the kind of its instance there."""
    present: list[list[int]] = field(default_factory=list)
    """Of each strand, the epochs that have an instance."""
    unit_end: dict[tuple[int, int, int], int] = field(default_factory=dict)
    end: dict[tuple[int, int], int] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)
    tiles: list[list[Tile]] = field(default_factory=list)
    booked: dict[str, int] = field(default_factory=lambda: {LOAD: 0, STORE: 0})
    """Until when each channel is taken, in parts of a cycle."""
    ahead: int = field(init=False)
    done: list[int] = field(default_factory=list)
    """Of each strand, how many instances have been issued."""
    reached: list[int] = field(default_factory=list)
    """From epoch 0 on, when it is seen that all instances of earlier ones were issued."""
    walked: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Of each strand, the epoch of its last instance, and the cycle from which on it has looked for the next."""
    ports: dict[int, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        program = self.program
        self.epochs = epochs_of(program.epochs, program.filters)
        self.tiles = [[] for _ in program.pools]
        for s, strand in enumerate(program.strands):
            kinds = program.epochs.kinds(strand.depth)
            innermost = program.epochs.innermost(strand.depth)
            here = []
            for e, epoch in enumerate(self.epochs):
                extents = dict(program.epochs.sizes) | {r: epoch.extents[p] for r, p in innermost.items()}
                kind = kinds.index(extents)
                if strand.slots[kind] and has(strand.when, self.epochs, e):
                    self.kinds[s, e] = kind
                    here.append(e)
            self.present.append(here)
        self.ahead = most_ahead(program)
        self.done = [0] * len(program.strands)
        self.reach(-1)

    # The order.

    def issues_of(self, s: int) -> Iterator[Issue]:
        """Everything that a strand issues, in order."""
        strand, start = self.program.strands[s], self.program.starts[s]
        for e in self.present[s]:
            slots, units = strand.slots[self.kinds[s, e]], strand.units[self.kinds[s, e]]
            of = [slot * units // slots for slot in range(slots)]
            for slot, unit in enumerate(of):
                begins, ends = slot == 0 or of[slot - 1] != unit, slot == slots - 1 or of[slot + 1] != unit
                planned = e * self.program.interval + start.planned(unit if start.in_units else slot, self.kinds[s, e])
                if not start.in_units:
                    yield Issue(s, e, unit, planned, 1, begins, ends)
                elif begins:
                    yield Issue(s, e, unit, planned, of.count(unit), begins, ends=True)

    def order(self, resource: str) -> list[Issue]:
        """What a resource issues, in the order of planned cycles; strands in the program's order where those tie."""
        every = [issue for s, strand in enumerate(self.program.strands) if strand.resource == resource
                 for issue in self.issues_of(s)]  # fmt: skip
        return sorted(every, key=lambda issue: issue.planned)

    def reach(self, cycle: int) -> None:
        """Notes epochs before which every instance has been issued; that is seen a cycle later.

        Epochs without an instance of a strand are seen as it passes them.
        """
        left = [here[n] for here, n in zip(self.present, self.done, strict=True) if n < len(here)]
        oldest = min(left, default=len(self.epochs))
        for epoch in range(len(self.reached), oldest + 1):
            passed = [begun + epoch - number for number, begun in self.walked.values()]
            self.reached.append(max([cycle + 1, *passed]))

    # What a slot waits for.

    def ready(self, issue: Issue) -> tuple[int, Cause, int] | None:
        """When a slot's conditions are all met, which is met last, and its way; None while that is not known."""
        strand = self.program.strands[issue.strand]
        found = [(self.last.get(issue.strand, -strand.spacing) + strand.spacing, Cause.LATENCY, 0)]
        if issue.begins:
            for link in sorted(self.program.links, key=lambda each: max(each.shares) > 1):
                if link.reader == issue.strand:
                    met = self.met(link, issue)
                    if met is None:
                        return None
                    found.append((met, link.cause, link.travel))
            oldest = max(0, issue.epoch - self.ahead + 1)
            if issue.unit == 0 and oldest >= len(self.reached):
                return None
            found.append((self.reached[oldest] if issue.unit == 0 else 0, Cause.FULL, 0))
            for p, pool in enumerate(self.program.pools):
                if self.opens(pool, issue) and len(self.tiles[p]) >= pool.limit:
                    left = self.tiles[p][-pool.limit].left
                    if left is None:
                        return None
                    found.append((left + 1, Cause.FULL, 0))
        found.append((self.in_sight(issue), Cause.LATENCY, 0))
        return max(found, key=lambda each: each[0])

    def in_sight(self, issue: Issue) -> int:
        """When it is known that a slot is the next of its resource.

        Having ended an instance, a strand looks for its next one at an epoch a cycle; others wait while it might be
        first.
        """
        found = [0]
        for s, (number, begun) in self.walked.items():
            if self.program.strands[s].resource == self.program.strands[issue.strand].resource:
                here = self.present[s]
                position = here[self.done[s]] if self.done[s] < len(here) else len(self.epochs)
                if s != issue.strand:
                    mine = self.program.starts[s].planned(0)
                    while (position > number and (position - 1) * self.program.interval + mine
                           >= issue.planned + int(s < issue.strand)):  # fmt: skip
                        position -= 1
                found.append(begun + position - number)
        return max(found)

    def met(self, link: Link, issue: Issue) -> int | None:
        """When a link lets its reader's unit begin: 0 where there is nothing to wait for, None if not known."""
        reader, want = self.program.strands[link.reader], issue.epoch - link.back
        kind = self.kinds[link.reader, issue.epoch]
        steps = link.shares[kind]
        step = issue.unit * steps // reader.units[kind]
        if link.room is not None:
            before = [(e, n) for e in self.present[link.reader] if e < issue.epoch
                      for n in range(link.shares[self.kinds[link.reader, e]])]  # fmt: skip
            whole = [*before, *((issue.epoch, n) for n in range(step + 1))]
            if len(whole) <= link.room:
                return 0
            want, step = whole[-1 - link.room]
            steps = link.shares[self.kinds[link.reader, want]]
        elif link.over is not None:
            iteration = self.iteration_before(issue.epoch, link.over)
            if iteration is None:
                return 0
            want = iteration
        if not 0 <= want < len(self.epochs):
            return 0
        return self.ended(link, want, step, steps)

    def ended(self, link: Link, want: int, step: int, steps: int) -> int | None:
        """When a source's step of an epoch has passed the link's delay; of all if it is one, or in no such epoch."""
        source = self.program.strands[link.source]
        place = bisect_right(self.present[link.source], want) - 1
        if place < 0:
            return 0
        epoch = self.present[link.source][place]
        cycle = self.end.get((link.source, epoch))
        if epoch == want and steps > 1:
            units = source.units[self.kinds[link.source, epoch]]
            of = [unit * steps // units for unit in range(units)]
            cycle = self.unit_end.get((link.source, epoch, max(u for u in range(units) if u == 0 or of[u] <= step)))
        return None if cycle is None else cycle + link.delay

    def iteration_before(self, number: int, loop: int) -> int | None:
        """The epoch an iteration of a loop before; its last where iterations differ; None for the first.

        The first iteration in a split's tile follows the last one in the tile before.
        """
        epochs, here = self.program.epochs, self.epochs[number].indices
        regular = not self.program.filters and all(
            each.rank != epochs.loops[loop].rank for each in epochs.loops[loop + 1 :]
        )
        position: int | None = loop
        while position is not None:
            earlier = [e for e in range(number) if self.epochs[e].indices[:position] == here[:position]
                       and self.epochs[e].indices[position] < here[position]]  # fmt: skip
            if earlier and regular and position == loop:
                same = (*here[:position], here[position] - 1, *here[position + 1 :])
                return next(e for e in earlier if self.epochs[e].indices == same)
            if earlier:
                return earlier[-1]
            position = epochs.parent(position)
        return None

    def opens(self, pool: Pool, issue: Issue) -> bool:
        """Whether a slot begins an instance that brings a tile."""
        begins = issue.begins and issue.unit == 0 and pool.opener == issue.strand
        return begins and has(pool.opens, self.epochs, issue.epoch)

    def takes_ports(self, strand: Strand, cycle: int) -> bool:
        """Takes the ports of the innermost memory that a slot needs, where they are free."""
        memories = list(self.machine.memories.values())
        if not self.timing.memory or len(memories) == 1:
            return True
        reads, writes = self.ports.get(cycle, (0, 0))
        reads, writes = reads + strand.reads, writes + strand.writes
        for used, there in ((reads, memories[-1].read_ports), (writes, memories[-1].write_ports)):
            if there is not None and used > there:
                return False
        self.ports[cycle] = reads, writes
        return True

    # What happens.

    def issue(self, issue: Issue, cycle: int) -> int:
        """Issues; returns the last cycle that it takes of its resource."""
        s, e = issue.strand, issue.epoch
        strand, kind = self.program.strands[s], self.kinds[s, e]
        for p, pool in enumerate(self.program.pools):
            if self.opens(pool, issue):
                self.tiles[p].append(Tile(pool.words[kind], cycle))
        last = cycle + (issue.slots - 1) * strand.spacing
        end = last if strand.computes else self.transfer(strand, kind, cycle)
        self.last[s] = last
        if issue.ends:
            self.unit_end[s, e, issue.unit] = end
        if issue.ends and issue.unit == strand.units[kind] - 1:
            self.end[s, e] = end
            self.done[s] += 1
            self.walked[s] = e, last
            self.reach(cycle)
            for p, pool in enumerate(self.program.pools):
                there = [tile for tile in self.tiles[p] if tile.left is None]
                if pool.closer == s and there and has(pool.closes, self.epochs, e):
                    there[0].left = end
        return last

    def transfer(self, strand: Strand, kind: int, cycle: int) -> int:
        """Books the channel for a unit; returns the cycle from which its data are there."""
        channel = self.channel(strand.resource)
        self.booked[channel] = max(self.booked[channel], cycle * PARTS) + self.parts(strand, kind)
        response = self.timing.response(self.machine, self.machine.outermost) if strand.resource == LOAD else 0
        return -(-self.booked[channel] // PARTS) + response

    def channel(self, resource: str) -> str:
        """The channel of loads or stores: that of loads, where they share one."""
        return resource if self.machine.memories[self.machine.outermost].duplex else LOAD

    def parts(self, strand: Strand, kind: int) -> int:
        """Parts of a cycle that a unit takes on the channel."""
        bandwidth = self.machine.memories[self.machine.outermost].bandwidth_bytes_per_s
        if bandwidth is None or not strand.moved:
            return 0
        words = Fraction(strand.moved[kind]) / strand.units[kind]
        cycles = words * self.machine.word_bytes * Fraction(self.machine.clock_hz) / Fraction(bandwidth)
        return -(-cycles.numerator * PARTS // cycles.denominator)

    def highest(self, level: str) -> int:
        """Most words of tiles in a memory in one cycle."""
        tiles = [tile for pool, tiles in zip(self.program.pools, self.tiles, strict=True) if pool.level == level
                 for tile in tiles]  # fmt: skip
        return max((sum(each.words for each in tiles if each.came <= at and (each.left is None or each.left >= at))
                    for at in {tile.came for tile in tiles}), default=0)  # fmt: skip


@dataclass
class Resource:
    """A resource: what it has to issue, how far it is, and what it has waited for."""

    name: str
    order: list[Issue]
    done: int = 0
    free: int = 0
    busy: int = 0
    ready: tuple[int, Cause, int] | None = None
    asked: int = -1
    stalls: dict[Cause, int] = field(default_factory=dict)

    @property
    def head(self) -> Issue | None:
        """What it issues next."""
        return self.order[self.done] if self.done < len(self.order) else None

    def wait(self, cause: Cause, cycles: int) -> None:
        """Counts cycles without an issue."""
        if cycles:
            self.stalls[cause] = self.stalls.get(cause, 0) + cycles

    def account(self, cycle: int) -> None:
        """Says why nothing has issued up to a cycle in which the next slot does."""
        assert self.ready is not None
        met, cause, way = self.ready
        if self.done == 0:
            self.wait(Cause.FILL, cycle - self.free)
            return
        met = min(max(met, self.free), cycle)
        way = min(way, met - self.free)
        self.wait(cause, met - self.free - way)
        self.wait(Cause.TRAVEL, way)
        self.wait(Cause.PORT, cycle - met)


def run_events(program: Program, machine: Architecture, timing: Timing) -> Run:
    """Runs a program cycle by cycle. Raises InfeasibleError where resources wait for each other in a circle."""
    events = Events(program, machine, timing)
    return outcome(events, drive(events))


def drive(events: Events) -> list[Resource]:
    """Issues everything, cycle by cycle."""
    program = events.program
    resources = [Resource(name, events.order(name)) for name in program.resources]
    cycle = 0
    while any(resource.head for resource in resources):
        while _step(events, resources, cycle):
            pass
        heads = [resource.head for resource in resources if resource.head]
        if heads and all(events.ready(head) is None for head in heads):
            raise InfeasibleError(f"{program.name}: resources wait for each other")
        cycle += 1
    return resources


def _step(events: Events, resources: list[Resource], cycle: int) -> bool:
    """Issues what the first resource that can issue in a cycle has to; False where none can."""
    for resource in resources:
        head = resource.head
        if head is None or resource.free > cycle or resource.asked == cycle:
            continue
        resource.ready = resource.ready or events.ready(head)
        if resource.ready is None or resource.ready[0] > cycle:
            continue
        if resource.name in {LOAD, STORE} and events.booked[events.channel(resource.name)] // PARTS > cycle:
            continue
        strand = events.program.strands[head.strand]
        if not events.takes_ports(strand, cycle):
            resource.asked = cycle
            continue
        resource.account(cycle)
        last = events.issue(head, cycle)
        resource.wait(Cause.LATENCY, last - cycle + 1 - head.slots)
        resource.free, resource.busy, resource.ready = last + 1, resource.busy + head.slots, None
        resource.done += 1
        return True
    return False


def outcome(events: Events, resources: list[Resource]) -> Run:
    """What the run has done."""
    program, cycles = events.program, 0
    for s, strand in enumerate(program.strands):
        array = events.machine.arrays.get(strand.resource)
        after = 0 if array is None else events.timing.control(events.machine) + events.timing.skew(array) + strand.tail
        cycles = max([cycles, *(end + after for (each, _, _), end in events.unit_end.items() if each == s)])
    arrays = [resource for resource in resources if resource.name not in {LOAD, STORE}]
    for resource in arrays:
        resource.wait(Cause.END, cycles - resource.free)
    counts = [[0] * len(strand.slots) for strand in program.strands]
    for (s, _), kind in events.kinds.items():
        counts[s][kind] += 1
    moved = sum(events.parts(strand, kind) * strand.units[kind] * times for s, strand in enumerate(program.strands)
                if not strand.computes for kind, times in enumerate(counts[s]))  # fmt: skip
    return Run(
        program=program,
        cycles=cycles,
        busy={resource.name: resource.busy for resource in arrays},
        stalls={resource.name: resource.stalls for resource in arrays},
        channel_busy=moved / PARTS,
        instances=tuple(tuple(each) for each in counts),
        high_water={level: program.fixed.get(level, 0) + events.highest(level)
                    for level in list(events.machine.memories)[1:]},
        issued=sum(resource.busy for resource in resources),
        simulated=sum(resource.busy for resource in resources),
        epochs=len(events.epochs),
        log=np.empty((0, 6), np.int64),
    )  # fmt: skip


def facts(run: Run) -> Mapping[str, object]:
    """What two simulators of one program must agree on."""
    return {name: getattr(run, name) for name in ("cycles", "busy", "stalls", "channel_busy", "instances", "high_water",
                                                  "issued", "epochs")}  # fmt: skip
