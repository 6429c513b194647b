"""Figures of a sweep, for a paper: its table goes in, a matplotlib figure comes out.

The last axis of the sweep makes the groups along x, the first one the series (bars or lines), those between
them the panels. Nothing here touches a file or pyplot; `style.saving` and `style.METADATA` are for who saves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self, assert_never

import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from einsim.errors import SpecError
from einsim.report import style
from einsim.report.style import Layout, Look

Cube = NDArray[np.float64]
"""Numbers by facet, series and x; NaN where there is none."""

_MOST: Final = {"facets": 24, "series": 24, "xs": 96}  # more cannot be told apart
_LINES_FROM: Final = 13  # values of a numeric x axis
_LOG_FROM: Final = 20.0  # ratio of the largest to the smallest number
_FINE, _INFEASIBLE, _ALONE = 0, 1, 2


class FigureKind(StrEnum):
    """What a figure shows."""

    SPEEDUP = "speedup"
    ENERGY = "energy"
    UTILISATION = "utilisation"
    BREAKDOWN = "breakdown"


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
        """Raises SpecError for an empty frame, an unknown axis, or two rows at one place."""
        if frame.is_empty():
            raise SpecError("a sweep without points has no figures", remedy="give every axis a value")
        for axis in axes:
            if axis not in frame.columns:
                raise SpecError(f"the results have no column {axis!r}", remedy=f"known: {', '.join(frame.columns)}")
        leading = _leading_axes(frame, axes)
        if not leading:
            raise SpecError("a figure needs an axis", remedy="sweep something")
        series_axis, x_axis = leading[0], leading[-1]
        if len(leading) == 1:
            numeric = frame[leading[0]].dtype.is_numeric()
            series_axis, x_axis = (None, leading[0]) if numeric else (leading[0], None)
        facets, at_facet = _distinct(list(zip(*(frame[a].to_list() for a in leading[1:-1]), strict=True)), len(frame))
        series, at_series = _distinct(frame[series_axis].to_list() if series_axis else [], len(frame))
        xs, at_x = _distinct(frame[x_axis].to_list() if x_axis else [], len(frame))
        if x_axis and frame[x_axis].dtype.is_numeric() and None not in xs:
            order = np.argsort(np.array(xs))
            xs, at_x = tuple(xs[i] for i in order), np.argsort(order)[at_x]
        places = (at_facet * len(series) + at_series) * len(xs) + at_x
        if len(np.unique(places)) != len(frame):
            raise SpecError(f"several results at one place of {', '.join(axes)}", remedy="name all axes")
        names = tuple(value if isinstance(value, tuple) else () for value in facets)
        return cls(frame, leading[1:-1], series_axis, x_axis, names, series, xs, places)

    def cube(self, column: str) -> Cube:
        """A column's numbers; all NaN where there is no such column."""
        cells = np.full(len(self.facets) * len(self.series) * len(self.xs), np.nan)
        if column in self.frame.columns:
            cells[self.places] = self.frame[column].cast(pl.Float64).fill_null(np.nan).to_numpy()
        cells[~np.isfinite(cells)] = np.nan
        return cells.reshape(len(self.facets), len(self.series), len(self.xs))

    @property
    def x_is_numeric(self) -> bool:
        """Whether x has an order and distances."""
        return self.x_axis is not None and all(style.is_number(x) for x in self.xs)


def _leading_axes(frame: pl.DataFrame, axes: Sequence[str]) -> tuple[str, ...]:
    """The axes without those that advance together with an earlier one."""
    kept: dict[str, int] = {}
    for axis in axes:
        values = frame[axis].n_unique()
        twins = [other for other, count in kept.items() if count == values > 1]
        if not any(frame.select(pl.struct(other, axis).n_unique()).item() == values for other in twins):
            kept[axis] = values
    return tuple(kept)


def _distinct(values: list[object], rows: int) -> tuple[tuple[object, ...], NDArray[np.intp]]:
    """The different values in order of appearance, and which of them each row has."""
    if not values:
        return (None,), np.zeros(rows, np.intp)
    index = {value: i for i, value in enumerate(dict.fromkeys(values))}
    return tuple(index), np.array([index[value] for value in values], np.intp)


@dataclass(frozen=True, slots=True)
class Strip:
    """One row of panels: what its bars or lines show, with the parts that a stacked bar is made of.

    The last `means` places along x are means. `marks` says why a number is missing; `captions` stand at
    the ends of bars; bars of a logarithmic axis start at `reference`.
    """

    label: str
    values: Cube
    marks: NDArray[np.int8]
    stack: Mapping[str, Cube]
    captions: NDArray[np.object_]
    means: int = 0
    reference: float | None = None
    limit: float | None = None


def draw(
    kind: FigureKind,
    frame: pl.DataFrame,
    *,
    axes: tuple[str, ...],
    baseline: Mapping[str, object] | None,
    title: str = "",
) -> Figure:
    """One figure of a sweep's results, whose axes are given in order, against the sweep's baseline, if any.

    Speedup and energy are ratios to the baseline (without one, seconds and joules), utilisation is in
    per cent, the breakdown stacks the energy of the machine's parts. Points that do not fit are marked and
    left out of means. Raises SpecError where there are no points or the columns of `axes` are not there.
    """
    grid = Grid.of(frame, axes)
    strips = [strip for strip in _strips(kind, grid, baseline) if np.isfinite(strip.values).any()]
    if not strips:
        return _notice(grid, title)
    overall = _overall(strips[0], len(grid.facets))
    grid, strips, note = _thinned(grid, strips, kind is FigureKind.BREAKDOWN)
    return _paint(grid, strips, overall, note, title)


def _strips(kind: FigureKind, grid: Grid, baseline: Mapping[str, object] | None) -> list[Strip]:
    against = ", ".join(_named(axis, value) for axis, value in (baseline or {}).items())
    means = grid.x_axis is not None and grid.x_axis not in (baseline or {})
    match kind:
        case FigureKind.SPEEDUP if baseline:
            return [_ratio(grid, f"Speedup over {against}", "speedup", means)]
        case FigureKind.SPEEDUP:
            return [_strip(grid, "Latency (s)", grid.cube("latency_s"))]
        case FigureKind.ENERGY if baseline:
            return [_ratio(grid, f"Energy relative to {against}", "energy_ratio", means)]
        case FigureKind.ENERGY:
            return [_strip(grid, "Energy (J)", grid.cube("energy_pj") * 1e-12)]
        case FigureKind.UTILISATION:
            arrays = {"2D array": "util_2d", "1D array": "util_1d"}
            shares = {name: 100.0 * grid.cube(column) for name, column in arrays.items()}
            return [_strip(grid, f"{name} utilisation (%)", share, limit=100.0) for name, share in shares.items()]
        case FigureKind.BREAKDOWN:
            return [_breakdown(grid, f"Energy relative to {against}" if baseline else None)]
    assert_never(kind)


def _named(axis: str, value: object) -> str:
    """A value of an axis where nothing else says of which."""
    shown = style.show_value(axis, value)
    return f"{style.axis_label(axis)} = {shown}" if style.is_number(value) else shown


def _strip(grid: Grid, label: str, values: Cube, limit: float | None = None, reference: float | None = None) -> Strip:
    """A strip without captions or parts. Points that fit but have no number have nothing to compare with."""
    marks = np.full(values.shape, _FINE, np.int8)
    feasible = grid.cube("feasible")
    marks[np.isnan(values) & (feasible == 1) & (reference is not None)] = _ALONE
    marks[feasible == 0] = _INFEASIBLE
    values = np.where(feasible == 0, np.nan, values)
    return Strip(label, values, marks, {}, np.full(values.shape, "", object), 0, reference, limit)


def _ratio(grid: Grid, label: str, column: str, means: bool) -> Strip:
    """Ratios to the baseline, with their arithmetic and geometric means over x."""
    strip = _strip(grid, label, grid.cube(column), reference=1.0)
    if not means:
        shown = np.vectorize(style.show_ratio, otypes=[object])(strip.values)
        return replace(strip, captions=shown) if grid.x_axis is None else strip
    averages = np.stack(_means(strip.values), axis=-1)
    star = np.where((strip.marks != _FINE).any(axis=-1), "*", "")[..., None]
    shown = np.vectorize(style.show_ratio, otypes=[object])(averages)
    shown = np.where(shown == "", "", shown + star)
    values = np.concatenate([strip.values, averages], axis=-1)
    return replace(strip, values=values, captions=np.concatenate([strip.captions, shown], axis=-1), means=2)


def _means(values: Cube) -> tuple[Cube, Cube]:
    """Arithmetic and geometric means over the last axis, of the numbers there are."""
    there = np.isfinite(values)
    count = np.maximum(there.sum(axis=-1), 1)
    none = ~there.any(axis=-1)
    arithmetic = np.where(there, values, 0.0).sum(axis=-1) / count
    logs = np.log(np.where(there & (values > 0), values, 1.0))
    geometric = np.exp(logs.sum(axis=-1) / count)
    return np.where(none, np.nan, arithmetic), np.where(none, np.nan, geometric)


def _breakdown(grid: Grid, label: str | None) -> Strip:
    """Energy by part: relative to the baseline's total, else in joules, else (if too unlike) in shares."""
    prefix = "energy_pj/"
    columns = [column for column in grid.frame.columns if column.startswith(prefix)]
    parts = {column.removeprefix(prefix): np.nan_to_num(grid.cube(column)) for column in columns}
    total = grid.cube("energy_pj")
    if label is not None:
        strip = _strip(grid, label, grid.cube("energy_ratio"), reference=1.0)
    else:
        strip = _strip(grid, "Energy (J)", total * 1e-12)
        if _spread(strip.values) > _LOG_FROM:
            captions = np.vectorize(lambda pj: "" if pj != pj else style.show_joules(pj * 1e-12), otypes=[object])(total)
            strip = replace(_strip(grid, "Share of energy (%)", 0 * total + 100.0), captions=captions)
    scale = strip.values / total
    stack = {part: values * scale for part, values in _fold(parts, total).items()}
    return replace(strip, stack=stack)


def _fold(parts: Mapping[str, Cube], total: Cube) -> dict[str, Cube]:
    """Parts in stacking order, those of an array that never reach 1 % of a bar added up as its others."""
    folded: dict[str, Cube] = {}
    for group, members in style.part_groups(list(parts)):
        small = [part for part in members if "." in part and not np.any(parts[part] > 0.01 * total)]
        if len(small) < 2:
            small = []
        folded |= {part: parts[part] for part in members if part not in small}
        if small:
            folded[f"{group}.{len(small)} others"] = sum((parts[part] for part in small), np.zeros(total.shape))
    return folded


def _spread(values: Cube, *also: float) -> float:
    """The ratio of the largest to the smallest positive number."""
    positive = [*values[values > 0], *also]
    return max(positive, default=1.0) / min(positive, default=1.0)


def _overall(strip: Strip, facets: int) -> list[str]:
    """Means over all facets, by series, where the panels have means or could not show them."""
    shape = strip.values.shape
    if not strip.means or facets == 1:
        return [""] * shape[1]
    flat = strip.values[..., : -strip.means].swapaxes(0, 1).reshape(shape[1], -1)
    partial = (strip.marks != _FINE).any(axis=(0, 2))
    pairs = zip(*_means(flat), partial, strict=True)
    return [f"  {style.show_ratio(a)} / {style.show_ratio(g)}{'*' if some else ''}" for a, g, some in pairs]
