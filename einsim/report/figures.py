"""Figures of a sweep, for a paper: its table goes in, a matplotlib figure comes out.

The last axis of the sweep makes the groups along x, the first one the series (bars or lines), those between
them the panels. Nothing here touches a file or pyplot; `style.saving` and `style.METADATA` are for who saves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self, assert_never

import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from einsim.errors import SpecError
from einsim.report import style
from einsim.report.style import Layout, Look, XAxis, YAxis

Cube = NDArray[np.float64]
"""Numbers by facet, series and x; NaN where there is none."""

_MOST: Final = {"panels": 24, "series": 24, "values of x": 96}  # more cannot be told apart
_LINES_FROM: Final = 13  # values of a numeric x axis
_LOG_FROM: Final = 20.0  # ratio of the largest to the smallest number
_FINE, _INFEASIBLE, _ALONE = 0, 1, 2
_MARKS: Final = {_INFEASIBLE: ("x", "does not fit"), _ALONE: ("o", "no baseline to compare with")}


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
    lines = kind is not FigureKind.BREAKDOWN and grid.x_is_numeric and len(grid.xs) >= _LINES_FROM
    overall = _overall(strips[0], len(grid.facets) > 1 or lines)
    grid, strips, note = _thinned(grid, strips, lines)
    return _paint(grid, strips, lines, overall, note, title)


def _notice(grid: Grid, title: str) -> Figure:
    """What stands in place of a figure without numbers: how many points do not fit, and the first reason."""
    frame = grid.frame
    misfits = frame.filter(~pl.col("feasible"))
    said = f"{len(misfits)} of {len(frame)} points do not fit their machine." if len(misfits) else ""
    said = said or "No point has this number, or a baseline to compare with."
    reasons = misfits["reason"].drop_nulls().to_list() if "reason" in frame.columns else []
    lines = ["Nothing to draw", *style.wrap(said, 230.0, style.LABEL_PT)]
    lines += style.wrap(f"First: {reasons[0]}", 230.0, style.LABEL_PT) if reasons else []
    figure = Figure(figsize=(style.COLUMN_PT / 72, 1.4), dpi=style.DPI, facecolor="white")
    heading = style.wrap(title, 230.0, style.TITLE_PT, "bold")
    place = {"ha": "center", "color": style.INK, "parse_math": False}
    figure.text(0.5, 0.95, "\n".join(heading), fontsize=style.TITLE_PT, weight="bold", va="top", **place)
    figure.text(0.5, 0.42, "\n".join(lines), fontsize=style.LABEL_PT, va="center", **place)
    return figure


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


def _overall(strip: Strip, wanted: bool) -> list[str]:
    """Means over all facets, by series, in words."""
    shape = strip.values.shape
    if not (strip.means and wanted):
        return [""] * shape[1]
    flat = strip.values[..., : -strip.means].swapaxes(0, 1).reshape(shape[1], -1)
    partial = (strip.marks != _FINE).any(axis=(0, 2))
    pairs = zip(*_means(flat), partial, strict=True)
    return [f"{style.show_ratio(a)} / {style.show_ratio(g)}{'*' if some else ''}" for a, g, some in pairs]


def _thinned(grid: Grid, strips: list[Strip], lines: bool) -> tuple[Grid, list[Strip], str]:
    """As many facets, series and bars as can be told apart, evenly chosen, and a note of what is left out."""
    takes, notes = [], []
    for name, values in (("panels", grid.facets), ("series", grid.series), ("values of x", grid.xs)):
        most = len(values) if lines and values is grid.xs else _MOST[name]
        takes.append(np.unique(np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(int)))
        if len(takes[-1]) < len(values):
            notes.append(f"{len(takes[-1])} of {len(values)} {name}")
    facets, series, xs = takes
    means = np.arange(len(grid.xs), strips[0].values.shape[-1])
    cut, wide = np.ix_(*takes), np.ix_(facets, series, np.concatenate([xs, [] if lines else means]).astype(int))
    thin = [
        replace(
            strip,
            values=strip.values[wide],
            captions=strip.captions[wide],
            marks=strip.marks[cut],
            stack={part: values[cut] for part, values in strip.stack.items()},
            means=0 if lines else strip.means,
        )
        for strip in strips
    ]
    kept = replace(
        grid,
        facets=tuple(grid.facets[i] for i in facets),
        series=tuple(grid.series[i] for i in series),
        xs=tuple(grid.xs[i] for i in xs),
    )
    return kept, thin, f"Shown: {', '.join(notes)}" if notes else ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What all panels of a figure share."""

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

    @property
    def numbered(self) -> bool:
        """Whether the bars of a group have numbers below: a stack does not show its series by colour."""
        return bool(self.parts) and len(self.grid.series) > 1 and self.grid.x_axis is not None


def _sheet(grid: Grid, strips: list[Strip], ys: list[YAxis], lines: bool) -> Sheet:
    """Axes, looks and panel sizes; the heights above and below the panels are still 0."""
    if lines:
        x = style.line_axis(str(grid.x_axis), [x for x in grid.xs if isinstance(x, int | float)])
    elif grid.x_axis is None:
        x = style.bar_axis(_names(grid), 1, 0)
    else:
        labels = [style.show_value(grid.x_axis, value) for value in grid.xs]
        x = style.bar_axis(labels, len(grid.series), strips[0].means)
    captioned = any((strip.captions != "").any() for strip in strips)
    numbered = bool(strips[0].stack) and len(grid.series) > 1
    least = 4.5 if captioned or numbered else 2.4
    units = 30.0 if lines else (x.high - x.low) / x.bar
    widest = max(style.text_width(style.show_number(tick), style.TICK_PT) for y in ys for tick in y.ticks)
    layout = style.lay_out(len(grid.facets), len(strips), units, least, widest + 19.0, bool(grid.facet_axes))
    loose = all(style.fit_labels(x, layout.panel_width, upright=False))
    parts = style.part_looks(style.part_groups(list(strips[0].stack)))
    return Sheet(grid, x, layout, style.series_looks(grid.series), parts, not (loose or grid.x_is_numeric))


def _paint(grid: Grid, strips: list[Strip], lines: bool, overall: list[str], note: str, title: str) -> Figure:
    ys = [_y(strip) for strip in strips]
    sheet = _sheet(grid, strips, ys, lines)
    room = sheet.layout.width - 12.0
    below = [note, "Beside the names: mean / geomean over all points" if any(overall) else ""]
    if sheet.numbered:
        below.append("Bars of a group: " + ", ".join(f"{i} {name}" for i, name in enumerate(_names(grid), 1)))
    text = [line for part in below for line in style.wrap(part, room, style.TICK_PT)]
    heading = style.wrap(title, room, style.TITLE_PT, "bold")
    legend = _legend(sheet, strips, overall)
    shown = style.fit_labels(sheet.x, sheet.layout.panel_width, sheet.upright)
    tall = max(style.text_width(label, style.TICK_PT) for label in shown) if sheet.upright else style.TICK_PT
    head = 5.0 + style.HEADING_ROW_PT * len(heading) + style.TEXT_ROW_PT * len(text) + 3.0
    head += style.LEGEND_ROW_PT * max((len(column) for column in legend), default=0)
    bottom = tall + 17.0 + (7.0 if sheet.numbered else 0.0)
    layout = replace(sheet.layout, head=head, bottom=bottom)
    figure = Figure(figsize=(layout.width / 72, layout.height / 72), dpi=style.DPI, facecolor="white")
    for row, (strip, y) in enumerate(zip(strips, ys, strict=True)):
        for facet in range(len(grid.facets)):
            axes = figure.add_axes(layout.box(facet, row), facecolor="none")
            _frame(axes, sheet, y, shown, layout.is_lowest(facet, row), facet % layout.columns == 0)
            _content(axes, sheet, y, strip, facet)
    _words(figure, replace(sheet, layout=layout), strips, heading, text)
    _place_legend(figure, layout, legend, 1 - (5.0 + style.HEADING_ROW_PT * len(heading)) / layout.height)
    return figure


def _names(grid: Grid) -> list[str]:
    """The series in words."""
    axis = grid.series_axis
    return [style.show_value(axis, value) if axis else "" for value in grid.series]


def _y(strip: Strip) -> YAxis:
    """Limits that hold the values, the baseline and the captions; logarithmic where values are too unlike."""
    there = np.isfinite(strip.values)
    numbers = [*strip.values[there], *([] if strip.reference is None else [strip.reference])]
    captioned = strip.values[there & (strip.captions != "")].max(initial=0.0)
    room = max(style.text_width(text, style.SMALL_PT) for text in set(strip.captions.flat))
    plain = strip.limit is not None or bool(strip.stack) or min(numbers) <= 0
    log = not plain and max(numbers) / min(numbers) > style.LOG_FROM
    return style.y_axis(numbers, float(captioned), room, strip.limit, (strip.reference or 0.0) if log else None)


def _frame(axes: Axes, sheet: Sheet, y: YAxis, shown: list[str], lowest: bool, leftmost: bool) -> None:
    """Limits, ticks, labels of ticks, and the lines of a grid."""
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
    axes.tick_params("y", length=2.0, width=0.5, pad=2.0, labelsize=style.TICK_PT, colors=style.INK)
    axes.set_xticks(sheet.x.centres if lowest else [], shown if lowest else [], parse_math=False, color=style.INK)
    if lowest and sheet.upright:
        axes.tick_params("x", rotation=90.0)
    axes.set_yticks(y.ticks if leftmost else [], [style.show_number(t) for t in y.ticks] if leftmost else [])
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_linewidth(0.5)
    ends = [[(0.0, tick), (1.0, tick)] for tick in y.ticks]
    rules = LineCollection(ends, colors=style.GRID, linewidths=0.4, zorder=0.5, transform=axes.get_yaxis_transform())
    axes.add_collection(rules, autolim=False)


def _content(axes: Axes, sheet: Sheet, y: YAxis, strip: Strip, facet: int) -> None:
    """The numbers of a facet: bars, stacks or lines, the line of the baseline, captions and marks."""
    if strip.reference is not None:
        axes.axhline(strip.reference, color=style.INK, linewidth=0.7, linestyle=(0, (4, 2)), zorder=3)
    if strip.means:
        edge = sheet.x.centres[-strip.means] - 0.65
        axes.axvline(edge, color="#999999", linewidth=0.5, linestyle=(0, (1, 2)), zorder=0.6)
    if sheet.lines:
        _lines(axes, sheet, strip, facet)
        return
    places = _places(sheet)
    if strip.stack:
        bottom = np.zeros(places.shape)
        for part, cube in strip.stack.items():
            top = bottom + np.nan_to_num(cube[facet])
            _bars(axes, sheet, part, (places, bottom, top), sheet.parts[part])
            bottom = top
    else:
        base = np.full(places.shape, y.base)
        for i, (name, look) in enumerate(zip(_names(sheet.grid), sheet.looks, strict=True)):
            _bars(axes, sheet, name, (places[i], base[i], strip.values[facet, i]), look)
    _captions(axes, sheet, y, places, strip.values[facet], strip.captions[facet])
    for mark, (shape, _) in _MARKS.items():
        at = places[:, : strip.marks.shape[-1]][strip.marks[facet] == mark]
        _mark(axes, shape, style.INK, at, 0.035)


def _places(sheet: Sheet) -> Cube:
    """The centres of bars by series and x."""
    if sheet.grid.x_axis is None:
        return np.array(sheet.x.centres)[:, None]
    return np.array(sheet.x.offsets)[:, None] + np.array(sheet.x.centres)[None, :]


def _bars(axes: Axes, sheet: Sheet, name: str, bars: tuple[Cube, Cube, Cube], look: Look) -> None:
    """One artist for all bars of one look: centres, bottoms and tops."""
    centre, bottom, top = (numbers.ravel() for numbers in bars)
    drawn = np.isfinite(top) & (top != bottom)
    if not drawn.any():
        return
    centre, bottom, top, half = centre[drawn], bottom[drawn], top[drawn], sheet.x.bar / 2
    left, right = centre - half, centre + half
    corners = np.stack([left, bottom, left, top, right, top, right, bottom], axis=-1).reshape(-1, 4, 2)
    edge = 0.3 if sheet.bar > 3 else 0.0
    axes.add_collection(
        PolyCollection(
            corners, facecolors=look.colour, edgecolors="white", linewidths=edge, hatch=look.hatch or None,
            hatchcolors=look.hatch_colour, label=name, zorder=2,
        ),
        autolim=False,
    )  # fmt: skip


def _mark(axes: Axes, shape: str, colour: str, x: NDArray[np.float64], height: float) -> None:
    """Marks of missing numbers near the lower end of a panel (`height`: of the panel's)."""
    if x.size:
        place = axes.get_xaxis_transform()
        axes.add_line(_dots(shape, colour, x, np.full(x.size, height), transform=place, clip_on=False))


def _dots(shape: str, colour: str, x: Cube, y: Cube, **kept: Any) -> Line2D:
    return Line2D(
        x, y, linestyle="none", marker=shape, markersize=3.2, markeredgewidth=0.7, markeredgecolor=colour,
        markerfacecolor="none", zorder=4, **kept,
    )  # fmt: skip


def _lines(axes: Axes, sheet: Sheet, strip: Strip, facet: int) -> None:
    """A line a series with its markers; points without a number break it and are marked at the bottom."""
    xs = np.array(sheet.grid.xs, np.float64)
    for i, (name, look) in enumerate(zip(_names(sheet.grid), sheet.looks, strict=True)):
        axes.add_line(
            Line2D(xs, strip.values[facet, i], label=name, markevery=max(1, len(xs) // 24), **_stroke(look))
        )  # fmt: skip
        for mark, (shape, _) in _MARKS.items():
            _mark(axes, shape, look.colour, xs[strip.marks[facet, i] == mark], 0.03 + 0.04 * i)


def _stroke(look: Look) -> dict[str, Any]:
    """How a line is drawn."""
    return {
        "color": look.colour, "linewidth": 1.0, "marker": look.marker, "markersize": 3.0,
        "markeredgecolor": "white", "markeredgewidth": 0.3,
    }  # fmt: skip


def _captions(axes: Axes, sheet: Sheet, y: YAxis, places: Cube, values: Cube, captions: NDArray[np.object_]) -> None:
    """Text at the ends of bars, and the numbers of the bars of a group, where bars are wide enough."""
    size = min(style.SMALL_PT, sheet.bar * 1.25)
    if size < 4.5:
        return
    flat = all(style.text_width(text, size) < sheet.bar for text in set(captions.flat))
    for at in zip(*np.nonzero((captions != "") & np.isfinite(values)), strict=True):
        value, text = float(values[at]), str(captions[at])
        down = y.log and value < y.base
        step = (y.high / y.low) ** 0.015 if y.log else (y.high - y.low) * 0.015
        end = (value / step if down else value * step) if y.log else value + step
        axes.text(
            places[at], end, text, fontsize=size, rotation=0.0 if flat else 90.0, ha="center",
            va="top" if down else "bottom", color=style.INK, parse_math=False, zorder=4,
        )  # fmt: skip
    if sheet.numbered:
        low = -5.5 / sheet.layout.panel_height
        for i, row in enumerate(places[:, : len(sheet.grid.xs)], 1):
            for x in row:
                axes.text(
                    x, low, str(i), fontsize=size, ha="center", va="center", color=style.INK, parse_math=False,
                    transform=axes.get_xaxis_transform(),
                )  # fmt: skip


def _words(figure: Figure, sheet: Sheet, strips: list[Strip], heading: list[str], text: list[str]) -> None:
    """The title, the lines under the legend, the names of facets and axes."""
    layout, grid = sheet.layout, sheet.grid
    middle = layout.left + (layout.width - layout.left - style.RIGHT) / 2

    def write(x: float, y: float, line: str, size: float = style.LABEL_PT, **kept: Any) -> None:
        place = {"ha": "center", "va": "center", "color": style.INK, "parse_math": False, **kept}
        figure.text(x / layout.width, y / layout.height, line, fontsize=size, **place)

    for i, line in enumerate(heading):
        write(layout.width / 2, layout.height - 5.0 - style.HEADING_ROW_PT * (i + 0.5), line, style.TITLE_PT, weight="bold")
    for i, line in enumerate(reversed(text)):
        write(middle, layout.height - layout.head + 3.0 + style.TEXT_ROW_PT * (i + 0.5), line, style.TICK_PT)
    write(middle, 6.0, style.axis_label(str(grid.x_axis or grid.series_axis)))
    for facet, values in enumerate(grid.facets):
        left, bottom, width, height = layout.box(facet, 0)
        name = ", ".join(_named(axis, value) for axis, value in zip(grid.facet_axes, values, strict=True))
        write((left + width / 2) * layout.width, (bottom + height) * layout.height + 5.5, name, weight="bold")
    for row, strip in enumerate(strips):
        for first in range(0, layout.facets, layout.columns):
            _, bottom, _, height = layout.box(first, row)
            if len(strips) == 1:
                bottom, top = layout.bottom / layout.height, 1 - layout.head / layout.height
            else:
                top = bottom + height
            lines = style.wrap(strip.label, (top - bottom) * layout.height, style.LABEL_PT)
            write(1.0 + 4.5 * len(lines), (bottom + top) / 2 * layout.height, "\n".join(lines), rotation=90.0, linespacing=1.1)
            if len(strips) == 1:
                break


def _legend(sheet: Sheet, strips: list[Strip], overall: list[str]) -> list[list[tuple[Artist, str]]]:
    """Handles and labels by column: the series, or the parts of stacks by kind; then the marks that occur."""
    blank = Patch(alpha=0.0)
    marks: list[tuple[Artist, str]] = [
        (_dots(shape, style.INK, np.zeros(1), np.zeros(1)), said)
        for mark, (shape, said) in _MARKS.items()
        if any((strip.marks == mark).any() for strip in strips)
    ]
    if any("*" in text for strip in strips for text in set(strip.captions.flat)) or any("*" in t for t in overall):
        marks.append((_dots("$*$", style.INK, np.zeros(1), np.zeros(1)), "mean of the points that have a number"))
    if sheet.parts:
        groups = style.part_groups(list(sheet.parts))
        columns = [
            [(blank, title), *((_swatch(sheet.parts[part]), part.rpartition(".")[2]) for part in members)]
            for title, members in groups
        ]
        return [*columns, [(blank, ""), *marks]] if marks else columns
    entries: list[tuple[Artist, str]] = []
    if sheet.grid.x_axis is not None and sheet.grid.series_axis is not None:
        names = zip(_names(sheet.grid), overall, sheet.looks, strict=True)
        for name, mean, look in names:
            handle = Line2D([], [], **_stroke(look)) if sheet.lines else _swatch(look)
            entries.append((handle, f"{name}  {mean}" if mean else name))
    entries += marks
    widest = max((style.text_width(label, style.LABEL_PT) for _, label in entries), default=0.0) + 26.0
    most = max(1, int((sheet.layout.width - 8.0) / widest))
    rows = -(-len(entries) // most)
    across = -(-len(entries) // rows) if rows else 0
    return [entries[i::across] for i in range(across)]


def _swatch(look: Look) -> Patch:
    return Patch(facecolor=look.colour, edgecolor="white", linewidth=0.3, hatch=look.hatch, hatchcolor=look.hatch_colour)


def _place_legend(figure: Figure, layout: Layout, columns: list[list[tuple[Artist, str]]], top: float) -> None:
    """Outside the panels, centred below the title."""
    if not columns:
        return
    tall = max(len(column) for column in columns)
    entries = [entry for column in columns for entry in [*column, *[(Patch(alpha=0.0), "")] * (tall - len(column))]]
    middle = (layout.left + layout.width - style.RIGHT) / 2 / layout.width
    legend = figure.legend(
        [handle for handle, _ in entries], [" "] * len(entries), ncols=len(columns), loc="upper center",
        bbox_to_anchor=(middle, top), fontsize=style.LABEL_PT, frameon=False, handlelength=1.7, handleheight=0.8,
        handletextpad=0.5, columnspacing=1.3, labelspacing=0.3, borderpad=0.0, borderaxespad=0.0,
    )  # fmt: skip
    for text, (handle, label) in zip(legend.get_texts(), entries, strict=True):
        text.set_parse_math(False)
        text.set_text(label)
        text.set_color(style.INK)
