"""Work of a sweep: points to evaluate, together or one by one, in parts that a thread, a process or a machine takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from einsim.errors import SpecError
from einsim.explore.batches import Listed
from einsim.explore.identity import Identities, Keys
from einsim.explore.point import Point
from einsim.explore.rows import evaluate_point, table_of_many, table_of_rows
from einsim.model.blocks import Box, boxes, part
from einsim.model.closed_form import evaluate_many
from einsim.model.result import Record
from einsim.schedule.environment import Columns
from einsim.spec.configuration import Design

if TYPE_CHECKING:
    import polars as pl

_BLOCK: Final = 1 << 15  # points evaluated together at most: bounds memory
_FEW: Final = 16  # points that are evaluated one by one rather than halved again


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

    def keys(self, box: Box, identities: Identities) -> Keys:
        """Keys of a box's points, in order."""

    def context(self, box: Box) -> list[pl.Series]:
        """What a box's points are, in full and spelt one way, whatever varies in this sweep."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Points with their first design and the columns in which they differ from it."""

    source: Source
    design: Design
    columns: Columns


@dataclass(frozen=True, slots=True)
class Picked:
    """Some points of a box of a source, by their places in it, as a source of one axis."""

    source: Source
    box: Box
    places: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many points there are."""
        return (len(self.places),)

    def lead(self, box: Box) -> list[pl.Series]:
        """Index and coordinates of some of the points."""
        return [series.gather(self.places[box[0]]) for series in self.source.lead(self.box)]

    def command(self, box: Box) -> pl.Series:
        """The command lines of some of the points."""
        return self.source.command(self.box).gather(self.places[box[0]])

    def context(self, box: Box) -> list[pl.Series]:
        """What some of the points are."""
        return [series.gather(self.places[box[0]]) for series in self.source.context(self.box)]

    def keys(self, box: Box, identities: Identities) -> Keys:
        """Keys of some of the points."""
        return self.source.keys(self.box, identities)[self.places[box[0]]]

    def points(self, box: Box) -> list[Point]:
        """Some of the points."""
        lengths = [each.stop - each.start for each in self.box]
        found = []
        for place in self.places[box[0]]:
            steps = np.unravel_index(place, lengths)
            at = [each.start + int(step) for each, step in zip(self.box, steps, strict=True)]
            found += self.source.points(tuple(slice(each, each + 1) for each in at))
        return found


@dataclass(frozen=True, slots=True)
class Work:
    """A box of points; where they are evaluated one by one, there is no `loaded`."""

    source: Source
    box: Box
    loaded: Loaded | None = None

    def __len__(self) -> int:
        """How many points there are."""
        return prod(each.stop - each.start for each in self.box)

    def keys(self, identities: Identities) -> Keys:
        """Keys of the points, in order."""
        return self.source.keys(self.box, identities)

    def some(self, places: NDArray[np.int64]) -> Work:
        """The points at some places of the box, in order."""
        whole = (slice(0, len(places)),)
        if self.loaded is None:
            points = self.source.points(self.box)
            return Work(Listed(tuple(points[place] for place in places)), whole)
        picked = Picked(self.source, self.box, places)
        lengths = tuple(each.stop - each.start for each in self.box)
        columns = {
            name: np.broadcast_to(part(np.asarray(values), self.box), lengths).reshape(-1)[places]
            for name, values in self.loaded.columns.items()
        }
        return Work(picked, whole, Loaded(picked, self.loaded.design, columns))


Rows = list[Record] | list["pl.DataFrame"]
"""Rows of some work in the order of its points: one by one, or as tables."""


def blocks(loaded: Iterable[Loaded]) -> Iterator[Work]:
    """Points that are evaluated together, block by block."""
    for each in loaded:
        yield from (Work(each.source, box, each) for box in boxes(each.source.shape, _BLOCK))


def pieces(points: Sequence[Point], length: int) -> Iterator[Work]:
    """Points that are evaluated one by one, a few at a time."""
    for start in range(0, len(points), length):
        some = tuple(points[start : start + length])
        yield Work(Listed(some), (slice(0, len(some)),))


def evaluate_work(work: Work) -> Rows:
    """Rows of the points. Raises SpecError for a point that is wrong."""
    if work.loaded is None:
        return [evaluate_point(point) for point in work.source.points(work.box)]
    return list(_evaluate_together(work.loaded, work.box))


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
