"""Sweeps: every point of a space evaluated, on all cores, into one table.

Points of one configuration that differ only in numbers are evaluated together, as arrays, when there are many of
them; the others one by one, as integers of any size. Both give the same rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import prod
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from einsim.errors import SpecError
from einsim.explore.batches import Listed, group, load_columns
from einsim.explore.grids import Labels, grids, load_grid
from einsim.explore.rows import evaluate_point, table_of_many, table_of_rows
from einsim.explore.space import Point, Space
from einsim.explore.sweepfile import TimeModel
from einsim.explore.workers import evaluate_rows
from einsim.model.blocks import Box, boxes, on_all_cores, part
from einsim.model.closed_form import evaluate_many
from einsim.model.result import Record
from einsim.schedule.environment import Columns
from einsim.spec.configuration import Design
from einsim.spec.modelrun import Scope

if TYPE_CHECKING:
    import polars as pl

Progress = Callable[[int], None]
"""Called with the number of points just finished; may raise to end the sweep."""

_TOGETHER: Final = 2000  # points of a sweep from which they are evaluated together
_LEAST: Final = 16  # points that belong together from which that is faster
_BLOCK: Final = 1 << 15  # points evaluated together at most: bounds memory
_WINDOW: Final = 1 << 17  # points made at a time
_ROWS: Final = 500  # rows of a table: making one takes as long as evaluating a point
_FEW: Final = 16  # points that are evaluated one by one rather than halved again


class Engine(StrEnum):
    """How points are evaluated: one by one with integers of any size, many at once as arrays, or as suits."""

    AUTO = "auto"
    EXACT = "exact"
    COMPILED = "compiled"


def check_points(space: Space[Any]) -> None:
    """Loads every point of a small sweep, and of a large one a point for each step of each axis.

    Raises SpecError for what is wrong in one; the rest shows when points are evaluated.
    """
    small = len(space) <= _TOGETHER
    axes = zip(space.axes, space.strides, strict=True)
    steps = [stride * step for axis, stride in axes for step in range(len(axis))]
    for point in space.points() if small else map(space.point, steps[:_TOGETHER]):
        point.design()


def run_sweep(space: Space[Any], progress: Progress, engine: Engine = Engine.AUTO) -> Iterator[pl.DataFrame]:
    """Evaluates a space; yields tables of finished points (column `index` says which).

    Raises SpecError for a point that is wrong (one that does not fit is a row with its reason).
    """
    total = len(space)
    simulated = space.time_model is not TimeModel.CLOSED_FORM  # one by one
    whole = "scope" in space.fields or space.file.scope is not Scope.ATTENTION  # likewise
    many = engine is Engine.COMPILED or (engine is Engine.AUTO and total >= _TOGETHER)
    together = many and not simulated and not whole
    if not together:
        points = space.points()
        while window := list(itertools.islice(points, _WINDOW)):
            progress(0)
            yield from _run_single(window, progress)
        return
    progress(0)
    least = 1 if engine is Engine.COMPILED else _LEAST
    parts = grids(space)
    large = [grid for grid in parts if prod(grid.shape) >= least]
    yield from _run_together((Loaded(Labels(grid), *load_grid(grid)) for grid in large), progress)
    single = [point for grid in parts if prod(grid.shape) < least for point in grid.along(*range(len(grid.shape)))]
    yield from _run_single(single, progress)


def _alike(points: Sequence[Point]) -> list[Point]:
    """The points that the compiled model may take together: those of one kernel."""
    return [point for point in points if point.scope is Scope.ATTENTION]


def _run_single(points: Sequence[Point], progress: Progress) -> Iterator[pl.DataFrame]:
    """Points one by one; who stops the sweep still gets the rows that are finished."""
    rows: list[Record] = []
    try:
        for part in evaluate_rows(points, progress):
            rows += part
            if len(rows) >= _ROWS:
                finished, rows = rows, []
                yield table_of_rows(finished)
    except KeyboardInterrupt:
        if rows:
            yield table_of_rows(rows)
        raise
    if rows:
        yield table_of_rows(rows)


class Source(Protocol):
    """Points that are evaluated together: a grid (of one axis, where they are listed), and what says which is which."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each axis."""

    def lead(self, box: Box) -> list[pl.Series]:
        """Index and coordinates of a box's points."""

    def command(self, box: Box) -> pl.Series:
        """The command lines of a box's points."""

    def points(self, box: Box) -> list[Point]:
        """A box's points, in order."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Points with their first design and the columns in which they differ from it."""

    source: Source
    design: Design
    columns: Columns


def _run_together(loaded: Iterable[Loaded], progress: Progress) -> Iterator[pl.DataFrame]:
    """Tables of points, block by block on all cores."""
    blocks = ((each, box) for each in loaded for box in boxes(each.source.shape, _BLOCK))
    for tables in on_all_cores(lambda block: list(_evaluate_together(*block)), blocks):
        for table in tables:
            yield table
            progress(len(table))


def _evaluate_together(loaded: Loaded, box: Box) -> Iterator[pl.DataFrame]:
    """Tables of a box's points.

    Where the model refuses them (64 bits are too few, or a size is wrong somewhere), each half goes its
    own way, down to a few that are evaluated exactly: they have their rows, or the error of a single run.
    """
    try:
        columns = {name: part(np.asarray(values), box) for name, values in loaded.columns.items()}
        evaluation = evaluate_many(loaded.design, columns)
    except (OverflowError, SpecError):
        lengths = [each.stop - each.start for each in box]
        if prod(lengths) <= _FEW:
            yield table_of_rows([evaluate_point(point) for point in loaded.source.points(box)])
            return
        axis = lengths.index(max(lengths))
        start, stop = box[axis].start, box[axis].stop
        for half in (slice(start, (start + stop) // 2), slice((start + stop) // 2, stop)):
            yield from _evaluate_together(loaded, (*box[:axis], half, *box[axis + 1 :]))
        return
    shape = tuple(each.stop - each.start for each in box)
    source = loaded.source
    yield table_of_many(source.lead(box), source.command(box), shape, loaded.design, evaluation)


def run_points(points: Sequence[Point], progress: Progress) -> Iterator[pl.DataFrame]:
    """Evaluates some points, together where that pays; yields tables of finished ones.

    Raises SpecError as `run_sweep` does.
    """
    simulated = any(point.time_model is not TimeModel.CLOSED_FORM for point in points)
    batches = [] if simulated else group(_alike(points))
    large = [batch for batch in batches if len(batch.points) >= _LEAST]
    yield from _run_together((Loaded(Listed(batch.points), *load_columns(batch)) for batch in large), progress)
    single = [point for batch in batches if len(batch.points) < _LEAST for point in batch.points]
    single += [point for point in points if point.scope is not Scope.ATTENTION]
    yield from _run_single(points if simulated else single, progress)
