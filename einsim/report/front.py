"""Pareto fronts, drawn and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from einsim.report import wording
from einsim.report.tables import table
from einsim.units import show_bytes, show_si

if TYPE_CHECKING:
    import polars as pl

TITLES: Final = {
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


def front_report(
    front: pl.DataFrame, fields: Sequence[str], objectives: Sequence[str], *, confirmed: pl.DataFrame | None,
    rivals: pl.DataFrame | None,
) -> RenderableType:  # fmt: skip
    """The front as a table: what its designs are, their objectives, and what the cycle model says of them."""
    if not len(front):
        return Text("no design keeps all constraints", style="bold red")
    shown = _varying(front, fields)
    simulated = {} if confirmed is None else {row["design"]: row for row in confirmed.iter_rows(named=True)}
    columns = ["design", *(wording.axis_label(field) for field in shown), *(TITLES[name] for name in objectives)]
    columns += ["cycle model"] if simulated else []
    rows = []
    for row in front.head(_MOST).iter_rows(named=True):
        cells = [str(row["design"]), *(wording.show_value(field, row[field]) for field in shown)]
        cells += [show_number(name, row[name]) for name in objectives]
        if simulated:
            cells.append(_simulated(simulated.get(row["design"])))
        rows.append(cells)
    parts: list[RenderableType] = [table(f"Pareto front: {len(front)} designs", columns, rows)]
    if len(front) > _MOST:
        parts.append(Text(f"and {len(front) - _MOST} more"))
    same = [f"{wording.axis_label(field)} {wording.show_value(field, front[field][0])}" for field in fields
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
                cells.append(f"{show_number(name, row[name])} ({wording.show_ratio(factor)} the best)")
        if simulated:
            latency = row["simulated_s"]
            cells.append("does not run" if latency is None else
                         f"{show_number('latency_s', latency)} ({row['difference']:+.1%})")  # fmt: skip
        rows.append(cells)
    columns = ["", *(TITLES[name] for name in objectives), *(["cycle model"] if simulated else [])]
    return table("Beside it", columns, rows)
