"""How long a value takes from where it is made to where it is used (docs/microarchitecture.md, "Ways of a value")."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2

from einsim.schedule.nest import AccessPlan, EinsumSchedule
from einsim.schedule.pipeline.strands import Body
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.architecture import Architecture


def laid_along(einsum: EinsumSchedule, access: AccessPlan) -> set[str]:
    """Axes of its array along which an Einsum has different words of a tensor."""
    return {loop.axis for loop in einsum.spatial if loop.axis is not None and access.concerns(loop)}


def reduced_along(einsum: EinsumSchedule) -> set[str]:
    """Axes along which processing elements add up one result."""
    made = next(access for access in einsum.accesses if access.is_output)
    return {loop.axis for loop in einsum.spatial if loop.axis is not None} - laid_along(einsum, made)


def travel(machine: Architecture, timing: Timing, source: Body, reader: Body, access: AccessPlan) -> int:
    """Cycles from an Einsum's result to a reader that takes it by some access, besides the result's own latency.

    A result leaves the 2D array at the end of its columns (or of its rows, if those add it up); what lanes hand to
    it goes back to its first row, from where every operation's wave starts. Lanes add up in a tree.
    """
    target = machine.arrays[reader.einsum.array]
    stays = access.path[0] == source.einsum.registers and source.einsum.array == reader.einsum.array
    if stays and not reduced_along(source.einsum):
        return 0
    cycles = leave(machine, timing, source)
    if access.path[0] in machine.memories:
        return cycles + timing.response(machine, access.path[0]) + fill(machine, timing, reader, access)
    return cycles + (timing.back(target) if target.is_grid else 0)


def leave(machine: Architecture, timing: Timing, source: Body) -> int:
    """Cycles from an Einsum's result to where it is whole outside of the processing elements that made it."""
    origin = machine.arrays[source.einsum.array]
    summed = reduced_along(source.einsum)
    if origin.is_grid:
        return max(timing.across(origin, axis) for axis in summed or {"rows"})
    if not summed:
        return 0
    slowest = max(timing.result(origin.operations[name]) for name, _ in source.einsum.operations)
    return ceil(log2(origin.axes["lanes"])) * slowest


def behind(machine: Architecture, timing: Timing, source: Body, access: AccessPlan) -> int:
    """Cycles by which the last lane, or column, that a result lies along is behind the first one."""
    array = machine.arrays[source.einsum.array]
    across = laid_along(source.einsum, access) & {"columns", "lanes"}
    return sum((array.axes[axis] - 1) * timing.hop(array) for axis in across)


def fill(machine: Architecture, timing: Timing, reader: Body, access: AccessPlan) -> int:
    """Cycles to shift a tile that lies along both axes of the 2D array into it."""
    array = machine.arrays[reader.einsum.array]
    both = array.is_grid and laid_along(reader.einsum, access) == {"rows", "columns"}
    return timing.across(array, "rows") if both else 0


def shifted(body: Body, leaving: Sequence[AccessPlan]) -> list[AccessPlan]:
    """Tiles that cross the edge of the 2D array row by row: they lie along both of its axes, and come in or leave.

    `leaving` are results that leave it; operands that do not start in its registers come in.
    """
    entering = [a for a in body.einsum.accesses if not a.is_output and a.path[0] != body.einsum.registers]
    return [a for a in (*entering, *leaving) if laid_along(body.einsum, a) == {"rows", "columns"}]
