"""Panels: how the numbers of a figure are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from einsim.report import style, wording
from einsim.report.around import (
    MARKS,
    bar_key,
    draw_line,
    facet_names,
    legend_columns,
    place_legend,
    remarks,
    write_around,
    write_names,
)
from einsim.report.grid import Cube, Grid, Strip
from einsim.report.layout import MEAN_STRETCH, RIGHT, YAxis, fit_labels
from einsim.report.sheet import Sheet, make_sheet, y_of
from einsim.report.style import Look


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
    axes.set_yticks(ticks, [wording.show_number(tick) for tick in ticks], color=style.INK)
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
    widest = style.text_width(str(len(sheet.places)), 1.0)
    size = min(style.SMALL_PT, sheet.bar * 1.15, sheet.bar * 0.95 / widest)
    if size < style.SMALLEST_PT:
        return
    for i, row in enumerate(sheet.places, 1):
        for x in row:
            text = axes.text(float(x), -5.5 / sheet.layout.panel_height, str(i), size=size, **style.WRITTEN)
            text.set_transform(axes.get_xaxis_transform())
