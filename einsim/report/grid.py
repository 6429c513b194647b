"""A sweep's table as arrays: what a figure draws, by facet, series and x."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from einsim.errors import SpecError
from einsim.report import wording

Cube = NDArray[np.float64]
"""Numbers by facet, series and x; NaN where there is none."""

FINE, INFEASIBLE, ALONE = 0, 1, 2
"""Why a number is missing: it is not, the point does not fit, there is no baseline to compare with."""

MOST: Final = {"panels": 24, "series": 24, "groups": 96}  # more cannot be told apart
LINES_FROM: Final = 13  # values of a numeric x axis


@dataclass(frozen=True, slots=True)
class Grid:
    """A sweep's rows placed by facet, series and x. An axis that is None has one nameless value."""

    frame: pl.DataFrame
    facet_axes: tuple[str, ...]
    series_axis: str | None
    x_axis: str | None
    facets: tuple[tuple[object, ...], ...]
    series: tuple[object, ...]
    xs: tuple[object, ...]
    places: NDArray[np.intp]

    @classmethod
    def of(cls, frame: pl.DataFrame, axes: Sequence[str]) -> Self:
        """Raises SpecError for an empty frame, no or an unknown axis, or two rows at one place."""
        if frame.is_empty():
            raise SpecError("a sweep without points has no figures", remedy="give every axis a value")
        for axis in axes:
            if axis not in frame.columns:
                known = ", ".join(frame.columns)
                raise SpecError(f"the results have no column {axis!r}", remedy=f"known: {known}")
        leading = _leading_axes(frame, axes)
        if not leading:
            raise SpecError("a figure needs an axis", remedy="name one field that the sweep varies")
        series_axis, x_axis = _roles(frame, leading)
        facets, at_facet = _distinct(frame, leading[1:-1])
        (series, at_series), (xs, at_x) = (_values(frame, axis) for axis in (series_axis, x_axis))
        if all(wording.is_number(x) for x in xs):
            order = np.argsort(np.array(xs))
            xs, at_x = tuple(xs[i] for i in order), np.argsort(order)[at_x]
        places = (at_facet * len(series) + at_series) * len(xs) + at_x
        if np.bincount(places).max() > 1:
            raise SpecError(f"several results at one place of {', '.join(axes)}", remedy="name all axes")
        return cls(frame, leading[1:-1], series_axis, x_axis, facets, series, xs, places)

    def cube(self, column: str) -> Cube:
        """A column's numbers; all NaN where there is no such column."""
        cells = np.full(len(self.facets) * len(self.series) * len(self.xs), np.nan)
        if column in self.frame.columns:
            cells[self.places] = self.frame[column].cast(pl.Float64).fill_null(np.nan).to_numpy()
        cells[~np.isfinite(cells)] = np.nan
        return cells.reshape(len(self.facets), len(self.series), len(self.xs))

    @property
    def names(self) -> list[str]:
        """The series in words."""
        axis = self.series_axis
        return [wording.show_value(axis, value) if axis else "" for value in self.series]

    @property
    def x_is_numeric(self) -> bool:
        """Whether x has an order and distances."""
        return self.x_axis is not None and all(wording.is_number(x) for x in self.xs)


def _leading_axes(frame: pl.DataFrame, axes: Sequence[str]) -> tuple[str, ...]:
    """The axes without those that advance together with an earlier one."""
    kept: dict[str, int] = {}
    for axis in axes:
        values = frame[axis].n_unique()
        twins = [other for other, count in kept.items() if count == values > 1]
        if not any(frame.select(pl.struct(other, axis).n_unique()).item() == values for other in twins):
            kept[axis] = values
    return tuple(kept)


def _roles(frame: pl.DataFrame, axes: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Which axis the series are of, and which is x; a single axis is x if it is numeric."""
    if len(axes) > 1:
        return axes[0], axes[-1]
    return (None, axes[0]) if frame[axes[0]].dtype.is_numeric() else (axes[0], None)


def _values(frame: pl.DataFrame, axis: str | None) -> tuple[tuple[object, ...], NDArray[np.intp]]:
    """The different values of an axis in order of appearance, and which of them each row has."""
    if axis is None:
        return (None,), np.zeros(len(frame), np.intp)
    values, at = _distinct(frame, (axis,))
    return tuple(value for (value,) in values), at


def _distinct(frame: pl.DataFrame, axes: Sequence[str]) -> tuple[tuple[tuple[object, ...], ...], NDArray[np.intp]]:
    """The different values of some axes together in order of appearance, and which of them each row has."""
    if not axes:
        return ((),), np.zeros(len(frame), np.intp)
    rows = frame.select(axes)
    values = rows.unique(maintain_order=True)
    numbered = values.with_row_index("row number")
    at = rows.join(numbered, on=axes, how="left", maintain_order="left", nulls_equal=True)["row number"]
    return tuple(values.rows()), at.to_numpy().astype(np.intp)


def thin(frame: pl.DataFrame, grid: Grid, *, lines: bool) -> tuple[pl.DataFrame, str]:
    """The rows of as many facets, series and groups of bars as can be told apart, and a note on them."""
    notes = []
    limits = (("panels", grid.facet_axes), ("series", [grid.series_axis]), ("groups", [grid.x_axis]))
    for name, axes in limits:
        fields = [axis for axis in axes if axis is not None]
        if not fields or (lines and name == "groups"):
            continue
        values = frame.select(fields).unique(maintain_order=True)
        if len(values) > MOST[name]:
            kept = values.gather_every(-(-len(values) // MOST[name]))
            frame = frame.join(kept, on=fields, how="semi", maintain_order="left", nulls_equal=True)
            notes.append(f"{len(kept)} of {len(values)} {name}")
    return frame, f"Shown: {', '.join(notes)}" if notes else ""


@dataclass(frozen=True, slots=True)
class Strip:
    """One row of panels: what its bars or lines show, with the parts that a stacked bar is made of.

    The last `means` places along x are means. `marks` says why a number is missing; `captions` stand at the
    ends of bars; `reference` is the baseline's value, `limit` the largest possible one.
    """

    label: str
    values: Cube
    marks: NDArray[np.int8]
    stack: Mapping[str, Cube]
    captions: NDArray[np.object_]
    means: int = 0
    reference: float | None = None
    limit: float | None = None
