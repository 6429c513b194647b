"""Batches: points that share a structure and differ only in numbers, which the model takes as columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from einsim.explore.context import context_of
from einsim.explore.identity import Identities, Keys
from einsim.explore.point import Point
from einsim.model.blocks import Box
from einsim.model.costs import cost_fields
from einsim.schedule.environment import Columns
from einsim.spec.architecture import RELATED, Architecture, machine_fields
from einsim.spec.configuration import Design
from einsim.spec.overrides import Override

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Batch:
    """Points that share a structure, and for each of their overrides the column that it is, if it is one."""

    points: tuple[Point, ...]
    columns: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """Indices, coordinates and commands of listed points, as columns of tables."""

    listed: tuple[Point, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many points there are."""
        return (len(self.listed),)

    def points(self, box: Box) -> list[Point]:
        """Some of the points."""
        return list(self.listed[box[0]])

    def lead(self, box: Box) -> list[pl.Series]:
        """Index and coordinates of some of the points."""
        import polars as pl  # noqa: PLC0415 - half of the command line's commands need no tables

        points = self.points(box)
        fields = [field for field, _ in points[0].coordinates]
        return [
            pl.Series("index", [point.index for point in points]),
            *(pl.Series(field, [point.coordinates[n][1] for point in points]) for n, field in enumerate(fields)),
        ]

    def command(self, box: Box) -> pl.Series:
        """The command lines of some of the points."""
        import polars as pl  # noqa: PLC0415

        return pl.Series("command", [point.command for point in self.points(box)])

    def keys(self, box: Box, identities: Identities) -> Keys:
        """Keys of some of the points."""
        return identities.keys(self.points(box))

    def context(self, box: Box) -> list[pl.Series]:
        """What some of the points are, in full."""
        return context_of(self.points(box))


def group(points: Iterable[Point]) -> list[Batch]:
    """Batches of points with the same files, the same settings that are no columns, and the same choices.

    Raises SpecError for the first point of a group that is wrong.
    """
    alike: dict[tuple[Any, ...], list[Point]] = {}
    for point in points:
        names = tuple(change.name for change in point.overrides)
        sizes = tuple(name for name, _ in point.workload.sizes)
        key = (point.configuration.value, point.architecture.value, point.accounting, names, sizes)
        alike.setdefault(key, []).append(point)
    return [batch for members in alike.values() for batch in _split(members)]


def _split(points: list[Point]) -> list[Batch]:
    """Batches of points whose files and overridden fields are the same."""
    machine = points[0].design().architecture
    columns = tuple(column_name(change, machine) for change in points[0].overrides)
    choices: dict[tuple[Any, ...], Any] = {}
    batches: dict[tuple[Any, ...], list[Point]] = {}
    for point in points:
        own = tuple(column if change.value is not None else None
                    for change, column in zip(point.overrides, columns, strict=True))  # fmt: skip
        fixed = tuple(change.text for change, column in zip(point.overrides, own, strict=True) if column is None)
        key = (point.workload.model, point.workload.seq_len, fixed)
        if key not in choices:
            choices[key] = point.design().choices
        batches.setdefault((own, fixed, choices[key]), []).append(point)
    return [Batch(tuple(members), key[0]) for key, members in batches.items()]


def column_name(change: Override, machine: Architecture) -> str | None:
    """The model's name of an overridden number, or None where it is no column of the model.

    `arch.array2d.operations.mac.energy_pj` is `array2d.mac.energy_pj`; `...mac.cycles` is no column.
    """
    target, *parts = change.key
    if target == "workload":
        return parts[0]
    if target == "mapping":
        return None
    if len(parts) > 2 and parts[1] == "registers" and parts[0] in machine.arrays:
        parts = [machine.arrays[parts[0]].registers.name, *parts[2:]]
    name = ".".join(parts)
    return name if name in machine_fields(machine) or name in cost_fields(machine) else None


def load_columns(batch: Batch) -> tuple[Design, Columns]:
    """The batch's first design, and its columns.

    Every value of every column is loaded once as a single run would load it, and so is every combination of
    values that a machine may refuse. Raises SpecError for the first that is wrong.
    """
    places = [(place, name) for place, name in enumerate(batch.columns) if name is not None]
    related = [place for place, name in places if is_related(name)]
    numbers: dict[int, dict[str, int | float]] = {place: {} for place, _ in places}
    combinations: set[tuple[str, ...]] = set()
    for point in batch.points:
        texts = {place: point.overrides[place].text for place, _ in places}
        together = tuple(texts[place] for place in related)
        if together in combinations and all(texts[place] in numbers[place] for place, _ in places):
            continue
        design = point.design()
        values = numbers_of(design)
        combinations.add(together)
        for place, name in places:
            numbers[place][texts[place]] = values[name]
    columns = _sizes(batch.points)
    for place, name in places:
        columns[name] = np.array([numbers[place][point.overrides[place].text] for point in batch.points])
    return batch.points[0].design(), columns


def is_related(name: str | None) -> bool:
    """Whether a machine may refuse a column's value beside another's."""
    return name is not None and name.rpartition(".")[2] in RELATED


def numbers_of(design: Design) -> dict[str, Any]:
    """Every number of a design that may be a column, by its name there."""
    machine = design.architecture
    return {**machine_fields(machine), **cost_fields(machine), **dict(design.workload.sizes)}


def _sizes(points: Sequence[Point]) -> dict[str, Any]:
    """The workload's sizes as columns."""
    rows = [dict(point.workload.sizes) for point in points]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}
