"""Pareto fronts, drawn and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from rich.console import Group, RenderableType
from rich.text import Text

from einsim.report import style
from einsim.report.tables import table
from einsim.units import show_bytes, show_si

_PANEL_PT: Final = (250.0, 200.0)
_LIGHT: Final = "#BBBBBB"
_DARK: Final = "#332288"
_SIMULATED: Final = "#CC6677"
_WORDS: Final = {
    "latency_s": "Latency", "energy_pj": "Energy", "traffic_bytes": "Off-chip traffic",
    "edp_js": "Energy-delay product", "area_um2": "Area", "power_w": "Power", "held_bytes": "Held on chip",
    "util_2d": "2D array utilisation", "util_1d": "1D array utilisation",
}  # fmt: skip
_MOST: Final = 24
"""Rows of a table in the terminal."""


def show_number(name: str, value: float | None) -> str:
    """A design's number with its unit."""
    if value is None:
        return "-"
    match name:
        case "latency_s" | "closed_form_s":
            return show_si(value, "s")
        case "energy_pj":
            return show_si(value * 1e-12, "J")
        case "traffic_bytes" | "held_bytes":
            return show_bytes(value)
        case "edp_js":
            return show_si(value, "Js")
        case "area_um2":
            return f"{value * 1e-6:.4g} mm²"
        case "power_w":
            return show_si(value, "W")
        case "util_2d" | "util_1d":
            return f"{value:.1%}"
    return f"{value:.4g}"


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
        axis.set_label_text(_WORDS[name], fontsize=style.LABEL_PT, color=style.INK)
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


def front_report(
    front: pl.DataFrame, fields: Sequence[str], objectives: Sequence[str], *, confirmed: pl.DataFrame | None,
    rivals: pl.DataFrame | None,
) -> RenderableType:  # fmt: skip
    """The front as a table: what its designs are, their objectives, and what the cycle model says of them."""
    if not len(front):
        return Text("no design keeps all constraints", style="bold red")
    shown = _varying(front, fields)
    simulated = {} if confirmed is None else {row["design"]: row for row in confirmed.iter_rows(named=True)}
    columns = ["design", *(style.axis_label(field) for field in shown), *(_WORDS[name] for name in objectives)]
    columns += ["cycle model"] if simulated else []
    rows = []
    for row in front.head(_MOST).iter_rows(named=True):
        cells = [str(row["design"]), *(style.show_value(field, row[field]) for field in shown)]
        cells += [show_number(name, row[name]) for name in objectives]
        if simulated:
            cells.append(_simulated(simulated.get(row["design"])))
        rows.append(cells)
    parts: list[RenderableType] = [table(f"Pareto front: {len(front)} designs", columns, rows)]
    if len(front) > _MOST:
        parts.append(Text(f"and {len(front) - _MOST} more"))
    same = [f"{style.axis_label(field)} {style.show_value(field, front[field][0])}" for field in fields
            if field not in shown]  # fmt: skip
    if same:
        parts.append(Text(f"all have {', '.join(same)}"))
    if rivals is not None:
        parts += ["", _rivals(front, rivals, objectives)]
    return Group(*parts)


def _varying(front: pl.DataFrame, fields: Sequence[str]) -> list[str]:
    return [field for field in fields if front[field].n_unique() > 1] or list(fields[:1])


def _simulated(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["latency_s"] is None:
        return f"does not run: {row['reason']}"
    return f"{show_number('latency_s', row['latency_s'])} ({row['difference']:+.1%})"


def _rivals(front: pl.DataFrame, rivals: pl.DataFrame, objectives: Sequence[str]) -> RenderableType:
    """Designs to compare with: their numbers, and how much better in each the best of the front is."""
    rows = []
    simulated = "simulated_s" in rivals.columns
    for row in rivals.iter_rows(named=True):
        cells = [row["name"]]
        for name in objectives:
            best = front[name].max() if name.startswith("util") else front[name].min()
            if row[name] is None:
                cells.append(f"does not fit: {row['reason']}" if name == objectives[0] else "-")
            else:
                factor = float(row[name]) / float(best) if best else float("nan")  # type: ignore[arg-type]
                cells.append(f"{show_number(name, row[name])} ({style.show_ratio(factor)} the best)")
        if simulated:
            latency = row["simulated_s"]
            cells.append("does not run" if latency is None else
                         f"{show_number('latency_s', latency)} ({row['difference']:+.1%})")  # fmt: skip
        rows.append(cells)
    columns = ["", *(_WORDS[name] for name in objectives), *(["cycle model"] if simulated else [])]
    return table("Beside it", columns, rows)
