"""Rooflines, drawn."""

from __future__ import annotations

from math import isfinite
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from einsim.model.roofline import Load, Roof
from einsim.report import style, wording
from einsim.report.roofline import Named, show_rate
from einsim.units import show_si

_PANEL_PT: Final = (250.0, 190.0)


def draw_roofline(designs: Named, title: str = "") -> Figure:
    """One panel an array: the roofs of all machines, where designs and their groups stand, and what passes allow."""
    arrays = list(dict.fromkeys(roof.array for _, each in designs for roof in each.roofs))
    width, height = _PANEL_PT
    figure = Figure(figsize=(len(arrays) * width / 72, (height + 34.0) / 72), dpi=style.DPI, layout="constrained")
    axes = figure.subplots(1, len(arrays), squeeze=False)[0]
    for ax, array in zip(axes, arrays, strict=True):
        _panel(ax, array, designs)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(5, len(labels)), fontsize=style.TICK_PT,
                  frameon=False)  # fmt: skip
    if title:
        figure.suptitle(title, fontsize=style.TITLE_PT, color=style.INK, parse_math=False)
    return figure


def _panel(ax: Axes, array: str, designs: Named) -> None:
    there = [(name, each, roof) for name, each in designs for roof in each.roofs if roof.array == array]
    marks = [each.whole.intensity(array) for _, each, _ in there] + [each.most_intense(array) for _, each, _ in there]
    marks += [load.intensity(array) for _, each, _ in there for load in each.groups if load.seconds]
    marks += [roof.ridge for _, _, roof in there]
    known = [mark for mark in marks if isfinite(mark) and mark > 0] or [1.0]
    low, high = min(known) / 4, max(known) * 4
    xs = np.geomspace(low, high, 200)
    seen: set[Roof] = set()
    for _, _, roof in there:
        key = Roof("", True, roof.peak_per_s, roof.bandwidth_bytes_per_s)
        if key not in seen:
            seen.add(key)
            ax.plot(xs, [roof.at(x) for x in xs], color=style.INK, linewidth=0.9, zorder=2)
            ax.annotate(f"{show_rate(roof.peak_per_s)}", (high, roof.peak_per_s), xytext=(-2, 3), ha="right",
                        textcoords="offset points", fontsize=style.SMALL_PT, color=style.INK)  # fmt: skip
    looks = style.series_looks([name for name, _ in designs])
    for look, (name, each) in zip(looks, designs, strict=True):
        if all(roof.array != array for roof in each.roofs):
            continue
        most = each.most_intense(array)
        if isfinite(most) and most > 0:
            ax.axvline(most, color=look.line_colour, linewidth=0.6, linestyle=(0, (2, 2)), zorder=1)
        for load in each.groups if len(each.groups) > 1 else ():
            _mark(ax, load, array, look, 3.0, None, high)
        _mark(ax, each.whole, array, look, 6.0, name, high)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(low, high)
    ax.set_title(array, fontsize=style.LABEL_PT, color=style.INK, parse_math=False)
    ax.set_xlabel("Operations a byte off chip (dotted: what passes allow)", fontsize=style.LABEL_PT, color=style.INK)
    ax.set_ylabel("Operations a second", fontsize=style.LABEL_PT, color=style.INK)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: show_si(value, "")))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.show_number(value)))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_minor_formatter(NullFormatter())
    ax.grid(visible=True, color=style.GRID, linewidth=0.4)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=style.TICK_PT, colors=style.INK, width=0.4, length=2.0, which="both")
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def _mark(ax: Axes, load: Load, array: str, look: style.Look, size: float, label: str | None, right: float) -> None:
    """A load; one that is all on chip stands at the right."""
    attained, intensity = load.attained(array), load.intensity(array)
    if not attained:
        return
    ax.plot([min(intensity, right)], [attained], marker=look.marker, markersize=size, color=look.line_colour, zorder=3,
            markeredgecolor="white", markeredgewidth=0.4, linestyle="none", label=label)  # fmt: skip
