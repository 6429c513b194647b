"""Figures of a sweep, for a paper: its table goes in, a matplotlib figure comes out.

The last axis of the sweep makes the groups along x, the first one the series (bars or lines), those between
them the panels. Nothing here touches a file or pyplot; `style.saving` and `style.METADATA` are for who saves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self, assert_never

import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from matplotlib.text import Text
from numpy.typing import NDArray

from einsim.errors import SpecError
from einsim.report import style
from einsim.report.style import (
    LOW_PANEL_PT,
    MEAN_STRETCH,
    PANEL_PT,
    RIGHT,
    Layout,
    Look,
    XAxis,
    YAxis,
    bar_axis,
    fit_labels,
    lay_out,
    line_axis,
    y_axis,
)

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
        between = [frame[axis].to_list() for axis in leading[1:-1]]
        facets, at_facet = _distinct(list(zip(*between, strict=True)), len(frame))
        series, at_series = _distinct(frame[series_axis].to_list() if series_axis else [], len(frame))
        xs, at_x = _distinct(frame[x_axis].to_list() if x_axis else [], len(frame))
        if all(style.is_number(x) for x in xs):
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
    def names(self) -> list[str]:
        """The series in words."""
        axis = self.series_axis
        return [style.show_value(axis, value) if axis else "" for value in self.series]

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


def _roles(frame: pl.DataFrame, axes: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Which axis the series are of, and which is x; a single axis is x if it is numeric."""
    if len(axes) > 1:
        return axes[0], axes[-1]
    return (None, axes[0]) if frame[axes[0]].dtype.is_numeric() else (axes[0], None)


def _distinct(values: list[object], rows: int) -> tuple[tuple[object, ...], NDArray[np.intp]]:
    """The different values in order of appearance, and which of them each row has."""
    if not values:
        return (None,), np.zeros(rows, np.intp)
    index = {value: i for i, value in enumerate(dict.fromkeys(values))}
    return tuple(index), np.array([index[value] for value in values], np.intp)


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


class FigureKind(StrEnum):
    """What a figure shows."""

    SPEEDUP = "speedup"
    ENERGY = "energy"
    UTILISATION = "utilisation"
    BREAKDOWN = "breakdown"


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
    lines = kind is not FigureKind.BREAKDOWN and grid.x_is_numeric and len(grid.xs) >= LINES_FROM
    shown, note = thin(frame, grid, lines=lines)
    grid = Grid.of(shown, axes) if note else grid
    strips = [strip for strip in _strips(kind, grid, baseline or {}) if np.isfinite(strip.values).any()]
    if not strips:
        return notice(frame, title)
    overall: list[str] = []
    if strips[0].reference is not None and not strips[0].stack and grid.x_axis not in {None, *(baseline or {})}:
        overall = _overall(strips[0]) if lines or len(grid.facets) > 1 else []
        strips = strips if lines else [_with_means(strip) for strip in strips]
    notes = [note, "Beside the names: mean / geomean over all points" if overall else ""]
    return paint(grid, strips, lines=lines, overall=overall, notes=notes, title=title)


def _strips(kind: FigureKind, grid: Grid, baseline: Mapping[str, object]) -> list[Strip]:
    against = ", ".join(style.show_named(axis, value) for axis, value in baseline.items())
    match kind:
        case FigureKind.SPEEDUP if baseline:
            return [_ratio(grid, f"Speedup over {against}", "speedup")]
        case FigureKind.SPEEDUP:
            return [_strip(grid, "Latency (s)", grid.cube("latency_s"))]
        case FigureKind.ENERGY if baseline:
            return [_ratio(grid, f"Energy relative to {against}", "energy_ratio")]
        case FigureKind.ENERGY:
            return [_strip(grid, "Energy (J)", grid.cube("energy_pj") * 1e-12)]
        case FigureKind.UTILISATION:
            shares = {"2D array": grid.cube("util_2d"), "1D array": grid.cube("util_1d")}
            return [
                replace(_strip(grid, f"{name} utilisation (%)", 100.0 * share), limit=100.0)
                for name, share in shares.items()
            ]
        case FigureKind.BREAKDOWN:
            return [_breakdown(grid, f"Energy relative to {against}" if baseline else None)]
    assert_never(kind)


def _strip(grid: Grid, label: str, values: Cube) -> Strip:
    """A strip without captions, parts or a baseline."""
    feasible = grid.cube("feasible")
    marks = np.where(feasible == 0, INFEASIBLE, FINE).astype(np.int8)
    return Strip(label, np.where(feasible == 0, np.nan, values), marks, {}, np.full(values.shape, "", object))


def _ratio(grid: Grid, label: str, column: str) -> Strip:
    """Ratios to the baseline. Points that fit but have no ratio have nothing to compare with."""
    strip = _strip(grid, label, grid.cube(column))
    marks = np.where((strip.marks == FINE) & np.isnan(strip.values) & (grid.cube("feasible") == 1), ALONE, strip.marks)
    captions = _written(strip.values, style.show_ratio) if grid.x_axis is None else strip.captions
    return replace(strip, marks=marks, captions=captions, reference=1.0)


def _written(values: Cube, show: Callable[[float], str]) -> NDArray[np.object_]:
    """Numbers as text, empty where there is none."""
    texts = [show(value) if np.isfinite(value) else "" for value in values.flat]
    return np.array(texts, object).reshape(values.shape)


def _with_means(strip: Strip) -> Strip:
    """The arithmetic and geometric means over x behind its values, starred where points are missing."""
    averages = np.stack(_means(strip.values), axis=-1)
    star = np.where((strip.marks != FINE).any(axis=-1), "*", "").astype(object)[..., None]
    texts = _written(averages, style.show_ratio) + np.where(np.isfinite(averages), star, "")
    values = np.concatenate([strip.values, averages], axis=-1)
    return replace(strip, values=values, captions=np.concatenate([strip.captions, texts], axis=-1), means=2)


def _means(values: Cube) -> tuple[Cube, Cube]:
    """Arithmetic and geometric means over the last axis, of the numbers there are."""
    there = np.isfinite(values)
    count = np.where(there.any(axis=-1), there.sum(axis=-1), np.nan)
    arithmetic = np.where(there, values, 0.0).sum(axis=-1) / count
    logs = np.log(np.where(there & (values > 0), values, 1.0))
    return arithmetic, np.exp(logs.sum(axis=-1) / count)


def _overall(strip: Strip) -> list[str]:
    """Means over all facets, by series, in words."""
    series = strip.values.shape[1]
    partial = (strip.marks != FINE).any(axis=(0, 2))
    pairs = zip(*_means(strip.values.swapaxes(0, 1).reshape(series, -1)), partial, strict=True)
    return [
        f"{style.show_ratio(mean)} / {style.show_ratio(geomean)}{'*' if some else ''}" if np.isfinite(mean) else ""
        for mean, geomean, some in pairs
    ]


def _breakdown(grid: Grid, label: str | None) -> Strip:
    """Energy by part: relative to the baseline's total, else in joules, else (if too unlike) in shares."""
    prefix = "energy_pj/"
    columns = [column for column in grid.frame.columns if column.startswith(prefix)]
    parts = {column.removeprefix(prefix): np.nan_to_num(grid.cube(column)) for column in columns}
    total = np.where(grid.cube("energy_pj") > 0, grid.cube("energy_pj"), np.nan)
    joules = total * 1e-12
    strip = _strip(grid, "Energy (J)", joules) if label is None else _ratio(grid, label, "energy_ratio")
    if label is None and np.nanmax(joules, initial=0.0) > style.LOG_FROM * np.nanmin(joules, initial=np.inf):
        captions = _written(joules, style.show_joules)
        strip = replace(_strip(grid, "Share of energy (%)", 100.0 * total / total), captions=captions, limit=100.0)
    stack = {part: values * (strip.values / total) for part, values in _fold(parts, total).items()}
    return replace(strip, stack=stack)


def _fold(parts: Mapping[str, Cube], total: Cube) -> dict[str, Cube]:
    """Parts in stacking order, those of an array that never reach 1 % of a bar added up as its others."""
    folded: dict[str, Cube] = {}
    for group, members in style.part_groups(list(parts)):
        small = [part for part in members if "." in part and not np.any(parts[part] > 0.01 * total)]
        kept = [part for part in members if len(small) < 2 or part not in small]
        folded |= {part: parts[part] for part in kept}
        if len(kept) < len(members):
            others = np.sum([parts[part] for part in small], axis=0)
            folded[f"{group}.{len(small)} others"] = others
    return folded


_LINE_UNITS: Final = 30.0  # a panel of lines is as wide as one of so many bars


@dataclass(frozen=True, slots=True)
class Sheet:
    """What all panels of a figure share. `upright`: labels of x are turned."""

    grid: Grid
    x: XAxis
    layout: Layout
    looks: tuple[Look, ...]
    parts: Mapping[str, Look]
    upright: bool

    @property
    def lines(self) -> bool:
        """Whether numbers are points of lines instead of bars."""
        return self.x.bar == 0.0

    @property
    def bar(self) -> float:
        """Points from one bar to the next."""
        return self.x.points(self.x.low + self.x.bar, self.layout.panel_width)

    def caption(self, strip: Strip) -> tuple[float, bool]:
        """The size of captions of bars, and whether they are narrow enough to lie flat."""
        size = min(style.SMALL_PT, self.bar * (MEAN_STRETCH if strip.means else 1.15))
        wide = self.bar * (MEAN_STRETCH if strip.means else 1.0)
        return size, all(style.text_width(text, size) < wide for text in set(strip.captions.ravel().tolist()))

    @property
    def numbered(self) -> bool:
        """Whether the bars of a group have numbers below: a stack does not show its series by colour."""
        return bool(self.parts) and len(self.grid.series) > 1 and self.grid.x_axis is not None

    @property
    def widths(self) -> Cube:
        """The widths of bars by group, in units of x."""
        return np.array([self.x.bar] if self.grid.x_axis is None else self.x.widths, np.float64)

    @property
    def places(self) -> Cube:
        """The centres of bars by series and group."""
        centres = np.array(self.x.centres, np.float64)
        if self.grid.x_axis is None:
            return centres[:, None]
        offsets = np.array(self.x.offsets, np.float64)[:, None]
        return offsets * (self.widths / self.x.bar) + centres


def y_of(strip: Strip, *, flat: bool = False) -> YAxis:
    """Limits that hold the values, the baseline and the captions (`flat` or upright).

    Logarithmic where the values are too unlike.
    """
    there = np.isfinite(strip.values)
    numbers = [*strip.values[there].tolist(), *([] if strip.reference is None else [strip.reference])]
    captioned = max([*strip.values[there & (strip.captions != "")].tolist(), strip.reference or 0.0])
    room = max(style.text_width(text, style.SMALL_PT) for text in set(strip.captions.ravel().tolist()))
    log = strip.limit is None and not strip.stack and 0 < style.LOG_FROM * min(numbers) < max(numbers)
    base = (strip.reference or 0.0) if log else None
    room = min(room, style.SMALL_PT) if flat else room
    return y_axis(numbers, captioned=captioned, room=room, limit=strip.limit, base=base)


def make_sheet(grid: Grid, strips: Sequence[Strip], ys: Sequence[YAxis], *, lines: bool) -> Sheet:
    """Axes, looks and panel sizes; the heights above and below the panels are still 0."""
    if lines:
        x = line_axis(str(grid.x_axis), [x for x in grid.xs if isinstance(x, int | float)])
    elif grid.x_axis is None:
        x = bar_axis(grid.names, 1, 0)
    else:
        labels = [style.show_value(grid.x_axis, value) for value in grid.xs]
        x = bar_axis(labels, len(grid.series), strips[0].means)
    groups = style.part_groups(list(strips[0].stack))
    written = (groups and len(grid.series) > 1) or any((strip.captions != "").any() for strip in strips)
    widest = max(style.text_width(style.show_number(tick), style.TICK_PT) for y in ys for tick in y.ticks)
    high = PANEL_PT if len(strips) == 1 else LOW_PANEL_PT
    stories = max(len(style.wrap(strip.label, high, style.LABEL_PT)) for strip in strips)
    layout = lay_out(
        len(grid.facets),
        len(strips),
        units=_LINE_UNITS if lines else (x.high - x.low) / x.bar,
        least=4.0 if written else 2.4,
        left=widest + 10.0 + 9.0 * stories,
        legend=12.0 + sum(column_width([title, *map(last_name, parts)]) for title, parts in groups),
    )
    loose = grid.x_is_numeric or all(fit_labels(x, layout.panel_width, upright=False))
    return Sheet(grid, x, layout, style.series_looks(grid.series), style.part_looks(groups), upright=not loose)


def last_name(part: str) -> str:
    """An operation without its array."""
    return part.rpartition(".")[2]


def column_width(labels: Sequence[str]) -> float:
    """The width of a column of the legend."""
    return max(style.text_width(label, style.LABEL_PT) for label in labels) + 28.0


def paint(
    grid: Grid,
    strips: Sequence[Strip],
    *,
    lines: bool,
    overall: Sequence[str],
    notes: Sequence[str],
    title: str,
) -> Figure:
    """A figure with a panel for each facet and strip. `overall` stands beside the names in the legend."""
    ys = [y_of(strip) for strip in strips]
    sheet = make_sheet(grid, strips, ys, lines=lines)
    ys = [y_of(strip, flat=not lines and sheet.caption(strip)[1]) for strip in strips]
    room = sheet.layout.width - sheet.layout.left - RIGHT
    notes = [bar_key(sheet), *notes, remarks(strips, overall)]
    text = [line for note in notes for line in style.wrap(note, room, style.TICK_PT)]
    heading = style.wrap(title, room, style.TITLE_PT, "bold")
    legend = legend_columns(sheet, overall)
    shown = fit_labels(sheet.x, sheet.layout.panel_width, upright=sheet.upright)
    names = facet_names(sheet)
    title_high = style.HEADING_ROW_PT * len(heading) + (3.0 if heading else 0.0)
    legend_high = style.LEGEND_ROW_PT * max((len(column) for column in legend), default=0)
    head = 8.0 + title_high + legend_high + style.TEXT_ROW_PT * len(text)
    sheet = _with_margins(sheet, shown, head, style.FACET_ROW_PT * max(len(name) for name in names))
    layout = sheet.layout
    figure = Figure(figsize=(layout.width / 72, layout.height / 72), dpi=style.DPI, facecolor="white")
    for row, (strip, y) in enumerate(zip(strips, ys, strict=True)):
        for facet in range(len(grid.facets)):
            axes = figure.add_axes(layout.box(facet, row), facecolor="none")
            lowest = layout.is_lowest(facet, row)
            _frame(axes, sheet, y, shown if lowest else [], leftmost=facet % layout.columns == 0)
            _content(axes, sheet, y, strip, facet)
            if lowest and sheet.numbered:
                _number(axes, sheet)
    write_around(figure, sheet, strips, heading, text)
    write_names(figure, layout, names)
    place_legend(figure, layout, legend, layout.height - 5.0 - title_high)
    return figure


def _with_margins(sheet: Sheet, shown: Sequence[str], head: float, names: float) -> Sheet:
    """The sheet with the room above its panels, and that below for the labels of x that are `shown`."""
    tall = style.TICK_PT
    if sheet.upright:
        tall = max(style.text_width(label, style.TICK_PT) for label in shown)
    bottom = tall + 17.0 + (7.0 if sheet.numbered else 0.0)
    return replace(sheet, layout=replace(sheet.layout, head=head, names=names, bottom=bottom))


def _frame(axes: Axes, sheet: Sheet, y: YAxis, shown: Sequence[str], *, leftmost: bool) -> None:
    """Limits, ticks, their labels (of x: those `shown`), and the lines of a grid."""
    axes.set_xlim(sheet.x.low, sheet.x.high)
    axes.set_ylim(y.low, y.high)
    if sheet.x.log:
        axes.set_xscale("log")
    if y.log:
        axes.set_yscale("log")
    if sheet.x.log or y.log:
        axes.minorticks_off()
    pad = 9.0 if sheet.numbered else 2.0
    axes.tick_params("x", length=2.0 if sheet.lines else 0.0, width=0.5, pad=pad, labelsize=style.TICK_PT)
    axes.tick_params("y", length=2.0, width=0.5, pad=2.0, labelsize=style.TICK_PT)
    turned = 90.0 if sheet.upright else 0.0
    axes.set_xticks(sheet.x.centres if shown else [], shown, parse_math=False, color=style.INK, rotation=turned)
    ticks = y.ticks if leftmost else ()
    axes.set_yticks(ticks, [style.show_number(tick) for tick in ticks], color=style.INK)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_linewidth(0.5)
    ends = [[(0.0, tick), (1.0, tick)] for tick in y.ticks]
    across = axes.get_yaxis_transform()
    axes.add_collection(LineCollection(ends, colors=style.GRID, linewidths=0.4, zorder=0.5, transform=across), False)


def _content(axes: Axes, sheet: Sheet, y: YAxis, strip: Strip, facet: int) -> None:
    """The numbers of a facet: bars, stacks or lines, the line of the baseline, captions and marks."""
    if strip.reference is not None:
        axes.axhline(strip.reference, color=style.INK, linewidth=0.7, linestyle=(0, (4, 2)), zorder=3)
    if strip.means:
        edge = (sheet.x.centres[-strip.means - 1] + sheet.x.centres[-strip.means] - 0.5 * MEAN_STRETCH + 0.5) / 2
        axes.axvline(edge, color="#999999", linewidth=0.5, linestyle=(0, (1, 2)), zorder=0.6)
    if sheet.lines:
        _lines(axes, sheet, strip, facet)
        return
    places = sheet.places
    if strip.stack:
        bottom = np.zeros(places.shape)
        for part, cube in strip.stack.items():
            top = bottom + np.nan_to_num(cube[facet])
            _bars(axes, sheet, part, sheet.parts[part], (places, bottom, top))
            bottom = top
    else:
        base = np.full(places.shape[1:], y.base)
        for i, (name, look) in enumerate(zip(sheet.grid.names, sheet.looks, strict=True)):
            _bars(axes, sheet, name, look, (places[i], base, strip.values[facet, i]))
    _captions(axes, sheet, y, strip, facet)
    for mark, (shape, _) in MARKS.items():
        at = places[:, : strip.marks.shape[-1]][strip.marks[facet] == mark]
        _mark(axes, shape, style.INK, at, 0.035)


def _bars(axes: Axes, sheet: Sheet, name: str, look: Look, bars: tuple[Cube, Cube, Cube]) -> None:
    """One artist for all bars of one look, which draws much faster than one each: places, bottoms, tops."""
    place, bottom, top = bars
    half = np.broadcast_to(sheet.widths / 2, place.shape)
    drawn = np.isfinite(top) & (top != bottom)
    if not drawn.any():
        return
    left, right, low, high = (place - half)[drawn], (place + half)[drawn], bottom[drawn], top[drawn]
    corners = np.stack([left, low, left, high, right, high, right, low, left, low], axis=-1).reshape(-1, 2)
    codes = np.tile([Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY], len(left))
    patch = PathPatch(Path(corners, codes), facecolor=look.colour, hatch=look.hatch, label=name, zorder=2)
    patch.set(edgecolor="white", linewidth=0.3 if sheet.bar > 3 else 0.0)
    patch.set(hatchcolor=look.hatch_colour, hatch_linewidth=style.HATCH_PT)
    axes.add_artist(patch)


def _lines(axes: Axes, sheet: Sheet, strip: Strip, facet: int) -> None:
    """A line a series with its markers; points without a number break it and are marked at the bottom."""
    xs = np.array(sheet.grid.xs, np.float64)
    for i, (name, look) in enumerate(zip(sheet.grid.names, sheet.looks, strict=True)):
        axes.add_line(draw_line(look, xs, strip.values[facet, i], name))
        for mark, (shape, _) in MARKS.items():
            _mark(axes, shape, look.line_colour, xs[strip.marks[facet, i] == mark], 0.03 + 0.045 * (i % 10))


def _mark(axes: Axes, shape: str, colour: str, x: Cube, height: float) -> None:
    """Marks of missing numbers near the lower end of a panel (`height`: of the panel's)."""
    if x.size:
        marks = Line2D(x, np.full(x.size, height), linestyle="none", marker=shape, markersize=3.2, zorder=4)
        marks.set(markeredgewidth=0.7, markeredgecolor=colour, markerfacecolor="none")
        marks.set_transform(axes.get_xaxis_transform())
        axes.add_line(marks)


def _captions(axes: Axes, sheet: Sheet, y: YAxis, strip: Strip, facet: int) -> None:
    """Text above bars that are wide enough, and above the line of the baseline."""
    values, captions, places = strip.values[facet], strip.captions[facet], sheet.places
    size, flat = sheet.caption(strip)
    if size < style.SMALLEST_PT:
        return
    for at in zip(*np.nonzero((captions != "") & np.isfinite(values)), strict=True):
        start = y.points(max(float(values[at]), strip.reference or y.low), sheet.layout.panel_height) + 1.5
        height = start / sheet.layout.panel_height
        text = axes.text(float(places[at]), height, str(captions[at]), size=size, **style.WRITTEN)
        text.set(va="bottom", rotation=0.0 if flat else 90.0)
        text.set_transform(axes.get_xaxis_transform())


def _number(axes: Axes, sheet: Sheet) -> None:
    """Below the bars of each group their numbers, where bars are wide enough."""
    size = min(style.SMALL_PT, sheet.bar * 1.15)
    if size < style.SMALLEST_PT:
        return
    for i, row in enumerate(sheet.places, 1):
        for x in row:
            text = axes.text(float(x), -5.5 / sheet.layout.panel_height, str(i), size=size, **style.WRITTEN)
            text.set_transform(axes.get_xaxis_transform())


MARKS: Final = {INFEASIBLE: ("x", "✕ does not fit"), ALONE: ("o", "○ no baseline to compare with")}
"""How points without a number are marked, and what that means."""

Entry = tuple[Artist, str]
"""A line of the legend."""


def notice(frame: pl.DataFrame, title: str) -> Figure:
    """What stands in place of a figure without numbers: how many points do not fit, and the first reason."""
    misfits = frame.filter(~pl.col("feasible"))
    said = "No point has this number, or a baseline to compare with."
    if len(misfits):
        said = f"{len(misfits)} of {len(frame)} points do not fit their machine."
    reasons = misfits["reason"].drop_nulls().to_list() if "reason" in frame.columns else []
    lines = ["Nothing to draw", said, *([f"The first: {reasons[0]}"] if reasons else [])]
    room = style.COLUMN_PT - 16.0
    heading = style.wrap(title, room, style.TITLE_PT, "bold")
    wrapped = [part for line in lines for part in style.wrap(line, room, style.LABEL_PT)]
    height = 14.0 + style.HEADING_ROW_PT * (len(heading) + len(wrapped))
    figure = Figure(figsize=(style.COLUMN_PT / 72, height / 72), dpi=style.DPI, facecolor="white")
    for i, line in enumerate([*heading, *wrapped]):
        y = 1 - (7.0 + style.HEADING_ROW_PT * (i + 0.5)) / height
        bold = i < len(heading)
        text = figure.text(0.5, y, line, size=style.TITLE_PT if bold else style.LABEL_PT, **style.WRITTEN)
        text.set_fontweight("bold" if bold else "normal")
    return figure


def write_around(
    figure: Figure, sheet: Sheet, strips: Sequence[Strip], heading: Sequence[str], below: Sequence[str]
) -> None:
    """The title, the lines under the legend, the names of facets and axes."""
    layout, grid = sheet.layout, sheet.grid
    middle = (layout.left + layout.width - RIGHT) / 2

    def write(x: float, y: float, line: str, size: float = style.LABEL_PT) -> Text:
        return figure.text(x / layout.width, y / layout.height, line, size=size, **style.WRITTEN)

    for i, line in enumerate(heading):
        y = layout.height - 5.0 - style.HEADING_ROW_PT * (i + 0.5)
        write(layout.width / 2, y, line, style.TITLE_PT).set_fontweight("bold")
    for i, line in enumerate(reversed(below)):
        write(middle, layout.height - layout.head + 3.0 + style.TEXT_ROW_PT * (i + 0.5), line, style.TICK_PT)
    write(middle, 6.0, style.axis_label(str(grid.x_axis or grid.series_axis)))
    for row, strip in enumerate(strips):
        for low, high in layout.spans(row):
            lines = style.wrap(strip.label, high - low, style.LABEL_PT)
            text = write(1.0 + 4.5 * len(lines), (low + high) / 2, "\n".join(lines))
            text.set(rotation=90.0, linespacing=1.1)


def facet_names(sheet: Sheet) -> list[list[str]]:
    """What stands above each facet, in lines as wide as a panel."""
    axes, room = sheet.grid.facet_axes, sheet.layout.panel_width
    named = [[style.show_named(*pair) for pair in zip(axes, facet, strict=True)] for facet in sheet.grid.facets]
    return [style.wrap(", ".join(parts), room, style.LABEL_PT, "bold") for parts in named]


def write_names(figure: Figure, layout: Layout, names: Sequence[Sequence[str]]) -> None:
    """The names of the facets, above their panels."""
    for facet, lines in enumerate(names):
        left, bottom, width, high = layout.box_points(facet, 0)
        for i, line in enumerate(reversed(lines)):
            y = bottom + high + 5.5 + style.FACET_ROW_PT * i
            place = ((left + width / 2) / layout.width, y / layout.height)
            figure.text(*place, line, size=style.LABEL_PT, **style.WRITTEN).set_fontweight("bold")


def bar_key(sheet: Sheet) -> str:
    """Which number below a bar stands for which series."""
    if not sheet.numbered:
        return ""
    grid = sheet.grid
    of = f", {style.axis_label(str(grid.series_axis))}" if style.is_number(grid.series[0]) else ""
    return f"Bars of a group{of}: " + ", ".join(f"({i})\u00a0{name}" for i, name in enumerate(grid.names, 1))


def remarks(strips: Sequence[Strip], overall: Sequence[str]) -> str:
    """What the marks and stars that occur mean."""
    said = [text for mark, (_, text) in MARKS.items() if any((strip.marks == mark).any() for strip in strips)]
    texts = [*(text for strip in strips for text in strip.captions.flat), *overall]
    if any(str(text).endswith("*") for text in texts):
        said.append("* mean of the points that have a number")
    return "    ".join(text.replace(" ", "\u00a0") for text in said).replace("    ", " \u00a0 ")


def legend_columns(sheet: Sheet, overall: Sequence[str]) -> list[list[Entry]]:
    """Handles and labels by column: the series, or the parts of stacks by kind."""
    grid = sheet.grid
    if sheet.parts:
        return [_part_column(sheet, *group) for group in style.part_groups(list(sheet.parts))]
    if grid.x_axis is None or grid.series_axis is None:
        return []
    entries: list[Entry] = []
    if style.is_number(grid.series[0]):
        entries.append((Patch(alpha=0.0), style.axis_label(grid.series_axis)))
    for name, mean, look in zip(grid.names, overall or [""] * len(grid.names), sheet.looks, strict=True):
        handle = draw_line(look, np.zeros(1), np.zeros(1)) if sheet.lines else _swatch(look)
        entries.append((handle, f"{name}  {mean}" if mean else name))
    widest = column_width([label for _, label in entries])
    rows = -(-len(entries) // max(1, int((sheet.layout.width - 8.0) / widest)))
    across = -(-len(entries) // rows)
    return [entries[i::across] for i in range(across)]


def _part_column(sheet: Sheet, title: str, parts: Sequence[str]) -> list[Entry]:
    """A kind of parts: its title, then its members from the bottom of the stack up."""
    entries: list[Entry] = [(Patch(alpha=0.0), title)]
    return entries + [(_swatch(sheet.parts[part]), last_name(part)) for part in parts]


def _swatch(look: Look) -> Patch:
    patch = Patch(facecolor=look.colour, edgecolor="white", linewidth=0.3, hatch=look.hatch)
    patch.set(hatchcolor=look.hatch_colour, hatch_linewidth=style.HATCH_PT)
    return patch


def draw_line(look: Look, x: Cube, y: Cube, name: str = "") -> Line2D:
    """A line with markers."""
    line = Line2D(x, y, color=look.line_colour, linewidth=1.0, marker=look.marker, markersize=3.2, label=name)
    line.set(markeredgecolor="white", markeredgewidth=0.3, markevery=max(1, len(x) // 20), zorder=2)
    return line


def place_legend(figure: Figure, layout: Layout, columns: Sequence[list[Entry]], top: float) -> None:
    """Outside the panels, centred over them if it fits, with its upper edge at `top`."""
    if not columns:
        return
    tall = max(len(column) for column in columns)
    blank: Entry = (Patch(alpha=0.0), "")
    entries = [entry for column in columns for entry in [*column, *[blank] * (tall - len(column))]]
    wide = sum(column_width([label for _, label in column]) for column in columns)
    middle = min((layout.left + layout.width - RIGHT) / 2, layout.width - wide / 2)
    legend = figure.legend(
        [handle for handle, _ in entries],
        [" "] * len(entries),
        ncols=len(columns),
        loc="upper center",
        bbox_to_anchor=(middle / layout.width, top / layout.height),
        fontsize=style.LABEL_PT,
        frameon=False,
        handlelength=1.7,
        handleheight=0.8,
        handletextpad=0.5,
        columnspacing=1.3,
        labelspacing=0.3,
        borderpad=0.0,
        borderaxespad=0.0,
    )
    for text, (_, label) in zip(legend.get_texts(), entries, strict=True):
        text.set(parse_math=False, text=label, color=style.INK)
