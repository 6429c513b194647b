"""Sections of a run: Einsums that run together, and how often.

A fusion group is one, or a phase where phases are kernels. Parts of a group follow each other inside the outer loops
that all of them share: each part is then a section that runs once for every block of these loops; the last block of a
loop may be a partial one, and is a section of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from einsim.schedule.flow import Flow
from einsim.schedule.liveness import Liveness
from einsim.schedule.nest import Loop, Schedule


@dataclass(frozen=True, slots=True)
class Section:
    """Einsums that run together over some `sizes` of ranks, `times` times, inside so many loops `outside` of them."""

    names: tuple[str, ...]
    sizes: dict[str, int]
    outside: int = 0
    times: int = 1

    @property
    def name(self) -> str:
        """What it is called: its first Einsum and its last."""
        first, last = self.names[0], self.names[-1]
        return first if first == last else f"{first}..{last}"


def groups_of(schedule: Schedule, flow: Flow) -> list[tuple[str, ...]]:
    """Einsums whose tiles share memories at one time: phases that are kernels, or else fusion groups."""
    if schedule.per_phase_memory:
        phases = (tuple(name for _, names in phase.run for name in names) for phase in schedule.phases)
        return [names for names in phases if names]
    groups: dict[int, list[str]] = {}
    for einsum in schedule.einsums:
        groups.setdefault(flow.groups[einsum.name], []).append(einsum.name)
    return [tuple(names) for names in groups.values()]


def sections_of(schedule: Schedule, flow: Flow, live: Liveness | None) -> Iterator[Section]:
    """The sections of a run, in order; parts of a group block size by block size."""
    sizes = {rank: int(size) for rank, size in schedule.sizes.items()}
    for names in groups_of(schedule, flow):
        if live is None or schedule.per_phase_memory or names[0] not in flow.parts:
            yield Section(names, sizes)
            continue
        outer = _outer(schedule, live, names[0])
        for times, block in _blocks(outer, sizes):
            for part in dict.fromkeys(flow.parts[name] for name in names):
                own = tuple(name for name in names if flow.parts[name] == part)
                yield Section(own, block, len(outer), times)


def _outer(schedule: Schedule, live: Liveness, name: str) -> list[Loop]:
    """The loops that all parts of an Einsum's group share, outermost first."""
    ((_, single),) = list(live.divisions())
    sharing = live.shape.sharing(single)
    einsum = next(each for each in schedule.einsums if each.name == name)
    shared = [loop for loop in einsum.temporal if loop.level != einsum.registers]
    return [shared[place] for place in sharing.running[name][: sharing.common[name]]]


def _blocks(loops: Sequence[Loop], sizes: dict[str, int]) -> Iterator[tuple[int, dict[str, int]]]:
    """The sizes of the blocks of some loops, and how many there are of each: whole ones, then partial ones."""
    if not loops:
        yield 1, sizes
        return
    first, *inner = loops
    size, tile = sizes[first.rank], int(first.tile)
    for times, block in ((size // tile, tile), (1, size % tile)):
        if times and block:
            for more, found in _blocks(inner, {**sizes, first.rank: block}):
                yield times * more, found
