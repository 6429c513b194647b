"""Pareto fronts, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from einsim.report import style
from einsim.report.front import TITLES, show_number

_PANEL_PT: Final = (250.0, 200.0)
_LIGHT: Final = "#BBBBBB"
_DARK: Final = "#332288"
_SIMULATED: Final = "#CC6677"


def draw_front(
    every: pl.DataFrame,
    front: pl.DataFrame,
    objectives: Sequence[str],
    *,
    rivals: pl.DataFrame | None = None,
    confirmed: pl.DataFrame | None = None,
    growth: Sequence[tuple[int, float]] = (),
    title: str = "",
) -> Figure:
    """The front among all designs that keep the constraints: the first objective against each other one.

    every, front, rivals, confirmed: tables of `explore.designs.numbers_of` (rivals with a column `name`; confirmed
    with `closed_form_s` beside the cycle model's latency). growth: hypervolume by number of designs, a panel of its
    own.
    """
    pairs = [(objectives[0], other) for other in objectives[1:]]
    panels = len(pairs) + bool(growth) or 1
    width, height = _PANEL_PT
    figure = Figure(figsize=(panels * width / 72, (height + 18.0) / 72), dpi=style.DPI, layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    good = every.filter(pl.col("violation") == 0.0)
    for place, (ax, pair) in enumerate(zip(axes, pairs, strict=False)):
        _panel(ax, pair, good, front, rivals, confirmed, legend=place == 0, line=len(pairs) == 1)
    if growth:
        _growth(axes[-1], growth)
    if title:
        figure.suptitle(title, fontsize=style.TITLE_PT, color=style.INK, parse_math=False)
    return figure


def draw_latency_front(frame: pl.DataFrame) -> Figure:
    """Latency against area of a sweep's points, with the front of those that no other beats in both."""
    fits = frame.filter("feasible").with_columns(violation=pl.lit(0.0))
    smaller = pl.col("latency_s").cum_min().shift(1, fill_value=float("inf"))
    front = fits.sort("area_um2", "latency_s").filter(pl.col("latency_s") < smaller)
    return draw_front(fits, front, ["area_um2", "latency_s"])


def _panel(
    ax: Axes, pair: tuple[str, str], good: pl.DataFrame, front: pl.DataFrame,
    rivals: pl.DataFrame | None, confirmed: pl.DataFrame | None, *, legend: bool, line: bool,
) -> None:  # fmt: skip
    x, y = pair
    ax.scatter(good[x], good[y], s=5, color=_LIGHT, linewidths=0, label=f"{len(good):,} designs", rasterized=True)
    best = front.sort(x)
    ax.plot(best[x], best[y], color=_DARK, marker="o", markersize=2.6, linewidth=0.8 if line else 0.0,
            label="Pareto front", zorder=3)  # fmt: skip
    if confirmed is not None and len(confirmed) and x == "latency_s":
        there = confirmed.filter(pl.col(x).is_not_null() & pl.col(y).is_not_null())
        for row in there.iter_rows(named=True):
            ax.plot([row["closed_form_s"], row[x]], [row[y]] * 2, color=_SIMULATED, linewidth=0.5, zorder=2)
        ax.scatter(there[x], there[y], s=9, marker="D", facecolors="none", edgecolors=_SIMULATED, linewidths=0.7,
                   label="cycle model", zorder=4)  # fmt: skip
    if rivals is not None:
        looks = style.series_looks(["the front", *rivals["name"]])[1:]  # whose colour it is
        for look, row in zip(looks, rivals.iter_rows(named=True), strict=True):
            if row[x] is not None and row[y] is not None:
                ax.scatter(row[x], row[y], s=30, marker=look.marker, color=look.line_colour, zorder=5,
                           edgecolors="white", linewidths=0.5, label=row["name"])  # fmt: skip
    for axis, name, scale in ((ax.xaxis, x, ax.set_xscale), (ax.yaxis, y, ax.set_yscale)):
        values = np.concatenate([np.asarray(each[name].drop_nulls(), np.float64) for each in
                                 (good, front, *([] if rivals is None else [rivals]))])  # fmt: skip
        if len(values) and values.min() > 0 and values.max() > 3 * values.min():
            scale("log")
        axis.set_major_formatter(FuncFormatter(lambda value, _, name=name: show_number(name, value)))
        axis.set_minor_formatter(NullFormatter())
        axis.set_label_text(TITLES[name], fontsize=style.LABEL_PT, color=style.INK)
    _dress(ax)
    if legend:
        ax.legend(fontsize=style.TICK_PT, frameon=True, framealpha=0.85, edgecolor="none", loc="best")


def _growth(ax: Axes, growth: Sequence[tuple[int, float]]) -> None:
    ax.step([count for count, _ in growth], [value for _, value in growth], where="post", color=_DARK, linewidth=1.0)
    ax.set_xlabel("Designs evaluated", fontsize=style.LABEL_PT, color=style.INK)
    ax.set_ylabel("Hypervolume (1: best in all)", fontsize=style.LABEL_PT, color=style.INK)
    ax.set_ylim(0.0, 1.0)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    _dress(ax)


def _dress(ax: Axes) -> None:
    ax.grid(visible=True, color=style.GRID, linewidth=0.4)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=style.TICK_PT, colors=style.INK, width=0.4, length=2.0, which="both")
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_linewidth(0.5)
