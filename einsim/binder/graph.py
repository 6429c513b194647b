"""The tile graph: what one epoch does in its steady state, and what of it must fit where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from einsim.schedule.pipeline.order import Ordering
from einsim.schedule.pipeline.plan import Cycles, Job, Need, overlap
from einsim.schedule.pipeline.rooms import Handed
from einsim.schedule.pipeline.stated import contradiction


@dataclass(frozen=True, slots=True)
class Keep:
    """Words that a level keeps from one Einsum's step to another's, as `rooms.Handed` has it, by number of job.

    `free`: the mapping takes their room for granted.
    """

    level: str
    tensor: str
    source: int
    reader: int
    steps: int
    words: int
    arrives: int
    leaves: int
    free: bool


@dataclass(frozen=True, slots=True)
class Ports:
    """Rows of a memory that the jobs' slots take in their cycle, and how many it has."""

    limit: int
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TileGraph:
    """Jobs (an Einsum's instance each) with what they need of each other and keep for each other.

    `registers` are words of each register file, less those to work with; `memories` words of each memory for tiles
    that are in flight and words of what streams besides. `phases` is the place of each job among the mapping's
    phases, `stalls` the cycles before each phase.
    """

    names: tuple[str, ...]
    jobs: tuple[Job, ...]
    needs: tuple[Need, ...]
    keeps: tuple[Keep, ...] = ()
    registers: tuple[tuple[str, int], ...] = ()
    memories: tuple[tuple[str, int, int], ...] = ()
    ports: tuple[Ports, ...] = ()
    phases: tuple[int, ...] = ()
    stalls: tuple[int, ...] = ()

    @property
    def used(self) -> dict[str, int]:
        """Slots of an epoch on each array."""
        found: dict[str, int] = {}
        for job in self.jobs:
            found[job.resource] = found.get(job.resource, 0) + job.slots
        return found

    def contradicts(self, at: Sequence[Cycles], interval: int) -> str | None:
        """What is wrong with slots at some cycles, if anything is."""
        return contradiction(self.names, self.jobs, self.needs, at, interval)


def graph_of(ordering: Ordering) -> TileGraph:
    """The tile graph of a fusion group."""
    rooms, machine = ordering.rooms, ordering.design.architecture
    number = {strand: n for n, strand in enumerate(ordering.repeated)}
    strands = [ordering.linker.strands[n] for n in ordering.repeated]
    buffer = machine.memories[list(machine.memories)[-1]] if len(machine.memories) > 1 else None
    ports = []
    if buffer is not None and ordering.timing.memory:
        for limit, rows in ((buffer.read_ports, [s.reads for s in strands]),
                            (buffer.write_ports, [s.writes for s in strands])):  # fmt: skip
            busiest: dict[str, int] = {}
            for strand, each in zip(strands, rows, strict=True):
                busiest[strand.resource] = max(busiest.get(strand.resource, 0), each)
            if limit is not None and sum(busiest.values()) > limit:
                ports.append(Ports(limit, tuple(rows)))
    empty = rooms.pools([])
    streams = {level: sum(pool.least * max(pool.words) for pool in empty if pool.level == level)
               for level in rooms.memories}  # fmt: skip
    return TileGraph(
        names=tuple(ordering.names),
        jobs=tuple(ordering.repeated_jobs),
        needs=tuple(dict.fromkeys(ordering.needs())),
        keeps=tuple(_keep(ordering, each, number) for each in rooms.handed),
        registers=tuple((level, machine.arrays[array].registers.depth_words - rooms.scratch(level))
                        for level, array in machine.registers.items()),
        memories=tuple((level, rooms.capacity(level), streams[level]) for level in rooms.memories),
        ports=tuple(ports),
        **_phases(ordering),
    )  # fmt: skip


def _keep(ordering: Ordering, each: Handed, number: dict[int, int]) -> Keep:
    stay = each.stay
    free = stay.level in ordering.design.mapping.assumed.get(stay.touch.stored, ())
    return Keep(stay.level, stay.touch.stored, number[each.source], number[each.reader], each.steps[0], each.words,
                each.arrives, each.leaves, free)  # fmt: skip


def _phases(ordering: Ordering) -> dict[str, tuple[int, ...]]:
    """The phase of each job, and the stall before each phase (as the mapping states it)."""
    place: dict[str, int] = {}
    stalls: list[int] = []
    stall = 0
    for phase in ordering.schedule.phases:
        if phase.stall_each is not None:
            stall += int(phase.stall_cycles) if ordering.timing.stalls else 0
            continue
        place |= {name: len(stalls) for _, names in phase.run for name in names}
        stalls.append(stall)
        stall = 0
    return {"phases": tuple(place[name] for name in ordering.names), "stalls": tuple(stalls)}


def words_of(graph: TileGraph, at: Sequence[Cycles], interval: int) -> int:
    """Words of registers that slots at some cycles keep at most at one time, each tensor once."""
    return sum(kept(graph, at, interval).values())


def kept(graph: TileGraph, at: Sequence[Cycles], interval: int) -> dict[tuple[str, str], int]:
    """The same, by register level and tensor."""
    most: dict[tuple[str, str], int] = {}
    levels = {level for level, _ in graph.registers}
    for keep in graph.keeps:
        if keep.level in levels and not keep.free:
            first, last = spans(graph, keep, at)
            copies = overlap(first, last, interval)
            most[keep.level, keep.tensor] = max(most.get((keep.level, keep.tensor), 0), copies * keep.words)
    return most


def spans(graph: TileGraph, keep: Keep, at: Sequence[Cycles]) -> tuple[Cycles, Cycles]:
    """From when to when each step of what is kept is there."""
    source, reader = graph.jobs[keep.source], graph.jobs[keep.reader]
    steps = range(keep.steps)
    if keep.arrives:
        first = [at[keep.source][source.last(s, keep.steps)] + keep.arrives for s in steps]
    else:
        first = [at[keep.source][min(source.first(s, keep.steps), source.slots - 1)] for s in steps]
    last = [at[keep.reader][reader.last(s, keep.steps)] - keep.leaves for s in steps]
    return np.array(first, np.int64), np.array(last, np.int64)
