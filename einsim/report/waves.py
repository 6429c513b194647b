"""One epoch of generated hardware as a timing diagram: streams, and what the arrays do in every cycle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from einsim.cosim.moments import Moment, moments_of
from einsim.cosim.subject import Subject
from einsim.errors import Location, SpecError
from einsim.report import style
from einsim.report.page import Panel, frame_sides, make_page, over_cycles
from einsim.report.waterfall import colour
from einsim.rtl.generator.host import Host
from einsim.rtl.generator.simulation import Watched
from einsim.schedule.pipeline.program import LOAD, STORE

_LEVEL: Final = 9.0  # height of a row with one wire
_BUS: Final = 13.0
_WORDS: Final = 30.0  # of a row in which words may stand upright
_SPACE: Final = 4.0
_GROUP: Final = 6.0  # more of it between groups
_SLOPE: Final = 0.9  # of the ends of boxes
_PALE: Final = 0.72  # white in the colours of other epochs
_PART: Final = 64  # cycles beside one another
_MOST_PARTS: Final = 6
_NARROW: Final = 2.0  # points a cycle below which slots are not told apart
_AIR: Final = 1.06  # letters are drawn wider than they are


@dataclass(frozen=True, slots=True)
class Row:
    """A signal: a wire (a level for each cycle), or a bus (what is on it, and when)."""

    name: str
    height: float
    levels: NDArray[np.bool_] | None = None
    moments: tuple[Moment, ...] = ()
    first: bool = False


def waves(subject: Subject, watched: Watched, epoch: int | None = None) -> Figure:
    """The cycles from an epoch's first operation on the 2D array to its last result.

    Without a number, the epoch in the middle of the run. Raises SpecError for one that there is not.
    """
    every = Host(subject.hardware, subject.sizes).epochs()
    chosen = len(every) // 2 if epoch is None else epoch
    if not 0 <= chosen < len(every):
        raise SpecError(f"there is no epoch {chosen}", at=Location("--epoch"), remedy=f"0 to {len(every) - 1}")
    found = moments_of(subject, watched)
    window = window_of(subject, found, chosen)
    rows = rows_of(subject, watched, found)
    tall = sum(row.height + _SPACE + _GROUP * row.first for row in rows)
    parts = parts_of(window)
    left = max(style.text_width(row.name, style.TICK_PT) for row in rows) + 12.0
    seen = sorted({m.epoch for row in rows for m in row.moments if m.end > window[0] and m.first < window[1]})
    loops = [loop.name for loop in subject.hardware.program.epochs.loops]
    moving = [p for p, _ in enumerate(loops) if len({every[n][0][p] for n in seen}) > 1]
    names = {n: ", ".join(f"{loops[p]} {every[n][0][p]}" for p in moving) for n in seen}
    legend = [(Patch(facecolor=shade(n, chosen)), f"{n}: {names[n]}") for n in seen]
    sizes = ", ".join(f"{name} = {size}" for name, size in subject.sizes.items() if size > 1)
    page = make_page(
        [Panel(tall)] * len(parts), left=left, legends=[legend], below="Cycle",
        title=f"{subject.hardware.name}, {sizes}: epoch {chosen}",
        notes=["Colours: epochs; numbers: slots of an instance."],
    )  # fmt: skip
    for axes, part in zip(page.axes, parts, strict=True):
        _draw(axes, rows, part, page.width, chosen)
    return page.figure


def window_of(subject: Subject, found: dict[str, list[Moment]], epoch: int) -> tuple[int, int]:
    """From an epoch's first operation on the 2D array to the end of its last one, wherever that is."""
    own = [m for kind, each in found.items() if kind not in {LOAD, STORE} for m in each if m.epoch == epoch]
    begin = min(m.first for m in found[subject.hardware.grid] if m.epoch == epoch)
    return begin, max(m.end for m in own) + 1


def parts_of(window: tuple[int, int]) -> list[tuple[int, int]]:
    """A window cut into parts of equal length that words fit into, to be drawn below one another."""
    length = window[1] - window[0]
    count = min(_MOST_PARTS, -(-length // _PART))
    each = -(-length // count)
    return [(at, at + each) for at in range(window[0], window[1], each)]


def rows_of(subject: Subject, watched: Watched, found: dict[str, list[Moment]]) -> list[Row]:
    """Signals from the stream in to the stream out."""
    streams = watched.streams
    assert streams is not None, "streams are to be written down"

    def levels(bit: int) -> NDArray[np.bool_]:
        return np.asarray(streams & bit, bool)

    def bus(kind: str, name: str, height: float, *, first: bool = False) -> Row:
        return Row(name, height, None, tuple(found.get(kind, ())), first)

    hardware = subject.hardware
    rows = [Row("stream in valid", _LEVEL, levels(1)), Row("ready", _LEVEL, levels(2)), bus(LOAD, "tile", _BUS)]
    for kind, array, place in zip(("element", "lane"), hardware.arrays, ("element", "lane"), strict=False):
        rows.append(bus(array, f"{array} decided", _WORDS, first=True))
        rows.append(bus(f"{kind} last", f"in the last {place}", _WORDS))
    rows += [Row("stream out valid", _LEVEL, levels(4), first=True), Row("ready", _LEVEL, levels(8))]
    return [*rows, bus(STORE, "tile", _BUS)]


def shade(epoch: int, chosen: int) -> str:
    """The colour of an epoch: pale unless it is the one that is shown."""
    if epoch == chosen:
        return colour(epoch)
    red, green, blue = (_PALE + (1 - _PALE) * each for each in to_rgb(colour(epoch)))
    return str(to_hex((red, green, blue)))


def runs_of(moments: Iterable[Moment], window: tuple[int, int]) -> list[list[Moment]]:
    """Slots in sight that follow one another without a gap, of one instance."""
    seen = [m for m in moments if m.end > window[0] and m.first < window[1]]
    numbered = enumerate(seen)
    grouped = groupby(numbered, key=lambda each: (each[1].strand, each[1].epoch, each[1].slot - each[0],
                                                  each[1].first - each[0]))  # fmt: skip
    return [[m for _, m in run] for _, run in grouped]


def _draw(axes: Axes, rows: Sequence[Row], window: tuple[int, int], width: float, chosen: int) -> None:
    total = sum(row.height + _SPACE + _GROUP * row.first for row in rows)
    axes.set_ylim(total, 0.0)
    over_cycles(axes, window, width)
    frame_sides(axes, "bottom")
    scale = width / (window[1] - window[0])
    for tick in axes.get_xticks():
        axes.axvline(tick, color=style.GRID, linewidth=0.4, zorder=0.2)
    at, middles = 0.0, []
    for row in rows:
        at += _GROUP * row.first
        low, high = at + row.height, at
        if row.levels is None:
            _draw_bus(axes, row, (high, low), window, scale, chosen)
        else:
            _draw_level(axes, row.levels, (high, low), window)
        middles.append((high + low) / 2)
        at = low + _SPACE
    axes.set_yticks(middles, [row.name for row in rows], color=style.INK, parse_math=False)
    axes.tick_params("y", length=0.0, pad=3.0, labelsize=style.TICK_PT)


def _draw_level(axes: Axes, levels: NDArray[np.bool_], sides: tuple[float, float], window: tuple[int, int]) -> None:
    """A wire that is high or low."""
    high, low = sides
    here = levels[window[0] : window[1]]
    edges = np.repeat(np.arange(window[0], window[0] + len(here) + 1), 2)[1:-1]
    heights = np.repeat(np.where(here, high, low), 2)
    axes.plot(edges, heights, color=style.INK, linewidth=0.7, solid_joinstyle="miter", zorder=3)
    axes.fill_between(edges, heights, low, facecolor="#E8E8E8", edgecolor="none", zorder=1)


def _draw_bus(
    axes: Axes, row: Row, sides: tuple[float, float], window: tuple[int, int], scale: float, chosen: int
) -> None:
    """What is on a bus, in boxes; a line where there is nothing."""
    middle, idle = sum(sides) / 2, window[0]
    lines: list[list[tuple[float, float]]] = []
    boxes: dict[int, list[list[tuple[float, float]]]] = {}
    for run in runs_of(row.moments, window):
        first, end = _span(run, window)
        lines.append([(idle, middle), (first, middle)])
        idle = end
        upright = row.height >= _WORDS and not _fits(_run_text(run), end - first, scale)
        for part in [[each] for each in run] if upright else [run]:
            boxes.setdefault(run[0].epoch, []).append(_box(part, sides, window, scale))
            lines += _marks(part, sides[1], window, scale)
            _write(axes, part, sides, window, scale, chosen, upright=upright)
    lines.append([(idle, middle), (window[1], middle)])
    for epoch, outlines in boxes.items():  # one artist for all boxes of a colour
        path = Path.make_compound_path(*(Path([*each, each[0]], closed=True) for each in outlines))
        axes.add_patch(PathPatch(path, facecolor=shade(epoch, chosen), edgecolor=style.INK, linewidth=0.4, zorder=2))
    lines = [each for each in lines if each[0] != each[1]]
    axes.add_collection(LineCollection(lines, colors=style.INK, linewidths=0.5, zorder=2.5), autolim=False)


def _run_text(run: Sequence[Moment]) -> str:
    first, last = run[0], run[-1]
    return f"{first.what} {first.slot}" if len(run) == 1 else f"{first.what} {first.slot}–{last.slot}"


def _fits(text: str, cycles: int, scale: float) -> bool:
    return style.text_width(text, style.SMALL_PT) * _AIR + 3.0 <= cycles * scale


def _box(
    run: Sequence[Moment], sides: tuple[float, float], window: tuple[int, int], scale: float
) -> list[tuple[float, float]]:
    """The outline of a box with slanted ends, as in timing diagrams."""
    first, end = _span(run, window)
    high, low = sides
    slope = min(_SLOPE / scale, 0.2 * (end - first))
    middle = (high + low) / 2
    return [(first, middle), (first + slope, high), (end - slope, high), (end, middle), (end - slope, low),
            (first + slope, low)]  # fmt: skip


def _span(run: Sequence[Moment], window: tuple[int, int]) -> tuple[int, int]:
    return max(run[0].first, window[0]), min(run[-1].end, window[1])


def _marks(run: Sequence[Moment], low: float, window: tuple[int, int], scale: float) -> list[list[tuple[float, float]]]:
    """Where one slot of a box ends and the next begins."""
    if scale < _NARROW:
        return []
    return [[(m.first, low - 2.0), (m.first, low)] for m in run[1:] if window[0] < m.first < window[1]]


def _write(
    axes: Axes, run: Sequence[Moment], sides: tuple[float, float], window: tuple[int, int], scale: float, chosen: int,
    *, upright: bool,
) -> None:  # fmt: skip
    """What a box stands for, where there is room for it."""
    first, end = _span(run, window)
    text = run[0].what if run[0].end - run[0].first > 1 else _run_text(run)
    size = style.SMALL_PT
    if upright:
        tall = (sides[1] - sides[0] - 1.5) / (style.text_width(text, size) * _AIR)
        size *= min(1.0, 0.98 * scale / size, tall)
    elif not _fits(text, end - first, scale):
        return
    if size < 0.8 * style.SMALLEST_PT:
        return
    dark = np.dot(to_rgb(shade(run[0].epoch, chosen)), (0.299, 0.587, 0.114)) < 0.55
    label = axes.text((first + end) / 2, sum(sides) / 2, text, size=size, zorder=4, **style.WRITTEN)
    label.set(color="#FFFFFF" if dark else style.INK, rotation=90.0 if upright else 0.0)
