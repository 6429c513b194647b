"""The space of plans: what each choice may be, and all plans there are.

Groups are stretches of the text. Of a group, the blocks' loops stand in any order; the tiles of one rank, or of none,
are taken in turn by all its Einsums. An Einsum runs on any array that can; its ranks lie along as many of the array's
axes as there are, in any way; its other loops stand in any order. A tensor stays in any memory or registers on its way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import combinations, pairwise, permutations, product
from math import factorial, inf, prod

from einsim.cascade import iterative_rank, steps
from einsim.mapper.bounds import Bounds
from einsim.mapper.objective import Objective
from einsim.mapper.plan import Group, Home, Layout, Plan
from einsim.mapper.task import Task
from einsim.mapper.text import first_of

Names = tuple[str, ...]


class Space:
    """The choices of a task."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.names: Names = tuple(task.einsums)
        self.inputs = frozenset(tensor.name for tensor in task.cascade.inputs)

    @cached_property
    def places(self) -> tuple[int, ...]:
        """Where the text may be cut: not between Einsums that iterate together."""
        found = set(range(1, len(self.names)))
        for step in steps(self.task.cascade):
            at = sorted(self.names.index(each.name) for each in step.einsums if each.name in self.names)
            if at:
                found -= set(range(at[0] + 1, at[-1] + 1))
        return tuple(sorted(found))

    @property
    def alone(self) -> tuple[Names, ...]:
        """The most groups there may be."""
        ends = (0, *self.places, len(self.names))
        return tuple(self.names[a:b] for a, b in pairwise(ends))

    # Choices.

    def groupings(self) -> Iterator[tuple[Names, ...]]:
        """All ways to cut the text into groups, few cuts first."""
        for count in range(len(self.places) + 1):
            for cuts in combinations(self.places, count):
                ends = (0, *cuts, len(self.names))
                yield tuple(self.names[a:b] for a, b in pairwise(ends))

    def layouts(self, name: str, array: str) -> list[Layout]:
        """All layouts of an Einsum on an array."""
        free = self.task.free(name)
        axes = list(self.task.array_of(array).axes)
        wide = self.task.spreadable(name)
        along = [
            tuple(sorted(zip(some, ranks, strict=True)))
            for some in combinations(axes, min(len(axes), len(wide)))
            for ranks in permutations(wide, len(some))
        ]
        orders = [order for order in permutations(free) if self.task.nested(order)]
        return [Layout(array, each, order) for each in dict.fromkeys(along) for order in orders]

    def orders(self, names: Names) -> Iterator[Names]:
        """All orders of a group's loops over blocks."""
        return permutations(self.task.blocked(names))

    def units(self, names: Names, layouts: dict[str, Layout]) -> list[Names]:
        """Ranks of which Einsums of a group may take a tile in turn: one that some lay along an axis, or none."""
        if len(names) == 1:
            return [()]
        along = dict.fromkeys(rank for name in names for _, rank in layouts[name].axes)
        return [(), *((rank,) for rank in along if not self.task.follows(rank))]

    def overlaps(self, names: Names, layouts: dict[str, Layout]) -> list[bool]:
        """Whether Einsums of a group run side by side: a choice where they run on several arrays."""
        return [True, False] if len({layouts[name].array for name in names}) > 1 else [True]

    def touched(self, groups: Sequence[Names]) -> list[tuple[str, int]]:
        """Every tensor with every group that touches it."""
        return [(tensor, number) for tensor, names in self.task.touching.items()
                for number, group in enumerate(groups) if set(group) & set(names)]  # fmt: skip

    def homes(self, groups: Sequence[Names], key: tuple[str, int], arrays: dict[str, str]) -> list[Home]:
        """Where a tensor may stay in a group, given the arrays of its Einsums."""
        tensor, number = key
        task, group = self.task, groups[number]
        memories = list(task.machine.memories)
        users = [name for name in task.touching[tensor] if name in group]
        first = first_of(task, Group(group, ()), tensor)
        own = task.registers(arrays[first])
        others = [name for name in users if name != first] if first == tensor or task.brings_all(tensor, first) else []
        there = {task.registers(arrays[name]) for name in others} - {own}
        outside = tensor not in group or tensor in task.kept or len(users) < len(task.touching[tensor])
        return list(_homes(tuple(memories), own, tuple(sorted(there)), bool(others), outside))

    # All plans.

    def size(self) -> float:
        """About how many plans there are (an upper bound), inf where it is not worth counting."""
        if len(self.names) > 4:
            return inf
        total = 0.0
        arrays = {name: self.task.capable[name][0] for name in self.names}
        layouts = prod(
            sum(factorial(len(self.task.free(n))) * len({x.axes for x in self.layouts(n, a)})
                for a in self.task.capable[n])
            for n in self.names
        )  # fmt: skip
        for groups in self.groupings():
            shapes = prod(factorial(len(self.task.blocked(group))) * (1 if len(group) == 1 else 6) for group in groups)
            homes = prod(len(self.homes(groups, key, arrays)) for key in self.touched(groups))
            total += float(layouts) * shapes * homes
        return total

    def every(self, bounds: Bounds | None = None, objective: Objective = Objective.LATENCY,
              limit: list[float] | None = None) -> Iterator[Plan]:  # fmt: skip
        """All plans; with bounds, only those whose groups and arrays may lead below `limit[0]` as it is by then."""
        for groups in self.groupings():
            if bounds and limit and bounds.of_groups(objective, groups) >= limit[0]:
                continue
            for chosen in product(*(self.task.capable[name] for name in self.names)):
                arrays = dict(zip(self.names, chosen, strict=True))
                if bounds and limit:
                    best = bounds.of_arrays(objective, groups, arrays, [True] * len(groups))
                    if best >= limit[0]:
                        continue
                yield from self._of_arrays(groups, arrays)

    def _of_arrays(self, groups: tuple[Names, ...], arrays: dict[str, str]) -> Iterator[Plan]:
        keys = self.touched(groups)
        for each in product(*(self.layouts(name, arrays[name]) for name in self.names)):
            layouts = dict(zip(self.names, each, strict=True))
            shapes = product(*(self._shapes(group, layouts) for group in groups))
            homes = [self.homes(groups, key, arrays) for key in keys]
            for shape in shapes:
                for chosen in product(*homes):
                    yield Plan(tuple(shape), layouts, dict(zip(keys, chosen, strict=True)))

    def _shapes(self, names: Names, layouts: dict[str, Layout]) -> list[Group]:
        return [
            Group(names, order, units, overlap)
            for order in self.orders(names)
            for units in self.units(names, layouts)
            for overlap in self.overlaps(names, layouts)
        ]

    # A plan to begin with.

    def start(self, groups: Sequence[Names], arrays: dict[str, str], *, handed: bool = False) -> Plan:
        """A plan that is often legal: tensors pass through the innermost memory, long common ranks lie along axes.

        `handed`: what only a group's Einsums touch is handed on in registers, but for the state of iterations.
        """
        layouts: dict[str, Layout] = {}
        shapes = []
        for group in groups:
            for name in group:
                layouts[name] = self.layout(name, arrays[name], group)
            shapes.append(Group(group, self.order(group), self.unit(group, layouts), overlap=True))
        plan = Plan(tuple(shapes), layouts, {})
        homes = {key: self.home(groups, key, arrays) for key in self.touched(groups)}
        if handed:
            homes |= {key: home for key in homes if (home := self.in_registers(groups, key, arrays)) is not None}
        return Plan(plan.groups, layouts, homes)

    def layout(self, name: str, array: str, group: Names) -> Layout:
        """Ranks that fill the axes, those first that most Einsums of the group have; loops over them innermost."""
        free = self.task.free(name)
        axes: list[tuple[str, str]] = []
        for axis, extent in self.task.array_of(array).axes.items():
            left = [rank for rank in self.task.spreadable(name) if rank not in {along for _, along in axes}]
            if left:
                axes.append((axis, max(left, key=lambda rank: self.worth(name, rank, extent, group))))
        along = {rank for _, rank in axes}
        order = tuple(sorted(free, key=lambda rank: rank in along))
        if not self.task.nested(order):
            order = next(each for each in permutations(order) if self.task.nested(each))
        return Layout(array, tuple(sorted(axes)), order)

    def worth(self, name: str, rank: str, extent: int, group: Names) -> tuple[int, int, bool, int]:
        """How good a rank is along an axis: it fills it, others have it, it is the result's, it is long."""
        size = self.task.length(rank)
        common = sum(rank in self.task.space(each) for each in group)
        return min(size, extent), common, rank in self.task.einsums[name].output.ranks, size

    def order(self, group: Names) -> Names:
        """Loops over blocks: what is summed last, and those first that most Einsums have."""
        einsums = [self.task.einsums[name] for name in group]
        summed = {rank for einsum in einsums for rank in einsum.reduced}
        common = {rank: sum(rank in self.task.space(name) for name in group) for rank in self.task.blocked(group)}
        return tuple(sorted(common, key=lambda rank: (rank in summed, -common[rank])))

    def unit(self, group: Names, layouts: dict[str, Layout]) -> Names:
        """The rank that most Einsums of a group lay along an axis."""
        options = [units[0] for units in self.units(group, layouts) if units]
        count = {rank: sum(rank in self.task.space(name) for name in group) for rank in options}
        return (max(options, key=lambda rank: count[rank]),) if options else ()

    def home(self, groups: Sequence[Names], key: tuple[str, int], arrays: dict[str, str]) -> Home:
        """Through the innermost memory, from the outermost where it must be; readers share it there."""
        memories = list(self.task.machine.memories)
        options = self.homes(groups, key, arrays)
        wanted = (memories[-1],), tuple(dict.fromkeys((memories[0], memories[-1])))
        fitting = [home for levels in wanted for home in options if home.levels == levels]
        return next((home for home in fitting if home.source == memories[-1]), fitting[0])

    def in_registers(self, groups: Sequence[Names], key: tuple[str, int], arrays: dict[str, str]) -> Home | None:
        """Handed on in registers, those of other arrays' readers if there are any; None of an iteration's state."""
        tensor, _ = key
        if tensor not in self.task.einsums or iterative_rank(self.task.einsums[tensor]) is not None:
            return None
        registers = set(self.task.machine.registers)
        options = [home for home in self.homes(groups, key, arrays) if {*home.levels, home.source} <= registers]
        return max(options, key=lambda home: (len(home.levels), home.source in home.levels), default=None)


@lru_cache(maxsize=4096)
def _homes(memories: Names, own: str, there: Names, others: bool, outside: bool) -> tuple[Home, ...]:
    """All homes, registers first: `own` of the first to touch it, `there` of the others; or is it needed `outside`?"""
    inner = memories[1:]
    ways = [each for count in range(len(inner) + 1) for each in combinations(inner, count)]
    paths: list[Names] = []
    if not outside:
        paths = [*ways[:1], *((*way, level) for way in ways for level in there), *ways[1:]]
    paths += [(memories[0], *way) for way in reversed(ways)]
    found = []
    for path in paths:
        if not others:
            found.append(Home(path, path[0] if path else own))
            continue
        found += [Home(path, source) for source in (*path, own)]
    return tuple(dict.fromkeys(found))
