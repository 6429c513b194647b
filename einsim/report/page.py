"""Pages of panels above one another over cycles or shares: title, legends outside, room for labels on the left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from einsim.report import style
from einsim.report.around import Entry, place_legend
from einsim.report.layout import RIGHT, Layout
from einsim.report.sheet import column_width
from einsim.report.style import Look

BOTTOM_PT = 25.0
BETWEEN_PT = 22.0
NAME_PT = 10.0
UNLOGGED = "grey: not in the log (repeats, or behind its end)"


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel so many points high, below its name (where it has one) and `above` points of room."""

    height: float
    name: str = ""
    above: float = 0.0

    @property
    def over(self) -> float:
        """The room above it."""
        return self.above + (NAME_PT if self.name else 0.0)


@dataclass(frozen=True, slots=True)
class Page:
    """A figure with a panel for each of what it was asked for, from the top, and their width in points."""

    figure: Figure
    axes: tuple[Axes, ...]
    width: float


def make_page(
    panels: Sequence[Panel],
    *,
    left: float,
    right: float = RIGHT,
    legends: Sequence[Sequence[Entry]] = (),
    notes: Sequence[str] = (),
    title: str = "",
    below: str = "",
    between: float = BETWEEN_PT,
    width: float = style.PAGE_PT,
) -> Page:
    """Empty panels, with `left` points of room for labels; `below` them is the name of x.

    Each legend starts a row of its own; notes stand between legends and panels.
    """
    room = width - left - right
    heading = style.wrap(title, width - 16.0, style.TITLE_PT, "bold")
    text = [line for note in notes for line in style.wrap(note, room, style.TICK_PT)]
    columns = [_columns(entries, width - 8.0) for entries in legends if entries]
    rows = [max(len(column) for column in each) for each in columns]
    top = 5.0 + style.HEADING_ROW_PT * len(heading) + (3.0 if heading else 0.0)
    head = top + sum(style.LEGEND_ROW_PT * n + 2.0 for n in rows) + style.TEXT_ROW_PT * len(text) + 3.0
    tall = sum(panel.height + panel.over for panel in panels) + between * (len(panels) - 1)
    bottom = BOTTOM_PT if below else 15.0
    height = head + tall + bottom
    figure = Figure(figsize=(width / 72, height / 72), dpi=style.DPI, facecolor="white")
    for i, line in enumerate(heading):
        y = height - 5.0 - style.HEADING_ROW_PT * (i + 0.5)
        figure.text(0.5, y / height, line, size=style.TITLE_PT, **style.WRITTEN).set_fontweight("bold")
    frame = Layout(1, 1, 1, room, tall, left, 0.0, head - 3.0, bottom)
    start = height - top
    for each, n in zip(columns, rows, strict=True):
        place_legend(figure, frame, each, start)
        start -= style.LEGEND_ROW_PT * n + 2.0
    middle = (left + width - right) / 2 / width
    for i, line in enumerate(text):
        y = start - style.TEXT_ROW_PT * (i + 0.5)
        figure.text(middle, y / height, line, size=style.TICK_PT, **style.WRITTEN)
    if below:
        figure.text(middle, 6.0 / height, below, size=style.LABEL_PT, **style.WRITTEN)
    axes: list[Axes] = []
    at = height - head
    for panel in panels:
        if panel.name:
            y = at - NAME_PT / 2
            figure.text(middle, y / height, panel.name, size=style.LABEL_PT, **style.WRITTEN).set_fontweight("bold")
        at -= panel.over + panel.height
        axes.append(figure.add_axes((left / width, at / height, room / width, panel.height / height), facecolor="none"))
        at -= between
    return Page(figure, tuple(axes), room)


def over_cycles(axes: Axes, window: tuple[int, int], width: float) -> None:
    """An x axis in cycles with as many ticks as fit."""
    axes.set_xlim(*window)
    widest = style.text_width(f"{window[1]:,}", style.TICK_PT) + 10.0
    ticks = [
        tick for tick in style.linear_ticks(*window, most=max(2, min(9, int(width / widest)))) if tick == int(tick)
    ]
    scale = width / (window[1] - window[0])
    ticks = [
        tick for tick in ticks
        if style.text_width(f"{int(tick):,}", style.TICK_PT) / 2 <= (window[1] - tick) * scale + RIGHT - 0.5
    ]  # fmt: skip
    axes.set_xticks(ticks, [f"{int(tick):,}" for tick in ticks], color=style.INK)
    axes.tick_params("x", length=2.0, width=0.5, pad=2.0, labelsize=style.TICK_PT)


def frame_sides(axes: Axes, *sides: str) -> None:
    """Thin lines at some sides of a panel."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in sides)
        spine.set_linewidth(0.5)


def over_amounts(axes: Axes, most: float) -> None:
    """A y axis from 0 with round ticks and lines across."""
    axes.set_ylim(0.0, most)
    ticks = style.linear_ticks(0.0, most, most=6)
    axes.set_yticks(ticks, [f"{tick:,.0f}" if most >= 10 else f"{tick:g}" for tick in ticks], color=style.INK)
    axes.tick_params("y", length=2.0, width=0.5, pad=2.0, labelsize=style.TICK_PT)
    ends = [[(0.0, tick), (1.0, tick)] for tick in ticks]
    across = axes.get_yaxis_transform()
    axes.add_collection(LineCollection(ends, colors=style.GRID, linewidths=0.4, zorder=0.5, transform=across), False)


def swatch(look: Look) -> Patch:
    """What a look is like, for a legend."""
    patch = Patch(facecolor=look.colour, edgecolor="white", linewidth=0.3, hatch=look.hatch)
    patch.set(hatchcolor=look.hatch_colour, hatch_linewidth=style.HATCH_PT)
    return patch


def gaps(window: tuple[int, int], stretches: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The parts of a window that a log does not cover."""
    found = []
    at, last = window
    for first, end in [*sorted(stretches), (last, last)]:
        if at < min(first, last):
            found.append((at, min(first, last)))
        at = max(at, end)
    return found


def shade_gaps(
    axes: Axes, window: tuple[int, int], stretches: Sequence[tuple[int, int]], *, above: bool = False
) -> None:
    """Greys the cycles of a window that a log does not cover; `above` what is drawn there, or below."""
    for first, end in gaps(window, stretches):
        area = axes.axvspan(first, end, facecolor="#EFEFEF", edgecolor="#C8C8C8", hatch="////", linewidth=0.0)
        area.set(zorder=2.5 if above else 0.2, hatch_linewidth=style.HATCH_PT)


def _columns(entries: Sequence[Entry], room: float) -> list[list[Entry]]:
    """A legend in as few rows as fit, read row by row."""
    widest = column_width([label for _, label in entries])
    rows = -(-len(entries) // max(1, int(room / widest)))
    across = -(-len(entries) // rows)
    return [list(entries[i::across]) for i in range(across)]
