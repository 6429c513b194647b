"""A run cycle by cycle: a band for each resource, a row in it for each strand, a colour for each epoch.

After figures 4 and 5 of Nayak et al., MICRO 2024 (arXiv 2406.10491).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Patch, PathPatch
from matplotlib.path import Path

from einsim.model.cycle.simulate import Run
from einsim.report import style
from einsim.report.around import Entry
from einsim.report.layout import RIGHT
from einsim.report.page import UNLOGGED, Panel, frame_sides, gaps, make_page, over_cycles, shade_gaps
from einsim.report.timeline import END, FIRST, GAP, SLOT, UNIT, Bar, Timeline, Window, nothing_in, timelines
from einsim.schedule.pipeline.program import Cause, Link
from einsim.spec.architecture import Architecture

COLOURS: Final = (
    "#332288", "#88CCEE", "#CC6677", "#117733", "#DDCC77", "#882255", "#44AA99", "#E69F00", "#6699CC", "#AA4499",
    "#999933", "#661100",
)  # fmt: skip
"""Colours of epochs, in turns."""

INTERVALS: Final = 4.0
_ROW_PT: Final = 9.5
_BAR: Final = 0.74  # of a row
_BAND_GAP: Final = 0.55  # rows between bands
_FINE_PT: Final = 1.4  # points a cycle from which slots are drawn one by one
_DENSE: Final = 0.95
_OUTLINE_PT: Final = 2.5  # the narrowest bar with an outline
_MOST_NAMED: Final = 24
_MOST_ARTISTS: Final = 100  # epochs from which those of one colour are drawn together


@dataclass(frozen=True, slots=True)
class _Part:
    """What a panel shows: a window of a run, its bars, and the row of each strand that has any."""

    line: Timeline
    window: Window
    bars: list[Bar]
    rows: dict[int, float]
    bands: dict[str, tuple[float, float]]
    highlight: int | None

    def scale(self, width: float) -> float:
        """Points a cycle."""
        return width / (self.window[1] - self.window[0])

    def is_fine(self, width: float) -> bool:
        """Whether slots are drawn one by one."""
        return self.scale(width) >= _FINE_PT

    @property
    def height(self) -> float:
        """In rows."""
        return max((low for _, low in self.bands.values()), default=1.0)


def colour(epoch: int) -> str:
    """The colour of an epoch."""
    return COLOURS[epoch % len(COLOURS)]


def waterfall(
    runs: Sequence[Run],
    machine: Architecture,
    *,
    window: Window | None = None,
    intervals: float = INTERVALS,
    highlight: int | None = None,
    title: str = "",
) -> Figure:
    """What every resource does in a window of cycles of runs that follow one another; a panel for each run.

    Without a window, of each run so many epochs of its steady state. Arrows follow the values of the `highlight`ed
    epoch from strand to strand; without one, of the epoch of which most is to be seen (of none: -1). Raises SpecError
    where a log is empty, or the window is outside of all runs.
    """
    parts = []
    for line in timelines(runs, machine):
        shown = line.steady(intervals) if window is None else (max(window[0], line.begin), min(window[1], line.end))
        if shown[0] < shown[1]:
            parts.append(_part(line, shown, highlight))
    if not parts:
        raise nothing_in(window)
    bands = max((style.text_width(name, style.LABEL_PT, "bold") for part in parts for name in part.bands), default=0.0)
    names = max(
        (style.text_width(_row_name(part.line, n), style.TICK_PT) for part in parts for n in part.rows), default=0.0
    )
    several = len(runs) > 1
    panels = [
        Panel(_ROW_PT * part.height, _panel_name(part, runs) if several else "", above=9.0) for part in parts
    ]  # fmt: skip
    left = bands + names + 16.0
    notes = _notes(parts, style.PAGE_PT - left - RIGHT)
    page = make_page(panels, left=left, legends=_legends(parts), notes=notes, title=title, below="Cycle")
    for axes, part in zip(page.axes, parts, strict=True):
        _frame(axes, part, page.width, names)
        _draw_bars(axes, part, page.width)
        if part.highlight is not None:
            _follow(axes, part)
    return page.figure


def _part(line: Timeline, window: Window, highlight: int | None) -> _Part:
    bars = list(line.bars(window))
    there = {bar.strand for bar in bars}
    order = sorted(there, key=lambda n: (line.program.starts[n].at[0], n))
    rows: dict[int, float] = {}
    bands: dict[str, tuple[float, float]] = {}
    at = 0.0
    for resource in line.program.resources:
        own = [n for n in order if line.program.strands[n].resource == resource]
        for place, n in enumerate(own):
            rows[n] = at + place + 0.5
        if own:
            bands[resource] = (at, at + len(own))
            at += len(own) + _BAND_GAP
    if highlight is None:
        highlight = _most_seen(line, window, bars)
    return _Part(line, window, bars, rows, bands, highlight if highlight is not None and highlight >= 0 else None)


def _most_seen(line: Timeline, window: Window, bars: Sequence[Bar]) -> int | None:
    """The epoch whose values can be followed farthest in a window, the middle one of several."""
    begun = {(bar.strand, bar.epoch) for bar in bars if bar.first >= window[0]}
    ended = {(bar.strand, bar.epoch) for bar in bars if bar.end <= window[1]}
    epochs = sorted({bar.epoch for bar in bars})
    links = values(line)
    seen = {e: sum((link.source, e) in ended and (link.reader, e) in begun for link in links) for e in epochs}
    most = max(seen.values(), default=0)
    best = [epoch for epoch in epochs if seen[epoch] == most > 0]
    return best[len(best) // 2] if best else None


def values(line: Timeline) -> list[Link]:
    """Links on which a value goes to another strand in the same epoch, without those that others imply."""
    program = line.program
    found = {
        (link.source, link.reader): link
        for link in program.links
        if link.tensor and link.source != link.reader and link.room is None and link.over is None and link.back == 0
        and link.cause is not Cause.FULL
    }  # fmt: skip
    graph = nx.DiGraph(list(found))
    if not nx.is_directed_acyclic_graph(graph):
        return list(found.values())
    return [found[edge] for edge in nx.transitive_reduction(graph).edges]


def _row_name(line: Timeline, strand: int) -> str:
    """A strand in its band: the Einsum, or what is moved."""
    each = line.program.strands[strand]
    return each.name.removeprefix(f"{each.resource} ")


def _panel_name(part: _Part, runs: Sequence[Run]) -> str:
    number = next(n for n, run in enumerate(runs, 1) if run is part.line.run)
    return f"{number}. {part.line.program.name}"


def _legends(parts: Sequence[_Part]) -> list[list[Entry]]:
    """The colours of epochs, named by the loops that change in sight; and how bars are drawn."""
    epochs: list[Entry] = []
    for part in parts:
        seen = sorted({bar.epoch for bar in part.bars})
        if not seen or len(seen) > _MOST_NAMED or len(parts) > 1:
            continue
        places = [part.line.walk.place(epoch).indices for epoch in seen]
        moving = tuple(j for j, indices in enumerate(zip(*places, strict=True)) if len(set(indices)) > 1)
        for epoch in seen:
            name = part.line.walk.name(epoch, moving)
            epochs.append((Patch(facecolor=colour(epoch)), f"{epoch}: {name}" if name else str(epoch)))
    return [epochs]


def _notes(parts: Sequence[_Part], width: float) -> list[str]:
    said = ["Colours and numbers: epochs"]
    if not all(part.is_fine(width) for part in parts):
        said.append("striped: takes turns with others")
    followed = [part.highlight for part in parts if part.highlight is not None]
    if followed:
        of = f"epoch {followed[0]}" if len(parts) == 1 else "the epochs"
        said.append(f"arrows: values of {of} with a dark outline")
    if any(gaps(part.window, part.line.stretches) for part in parts):
        said.append(UNLOGGED)
    return ["; ".join(said)]


def _frame(axes: Axes, part: _Part, width: float, names: float) -> None:
    """Bands, names of rows, where epochs begin, and the axis of cycles."""
    axes.set_ylim(part.height, 0.0)
    over_cycles(axes, part.window, width)
    shade_gaps(axes, part.window, part.line.stretches)
    across = axes.get_yaxis_transform()
    for resource, (high, low) in part.bands.items():
        axes.axhspan(high, low, facecolor="#F6F6F6", edgecolor="none", zorder=0.1)
        axes.annotate(
            resource, (0.0, (high + low) / 2), xycoords=across, xytext=(-names - 9.0, 0.0), textcoords="offset points",
            size=style.LABEL_PT, weight="bold", ha="right", va="center", color=style.INK, parse_math=False,
        )  # fmt: skip
        lines = [[(0.0, y), (1.0, y)] for y in np.arange(high + 1, low)]
        axes.add_collection(
            LineCollection(lines, colors="#E4E4E4", linewidths=0.3, zorder=0.2, transform=across), False
        )
    order = sorted(part.rows, key=lambda n: part.rows[n])
    axes.set_yticks(
        [part.rows[n] for n in order], [_row_name(part.line, n) for n in order], color=style.INK, parse_math=False
    )
    axes.tick_params("y", length=0.0, pad=3.0, labelsize=style.TICK_PT)
    frame_sides(axes, "bottom")
    starts = {epoch: cycle for epoch, cycle in part.line.starts.items() if part.window[0] <= cycle < part.window[1]}
    scale = part.scale(width)
    if len(starts) * 3.0 > width:
        return
    axes.vlines(
        list(starts.values()), 0.0, part.height, colors="#777777", linewidths=0.5, linestyles=(0, (2, 2)), zorder=1
    )
    taken = -1e9
    for epoch, cycle in starts.items():
        at, wide = (cycle - part.window[0]) * scale, style.text_width(str(epoch), style.SMALL_PT)
        if at >= taken and at + wide <= width:
            axes.annotate(
                str(epoch), (cycle, 0.0), xytext=(0.0, 2.5), textcoords="offset points", size=style.SMALL_PT,
                ha="left", va="bottom", color="#555555",
            )  # fmt: skip
            taken = at + wide + 3.0


def _draw_bars(axes: Axes, part: _Part, width: float) -> None:
    """One artist for all bars of a colour: slots one by one where a cycle is wide, else stretches."""
    scale, fine = part.scale(width), part.is_fine(width)
    drawn = list(part.line.bars(part.window, gap=0)) if fine else _merged(part, scale)
    turn = len(COLOURS) if len({bar.epoch for bar in drawn}) > _MOST_ARTISTS else sys.maxsize
    groups: dict[tuple[int, bool], list[Bar]] = {}
    for bar in drawn:
        groups.setdefault((bar.epoch % turn, not fine and bar.density < _DENSE), []).append(bar)
    for (epoch, striped), own in sorted(groups.items()):
        _boxes(axes, part, own, f"{epoch} in turns" if striped else str(epoch), striped)
    if part.highlight is not None:
        _outline(axes, part, part.bars if fine else drawn, scale)
    most = max((bar.end - bar.first for bar in drawn), default=0) * scale
    roomy = most > style.text_width("000", style.SMALL_PT) + 2.0
    for bar in drawn if roomy else part.bars:
        first, end = max(bar.first, part.window[0]), min(bar.end, part.window[1])
        text, room = str(bar.epoch), (end - first) * scale - 2.5
        if room > 0 and style.text_width(text, style.SMALL_PT) <= room:
            dark = np.dot(to_rgb(colour(bar.epoch)), (0.299, 0.587, 0.114)) < 0.55
            label = axes.text(
                (first + end) / 2, part.rows[bar.strand], text, size=style.SMALL_PT, zorder=4, **style.WRITTEN
            )
            label.set(color="#FFFFFF" if dark else style.INK, clip_on=True)
            if bar.density < _DENSE:
                label.set_bbox({"facecolor": colour(bar.epoch), "edgecolor": "none", "pad": 0.8})


def _merged(part: _Part, scale: float) -> list[Bar]:
    """Bars between which no gap could be seen; those of huge instances are so few again."""
    unseen = round(2.0 / scale)
    return list(part.line.bars(part.window, gap=max(GAP, unseen), fine=unseen))


def _boxes(axes: Axes, part: _Part, bars: Sequence[Bar], label: str, striped: bool) -> None:
    middle = np.array([part.rows[bar.strand] for bar in bars])
    left = np.clip(np.array([bar.first for bar in bars], float), *part.window)
    right = np.clip(np.array([bar.end for bar in bars], float), *part.window)
    low, high = middle - _BAR / 2, middle + _BAR / 2
    corners = np.stack([left, low, left, high, right, high, right, low, left, low], axis=-1).reshape(-1, 2)
    codes = np.tile([Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY], len(left))
    patch = PathPatch(Path(corners, codes), facecolor=colour(bars[0].epoch), label=label, zorder=2)
    patch.set(edgecolor=colour(bars[0].epoch), linewidth=0.3, hatch="||||||" if striped else "")
    patch.set(hatchcolor="#FFFFFF", hatch_linewidth=0.7)
    axes.add_artist(patch)


def _outline(axes: Axes, part: _Part, bars: Sequence[Bar], scale: float) -> None:
    """A dark line around the bars of the followed epoch that are wide enough, and between those of one strand."""
    for strand, row in part.rows.items():
        own = [bar for bar in bars if (bar.strand, bar.epoch) == (strand, part.highlight)]
        ends = [(max(bar.first, part.window[0]), min(bar.end, part.window[1])) for bar in own]
        low, high = row - _BAR / 2, row + _BAR / 2
        around = [
            [(first, low), (first, high), (end, high), (end, low), (first, low)]
            for first, end in ends if (end - first) * scale >= _OUTLINE_PT
        ]  # fmt: skip
        if around:
            path = Path.make_compound_path(*map(Path, around))
            axes.add_artist(PathPatch(path, facecolor="none", edgecolor=style.INK, linewidth=0.8, zorder=3))
        between = [[(end, row), (first, row)] for (_, end), (first, _) in pairwise(ends)]
        axes.add_collection(LineCollection(between, colors=style.INK, linewidths=0.5, zorder=1.5), False)


def _follow(axes: Axes, part: _Part) -> None:
    """Arrows from the last slot that makes a value to the first that takes it."""
    line, epoch = part.line, part.highlight
    assert epoch is not None
    for link in values(line):
        if link.source not in part.rows or link.reader not in part.rows:
            continue
        made, read = line.instance(link.source, epoch), line.instance(link.reader, epoch)
        read = read[read[:, SLOT] == 0]
        if not len(made) or not len(read):
            continue
        units = int(made[-1, UNIT]) + 1
        steps = min(units, max(1, min(link.shares)))
        first_step = made[made[:, UNIT] <= units // steps - 1]
        start = (float(first_step[:, END].max()), part.rows[link.source])
        end = (float(read[0, FIRST]), part.rows[link.reader])
        if end[0] < part.window[0] or start[0] > part.window[1]:
            continue
        towards = 1.0 if end[1] >= start[1] else -1.0
        start = (start[0], start[1] + towards * _BAR / 4)
        arrow = FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=4.0, shrinkA=0.0, shrinkB=0.0)
        arrow.set(color=style.INK, linewidth=0.55, zorder=5)
        axes.add_patch(arrow)
        arrow.set_clip_path(axes.patch)
