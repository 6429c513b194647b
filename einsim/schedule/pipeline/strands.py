"""Which loops make the epochs of a fusion group, and the strands of its Einsums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Final

from einsim.cascade import Einsum, operations, reduced_ranks, tiled_rank
from einsim.schedule.nest import EinsumSchedule, Loop
from einsim.schedule.pipeline.epochs import Epochs, Extents, steps
from einsim.schedule.pipeline.program import Flag, Strand, When
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.configuration import Design

LEAST_EPOCH: Final = 16
"""Slots that an epoch of Einsums on one array has at least, where their loops allow it."""

MOST_UNITS: Final = 4096
"""Units of an instance at most; strands wait for each other in larger steps beyond."""


@dataclass(frozen=True, slots=True)
class Body:
    """An Einsum of a group: the number of epoch loops around it, the loops left to it, and how many make units.

    `turn` says whether it comes before (-1), in (0) or after (1) the epoch loops that it lacks.
    """

    einsum: EinsumSchedule
    depth: int
    turn: int
    loops: tuple[Loop, ...]
    unit: int


@dataclass(frozen=True, slots=True)
class Group:
    """A fusion group cut into epochs. `running` are the loops in time of each Einsum that run more than once."""

    epochs: Epochs
    bodies: tuple[Body, ...]
    shared: dict[tuple[str, str], int]

    def body(self, name: str) -> Body:
        """The body of an Einsum."""
        return next(body for body in self.bodies if body.einsum.name == name)


@dataclass(frozen=True, slots=True)
class Paths:
    """Where Einsums of a group stand in its tree of loops: the turns of each (`fusion.Turns`, without the group's)."""

    turns: dict[str, tuple[int, ...]]
    running: dict[str, tuple[Loop, ...]]

    def shared(self, one: str, other: str) -> int:
        """Loops that two Einsums share, outermost first."""
        common = 0
        for a, b in zip(self.turns[one], self.turns[other], strict=False):
            if a != b:
                break
            common += 1
        return min(common, len(self.running[one]), len(self.running[other]))


def cut_into_epochs(einsums: Sequence[EinsumSchedule], paths: Paths, sizes: Extents, outermost: str) -> Group:
    """Chooses the loops of the epochs, and what is left of every Einsum.

    From the outermost loop inwards, those loops that more than half of the Einsums share and, of a group that uses
    two arrays, Einsums on both; a group on one array keeps `LEAST_EPOCH` slots in an epoch where it can.
    """
    by_name = {einsum.name: einsum for einsum in einsums}
    inside = list(by_name)
    chosen: list[Loop] = []
    while True:
        depth = len(chosen)
        children: dict[int, list[str]] = {}
        for name in inside:
            if len(paths.running[name]) > depth:
                children.setdefault(paths.turns[name][depth], []).append(name)
        most = max(children.values(), key=len, default=[])
        if not most or not _worthwhile(most, by_name, paths, depth + 1, sizes, outermost):
            break
        chosen.append(paths.running[most[0]][depth])
        inside = most
    epochs = Epochs(tuple(chosen), sizes)
    path = paths.turns[inside[0]]
    shared = {(one, other): paths.shared(one, other) for one in by_name for other in by_name}
    bodies = [_body(einsum, paths, chosen, path, [shared[einsum.name, o] for o in by_name if o != einsum.name], sizes)
              for einsum in einsums]  # fmt: skip
    return Group(epochs, tuple(bodies), shared)


def _worthwhile(
    names: list[str], einsums: dict[str, EinsumSchedule], paths: Paths, depth: int, sizes: Extents, outermost: str
) -> bool:
    if 2 * len(names) <= len(einsums):
        return False
    if len({each.array for each in einsums.values()}) > 1:
        return {einsums[name].array for name in names} == {each.array for each in einsums.values()}
    if paths.running[names[0]][depth - 1].level == outermost:
        return True
    left = 0
    for name in names:
        outer = paths.running[name][:depth]
        tile = {rank: min([size, *(loop.tile for loop in outer if loop.rank == rank)]) for rank, size in sizes.items()}
        left += slots_of(einsums[name], _after(einsums[name], outer), tile)
    return left >= LEAST_EPOCH


def _after(einsum: EinsumSchedule, outer: Sequence[Loop]) -> tuple[Loop, ...]:
    """An Einsum's loops without some of its outer ones."""
    return tuple(loop for loop in einsum.loops if loop not in outer)


def _body(
    einsum: EinsumSchedule, paths: Paths, chosen: list[Loop], path: tuple[int, ...], shared: list[int], sizes: Extents
) -> Body:
    own = paths.turns[einsum.name]
    running = paths.running[einsum.name]
    depth = 0
    while depth < min(len(chosen), len(running)) and own[depth] == path[depth]:
        depth += 1
    turn = 0
    if depth < len(chosen):
        turn = 1 if own[depth] > path[depth] else -1
    left = running[depth:]
    body = Body(einsum, depth, turn, _after(einsum, running[:depth]), 0)
    unit = min(len(left), max([len(left) - 1, *(each - depth for each in shared if depth == len(chosen)), 0]))
    tile = {
        rank: min([size, *(loop.tile for loop in running[:depth] if loop.rank == rank)]) for rank, size in sizes.items()
    }
    while unit and steps_of(unit_loops(body, running, unit), tile, {}) > MOST_UNITS:
        unit -= 1
    return replace(body, unit=unit)


def unit_loops(body: Body, running: Sequence[Loop], count: int) -> list[Loop]:
    """The loops of a body down to its `count`-th running one, those that run once among them."""
    if count == 0:
        return []
    last = body.loops.index(running[body.depth + count - 1])
    return [loop for loop in body.loops[: last + 1] if loop.axis is None]


def grains(epochs: Epochs, depth: int) -> dict[str, int]:
    """Of each rank, what loops inside a split's tile walk whole, inside the first `depth` epoch loops."""
    return {
        rank: epochs.loops[last].tile for rank, last in epochs.innermost(depth).items() if not epochs.loops[last].inner
    }


def steps_of(loops: Sequence[Loop], extents: Extents, whole: Extents) -> int:
    """Steps in time of a body's loops for some extents of its ranks."""
    return prod(
        steps(extents[rank], [loop for loop in loops if loop.rank == rank], whole.get(rank, extents[rank]))
        for rank in {loop.rank for loop in loops}
    )


def slots_of(einsum: EinsumSchedule, loops: Sequence[Loop], extents: Extents, whole: Extents | None = None) -> int:
    """Cycles that an Einsum occupies its array for some extents of its ranks."""
    return steps_of(loops, extents, whole or {}) * int(einsum.cycles_per_point)


def points_of(einsum: EinsumSchedule, extents: Extents) -> int:
    """Points of an Einsum's iteration space in some extents of its ranks."""
    return prod(int(dimension.words(extents[dimension.rank])) for dimension in einsum.dimensions)


def strand_of(
    design: Design, einsum: Einsum, body: Body, running: Sequence[Loop], epochs: Epochs, timing: Timing
) -> Strand:
    """The strand of an Einsum."""
    array = design.architecture.arrays[body.einsum.array]
    kinds = epochs.kinds(body.depth)
    whole = grains(epochs, body.depth)
    units = unit_loops(body, running, body.unit)
    slots = tuple(slots_of(body.einsum, body.loops, extents, whole) for extents in kinds)
    work = operations(einsum)
    plan = design.mapping.einsums.get(einsum.name)
    pipelined = plan.pipelined if plan is not None else False
    made = tuple(min(steps_of(units, extents, whole), slots[number]) for number, extents in enumerate(kinds))
    return Strand(
        name=einsum.name,
        einsum=einsum.name,
        resource=body.einsum.array,
        depth=body.depth,
        when=_when(body),
        slots=slots,
        units=made,
        points=tuple(points_of(body.einsum, extents) for extents in kinds),
        spacing=_spacing(design, einsum, body, timing, slots[0] // max(1, made[0] * int(body.einsum.cycles_per_point))),
        tail=timing.tail(array, work, pipelined=pipelined),
    )


def _when(body: Body) -> Flag:
    if body.turn == 0:
        return Flag()
    return Flag(When.FIRST if body.turn < 0 else When.LAST, body.depth)


def _spacing(design: Design, einsum: Einsum, body: Body, timing: Timing, points: int) -> int:
    """Cycles from slot to slot: a point's steps wait for each other, unless there are other points meanwhile."""
    array = design.architecture.arrays[body.einsum.array]
    work = operations(einsum)
    innermost = next((loop for loop in reversed(body.loops) if loop.axis is None), None)
    reduced = {tiled_rank(design.cascade, rank) for rank in reduced_ranks(einsum)}
    kept = {dimension.rank for access in body.einsum.accesses if access.is_output for dimension in access.dimensions}
    if innermost is not None and innermost.rank in reduced - kept and work:
        parts = array.operations[work[-1]].macro or (work[-1],)
        return max(timing.accumulate(array.operations[part]) - array.operations[part].cycles + 1 for part in parts)
    inside = 1 if body.einsum.cycles_per_point == 1 else timing.spacing(array, work)
    return max(1, -(-inside // max(1, points)))
