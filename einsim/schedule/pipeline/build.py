"""Programs from schedules: one for each fusion group, or for each kernel where kernels follow one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from einsim.cascade import operations
from einsim.schedule.environment import environment
from einsim.schedule.flow import Flow, flow_of
from einsim.schedule.liveness import Liveness
from einsim.schedule.nest import EinsumSchedule, Loop, Schedule, Shortfall
from einsim.schedule.pipeline.check import check_order
from einsim.schedule.pipeline.filters import Filters, filters_of
from einsim.schedule.pipeline.links import Linker
from einsim.schedule.pipeline.order import Ordering
from einsim.schedule.pipeline.program import LOAD, STORE, Program, Strand
from einsim.schedule.pipeline.rooms import Rooms
from einsim.schedule.pipeline.routes import reduced_along
from einsim.schedule.pipeline.sections import Section, sections_of
from einsim.schedule.pipeline.strands import Group, Paths, cut_into_epochs, strand_of
from einsim.schedule.pipeline.timing import Timing, parts
from einsim.schedule.pipeline.transfers import Transfer, transfers_of, with_ports
from einsim.spec.configuration import Design

NO_FLOW = Flow((), (), {}, {}, frozenset(), (), (), (), ())


@dataclass(frozen=True, slots=True)
class Built:
    """The programs of a design, one after the other, and why it does not fit where it does not.

    `timing` is what they were built with, and are to be simulated with.
    """

    programs: tuple[Program, ...]
    shortfalls: tuple[Shortfall, ...]
    timing: Timing


@dataclass(frozen=True, slots=True)
class Assembly:
    """A program with what it was made from: `running` loops of each Einsum, `moves` are its transfers by strand."""

    program: Program
    shortfalls: tuple[Shortfall, ...]
    group: Group
    running: dict[str, tuple[Loop, ...]]
    moves: tuple[tuple[int, Transfer], ...]


class _Sources(NamedTuple):
    design: Design
    schedule: Schedule
    flow: Flow
    live: Liveness | None
    timing: Timing


def build(design: Design, schedule: Schedule, timing: Timing, *, mapped: bool = True) -> Built:
    """The programs of a schedule; `mapped` where it follows the design's mapping file (else every Einsum is alone).

    Raises SpecError where the order that a mapping's phases state cannot be kept.
    """
    made = list(assemble(design, schedule, timing, mapped=mapped))
    shortfalls = tuple(short for each in made for short in each.shortfalls)
    return Built(tuple(each.program for each in made), shortfalls, reduced_timing(design, schedule, timing))


def reduced_timing(design: Design, schedule: Schedule, timing: Timing) -> Timing:
    """The timing with hops as slow as what the schedule's arrays add up along their axes with."""
    return timing.with_reductions(design.architecture, _reducing(design, schedule, timing))


def assemble(design: Design, schedule: Schedule, timing: Timing, *, mapped: bool = True) -> Iterator[Assembly]:
    """The programs of `build`, each with its parts."""
    flow = flow_of(design) if mapped else NO_FLOW
    live = _liveness(design, schedule) if mapped else None
    sources = _Sources(design, schedule, flow, live, reduced_timing(design, schedule, timing))
    for section in sections_of(schedule, flow, live):
        yield _assembly(sources, section)


def _reducing(design: Design, schedule: Schedule, timing: Timing) -> dict[str, int]:
    """The latency of the slowest operation that each 2D array adds up along an axis with."""
    found: dict[str, int] = {}
    for einsum in schedule.einsums:
        array = design.architecture.arrays[einsum.array]
        work = operations(design.cascade.einsum(einsum.name))
        if array.is_grid and work and reduced_along(einsum):
            latency = max(timing.result(array.operations[part]) for part in parts(array, work[-1]))
            found[einsum.array] = max(found.get(einsum.array, 0), latency)
    return found


def orderings(design: Design, schedule: Schedule, timing: Timing) -> Iterator[Ordering]:
    """What the plan of each program of a mapped design is made from, before there is one."""
    flow = flow_of(design)
    live = _liveness(design, schedule)
    sources = _Sources(design, schedule, flow, live, reduced_timing(design, schedule, timing))
    for section in sections_of(schedule, flow, live):
        yield _ordering(sources, section)


def _liveness(design: Design, schedule: Schedule) -> Liveness:
    return Liveness(design, {einsum.name: einsum for einsum in schedule.einsums}, environment(design, {}))


def _ordering(sources: _Sources, section: Section) -> Ordering:
    """The strands and links of a section, and the room that it has."""
    design, schedule, timing = sources.design, sources.schedule, sources.timing
    einsums = [einsum for einsum in schedule.einsums if einsum.name in section.names]
    paths = _paths(sources, einsums, section)
    group = cut_into_epochs(einsums, paths, section.sizes, design.architecture.outermost)
    computing = []
    for body in group.bodies:
        whole = design.cascade.einsum(body.einsum.name)
        strand = strand_of(design, whole, body, paths.running[body.einsum.name], group.epochs, timing)
        computing.append(with_ports(group.epochs, body, strand, design.architecture, timing))
    moves = _transfers(sources, group, computing)
    strands = (*computing, *(transfer.strand for transfer in moves))
    index = {strand.einsum: number for number, strand in enumerate(computing)}
    linker = Linker(design.cascade, design.architecture, timing, group, paths.running, strands, index)
    numbered = list(enumerate(moves, start=len(computing)))
    links = [
        *linker.values(sources.flow),
        *linker.edges_of_array(),
        *linker.moves(sources.flow, numbered),
        *linker.outside(sources.flow),
    ]
    rooms = Rooms(design, timing, linker, sources.flow, sources.live, numbered)
    return Ordering(design, schedule, timing, linker, tuple(dict.fromkeys(links)), rooms)


def _assembly(sources: _Sources, section: Section) -> Assembly:
    ordering = _ordering(sources, section)
    linker, rooms = ordering.linker, ordering.rooms
    group, strands = linker.group, linker.strands
    order = ordering.make()
    program = Program(
        name=section.name,
        times=section.times,
        epochs=group.epochs,
        strands=strands,
        links=(*ordering.links, *order.links),
        pools=order.pools,
        fixed=rooms.fixed,
        interval=order.interval,
        starts=order.starts,
        held=order.held,
        registers=rooms.registers(order.held),
        resources=(*sources.design.architecture.arrays, LOAD, STORE),
        filters=_filters(sources, section, [b.einsum for b in group.bodies if linker.full(b.einsum.name)]),
        resource_bound=order.resource_bound,
        recurrence_bound=order.recurrence_bound,
    )
    check_order(program)
    return Assembly(program, tuple(order.shortfalls), group, linker.running, tuple(rooms.moves))


def _filters(sources: _Sources, section: Section, einsums: Sequence[EinsumSchedule]) -> Filters:
    """What leaves out tiles: filters of Einsums that are in all loops of the epoch anyway.

    None in a section that stands for several blocks: which tiles are empty differs from block to block.
    """
    if section.outside:
        return ()
    design = sources.design
    whole = [design.cascade.einsum(einsum.name) for einsum in einsums]
    if not any(einsum.when is not None for einsum in whole):
        return ()
    env = environment(design, {}) if sources.live else dict(design.workload.sizes)
    sizes = {name: int(value) for name, value in env.items() if isinstance(value, int)}
    return filters_of(design.cascade, whole, sizes)


def _transfers(sources: _Sources, group: Group, computing: Sequence[Strand]) -> list[Transfer]:
    memories = list(sources.design.architecture.memories)
    found: list[Transfer] = []
    for body, strand in zip(group.bodies, computing, strict=True):
        found += transfers_of(group.epochs, body, strand, memories, sources.schedule.spills)
    return found


def _paths(sources: _Sources, einsums: Sequence[EinsumSchedule], section: Section) -> Paths:
    """Where Einsums stand among the loops of their section."""
    if sources.live is None:
        return _alone(einsums, sources.schedule)
    live = sources.live
    ((_, single),) = list(live.divisions())
    turns = live.shape.sharing(single).turns
    running: dict[str, tuple[Loop, ...]] = {}
    for einsum in einsums:
        shared = [loop for loop in einsum.temporal if loop.level != einsum.registers]
        chains = live.shape.chains_of(einsum.name)
        more = [loop for loop, chain in zip(shared, chains, strict=True) if chain not in single]
        running[einsum.name] = tuple(more[section.outside :])
    return Paths({einsum.name: turns.paths[einsum.name][1 + section.outside :] for einsum in einsums}, running)


def _alone(einsums: Sequence[EinsumSchedule], schedule: Schedule) -> Paths:
    """The loops of Einsums that share none."""
    running = {}
    for einsum in einsums:
        left = dict(schedule.sizes)
        found = []
        for loop in einsum.temporal:
            if left[loop.rank] > loop.tile:
                found.append(loop)
            left[loop.rank] = min(left[loop.rank], loop.tile)
        running[einsum.name] = tuple(found)
    return Paths({name: tuple(range(len(loops) + 1)) for name, loops in running.items()}, running)
