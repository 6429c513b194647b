"""Figures of a sweep, for a paper: its table goes in, a matplotlib figure comes out.

The last axis of the sweep makes the groups along x, the first one the series (bars or lines), those between
them the panels. Nothing here touches a file or pyplot; `style.saving` and `style.METADATA` are for who saves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import assert_never

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from numpy.typing import NDArray

from einsim.report import style, wording
from einsim.report.around import notice
from einsim.report.grid import ALONE, FINE, INFEASIBLE, LINES_FROM, Cube, Grid, Strip, thin
from einsim.report.panels import paint


class FigureKind(StrEnum):
    """What a figure shows."""

    SPEEDUP = "speedup"
    ENERGY = "energy"
    UTILISATION = "utilisation"
    BREAKDOWN = "breakdown"


def draw(
    kind: FigureKind,
    frame: pl.DataFrame,
    *,
    axes: tuple[str, ...],
    baseline: Mapping[str, object] | None,
    title: str = "",
) -> Figure:
    """One figure of a sweep's results, whose axes are given in order, against the sweep's baseline, if any.

    Speedup and energy are ratios to the baseline (without one, seconds and joules), utilisation is in
    per cent, the breakdown stacks the energy of the machine's parts. Points that do not fit are marked and
    left out of means. Raises SpecError where there are no points or the columns of `axes` are not there.
    """
    grid = Grid.of(frame, axes)
    lines = kind is not FigureKind.BREAKDOWN and grid.x_is_numeric and len(grid.xs) >= LINES_FROM
    shown, note = thin(frame, grid, lines=lines)
    grid = Grid.of(shown, axes) if note else grid
    strips = [strip for strip in _strips(kind, grid, baseline or {}) if np.isfinite(strip.values).any()]
    if not strips:
        return notice(frame, title)
    overall: list[str] = []
    if strips[0].reference is not None and not strips[0].stack and grid.x_axis not in {None, *(baseline or {})}:
        overall = _overall(strips[0]) if lines or len(grid.facets) > 1 else []
        strips = strips if lines else [_with_means(strip) for strip in strips]
    notes = [note, "Beside the names: mean / geomean over all points" if overall else ""]
    return paint(grid, strips, lines=lines, overall=overall, notes=notes, title=title)


def _strips(kind: FigureKind, grid: Grid, baseline: Mapping[str, object]) -> list[Strip]:
    against = ", ".join(wording.show_named(axis, value) for axis, value in baseline.items())
    match kind:
        case FigureKind.SPEEDUP if baseline:
            return [_ratio(grid, f"Speedup over {against}", "speedup")]
        case FigureKind.SPEEDUP:
            return [_strip(grid, "Latency (s)", grid.cube("latency_s"))]
        case FigureKind.ENERGY if baseline:
            return [_ratio(grid, f"Energy relative to {against}", "energy_ratio")]
        case FigureKind.ENERGY:
            return [_strip(grid, "Energy (J)", grid.cube("energy_pj") * 1e-12)]
        case FigureKind.UTILISATION:
            shares = {"2D array": grid.cube("util_2d"), "1D array": grid.cube("util_1d")}
            return [
                replace(_strip(grid, f"{name} utilisation (%)", 100.0 * share), limit=100.0)
                for name, share in shares.items()
            ]
        case FigureKind.BREAKDOWN:
            return [_breakdown(grid, f"Energy relative to {against}" if baseline else None)]
    assert_never(kind)


def _strip(grid: Grid, label: str, values: Cube) -> Strip:
    """A strip without captions, parts or a baseline."""
    feasible = grid.cube("feasible")
    marks = np.where(feasible == 0, INFEASIBLE, FINE).astype(np.int8)
    return Strip(label, np.where(feasible == 0, np.nan, values), marks, {}, np.full(values.shape, "", object))


def _ratio(grid: Grid, label: str, column: str) -> Strip:
    """Ratios to the baseline. Points that fit but have no ratio have nothing to compare with."""
    strip = _strip(grid, label, grid.cube(column))
    marks = np.where((strip.marks == FINE) & np.isnan(strip.values) & (grid.cube("feasible") == 1), ALONE, strip.marks)
    captions = _written(strip.values, wording.show_ratio) if grid.x_axis is None else strip.captions
    return replace(strip, marks=marks, captions=captions, reference=1.0)


def _written(values: Cube, show: Callable[[float], str]) -> NDArray[np.object_]:
    """Numbers as text, empty where there is none."""
    texts = [show(value) if np.isfinite(value) else "" for value in values.flat]
    return np.array(texts, object).reshape(values.shape)


def _with_means(strip: Strip) -> Strip:
    """The arithmetic and geometric means over x behind its values, starred where points are missing."""
    averages = np.stack(_means(strip.values), axis=-1)
    star = np.where((strip.marks != FINE).any(axis=-1), "*", "").astype(object)[..., None]
    texts = _written(averages, wording.show_ratio) + np.where(np.isfinite(averages), star, "")
    values = np.concatenate([strip.values, averages], axis=-1)
    return replace(strip, values=values, captions=np.concatenate([strip.captions, texts], axis=-1), means=2)


def _means(values: Cube) -> tuple[Cube, Cube]:
    """Arithmetic and geometric means over the last axis, of the numbers there are."""
    there = np.isfinite(values)
    count = np.where(there.any(axis=-1), there.sum(axis=-1), np.nan)
    arithmetic = np.where(there, values, 0.0).sum(axis=-1) / count
    logs = np.log(np.where(there & (values > 0), values, 1.0))
    return arithmetic, np.exp(logs.sum(axis=-1) / count)


def _overall(strip: Strip) -> list[str]:
    """Means over all facets, by series, in words."""
    series = strip.values.shape[1]
    partial = (strip.marks != FINE).any(axis=(0, 2))
    pairs = zip(*_means(strip.values.swapaxes(0, 1).reshape(series, -1)), partial, strict=True)
    return [
        f"{wording.show_ratio(mean)} / {wording.show_ratio(geomean)}{'*' if some else ''}" if np.isfinite(mean) else ""
        for mean, geomean, some in pairs
    ]


def _breakdown(grid: Grid, label: str | None) -> Strip:
    """Energy by part: relative to the baseline's total, else in joules, else (if too unlike) in shares."""
    prefix = "energy_pj/"
    columns = [column for column in grid.frame.columns if column.startswith(prefix)]
    parts = {column.removeprefix(prefix): np.nan_to_num(grid.cube(column)) for column in columns}
    total = np.where(grid.cube("energy_pj") > 0, grid.cube("energy_pj"), np.nan)
    joules = total * 1e-12
    strip = _strip(grid, "Energy (J)", joules) if label is None else _ratio(grid, label, "energy_ratio")
    if label is None and np.nanmax(joules, initial=0.0) > style.LOG_FROM * np.nanmin(joules, initial=np.inf):
        captions = _written(joules, wording.show_joules)
        strip = replace(_strip(grid, "Share of energy (%)", 100.0 * total / total), captions=captions, limit=100.0)
    stack = {part: values * (strip.values / total) for part, values in _fold(parts, total).items()}
    return replace(strip, stack=stack)


def _fold(parts: Mapping[str, Cube], total: Cube) -> dict[str, Cube]:
    """Parts in stacking order, those of an array that never reach 1 % of a bar added up as its others."""
    folded: dict[str, Cube] = {}
    for group, members in style.part_groups(list(parts)):
        small = [part for part in members if "." in part and not np.any(parts[part] > 0.01 * total)]
        kept = [part for part in members if len(small) < 2 or part not in small]
        folded |= {part: parts[part] for part in kept}
        if len(kept) < len(members):
            others = np.sum([parts[part] for part in small], axis=0)
            folded[f"{group}.{len(small)} others"] = others
    return folded
