"""The order in which resources issue: a modulo plan where tiles interleave, or the mapping's phases one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Final, Protocol

from einsim.errors import Location, SpecError
from einsim.schedule.nest import Schedule, Shortfall
from einsim.schedule.pipeline.bounds import recurrence_bound, resource_bound
from einsim.schedule.pipeline.links import Linker
from einsim.schedule.pipeline.modulo import Plan, make_plan
from einsim.schedule.pipeline.phases import Phased
from einsim.schedule.pipeline.places import placed
from einsim.schedule.pipeline.plan import MOST_SLOTS, Cycles, Job, Need
from einsim.schedule.pipeline.program import STORE, Held, Link, Pool, Start
from einsim.schedule.pipeline.rooms import Handed, Rooms
from einsim.schedule.pipeline.stated import stated_plan
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.configuration import Design
from einsim.spec.expressions import ceil_div

LISTED: Final = 1 << 26
"""Slots of a strand in one epoch that a software pipeline plans one by one, at most: half a gigabyte."""


class Slotted(Protocol):
    """Slots of the repeated strands at some cycles of an interval."""

    @property
    def interval(self) -> int:
        """Cycles from epoch to epoch."""

    @property
    def at(self) -> tuple[Cycles, ...]:
        """The cycle of every slot, strand by strand."""


@dataclass(frozen=True, slots=True)
class Order:
    """When slots are planned, the links that this adds, and the room that it takes."""

    interval: int
    starts: tuple[Start, ...]
    links: tuple[Link, ...]
    pools: tuple[Pool, ...]
    held: tuple[Held, ...]
    shortfalls: list[Shortfall]
    resource_bound: int
    recurrence_bound: int


@dataclass(frozen=True, slots=True)
class Ordering:
    """What an order is made from."""

    design: Design
    schedule: Schedule
    timing: Timing
    linker: Linker
    links: tuple[Link, ...]
    rooms: Rooms

    @property
    def repeated(self) -> list[int]:
        """Strands that compute in every epoch."""
        return [n for n, s in enumerate(self.linker.strands) if s.computes and self.linker.full(s.einsum)]

    @property
    def names(self) -> list[str]:
        """The Einsums of the repeated strands."""
        return [self.linker.strands[n].einsum for n in self.repeated]

    @property
    def repeated_jobs(self) -> list[Job]:
        """The repeated strands as jobs."""
        every = self.jobs()
        return [every[n] for n in self.repeated]

    def make(self) -> Order:
        """The order of a group's strands."""
        in_phases = self.design.mapping.timing == "phases" and not self.schedule.per_phase_memory
        stated = None if in_phases else stated_plan(self.design, self.names, self.repeated_jobs, self.needs())
        plan = self.phased() if in_phases else stated or self.interleaved()
        jobs, slots = self.jobs(), dict(zip(self.repeated, plan.at, strict=True))
        held = self.rooms.held(jobs, slots, plan.interval)
        limits = self.rooms.limits(jobs, slots, plan.interval)
        extra: tuple[Link, ...] = ()
        if in_phases:
            phased = Phased(self.design, self.schedule, self.timing, self.linker, self.links)
            extra = phased.barriers()
            held, limits = self.roomy(held, limits, phased.place())
        starts = self.starts(jobs, slots, extra, plan.interval)
        return Order(
            plan.interval, tuple(starts), (*limits, *extra), tuple(self.rooms.pools(held)), tuple(held),
            self.rooms.shortfalls(held), *self.bounds(),
        )  # fmt: skip

    def bounds(self) -> tuple[int, int]:
        """The least intervals that the busiest array and iterations allow, in whole tiles and however it is planned.

        Of what the machine waits for, and of nothing that only plans keep: iterations are as far apart as they may be.
        """
        number = {strand: n for n, strand in enumerate(self.repeated)}
        strands = [self.linker.strands[n] for n in self.repeated]
        jobs = [Job(s.resource, max(1, *s.slots), max(1, *s.units), s.spacing) for s in strands]
        needs = list(self.at_the_edge(number))
        for link in self.links:
            if link.source in number and link.reader in number and link.room is None:
                distance = link.back if link.over is None else self.epochs_between(link.over)
                needs.append(Need(number[link.source], number[link.reader], max(link.shares), link.delay, distance))
        lengths = [1]
        for link in self.links:  # steps that cross the edge of the array one by one
            if link.source == link.reader and link.room == 1 and link.source in number:
                job, steps = jobs[number[link.source]], max(link.shares)
                lengths.append((job.slots - steps) * job.spacing + (steps - 1) * link.delay + 1)
        return max(resource_bound(jobs), *lengths), recurrence_bound(jobs, needs)

    def jobs(self) -> list[Job]:
        """Every strand as a job; those that do not compute in every epoch take no slots of the plan."""
        return [
            Job(s.resource, max(1, *s.slots), max(1, *s.units), max(s.spacing, self.edge(n)))
            for n, s in enumerate(self.linker.strands)
        ]

    def edge(self, number: int) -> int:
        """Cycles from slot to slot that keep the steps of a strand as far apart as the array's edge needs them."""
        found, strand = 1, self.linker.strands[number]
        for link in self.links:
            if link.source == link.reader == number and link.room == 1 and max(link.shares) > 1:
                slots = max(1, max(strand.slots) // max(link.shares))
                found = max(found, ceil_div(link.delay + (slots - 1) * strand.spacing, slots))
        return found

    def needs(self) -> list[Need]:
        """Links between repeated strands, numbered among them."""
        number = {strand: n for n, strand in enumerate(self.repeated)}
        found = list(self.at_the_edge(number))
        for link in (*self.links, *self.linker.detours(self.rooms.moves)):
            if link.source in number and link.reader in number and link.room is None:
                distance = link.back if link.over is None else self.distance(link.over)
                found.append(Need(number[link.source], number[link.reader], max(link.shares), link.delay, distance))
                if link.over is not None and distance > 1:
                    # Partial tiles of outer loops, and other sizes of a run, may leave one epoch between iterations: a
                    # plan runs then if the reader is later than what it waits for; that it waits costs time only there.
                    found.append(Need(number[link.source], number[link.reader], max(link.shares), 1, 1))
        return found + self.undisturbed(number)

    def at_the_edge(self, number: dict[int, int]) -> Iterator[Need]:
        """Tiles that cross the edge of the array wait for those of the epoch before."""
        for link in self.links:
            if link.source == link.reader and link.room == 1 and max(link.shares) == 1 and link.source in number:
                yield Need(number[link.source], number[link.reader], 1, link.delay, 1)

    def undisturbed(self, number: dict[int, int]) -> list[Need]:
        """What strands outside of the epoch's loops read is all there before any of it is overwritten."""
        found = []
        for outside in range(len(self.linker.strands)):
            before = [link.source for link in self.links if link.reader == outside and link.source in number]
            after = [link.reader for link in self.links
                     if link.source == outside and link.back == 1 and link.reader in number]  # fmt: skip
            found += [Need(number[one], number[other], 1, 2, 1) for one in before for other in after]
        return list(dict.fromkeys(found))

    def distance(self, loop: int) -> int:
        """Epochs from one iteration of a loop to the next, in whole tiles; where some are left out, at least."""
        return 1 if self.filtered else self.epochs_between(loop)

    def epochs_between(self, loop: int) -> int:
        """Epochs from one iteration of a loop to the next, at most."""
        return prod(self.linker.group.epochs.trips[loop + 1 :])

    @property
    def filtered(self) -> bool:
        """Whether some epochs may be left out."""
        return any(einsum.when is not None for einsum in self.design.cascade.einsums)

    def interleaved(self) -> Plan:
        """A software pipeline over the repeated strands. Raises SpecError where slots are too many to be listed."""
        jobs, needs = self.repeated_jobs, self.needs()
        for name, job in zip(self.names, jobs, strict=True):
            if job.slots > LISTED:
                raise SpecError(
                    f"{name} takes {job.slots:,} slots in one epoch, and a plan lists {LISTED:,} at most",
                    at=Location(self.design.mapping_document.source), remedy="give it smaller tiles",
                )  # fmt: skip
        return make_plan(jobs, needs, self.cost, self.fits) or make_plan(jobs, needs, self.cost, lambda _: True) or (
            self.unplanned()
        )  # fmt: skip

    def held(self, plan: Slotted) -> list[Held]:
        """What a plan of the repeated strands holds at one time."""
        return self.rooms.held(self.jobs(), dict(zip(self.repeated, plan.at, strict=True)), plan.interval)

    def cost(self, plan: Slotted) -> int:
        """Words of registers that a plan takes, in an element of each array."""
        return sum(self.rooms.registers(self.held(plan)).values())

    def fits(self, plan: Slotted) -> bool:
        """Whether what a plan holds has room."""
        held = self.held(plan)
        return not self.rooms.shortfalls(held) and self.rooms.fits_memories(held)

    def unplanned(self) -> Plan:
        """There is no plan."""
        raise SpecError(
            f"no order of {', '.join(self.linker.index)} keeps what they need of each other",
            at=self.design.mapping_document.locate(("phases",)),
            remedy="state the order: timing: phases",
        )

    def phased(self) -> Plan:
        """The mapping's phases, one after the other."""
        phased = Phased(self.design, self.schedule, self.timing, self.linker, self.links)
        return phased.plan(self.repeated_jobs, self.repeated)

    def roomy(self, held: list[Held], limits: list[Link], place: dict[int, int]) -> tuple[list[Held], list[Link]]:
        """Steps passed on within a phase: as many as the plan has there at one time and registers have room for.

        Those on their way between arrays are in neither's registers, so that makers may be so many steps ahead.
        """
        machine = self.design.architecture
        for number, (each, link) in enumerate(zip(held, limits, strict=False)):
            if each.level not in machine.registers or max(link.shares) == 1 or place[link.source] != place[link.reader]:
                continue
            held[number] = replace(each, copies=max(1, each.copies, link.room or 1))
            depth = machine.arrays[machine.registers[each.level]].registers.depth_words
            over = self.rooms.registers(held)[each.level] - depth
            copies = max(1, held[number].copies - max(0, -(-over // each.words)))
            held[number] = replace(each, copies=copies)
            limits[number] = replace(link, room=copies + self.under_way(self.rooms.handed[number]))
        return held, limits

    def under_way(self, handed: Handed) -> int:
        """Steps that are on their way between arrays when they follow each other as fast as their maker makes them."""
        job = self.jobs()[handed.source]
        return -(-(handed.arrives + handed.leaves) // (max(1, job.slots // max(handed.steps)) * job.spacing))

    def starts(
        self, jobs: Sequence[Job], slots: dict[int, Cycles], barriers: tuple[Link, ...], interval: int
    ) -> list[Start]:
        """Planned slots of all strands: others stand beside those that they serve, in their phase."""
        large = max(interval, sum(map(len, slots.values()))) > MOST_SLOTS
        found: dict[int, Start] = {n: _start(at, jobs[n], in_units=large) for n, at in slots.items()}
        last = {n: int(at[-1]) for n, at in slots.items()}
        for number, strand in enumerate(self.linker.strands):
            if number not in found and strand.computes:
                found[number] = Start((self.outside(number, found, last, barriers, interval),), in_units=True)
                last[number] = found[number].at[0]
        for number in range(len(self.linker.strands)):
            if number not in found:
                found[number] = self.beside(number, found, last)
        return [self.in_parts(number, found[number]) for number in range(len(self.linker.strands))]

    def in_parts(self, number: int, start: Start) -> Start:
        """A start with the places of partial tiles; of transfers by units, those of the Einsum that they serve."""
        if len(start.at) == 1 and start.pace[0] == 0:
            return start  # all at one time
        linker, name = self.linker, self.linker.strands[number].einsum
        body, owner = linker.group.body(name), linker.strands[linker.index[name]]
        return placed(start, owner, body, linker.running[name], linker.group.epochs)

    def outside(
        self, number: int, found: dict[int, Start], last: dict[int, int], barriers: tuple[Link, ...], interval: int
    ) -> int:
        """When a strand outside of the epoch's loops is planned: all of it after what it needs, at one time."""
        links = [link for link in self.links if link.room is None and link.back == 0]
        after = [last[link.source] + 1 for link in links if link.reader == number and link.source in last]
        if barriers:  # within its phase, by the strands' order after what is planned for the same cycle
            after = [last[link.source] + int(link.source > number) - link.back * interval
                     for link in (*links, *barriers) if link.reader == number and link.source in last]  # fmt: skip
        before = [found[link.reader].at[0] - 1 for link in links if link.source == number and link.reader in found]
        return max(after) if after else min(before, default=0)

    def beside(self, number: int, found: dict[int, Start], last: dict[int, int]) -> Start:
        """When a transfer is planned: with the first slots of units that it is for, or the last of those it is of."""
        strand = self.linker.strands[number]
        owner = self.linker.index[strand.einsum]
        start = found[owner]
        units, slots = max(strand.units), max(1, *self.linker.strands[owner].slots)
        if units == 1:
            takers = next((load.takers for load in self.rooms.shared if load.transfer == number), (owner,))
            first = min(found[taker].at[0] for taker in takers)
            return Start((last[owner] if strand.resource == STORE else first,), in_units=True)
        if start.in_units:
            return start
        if strand.resource == STORE:
            last_slots = (ceil_div((unit + 1) * slots, units) - 1 for unit in range(units))
            return Start(tuple(start.at[slot] for slot in last_slots), in_units=True)
        return Start(tuple(start.at[ceil_div(unit * slots, units)] for unit in range(units)), in_units=True)


def _start(at: Cycles, job: Job, *, in_units: bool) -> Start:
    if not in_units:
        return Start(tuple(int(each) for each in at))
    if job.units == 1:
        return Start((int(at[0]),), in_units=True)
    return Start((int(at[0]),), (int(at[-(-job.slots // job.units)] - at[0]), 1), in_units=True)
