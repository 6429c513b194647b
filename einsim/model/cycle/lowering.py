"""Programs as arrays for the kernels, and the empty state that a run starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from einsim.errors import SpecError
from einsim.model.cycle import layout as at
from einsim.schedule.pipeline.program import LOAD, STORE, Flag, Program, When
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.architecture import Architecture
from einsim.spec.expressions import Number

CHANNEL_UNIT: Final = 64
"""Parts of a cycle in which the channel of the outermost memory is booked; a transfer takes whole parts."""
LOOKAHEAD: Final = 4
"""Epochs that the ring has beside those in flight by the plan."""
PICTURES: Final = 1 << 24
"""Numbers that the pictures of one loop may take together."""
WORD_BITS: Final = 62

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lowered:
    """A program in a kernel's memory. `order`: the program's number of each of its strands, sorted by resource."""

    memory: Ints
    order: tuple[int, ...]
    levels: tuple[str, ...]

    def header(self, cell: int) -> int:
        """A number of the header."""
        return int(self.memory[cell])

    def strand(self, row: int) -> int:
        """The address of a strand."""
        return self.header(at.STRANDS) + row * at.STRAND_SIZE

    def resource(self, row: int) -> int:
        """The address of a resource."""
        return self.header(at.RESOURCES) + row * at.RESOURCE_SIZE


class _Space:
    """Memory being laid out: the header first, then whatever is added."""

    def __init__(self) -> None:
        self.header = [0] * len(at.HEADER_NAMES)
        self.parts: list[tuple[int, Ints]] = []
        self.size = len(self.header)

    def add(self, numbers: Any) -> int:
        """Appends numbers; returns the address of the first."""
        part = np.asarray(numbers, dtype=np.int64).reshape(-1)
        first, self.size = self.size, self.size + len(part)
        self.parts.append((first, part))
        return first

    def room(self, cells: int, value: int = 0) -> int:
        """Appends cells that hold one value; those that hold 0 take no real memory until they are used."""
        if value:
            return self.add(np.full(cells, value, np.int64))
        first, self.size = self.size, self.size + cells
        return first

    def memory(self) -> Ints:
        """All of it."""
        memory = np.zeros(self.size, np.int64)
        memory[: len(self.header)] = self.header
        for first, part in self.parts:
            memory[first : first + len(part)] = part
        return memory


def lower_program(
    program: Program, machine: Architecture, timing: Timing, *, skip: bool, log: int = 0, pictures: int = PICTURES
) -> Lowered:  # fmt: skip
    """The memory of a run of a program before its first cycle, with room for `log` issues to be written down.

    `pictures`: numbers that the pictures of each loop may take. Raises SpecError where 64 bits might not hold cycles.
    """
    _refuse_overflow(program)
    _refuse_ports(program, machine, timing)
    writer = _Writer(program, machine, timing)
    return writer.write(skip=skip, log=log, pictures=pictures)


def _refuse_overflow(program: Program) -> None:
    most = max(
        [
            1,
            *(
                start.at[-1] + start.pace[0] * max(s.units)
                for s, start in zip(program.strands, program.starts, strict=True)
            ),
        ]
    )
    if (program.epochs.count + 1024) * max(program.interval, 1) + most >= at.NEVER // CHANNEL_UNIT:
        raise SpecError(
            f"{program.name}: {program.epochs.count} epochs of {program.interval} cycles are more than 64 bits hold",
            remedy="use the closed form for this size",
        )


def _refuse_ports(program: Program, machine: Architecture, timing: Timing) -> None:
    """Raises SpecError for a slot that needs more rows than there are ports: it would never issue."""
    buffer = machine.memories[list(machine.memories)[-1]]
    for strand in program.strands if timing.memory else ():
        for rows, ports in ((strand.reads, buffer.read_ports), (strand.writes, buffer.write_ports)):
            if ports is not None and rows > ports:
                raise SpecError(f"{strand.name}: {rows} rows in a slot, {ports} ports", remedy="give it a slower pace")


def channel_time(machine: Architecture, words: Number) -> int:
    """Parts of a cycle (`CHANNEL_UNIT`) that words take on the channel of the outermost memory, rounded up."""
    memory = machine.memories[machine.outermost]
    if memory.bandwidth_bytes_per_s is None or words == 0:
        return 0
    cycles = Fraction(words) * machine.word_bytes * Fraction(machine.clock_hz) / memory.bandwidth_bytes_per_s
    return -int(-cycles * CHANNEL_UNIT // 1)


def in_flight(program: Program) -> int:
    """Epochs that are under way at one time by the plan."""
    first = min(start.at[0] for start in program.starts)
    last = max(start.planned(max(1, *(strand.units if start.in_units else strand.slots)) - 1)
               for strand, start in zip(program.strands, program.starts, strict=True))  # fmt: skip
    return (last - first) // program.interval + 1


def most_ahead(program: Program) -> int:
    """How many epochs strands may be apart: all in flight, and as many as anything waits for."""
    slots = dict.fromkeys(program.resources, 0)  # that an epoch takes at least
    for strand in program.strands:
        slots[strand.resource] += min(strand.slots) if strand.when == Flag() else 0
    waits = [-(-link.delay // max(1, slots[program.strands[link.source].resource])) for link in program.links]
    rooms = [-(-(link.room or 0) // max(1, *link.shares)) for link in program.links]
    return in_flight(program) + max(waits, default=1) + max(rooms, default=1) + LOOKAHEAD


def merged_loops(program: Program) -> int:
    """How many of the outermost loops the kernel may walk as one: every iteration of theirs is like the others.

    Their tiles are whole, all strands are inside them, no tile stays over them or comes back for them, nothing is
    carried over them, and no filter looks at them.
    """
    epochs = program.epochs
    flags = [*(s.when for s in program.strands), *(f for pool in program.pools for f in (pool.opens, pool.closes))]
    special = {p for flag in flags for p in (*flag.still, *flag.again)}
    for link in program.links:
        position = link.over
        while position is not None:  # the first iteration follows the last one of the loop around it
            special.add(position)
            position = epochs.parent(position)
    filtered = {rank for forms in program.filters for form in forms for rank, _ in form.factors}
    depths = [strand.depth for strand in program.strands] + [
        f.depth for f in flags if f.kind in {When.FIRST, When.LAST}
    ]
    count = 0
    for position, loop in enumerate(epochs.loops):
        if position in special or loop.rank in filtered or epochs.extents[position] != (loop.tile,):
            break
        count = position + 1
    return max(0, min([count, *depths]))


class _Writer:
    """Writes the parts of a program one by one."""

    def __init__(self, program: Program, machine: Architecture, timing: Timing) -> None:
        self.program, self.machine, self.timing = program, machine, timing
        self.space = _Space()
        self.ring = 2 << (most_ahead(program) + in_flight(program) - 1).bit_length()
        resources = program.resources
        self.order = tuple(
            sorted(range(len(program.strands)), key=lambda n: resources.index(program.strands[n].resource))
        )
        self.place = {number: row for row, number in enumerate(self.order)}
        both = [flag for pool in program.pools for flag in (pool.opens, pool.closes)]
        self.flags = list(dict.fromkeys([Flag(), *(s.when for s in program.strands), *both]))
        self.depths = sorted({strand.depth for strand in program.strands})
        self.levels = tuple(machine.memories)
        self.fewer = max(0, merged_loops(program) - 1)  # positions of loops after the merged ones are so much less
        self.strands_at = len(self.space.header)  # strands come first, so that their addresses are known
        if len(self.flags) > WORD_BITS or len(program.epochs.loops) > WORD_BITS:
            raise SpecError(f"{program.name}: more kinds of epochs than a word has bits")

    def strand_at(self, number: int) -> int:
        """The address of a strand by its number in the program."""
        return self.strands_at + self.place[number] * at.STRAND_SIZE

    def write(self, *, skip: bool, log: int, pictures: int) -> Lowered:
        space, header, program = self.space, self.space.header, self.program
        strands = space.room(len(program.strands) * at.STRAND_SIZE)
        assert strands == self.strands_at
        header[at.STRANDS], header[at.N_STRANDS] = strands, len(program.strands)
        self.resources()
        self.epochs()
        self.flags_and_forms()
        pools = self.pools()
        rows = [cell for row, number in enumerate(self.order) for cell in self.strand(row, number, pools)]
        self.numbers(skip=skip)
        header[at.LOG], header[at.LOG_SIZE] = space.room(log * at.LOG_ROW), log
        self.history(skip=skip, pictures=pictures)
        memory = space.memory()
        memory[strands : strands + len(rows)] = rows
        return Lowered(memory, self.order, self.levels)

    def resources(self) -> None:
        """Resources with their strands; channels, and memories."""
        space, header, names = self.space, self.space.header, self.program.resources
        of = [self.program.strands[number].resource for number in self.order]
        duplex = self.machine.memories[self.machine.outermost].duplex
        header[at.N_CHANNELS] = 2 if duplex else 1
        channels = header[at.CHANNELS] = space.room(header[at.N_CHANNELS] * at.CHANNEL_SIZE)
        rows = []
        for name in names:
            first, count = (of.index(name), of.count(name)) if name in of else (0, 0)
            row = [0] * at.RESOURCE_SIZE
            row[at.FIRST_STRAND] = self.strands_at + first * at.STRAND_SIZE
            row[at.STRANDS_END] = self.strands_at + (first + count) * at.STRAND_SIZE
            row[at.READY] = at.NEVER
            if name in {LOAD, STORE}:
                row[at.CHANNEL] = channels + (at.CHANNEL_SIZE if duplex and name == STORE else 0)
            rows.append(row)
        header[at.RESOURCES], header[at.N_RESOURCES] = space.add(rows), len(rows)
        header[at.LOADS] = header[at.RESOURCES] + names.index(LOAD) * at.RESOURCE_SIZE
        header[at.STORES] = header[at.RESOURCES] + names.index(STORE) * at.RESOURCE_SIZE
        header[at.LEVELS], header[at.N_LEVELS] = space.room(2 * len(self.levels)), len(self.levels)

    def epochs(self) -> None:
        """The epoch's loops, and the ring."""
        space, header, epochs = self.space, self.space.header, self.program.epochs
        count, classes = len(epochs.loops) - self.fewer, len(self.depths)
        radix = self.radix()
        rows = [self.loop(j, [each[j] for each in radix]) for j in range(self.fewer, len(epochs.loops))]
        header[at.LOOPS], header[at.N_LOOPS] = space.add(rows), count
        header[at.CLASSES], header[at.N_CLASSES] = space.add(self.depths), classes
        header[at.EPOCH_SIZE] = at.KINDS_HERE + classes + count
        header[at.EPOCHS] = space.room(self.ring * header[at.EPOCH_SIZE])
        for cell in (at.NOW, at.AFTER, at.PROBE):
            header[cell] = space.room(3 * count)
        header[at.STARTS] = space.room(2 * count, -1)

    def loop(self, j: int, radix: Sequence[int]) -> tuple[int, ...]:
        """A loop's record; the last of several merged ones stands for all of them."""
        space, epochs = self.space, self.program.epochs
        loop = epochs.loops[j]
        if self.fewer and j == self.fewer:
            return 1, -1, 0, prod(epochs.trips[: j + 1]), 0, space.add([1]), 1, space.add([0] * len(radix))
        parent = epochs.parent(j)
        careful = bool(self.program.filters) or any(each.rank == loop.rank for each in epochs.loops[j + 1 :])
        extents = (space.add(epochs.extents[j]), len(epochs.extents[j]), space.add(radix))
        if parent is not None and parent <= self.fewer and self.fewer:
            return loop.tile, -1, 0, epochs.loops[parent].tile, int(careful), *extents
        above = -1 if parent is None else parent - self.fewer
        return loop.tile, above, int(epochs.restarts(j)), epochs.sizes[loop.rank], int(careful), *extents

    def radix(self) -> list[list[int]]:
        """By depth, what each loop's extent counts for in a kind."""
        epochs = self.program.epochs
        rows = []
        for depth in self.depths:
            row, step = [0] * len(epochs.loops), 1
            for position in reversed(list(epochs.innermost(depth).values())):
                row[position] = step
                step *= len(epochs.extents[position])
            rows.append(row)
        return rows

    def flags_and_forms(self) -> None:
        """Flags of epochs; filters by loop: factors, and those of extents where a loop is its rank's innermost."""
        space, header, epochs = self.space, self.space.header, self.program.epochs
        fewer = self.fewer
        flags = [(int(f.kind), max(0, f.depth - fewer), _bits(f.still) >> fewer, _bits(f.again) >> fewer)
                 for f in self.flags]  # fmt: skip
        header[at.FLAGS], header[at.N_FLAGS] = space.add(flags), len(flags)
        innermost = epochs.innermost(len(epochs.loops))
        rows = []
        for group, forms in enumerate(self.program.filters):
            for form in forms:
                factors = dict(form.factors)
                beyond = [
                    f * (epochs.sizes[rank] - 1) for rank, f in factors.items() if rank not in innermost and f > 0
                ]
                row = [group, form.constant + sum(beyond)]
                for position in range(fewer, len(epochs.loops)):
                    factor = factors.get(epochs.loops[position].rank, 0)
                    last = innermost[epochs.loops[position].rank] == position
                    row += [factor, factor if factor > 0 and last else 0]
                rows.append(row)
        header[at.FORMS], header[at.N_FORMS] = space.add(rows), len(rows)

    def pools(self) -> list[int]:
        """Pools with their rings; their addresses."""
        space, header, program = self.space, self.space.header, self.program
        rows = []
        for pool in program.pools:
            ring = pool.limit + 2
            rows.append((self.flags.index(pool.opens), self.flags.index(pool.closes), pool.limit, space.add(pool.words),
                         space.room(ring, at.LONG_AGO), space.room(ring), ring,
                         header[at.LEVELS] + 2 * self.levels.index(pool.level), 0, 0))  # fmt: skip
        first = space.add(rows)
        header[at.POOLS], header[at.N_POOLS] = first, len(rows)
        return [first + n * at.POOL_SIZE for n in range(len(rows))]

    def strand(self, row: int, number: int, pools: Sequence[int]) -> list[int]:
        """A strand's record, with everything that belongs to it."""
        space, program = self.space, self.program
        strand, start = program.strands[number], program.starts[number]
        most, plan_at = max([1, *strand.units]), space.add(start.at)
        kinds: list[int] = []
        for kind, (slots, units) in enumerate(zip(strand.slots, strand.units, strict=True)):
            moved = strand.moved[kind] if strand.moved else 0
            plan = plan_at, len(start.at)
            if kind < len(start.places) and start.places[kind]:
                here = [start.planned(number, kind) for number in range(len(start.places[kind]))]
                plan = space.add(here), len(here)
            kinds += [slots, units, channel_time(self.machine, Fraction(moved) / max(1, units)), *plan]
        links = self.links(number)
        opening = [pools[n] for n, pool in enumerate(program.pools) if pool.opener == number]
        closing = [pools[n] for n, pool in enumerate(program.pools) if pool.closer == number]
        first, then = space.add(opening), space.add(closing)
        fixed = [
            self.space.header[at.RESOURCES] + program.resources.index(strand.resource) * at.RESOURCE_SIZE,
            self.depths.index(strand.depth), self.flags.index(strand.when), strand.spacing, strand.reads, strand.writes,
            space.room(self.ring * most, at.LONG_AGO), most, space.room(self.ring, at.LONG_AGO), space.add(kinds),
            plan_at, *start.pace, int(start.in_units), *links,
            first, first + len(opening), then, then + len(closing), space.room(len(strand.slots)), len(strand.slots),
        ]  # fmt: skip
        moving = [0] * (at.STRAND_SIZE - at.K)
        for cell, value in (
            (at.NEXT, at.NEVER),
            (at.LAST, at.LONG_AGO),
            (at.ENDED, at.LONG_AGO),
            (at.SETTLED, at.LONG_AGO),
        ):
            moving[cell - at.K] = value
        return fixed + moving

    def links(self, number: int) -> tuple[int, int, int]:
        """The links of a strand that waits: those of whole instances, from where on those of steps, and the end."""
        own = sorted(
            (link for link in self.program.links if link.reader == number), key=lambda each: max(each.shares) > 1
        )
        rows = []
        for link in own:
            over = -1 if link.over is None else link.over - self.fewer
            rows.append((self.strand_at(link.source), self.space.add(link.shares), link.delay, link.travel,
                         int(link.cause), link.back, over, link.room or 0))  # fmt: skip
        first = self.space.add(rows)
        whole = sum(max(link.shares) <= 1 for link in own)
        return first, first + whole * at.LINK_SIZE, first + len(rows) * at.LINK_SIZE

    def numbers(self, *, skip: bool) -> None:
        """Single numbers of the header."""
        program, machine, header = self.program, self.machine, self.space.header
        memories = list(machine.memories)
        buffer = machine.memories[memories[-1]]
        ports = [buffer.read_ports, buffer.write_ports] if self.timing.memory and len(memories) > 1 else [None, None]
        whole = [n for n, s in enumerate(program.strands) if s.computes and s.depth == len(program.epochs.loops)]
        response = self.timing.response(machine, machine.outermost)
        delay = max([1, *(link.delay for link in program.links)])
        spacing = max(strand.spacing for strand in program.strands)
        header[at.AHEAD], header[at.REACHED] = most_ahead(program), self.space.room(self.ring, at.LONG_AGO)
        header[at.INTERVAL], header[at.MASK], header[at.HALF] = program.interval, self.ring - 1, self.ring // 2
        header[at.CHANNEL_UNIT], header[at.RESPONSE], header[at.PORT_CYCLE] = CHANNEL_UNIT, response, -1
        header[at.READ_PORTS], header[at.WRITE_PORTS] = (-1 if port is None else port for port in ports)
        header[at.REFERENCE] = self.strand_at(min(whole, key=lambda n: program.starts[n].at[0], default=0))
        header[at.SKIPS], header[at.FAR] = (
            int(skip and bool(program.epochs.loops)),
            4 * (delay + spacing) + 2 * response + 64,
        )

    def history(self, *, skip: bool, pictures: int) -> None:
        """Room for pictures of the state."""
        space, header, program = self.space, self.space.header, self.program
        units = sum(max([1, *strand.units]) for strand in program.strands)
        pools = sum(2 * (pool.limit + 2) + 1 for pool in program.pools)
        length = (
            5 * len(program.strands)
            + 3 * len(program.resources)
            + 2
            + header[at.AHEAD]
            + header[at.N_CHANNELS]
            + header[at.N_LOOPS]
            + pools
        )
        length += self.ring * (header[at.EPOCH_SIZE] + len(program.strands) + units)
        widest = max([1, *(max([1, *strand.units]) for strand in program.strands)])
        header[at.PICTURE] = space.room(length)
        header[at.SPARE] = space.room(max(self.ring * max(widest, header[at.EPOCH_SIZE]), pools))
        kept = (
            len(program.resources) * (3 + at.CAUSES) + sum(len(s.slots) for s in program.strands) + len(program.pools)
        )
        header[at.SNAPSHOT_SIZE] = at.S_COUNTERS + kept + length
        header[at.SNAPSHOTS] = int(np.clip(pictures // header[at.SNAPSHOT_SIZE], 2, CHANNEL_UNIT)) if skip else 0
        loops = header[at.N_LOOPS]
        header[at.HISTORY] = space.room(loops * (1 + header[at.SNAPSHOTS] * header[at.SNAPSHOT_SIZE]) if skip else 0)


def _bits(positions: Sequence[int]) -> int:
    return sum(1 << position for position in positions)
