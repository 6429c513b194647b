"""What has to be counted of a schedule, as structure without sizes: loops, and queries about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from einsim.schedule.nest import AccessPlan, EinsumSchedule, Loop
from einsim.spec.expressions import Number

TEMPORAL: Final = 0
SPATIAL: Final = 1
WITHIN: Final = 2
"""Where a loop runs: over time, over processing elements, within one of them."""


class Sight(IntEnum):
    """How a tensor sees a rank: not at all, word by word, or one word a grain."""

    ABSENT = 0
    FULL = 1
    COARSE = 2


class LoopRef(NamedTuple):
    """A loop: the number of its rank and of its tile size, where it runs, and whether inside a grain."""

    rank: int
    slot: int
    kind: int
    inner: bool

    @property
    def in_time(self) -> bool:
        """Whether tiles change with it: loops in space and within a processing element do not count."""
        return self.kind == TEMPORAL


class Query(NamedTuple):
    """The tiles of one tensor at one level: the loops above the level, and how the tensor sees each rank.

    `at_pe` queries are about register files: their loops end with those laid out in space.
    """

    loops: tuple[LoopRef, ...]
    at_pe: bool
    sights: tuple[Sight, ...]

    def relevant(self, loop: LoopRef) -> bool:
        """Whether a loop in time changes the tensor's tile."""
        sight = self.sights[loop.rank]
        return loop.in_time and (sight is Sight.FULL or (sight is Sight.COARSE and not loop.inner))


@dataclass(frozen=True, slots=True)
class EinsumQueries:
    """The queries of one Einsum: one a level of each access, and one for the elements that it uses."""

    accesses: tuple[tuple[int, ...], ...]
    elements: int


@dataclass(slots=True)
class Structure:
    """All queries of a schedule, each once; tile sizes are kept apart, in `tiles` by slot number."""

    ranks: list[str]
    slots: list[tuple[str, str]] = field(default_factory=list)
    tiles: list[Number] = field(default_factory=list)
    nests: list[tuple[LoopRef, ...]] = field(default_factory=list)
    queries: dict[Query, int] = field(default_factory=dict)
    _numbers: dict[tuple[str, str | int], int] = field(default_factory=dict)

    def add(self, einsum: EinsumSchedule, memories: list[str]) -> EinsumQueries:
        """Adds an Einsum's nest and queries."""
        nest = tuple(self._reference(einsum, position) for position in range(len(einsum.loops)))
        self.nests.append(nest)
        shared = [loop for loop in einsum.temporal if loop.level != einsum.registers]
        at_pe = nest[: len(shared) + len(einsum.spatial)]

        def number(access: AccessPlan, level: str) -> int:
            if level == einsum.registers:
                return self._query(at_pe, True, access)
            outer = memories[: memories.index(level)] if level in memories else memories
            return self._query(nest[: sum(loop.level in outer for loop in shared)], False, access)

        nothing = AccessPlan("", "", False, (), ())
        accesses = tuple(tuple(number(access, level) for level in access.path) for access in einsum.accesses)
        return EinsumQueries(accesses, self._query(at_pe, True, nothing))

    def _reference(self, einsum: EinsumSchedule, position: int) -> LoopRef:
        loop = einsum.loops[position]
        kind = SPATIAL if loop.axis else WITHIN if loop.level == einsum.registers else TEMPORAL
        return LoopRef(self.ranks.index(loop.rank), self._slot(loop), kind, loop.inner)

    def _slot(self, loop: Loop) -> int:
        """The slot of a loop's tile; loops over one rank that have one array for tile share it."""
        key = (loop.rank, id(loop.tile) if isinstance(loop.tile, np.ndarray) else loop.name)
        if key not in self._numbers:
            self._numbers[key] = len(self.slots)
            self.slots.append((loop.rank, loop.name))
            self.tiles.append(loop.tile)
        return self._numbers[key]

    def _query(self, loops: tuple[LoopRef, ...], at_pe: bool, access: AccessPlan) -> int:
        sights = [Sight.ABSENT] * len(self.ranks)
        for dimension in access.dimensions:
            sights[self.ranks.index(dimension.rank)] = Sight.COARSE if dimension.coarse else Sight.FULL
        return self.queries.setdefault(Query(loops, at_pe, tuple(sights)), len(self.queries))
