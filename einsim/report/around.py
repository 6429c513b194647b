"""What stands around the panels: the legend, the title, remarks, and the names of facets and axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from einsim.report import style, wording
from einsim.report.grid import ALONE, INFEASIBLE, Cube, Strip
from einsim.report.layout import RIGHT, Layout
from einsim.report.sheet import Sheet, column_width, last_name
from einsim.report.style import Look

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
    write(middle, 6.0, wording.axis_label(str(grid.x_axis or grid.series_axis)))
    for row, strip in enumerate(strips):
        for low, high in layout.spans(row):
            lines = style.wrap(strip.label, high - low, style.LABEL_PT)
            text = write(1.0 + 4.5 * len(lines), (low + high) / 2, "\n".join(lines))
            text.set(rotation=90.0, linespacing=1.1)


def facet_names(sheet: Sheet) -> list[list[str]]:
    """What stands above each facet, in lines as wide as a panel."""
    axes, room = sheet.grid.facet_axes, sheet.layout.panel_width
    named = [[wording.show_named(*pair) for pair in zip(axes, facet, strict=True)] for facet in sheet.grid.facets]
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
    of = f", {wording.axis_label(str(grid.series_axis))}" if wording.is_number(grid.series[0]) else ""
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
    if wording.is_number(grid.series[0]):
        entries.append((Patch(alpha=0.0), wording.axis_label(grid.series_axis)))
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
