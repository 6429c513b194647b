"""Moves: plans that differ from one in a single choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import permutations

from einsim.mapper.plan import Group, Home, Layout, Plan
from einsim.mapper.space import Names, Space

FEW = 24
"""Orders of loops up to which all are moves; of more, only those in which one loop stands elsewhere."""


def arrays_of(plan: Plan) -> dict[str, str]:
    """The array of each Einsum."""
    return {name: layout.array for name, layout in plan.layouts.items()}


Move = Callable[[Plan], Iterator[Plan]]
"""The other options of one choice of a plan."""


def choices(space: Space, plan: Plan) -> list[Move]:
    """One move a choice, whose options are those of the plan as it is by then; homes first, which change most."""
    found: list[Move] = [partial(_homes, space, key) for key in plan.homes]
    for number in range(len(plan.groups)):
        found += [partial(_arranged, space, number), partial(_ordered, space, number)]
    for name in space.names:
        found += [partial(_dataflow, space, name), partial(_axes, space, name), partial(_arrays, space, name)]
    return found


def moves(space: Space, plan: Plan) -> Iterator[Plan]:
    """All plans one choice away, those of other groups last."""
    for move in choices(space, plan):
        yield from move(plan)
    yield from regroupings(space, plan)


def _homes(space: Space, key: tuple[str, int], plan: Plan) -> Iterator[Plan]:
    groups = [group.einsums for group in plan.groups]
    for home in space.homes(groups, key, arrays_of(plan)):
        if home != plan.homes[key]:
            yield plan.with_home(key, home)


def _arranged(space: Space, number: int, plan: Plan) -> Iterator[Plan]:
    group = plan.groups[number]
    for overlap in space.overlaps(group.einsums, plan.layouts):
        if overlap != group.overlap:
            yield plan.with_group(number, replace(group, overlap=overlap))
    for units in space.units(group.einsums, plan.layouts):
        if units != group.units:
            yield plan.with_group(number, replace(group, units=units))


def _ordered(_space: Space, number: int, plan: Plan) -> Iterator[Plan]:
    group = plan.groups[number]
    for order in _orders(group.outer):
        yield plan.with_group(number, replace(group, outer=order))


def _dataflow(_space: Space, name: str, plan: Plan) -> Iterator[Plan]:
    for order in _orders(plan.layouts[name].order):
        yield plan.with_layout(name, replace(plan.layouts[name], order=order))


def _axes(space: Space, name: str, plan: Plan) -> Iterator[Plan]:
    now = plan.layouts[name]
    for axes in dict.fromkeys(each.axes for each in space.layouts(name, now.array)):
        if axes != now.axes:
            yield _settled(space, plan.with_layout(name, replace(now, axes=axes)))


def _arrays(space: Space, name: str, plan: Plan) -> Iterator[Plan]:
    group = next(group for group in plan.groups if name in group.einsums)
    for array in space.task.capable[name]:
        if array != plan.layouts[name].array:
            yield _settled(space, plan.with_layout(name, space.layout(name, array, group.einsums)))


def regroupings(space: Space, plan: Plan) -> Iterator[Plan]:
    """Two groups as one, or one as two; groups that stay keep their choices."""
    groups = [group.einsums for group in plan.groups]
    for number in range(len(groups) - 1):
        yield regrouped(space, plan, [*groups[:number], groups[number] + groups[number + 1], *groups[number + 2 :]])
    for number, names in enumerate(groups):
        start = space.names.index(names[0])
        for at in (place - start for place in space.places if start < place < start + len(names)):
            yield regrouped(space, plan, [*groups[:number], names[:at], names[at:], *groups[number + 1 :]])


def regrouped(space: Space, plan: Plan, groups: Sequence[Names]) -> Plan:
    """A plan with other groups: those that stay keep their choices."""
    fresh = space.start(groups, arrays_of(plan))
    old = {group.einsums: (number, group) for number, group in enumerate(plan.groups)}
    shapes: list[Group] = []
    homes: dict[tuple[str, int], Home] = dict(fresh.homes)
    layouts: dict[str, Layout] = dict(fresh.layouts)
    for number, group in enumerate(fresh.groups):
        if group.einsums in old:
            before, kept = old[group.einsums]
            shapes.append(kept)
            layouts |= {name: plan.layouts[name] for name in group.einsums}
            for tensor, at in fresh.homes:
                if at == number and (tensor, before) in plan.homes:
                    homes[tensor, at] = plan.homes[tensor, before]
        else:
            shapes.append(group)
    return _settled(space, Plan(tuple(shapes), {name: layouts[name] for name in space.names}, homes))


def _settled(space: Space, plan: Plan) -> Plan:
    """A plan whose homes and shared tiles fit its arrays: those that do not start anew."""
    groups = [group.einsums for group in plan.groups]
    arrays = arrays_of(plan)
    homes = {}
    for key, home in plan.homes.items():
        homes[key] = home if home in space.homes(groups, key, arrays) else space.home(groups, key, arrays)
    shapes = []
    for group in plan.groups:
        units = group.units if group.units in space.units(group.einsums, plan.layouts) else space.unit(
            group.einsums, plan.layouts)  # fmt: skip
        overlap = group.overlap if group.overlap in space.overlaps(group.einsums, plan.layouts) else True
        shapes.append(replace(group, units=units, overlap=overlap))
    return Plan(tuple(shapes), plan.layouts, homes)


def _orders(order: Names) -> Iterator[Names]:
    """Other orders: all where there are few."""
    count = 1
    for number in range(2, len(order) + 1):
        count *= number
    if count <= FEW:
        yield from (each for each in permutations(order) if each != order)
        return
    for source in range(len(order)):
        rest = order[:source] + order[source + 1 :]
        for place in range(len(order)):
            moved = (*rest[:place], order[source], *rest[place:])
            if moved != order:
                yield moved
