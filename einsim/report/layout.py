"""Where things go: panels on the page, groups and ticks along the axes. Lengths are in points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from einsim.report.style import COLUMN_PT, LOG_FROM, PAGE_PT, TICK_PT, linear_ticks, log_ticks, text_width
from einsim.report.wording import show_value

RIGHT: Final = 6.0
COLUMN_GAP: Final = 8.0
ROW_GAP: Final = 7.0
STRIP_GAP: Final = 7.0
MEAN_STRETCH: Final = 1.3  # how much wider than others the bars of means are
COMFORTABLE_PT: Final = 6.5  # a bar that is easy to see
PANEL_PT: Final = 112.0  # the height of a panel that stands alone
LOW_PANEL_PT: Final = 86.0


@dataclass(frozen=True, slots=True)
class Layout:
    """Where panels go on a page: facets in rows, each with `strips` panels above one another.

    `head` is the height of title and legend, `names` that of the facets' names, `left` and `bottom` hold tick
    and axis labels.
    """

    facets: int
    strips: int
    columns: int
    panel_width: float
    panel_height: float
    left: float
    names: float
    head: float = 0.0
    bottom: float = 0.0

    @property
    def width(self) -> float:
        """Of the figure."""
        return self.left + self.columns * (self.panel_width + COLUMN_GAP) - COLUMN_GAP + RIGHT

    @property
    def height(self) -> float:
        """Of the figure."""
        return self.head + -(-self.facets // self.columns) * self._row - ROW_GAP + self.bottom

    @property
    def _row(self) -> float:
        return 3.0 + self.names + self.strips * (self.panel_height + STRIP_GAP) - STRIP_GAP + ROW_GAP

    def box_points(self, facet: int, strip: int) -> tuple[float, float, float, float]:
        """Left, bottom, width and height of a panel."""
        row, column = divmod(facet, self.columns)
        left = self.left + column * (self.panel_width + COLUMN_GAP)
        bottom = self.height - self.head - (row + 1) * self._row + ROW_GAP
        bottom += (self.strips - 1 - strip) * (self.panel_height + STRIP_GAP)
        return left, bottom, self.panel_width, self.panel_height

    def box(self, facet: int, strip: int) -> tuple[float, float, float, float]:
        """Left, bottom, width and height of a panel, in fractions of the figure."""
        left, bottom, width, height = self.box_points(facet, strip)
        return left / self.width, bottom / self.height, width / self.width, height / self.height

    def spans(self, strip: int) -> list[tuple[float, float]]:
        """Between which heights labels of y stand: a single strip has one for all rows."""
        if self.strips == 1:
            return [(self.bottom, self.height - self.head)]
        lows = [self.box_points(facet, strip)[1] for facet in range(0, self.facets, self.columns)]
        return [(low, low + self.panel_height) for low in lows]

    def is_lowest(self, facet: int, strip: int) -> bool:
        """Whether no panel stands below, so that this one carries the labels of x."""
        return strip == self.strips - 1 and facet + self.columns >= self.facets


def lay_out(facets: int, strips: int, *, units: float, least: float, left: float, legend: float) -> Layout:
    """The layout with the fewest rows whose bars are `least` points wide, if there is one of up to four rows.

    A panel is `units` bars wide, gaps counted. The figure is one column of a page wide, or as much more as
    its bars and its legend need, up to the whole page.
    """
    choices: list[tuple[int, float]] = []
    for most in range(min(facets, 4), 0, -1):
        rows = -(-facets // most)
        if choices and rows * strips > 4:
            break
        columns = -(-facets // rows)
        choices.append((columns, (PAGE_PT - left - RIGHT - (columns - 1) * COLUMN_GAP) / columns))
    columns, room = next((choice for choice in choices if choice[1] >= least * units), choices[-1])
    narrowest = (max(COLUMN_PT, min(legend, PAGE_PT)) - left - RIGHT - (columns - 1) * COLUMN_GAP) / columns
    width = max(min(room, units * COMFORTABLE_PT), narrowest)
    single = columns >= facets and strips == 1
    return Layout(facets, strips, columns, width, PANEL_PT if single else LOW_PANEL_PT, left, 0.0)


@dataclass(frozen=True, slots=True)
class XAxis:
    """Where labels (of groups of bars, or ticks) stand along x, and where the bars are about the centre.

    The last `means` labels are of means. Bars are `bar` wide in units of x (0 for lines), in each group as
    `widths` says.
    """

    centres: tuple[float, ...]
    labels: tuple[str, ...]
    offsets: tuple[float, ...]
    bar: float
    widths: tuple[float, ...]
    low: float
    high: float
    log: bool = False
    means: int = 0

    def points(self, x: float, width: float) -> float:
        """How far a place is from the left end of a panel that is `width` points wide."""
        if self.log:
            return width * math.log(x / self.low) / math.log(self.high / self.low)
        return width * (x - self.low) / (self.high - self.low)


def bar_axis(labels: Sequence[str], series: int, means: int) -> XAxis:
    """Groups of bars one apart, those of means a little apart from the others and wider, to be written on."""
    bar = 1.0 / (series + 0.9) if series > 1 else 0.66
    offsets = tuple((i - (series - 1) / 2) * bar for i in range(series))
    centres = [float(i) for i in range(len(labels))]
    centres += [len(labels) - 0.3 + (i + 0.5) * MEAN_STRETCH for i in range(means)]
    widths = [bar] * len(labels) + [bar * MEAN_STRETCH] * means
    shown = (*labels, *("mean", "geomean")[:means])
    end = centres[-1] + 0.5 * (MEAN_STRETCH if means else 1.0) + 0.05
    return XAxis(tuple(centres), shown, offsets, bar, tuple(widths), -0.55, end, means=means)


def line_axis(axis: str, values: Sequence[float]) -> XAxis:
    """A numeric axis with ticks at round values; logarithmic where the steps of the ascending values grow."""
    low, high = float(values[0]), float(values[-1])
    steps = [after - before for before, after in pairwise(values)]
    log = low > 0 and max(steps) >= LOG_FROM * min(steps)
    whole = all(isinstance(value, int) for value in values)
    if log and whole:
        ticks = [2.0**power for power in range(64) if low <= 2.0**power <= high]
    elif log:
        ticks = log_ticks(low, high)
    else:
        binary = axis.endswith(("_bytes", "_bytes_per_s")) or (whole and all(value % 1024 == 0 for value in values))
        unit = 1024.0 ** int(math.log(high, 1024)) if binary and high > 1 else 1.0
        ticks = [tick * unit for tick in linear_ticks(low / unit, high / unit)]
    labels = tuple(show_value(axis, int(tick) if tick.is_integer() else tick) for tick in ticks)
    pad = (high / low) ** 0.03 if log else 0.03 * (high - low)
    ends = (low / pad, high * pad) if log else (low - pad, high + pad)
    return XAxis(tuple(ticks), labels, (), 0.0, (), *ends, log)


def fit_labels(axis: XAxis, width: float, *, upright: bool) -> list[str]:
    """The labels of x that do not touch each other (the others empty), those of means first."""
    shown = [""] * len(axis.labels)
    taken: list[tuple[float, float]] = []
    first = len(axis.labels) - axis.means
    for i in (*range(first, len(axis.labels)), *range(first)):
        half = (TICK_PT if upright else text_width(axis.labels[i], TICK_PT) + 3.0) / 2
        centre = axis.points(axis.centres[i], width)
        if all(centre + half <= low or centre - half >= high for low, high in taken):
            shown[i] = axis.labels[i]
            taken.append((centre - half, centre + half))
    return shown


@dataclass(frozen=True, slots=True)
class YAxis:
    """Limits and ticks along y; bars start at `base`."""

    low: float
    high: float
    base: float
    log: bool
    ticks: tuple[float, ...]

    def points(self, y: float, height: float) -> float:
        """How far a place is from the lower end of a panel that is `height` points high."""
        if self.log:
            return height * math.log(y / self.low) / math.log(self.high / self.low)
        return height * (y - self.low) / (self.high - self.low)


def y_axis(
    numbers: Sequence[float], *, captioned: float, room: float, limit: float | None, base: float | None
) -> YAxis:
    """An axis for numbers, with `room` points for the captions that start at `captioned` or lower.

    `limit` is the largest possible number. The axis is logarithmic if `base` is given, where bars start;
    0 means the lower end.
    """
    below = 1 - (room + 5.0) / LOW_PANEL_PT if room else 1.0
    low, high = min(numbers), max(numbers)
    if base is not None:
        margin = (high / low) ** 0.05
        low, high = low / margin, high * margin
        high = max(high, low * (captioned / low) ** (1 / below)) if room else high
        return YAxis(low, high, base or low, True, tuple(log_ticks(low, high)))
    high = max((limit or high) * 1.05, captioned / below) or 1.0
    return YAxis(0.0, high, 0.0, False, tuple(linear_ticks(0.0, limit or high)))
