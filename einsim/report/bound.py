"""The least traffic of cascades against the capacity of the buffer: records, a table, and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rich.console import RenderableType

from einsim.report import wording
from einsim.report.tables import table
from einsim.units import show_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPACITIES: Final = tuple(1 << power for power in range(10, 31))
"""Buffers from 1 KiB to 1 GiB."""

_UNITS: Final = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "bytes"))
_WIDTH_PT, _HIGH_PT, _LEFT_PT, _BELOW_PT = 300.0, 130.0, 34.0, 26.0
_DASHES: Final[tuple[Any, ...]] = ("-", (0, (5, 1.6)), (0, (1.4, 1.4)), (0, (6, 1.6, 1.4, 1.6)))
_STAGGER: Final = 4  # of so many points one has a marker


@dataclass(frozen=True, slots=True)
class Curve:
    """Least traffic of one cascade, in bytes, at each of `CAPACITIES`."""

    cascade: str
    passes: int | str
    sizes: dict[str, int]
    compulsory_bytes: int
    traffic_bytes: tuple[int, ...]


def bound_record(curves: Sequence[Curve], word_bytes: int, batch: int, files: Sequence[str]) -> dict[str, Any]:
    """The curves for scripts."""
    return {
        "word_bytes": word_bytes,
        "batch": batch,
        "capacities_bytes": list(CAPACITIES),
        "cascades": [
            {
                "cascade": curve.cascade,
                "passes": curve.passes,
                "sizes": curve.sizes,
                "compulsory_bytes": curve.compulsory_bytes,
                "traffic_bytes": list(curve.traffic_bytes),
            }
            for curve in curves
        ],
        "files": list(files),
    }


def bound_table(curves: Sequence[Curve]) -> RenderableType:
    """The curves for people: a row a capacity."""
    rows = [
        (show_bytes(capacity), *(show_bytes(curve.traffic_bytes[place]) for curve in curves))
        for place, capacity in enumerate(CAPACITIES)
    ]
    names = [curve.cascade for curve in curves]
    return table("Least traffic against the buffer's capacity", ("buffer", *names), rows, left=0, fold=names)


def draw_bound(curves: Sequence[Curve]) -> Figure:
    """A line a cascade over logarithmic axes. Lines that coincide are told apart by width, dashes and markers."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - matplotlib is slow to import

    from einsim.report import style  # noqa: PLC0415
    from einsim.report.around import Entry, draw_line, place_legend  # noqa: PLC0415
    from einsim.report.layout import RIGHT, Layout  # noqa: PLC0415
    from einsim.report.sheet import column_width  # noqa: PLC0415

    labels = [f"{curve.cascade}, {curve.passes} {'pass' if curve.passes == 1 else 'passes'}" for curve in curves]
    across = min(len(curves), max(1, int((_WIDTH_PT - 8.0) / column_width(labels))))
    rows = -(-len(curves) // across)
    layout = Layout(
        1, 1, 1, _WIDTH_PT - _LEFT_PT - RIGHT, _HIGH_PT, _LEFT_PT, 0.0, 8.0 + style.LEGEND_ROW_PT * rows, _BELOW_PT
    )
    figure = Figure(figsize=(layout.width / 72, layout.height / 72), dpi=style.DPI, facecolor="white")
    axes = figure.add_axes(layout.box(0, 0), facecolor="none")
    scale, unit = _scale(curves)
    _axes(axes, [moved / scale for curve in curves for moved in curve.traffic_bytes])
    entries: list[Entry] = []
    for place, (curve, label, look) in enumerate(zip(curves, labels, style.series_looks(labels), strict=True)):
        line = draw_line(look, np.array(CAPACITIES), np.array(curve.traffic_bytes) / scale, label)
        width = 0.9 + 1.3 * (len(curves) - 1 - place) / max(1, len(curves) - 1)
        every = (place % _STAGGER, _STAGGER)  # markers of lines that coincide stand side by side
        line.set(linewidth=width, linestyle=_DASHES[place % len(_DASHES)], markevery=every, markersize=4.0)
        axes.add_line(line)
        sample = draw_line(look, np.zeros(1), np.zeros(1))
        sample.set(linewidth=width, linestyle=_DASHES[place % len(_DASHES)], markersize=4.0)
        entries.append((sample, label))
    place_legend(figure, layout, [entries[i::across] for i in range(across)], layout.height - 4.0)
    middle = (layout.left + layout.width - RIGHT) / 2 / layout.width
    figure.text(middle, 6.0 / layout.height, "Buffer capacity", size=style.LABEL_PT, **style.WRITTEN)
    half = (layout.bottom + layout.panel_height / 2) / layout.height
    figure.text(
        5.5 / layout.width, half, f"Least traffic ({unit})", size=style.LABEL_PT, rotation=90.0, **style.WRITTEN
    )
    return figure


def _scale(curves: Sequence[Curve]) -> tuple[int, str]:
    """The largest unit in which no number is below 1."""
    least = min(min(curve.traffic_bytes) for curve in curves)
    return next(((size, name) for size, name in _UNITS if size <= least), _UNITS[-1])


def _axes(axes: Axes, values: Sequence[float]) -> None:
    """Logarithmic axes with round ticks, and lines of a grid."""
    from einsim.report import style  # noqa: PLC0415

    low, high = max(min(values), 1e-300) * 0.92, max(values) * 1.08
    axes.set(xscale="log", yscale="log", xlim=(CAPACITIES[0] * 0.75, CAPACITIES[-1] * 1.35), ylim=(low, high))
    axes.minorticks_off()
    ticks = style.log_ticks(low, high) if high / low > 10 else style.linear_ticks(low, high, 5)
    axes.set_yticks(ticks, [wording.show_number(tick) for tick in ticks], color=style.INK)
    shown = CAPACITIES[::4]
    axes.set_xticks(shown, [show_bytes(capacity) for capacity in shown], color=style.INK)
    axes.tick_params(length=2.0, width=0.5, pad=2.0, labelsize=style.TICK_PT)
    axes.grid(visible=True, axis="y", color=style.GRID, linewidth=0.4)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_linewidth(0.5)
