"""What all panels of a figure share: axes, sizes and looks, made to suit its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from einsim.report import style, wording
from einsim.report.grid import Cube, Grid, Strip
from einsim.report.layout import (
    LOW_PANEL_PT,
    MEAN_STRETCH,
    PANEL_PT,
    Layout,
    XAxis,
    YAxis,
    bar_axis,
    fit_labels,
    lay_out,
    line_axis,
    y_axis,
)
from einsim.report.style import Look

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
        labels = [wording.show_value(grid.x_axis, value) for value in grid.xs]
        x = bar_axis(labels, len(grid.series), strips[0].means)
    groups = style.part_groups(list(strips[0].stack))
    written = (groups and len(grid.series) > 1) or any((strip.captions != "").any() for strip in strips)
    widest = max(style.text_width(wording.show_number(tick), style.TICK_PT) for y in ys for tick in y.ticks)
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
