"""Sweeps: every point of a space evaluated, on all cores, into one table.

Points of one configuration that differ only in numbers are evaluated together by the compiled model
when there are many of them; the others one by one, exactly. Both give the same rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from einsim.errors import SpecError
from einsim.explore.batches import Batch, group, load_columns
from einsim.explore.rows import evaluate_point, table_of_many, table_of_rows
from einsim.explore.space import Point, Space
from einsim.explore.sweepfile import TimeModel
from einsim.explore.workers import evaluate_rows
from einsim.model.closed_form import evaluate_many
from einsim.model.result import Record
from einsim.schedule.environment import Columns
from einsim.spec.configuration import Design
from einsim.spec.modelrun import Scope

if TYPE_CHECKING:
    import polars as pl

Progress = Callable[[int], None]
"""Called with the number of points just finished; may raise to end the sweep."""

_TOGETHER: Final = 2000  # points from which compiling the kernels (or loading them) pays
_LEAST: Final = 16  # points of a batch from which, the kernels once loaded, they are faster
_CHUNK: Final = 16384  # points evaluated together at most: bounds memory
_WINDOW: Final = 8 * _CHUNK  # points made at a time
_ROWS: Final = 500  # rows of a table: making one takes as long as evaluating a point
_FEW: Final = 16  # points that are evaluated one by one rather than halved again


class Engine(StrEnum):
    """How points are evaluated: one by one with exact integers, many at once compiled, or as suits."""

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
    simulated = space.time_model is not TimeModel.CLOSED_FORM  # by points, each with its own compiled run
    together = not simulated and (engine is Engine.COMPILED or (engine is Engine.AUTO and total >= _TOGETHER))
    least = 1 if engine is Engine.COMPILED else _LEAST
    points = space.points()
    while window := list(itertools.islice(points, _WINDOW)):
        progress(0)
        batches = group(_alike(window)) if together else []
        single = [point for batch in batches if len(batch.points) < least for point in batch.points]
        single += [point for point in window if point.scope is not Scope.ATTENTION]
        for batch in batches:
            if len(batch.points) >= least:
                yield from _run_batch(batch, progress)
        yield from _run_single(single if together else window, progress)


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


def _run_batch(batch: Batch, progress: Progress) -> Iterator[pl.DataFrame]:
    for start in range(0, len(batch.points), _CHUNK):
        part = Batch(batch.points[start : start + _CHUNK], batch.columns)
        design, columns = load_columns(part)
        progress(0)
        for table in _evaluate_together(part.points, design, columns):
            yield table
            progress(len(table))


def _evaluate_together(points: Sequence[Point], design: Design, columns: Columns) -> Iterator[pl.DataFrame]:
    """Tables of points that share a structure.

    Where the compiled model refuses them (64 bits are too few, or a size is wrong somewhere), each half goes its
    own way, down to a few that are evaluated exactly: they have their rows, or the error of a single run.
    """
    try:
        evaluation = evaluate_many(design, columns)
    except (OverflowError, SpecError):
        if len(points) <= _FEW:
            yield table_of_rows([evaluate_point(point) for point in points])
            return
        middle = len(points) // 2
        for half in (slice(None, middle), slice(middle, None)):
            own = {name: values[half] for name, values in columns.items()}
            yield from _evaluate_together(points[half], design, own)
        return
    yield table_of_many(points, design, evaluation)


def run_points(points: Sequence[Point], progress: Progress) -> Iterator[pl.DataFrame]:
    """Evaluates some points, together where that pays; yields tables of finished ones.

    Raises SpecError as `run_sweep` does.
    """
    simulated = any(point.time_model is not TimeModel.CLOSED_FORM for point in points)
    batches = [] if simulated else group(_alike(points))
    for batch in batches:
        if len(batch.points) >= _LEAST:
            yield from _run_batch(batch, progress)
    single = [point for batch in batches if len(batch.points) < _LEAST for point in batch.points]
    single += [point for point in points if point.scope is not Scope.ATTENTION]
    yield from _run_single(points if simulated else single, progress)
