"""Sweeps: every point of a space evaluated, on all cores, into one table.

Points of one configuration that differ only in numbers are evaluated together, as arrays, when there are many of
them; the others one by one, as integers of any size. Both give the same rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from einsim.explore.batches import Listed, group, load_columns
from einsim.explore.grids import Labels, grids, load_grid, of_each_kind
from einsim.explore.identity import Identities
from einsim.explore.keeping import Keeper
from einsim.explore.point import Point
from einsim.explore.resultstore import ResultStore
from einsim.explore.rows import tables_of_rows
from einsim.explore.space import Space
from einsim.explore.sweepfile import TimeModel
from einsim.explore.work import Loaded, Rows, Work, blocks, pieces
from einsim.explore.workers import Local, Progress
from einsim.model.result import Record
from einsim.spec.files import steps_held

if TYPE_CHECKING:
    import polars as pl

_TOGETHER: Final = 2000  # points of a sweep from which they are evaluated together
_LEAST: Final = 16  # points that belong together from which that is faster
_WINDOW: Final = 1 << 17  # points made at a time
_ROWS: Final = 500  # rows of a table: making one takes as long as evaluating a point


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
        point.check()


class Executor(Protocol):
    """Who evaluates: this machine, or a cluster."""

    def piece(self, total: int) -> int:
        """How many points to hand over at once, of so many that are evaluated one by one."""

    def together(self, works: Iterator[Work], progress: Progress) -> Iterator[tuple[Work, Rows]]:
        """Rows of work that is evaluated together, in any order; `progress(0)` now and then."""

    def single(self, works: Iterator[Work], total: int, progress: Progress) -> Iterator[tuple[Work, Rows]]:
        """Rows of work that is evaluated point by point, in any order; `progress(0)` now and then."""


@dataclass(frozen=True, slots=True)
class Means:
    """Where points are evaluated, where their rows are kept, if anywhere, and the files that they are of.

    All that is evaluated by the same means is of the same files, as they were when `identities` first read them.
    """

    executor: Executor = field(default_factory=Local)
    store: ResultStore | None = None
    identities: Identities = None  # type: ignore[assignment]  # by default, with the store's code

    def __post_init__(self) -> None:
        if self.identities is None:
            object.__setattr__(self, "identities", Identities(None if self.store is None else self.store.code))

    def keeper(self, progress: Progress) -> Keeper | None:
        """Who keeps the rows."""
        return None if self.store is None else Keeper(self.store, self.identities, progress)


def run_sweep(
    space: Space[Any], progress: Progress, engine: Engine = Engine.AUTO, means: Means | None = None
) -> Iterator[pl.DataFrame]:
    """Evaluates a space; yields tables of finished points (column `index` says which).

    All files are read at the start: what becomes of them meanwhile is not seen. With a store, what it knows is read,
    and a row is reported (yielded, counted by `progress`) when it is safe there.
    Raises SpecError for a point that is wrong (one that does not fit is a row with its reason).
    """
    means = means or Means()
    return steps_held(means.identities.files, _run_sweep(space, progress, engine, means))


def _run_sweep(space: Space[Any], progress: Progress, engine: Engine, means: Means) -> Iterator[pl.DataFrame]:
    means.identities.take(of_each_kind(space))
    total = len(space)
    simulated = space.time_model is not TimeModel.CLOSED_FORM  # one by one
    many = engine is Engine.COMPILED or (engine is Engine.AUTO and total >= _TOGETHER)
    together = many and not simulated and not space.whole
    if not together:
        points = space.points()
        while window := list(itertools.islice(points, _WINDOW)):
            progress(0)
            yield from _run_single(window, progress, means)
        return
    progress(0)
    least = 1 if engine is Engine.COMPILED else _LEAST
    parts = grids(space)
    large = [grid for grid in parts if prod(grid.shape) >= least]
    yield from _run_together((Loaded(Labels(grid), *load_grid(grid)) for grid in large), progress, means)
    single = [point for grid in parts if prod(grid.shape) < least for point in grid.along(*range(len(grid.shape)))]
    yield from _run_single(single, progress, means)


def _alike(points: Sequence[Point]) -> list[Point]:
    """The points that the compiled model may take together: those of one kernel."""
    return [point for point in points if point.lengths is None]


def run_points(points: Sequence[Point], progress: Progress, means: Means | None = None) -> Iterator[pl.DataFrame]:
    """Evaluates some points, together where that pays; yields tables of finished ones.

    Stores and raises as `run_sweep` does.
    """
    means = means or Means()
    return steps_held(means.identities.files, _run_points(points, progress, means))


def _run_points(points: Sequence[Point], progress: Progress, means: Means) -> Iterator[pl.DataFrame]:
    means.identities.take(points)
    if means.store is not None:
        source, whole = Listed(tuple(points)), (slice(0, len(points)),)
        places = means.store.find_own(source.keys(whole, means.identities))
        yield from means.store.known(source, whole, places)
        points = [point for point, place in zip(points, places, strict=True) if place < 0]
    simulated = any(point.time_model is not TimeModel.CLOSED_FORM for point in points)
    batches = [] if simulated else group(_alike(points))
    large = [batch for batch in batches if len(batch.points) >= _LEAST]
    yield from _run_together((Loaded(Listed(batch.points), *load_columns(batch)) for batch in large), progress, means)
    single = [point for batch in batches if len(batch.points) < _LEAST for point in batch.points]
    single += [point for point in points if point.lengths is not None]
    yield from _run_single(points if simulated else single, progress, means)


def _run_together(loaded: Iterable[Loaded], progress: Progress, means: Means) -> Iterator[pl.DataFrame]:
    """Tables of points, block by block."""
    evaluate = partial(means.executor.together, progress=progress)
    if keeper := means.keeper(progress):
        yield from keeper.run(blocks(loaded), evaluate)
        return
    for _, tables in evaluate(blocks(loaded)):
        for table in tables:
            yield cast("pl.DataFrame", table)
            progress(len(table))


def _run_single(points: Sequence[Point], progress: Progress, means: Means) -> Iterator[pl.DataFrame]:
    """Points one by one; who stops the sweep still gets the rows that are finished."""
    works = pieces(points, means.executor.piece(len(points)))
    evaluate = partial(means.executor.single, total=len(points), progress=progress)
    if keeper := means.keeper(progress):
        yield from keeper.run(works, evaluate)
        return
    rows: list[Record] = []
    try:
        for _, part in evaluate(works):
            rows += cast("list[Record]", part)
            progress(len(part))
            if len(rows) >= _ROWS:
                finished, rows = rows, []
                yield from tables_of_rows(finished)
    except KeyboardInterrupt:
        yield from tables_of_rows(rows)
        raise
    yield from tables_of_rows(rows)
