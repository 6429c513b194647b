"""Grids: parts of a space whose points differ only in numbers, which the model takes as columns, axis by axis.

No point of a grid is ever made but a few to check and to load: indices, coordinates and commands follow from the steps
of its axes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from einsim.explore.batches import column_name, is_related, numbers_of
from einsim.explore.context import changes_of, context_of
from einsim.explore.identity import Identities, Keys, as_keys, names_files, total
from einsim.explore.point import Point, changed
from einsim.explore.space import Space
from einsim.model.blocks import Box
from einsim.schedule.environment import Columns
from einsim.spec.choices import Choices
from einsim.spec.configuration import Design
from einsim.spec.overrides import Override

if TYPE_CHECKING:
    import polars as pl

_STRUCTURAL: Final = ("configuration", "architecture", "accounting")
_WORKLOAD: Final = ("model", "seq_len", "batch")
_CHOOSING: Final = ("model", "seq_len")

Steps = tuple[tuple[int, ...], ...]
"""Some steps of every axis of a space."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Steps of every axis of a space, crossed; `columns` are what the changes on each axis are to the model."""

    space: Space[Any]
    steps: Steps
    columns: tuple[tuple[str | None, ...], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Steps of each axis."""
        return tuple(map(len, self.steps))

    def indices(self, box: Box) -> NDArray[np.int64]:
        """Indices of a box's points in the space, in order."""
        each = [np.array(own[part], np.int64) * stride
                for own, part, stride in zip(self.steps, box, self.space.strides, strict=True)]  # fmt: skip
        return sum(np.ix_(*each), start=np.zeros((1,) * len(each), np.int64)).reshape(-1)

    def point(self, places: Iterable[int]) -> Point:
        """The point at some places of the grid."""
        steps = (own[place] for own, place in zip(self.steps, places, strict=True))
        return self.space.point(sum(step * stride for step, stride in zip(steps, self.space.strides, strict=True)))

    def along(self, *axes: int) -> Iterator[Point]:
        """The points along some axes, the last fastest, at the first step of all others."""
        yield from map(self.point, itertools.product(
            *(range(length) if axis in axes else [0] for axis, length in enumerate(self.shape))
        ))  # fmt: skip

    def spread(self, values: NDArray[Any], *axes: int) -> NDArray[Any]:
        """Values along some axes as an array that broadcasts over the grid."""
        return values.reshape([length if axis in axes else 1 for axis, length in enumerate(self.shape)])

    def axes_with(self, fields: Iterable[str]) -> list[int]:
        """Axes with one of some fields."""
        wanted = set(fields)
        return [n for n, axis in enumerate(self.space.axes) if any(each.field in wanted for each in axis[0])]


def grids(space: Space[Any]) -> list[Grid]:
    """The grids of a space: the same files, the same settings that are no columns, and the same choices in each.

    Raises SpecError for the first point of a part that is wrong.
    """
    found = []
    everything = tuple(tuple(range(len(axis))) for axis in space.axes)

    def structure(axis: int, step: int) -> Hashable:
        return tuple(each.value for each in space.axes[axis][step] if each.field in _STRUCTURAL)

    for alike in _parted(everything, structure):
        names = _columns(Grid(space, alike, ()))

        def fixed(axis: int, step: int, names: tuple[tuple[str | None, ...], ...] = names) -> Hashable:
            changes = _changes(space, axis, step)
            return tuple((_name(change, column), None if _name(change, column) else change.text)
                         for change, column in zip(changes, names[axis], strict=True))  # fmt: skip

        for part in _parted(alike, fixed):
            columns = tuple(
                tuple(map(_name, _changes(space, axis, own[0]), names[axis])) for axis, own in enumerate(part)
            )
            found += [Grid(space, steps, columns) for steps in _by_choices(Grid(space, part, columns))]
    return found


def of_each_kind(space: Space[Any]) -> Iterator[Point]:
    """A point for each combination of what decides which files a point is of."""
    never = () if space.whole else _WORKLOAD

    def kind(axis: int, step: int) -> Hashable:
        return tuple(
            each.value if each.change is None else each.change.text
            for each in space.axes[axis][step]
            if (names_files(each.change) if each.change is not None else each.field not in never)
        )

    for steps in _parted(tuple(tuple(range(len(axis))) for axis in space.axes), kind):
        yield space.point(sum(own[0] * stride for own, stride in zip(steps, space.strides, strict=True)))


def _parted(steps: Steps, key: Callable[[int, int], Hashable]) -> Iterator[Steps]:
    """Steps crossed, such that the steps of an axis that are together have the same key."""
    parts = []
    for axis, own in enumerate(steps):
        alike: dict[Hashable, list[int]] = {}
        for step in own:
            alike.setdefault(key(axis, step), []).append(step)
        parts.append([tuple(together) for together in alike.values()])
    yield from itertools.product(*parts)


def _changes(space: Space[Any], axis: int, step: int) -> list[Override]:
    return [each.change for each in space.axes[axis][step] if each.change is not None]


def _columns(grid: Grid) -> tuple[tuple[str | None, ...], ...]:
    """What the changes on each axis are to the model, whatever their values."""
    machine = next(grid.along()).design().architecture
    return tuple(
        tuple(column_name(change, machine) for change in _changes(grid.space, axis, own[0]))
        for axis, own in enumerate(grid.steps)
    )


def _name(change: Override, column: str | None) -> str | None:
    return None if change.value is None else column


def _by_choices(grid: Grid) -> Iterator[Steps]:
    """A grid's steps in parts such that the same is recorded as chosen at all points of a part."""
    axes = grid.axes_with(_CHOOSING)
    if not axes or not next(grid.along()).design().choices:
        yield grid.steps
        return
    lengths = [grid.shape[axis] for axis in axes]
    chosen = [point.design().choices for point in grid.along(*axes)]
    outer, inner = (axes[0] if len(axes) > 1 else None), axes[-1]
    alike: dict[tuple[Choices, ...], list[int]] = {}  # rows of the outer axis by what is chosen along the inner one
    for number in range(len(chosen) // lengths[-1]):
        row = tuple(chosen[number * lengths[-1] : (number + 1) * lengths[-1]])
        alike.setdefault(row, []).append(number)
    for row, numbers in alike.items():
        for choice in dict.fromkeys(row):
            steps = list(grid.steps)
            steps[inner] = tuple(step for step, own in zip(grid.steps[inner], row, strict=True) if own == choice)
            if outer is not None:
                steps[outer] = tuple(grid.steps[outer][number] for number in numbers)
            yield tuple(steps)


def load_grid(grid: Grid) -> tuple[Design, Columns]:
    """The grid's first design, and its columns, which broadcast over it.

    Every step of every axis is loaded once as a single run would load it, and so is every combination of values
    that a machine may refuse. Raises SpecError for the first that is wrong.
    """
    first = next(grid.along())
    workloads = grid.axes_with(_WORKLOAD)
    rows = [dict(point.workload.sizes) for point in grid.along(*workloads)]
    columns: dict[str, Any] = {name: grid.spread(np.array([row[name] for row in rows]), *workloads) for name in rows[0]}
    design = first.design()
    for change in first.overrides[: len(grid.space.file.set)]:
        name = _name(change, column_name(change, design.architecture))
        if name is not None:
            columns[name] = np.array([numbers_of(design)[name]])
    for axis, names in enumerate(grid.columns):
        found = [numbers_of(point.design()) for point in grid.along(axis)]
        for name in names:
            if name is not None:
                columns[name] = grid.spread(np.array([each[name] for each in found]), axis)
    related = [axis for axis, names in enumerate(grid.columns) if any(map(is_related, names))]
    for point in grid.along(*related) if len(related) > 1 else ():
        point.design()
    return design, columns


class Labels:
    """Indices, coordinates and commands of a grid's points, as columns of tables."""

    def __init__(self, grid: Grid) -> None:
        import polars as pl  # noqa: PLC0415 - half of the command line's commands need no tables

        self.grid = grid
        axes = [[space_axis[step] for step in own]
                for space_axis, own in zip(grid.space.axes, grid.steps, strict=True)]  # fmt: skip
        self.fields = [
            (axis, pl.Series(setting.field, [each[position].shown for each in grid.space.axes[axis]]).gather(list(own)))
            for axis, (steps, own) in enumerate(zip(axes, grid.steps, strict=True))
            for position, setting in enumerate(steps[0])
        ]
        self.workloads = grid.axes_with(_WORKLOAD)
        self.starts = pl.Series([point.start for point in grid.along(*self.workloads)], dtype=pl.String)
        self.changes = [
            (axis, pl.Series(["".join(changed(each.change) for each in step if each.change) for step in steps]))
            for axis, steps in enumerate(axes)
        ]
        first = next(grid.along())
        self.always = "".join(map(changed, first.overrides[: len(grid.space.file.set)]))
        self.end = first.end
        self.terms: tuple[Keys, list[Keys]] | None = None
        self.about: tuple[list[pl.Series], list[list[pl.Series]]] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each axis."""
        return self.grid.shape

    def points(self, box: Box) -> list[Point]:
        """A box's points, in order."""
        return [
            self.grid.point(places) for places in itertools.product(*(range(each.start, each.stop) for each in box))
        ]

    def lead(self, box: Box) -> list[pl.Series]:
        """The columns before results of a box's points: index and coordinates."""
        import polars as pl  # noqa: PLC0415

        index = pl.Series("index", self.grid.indices(box))
        return [index, *(values.gather(self.places(box, axis)) for axis, values in self.fields)]

    def command(self, box: Box) -> pl.Series:
        """The command line of each of a box's points, as `Point.command` has it."""
        import polars as pl  # noqa: PLC0415

        parts = [self.starts.gather(self.places(box, *self.workloads)).alias("start")]
        parts += [values.gather(self.places(box, axis)).alias(f"{axis}") for axis, values in self.changes
                  if values.str.len_bytes().sum()]  # fmt: skip
        pieces = [pl.col("start"), pl.lit(self.always), *(pl.col(part.name) for part in parts[1:]), pl.lit(self.end)]
        return pl.DataFrame(parts).select(pl.concat_str(pieces).alias("command"))["command"]

    def keys(self, box: Box, identities: Identities) -> Keys:
        """Keys of a box's points: sums of what each axis adds, taken for all points at once."""
        if self.terms is None:
            self.terms = self._terms(identities)
        start, parts = self.terms
        shape = tuple(each.stop - each.start for each in box)
        keys = np.broadcast_to(start, (*shape, 2)).copy()
        for part in parts:
            own = tuple(slice(None) if length == 1 else each for length, each in zip(part.shape[:-1], box, strict=True))
            keys += part[own]
        return keys.reshape(-1, 2)

    def _terms(self, identities: Identities) -> tuple[Keys, list[Keys]]:
        """What all keys share, and what workloads and the steps of each axis add to them."""
        grid, always = self.grid, len(self.grid.space.file.set)
        first = next(grid.along())
        shared = [identities.spec(first), identities.order(first), identities.changes(first, first.overrides[:always])]
        parts = []
        sizes = as_keys([identities.workload(point) for point in grid.along(*self.workloads)])
        parts.append(self._spread(sizes, *self.workloads))
        for axis, own in enumerate(grid.steps):
            added = as_keys([identities.changes(first, _changes(grid.space, axis, step)) for step in own])
            parts.append(self._spread(added, axis))
        return as_keys([total(shared)])[0], parts

    def _spread(self, keys: Keys, *axes: int) -> Keys:
        """Keys along some axes as an array that broadcasts over the grid, two lanes last."""
        shape = [length if axis in axes else 1 for axis, length in enumerate(self.grid.shape)]
        return keys.reshape([*shape, 2])

    def context(self, box: Box) -> list[pl.Series]:
        """What a box's points are: as of the points along the axes of workloads, and changed along each other axis."""
        if self.about is None:
            first, axes = next(self.grid.along()), range(len(self.grid.shape))
            always = first.overrides[: len(self.grid.space.file.set)]
            starts = [replace(point, overrides=always) for point in self.grid.along(*self.workloads)]
            steps = [[_changes(self.grid.space, axis, step) for step in self.grid.steps[axis]] for axis in axes]
            self.about = (context_of(starts), [changes_of(each) for each in steps])
        workloads, changes = self.about
        found = {each.name: each.gather(self.places(box, *self.workloads)) for each in workloads}
        for axis, columns in enumerate(changes):
            found |= {each.name: each.gather(self.places(box, axis)) for each in columns}
        return list(found.values())

    def places(self, box: Box, *axes: int) -> NDArray[np.int64]:
        """For each point of a box, its place along some axes, counted through with the last fastest."""
        places = np.zeros((1,) * len(box), np.int64)
        for axis in axes:
            own = np.arange(self.grid.shape[axis])[box[axis]]
            places = places * self.grid.shape[axis] + own.reshape([-1 if n == axis else 1 for n in range(len(box))])
        shape = tuple(each.stop - each.start for each in box)
        return np.broadcast_to(places, shape).reshape(-1)
