"""Rooflines, drawn and in words."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from einsim.model.roofline import Load, Roof, Roofline
from einsim.report import wording
from einsim.report.tables import table
from einsim.units import show_bytes, show_si

Named = Sequence[tuple[str, Roofline]]
"""Designs by name."""


def roofline_record(designs: Named) -> dict[str, Any]:
    """For scripts: roofs and loads of every design."""
    return {
        name: {
            "roofs": {
                roof.array: {
                    "peak_per_s": roof.peak_per_s,
                    "ridge_per_byte": roof.ridge,
                    "bandwidth_bytes_per_s": _finite(roof.bandwidth_bytes_per_s),
                    "most_intense_per_byte": _finite(each.most_intense(roof.array)),
                }
                for roof in each.roofs
            },
            "least_traffic_bytes": each.least_traffic_bytes,
            "whole": _load(each.whole, each.roofs),
            "groups": {load.name: _load(load, each.roofs) for load in each.groups},
            "einsums": {load.name: _load(load, each.roofs) for load in each.einsums},
        }
        for name, each in designs
    }


def _load(load: Load, roofs: Sequence[Roof]) -> dict[str, Any]:
    return {
        "einsums": list(load.einsums),
        "traffic_bytes": load.traffic_bytes,
        "seconds": load.seconds,
        "operations": load.operations,
        "intensity_per_byte": {roof.array: _finite(load.intensity(roof.array)) for roof in roofs},
        "attained_per_s": {roof.array: load.attained(roof.array) for roof in roofs},
    }


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def roofline_report(designs: Named) -> RenderableType:
    """Ridges of the machine, and where designs, their groups and their Einsums stand."""
    parts: list[RenderableType] = []
    for place, (name, each) in enumerate(designs):
        parts += [] if place == 0 else [""]
        roofs = each.roofs
        rows = [[roof.array, show_rate(roof.peak_per_s), f"{show_bytes(roof.bandwidth_bytes_per_s)}/s"
                 if isfinite(roof.bandwidth_bytes_per_s) else "no limit", _number(roof.ridge),
                 _number(each.most_intense(roof.array))] for roof in roofs]  # fmt: skip
        parts.append(table(f"{name}: roofs", ["array", "peak", "off chip", "ridge, op/B", "passes allow, op/B"], rows))
        columns = ["", "off chip"]
        for roof in roofs:
            columns += [f"{roof.array}, op/B", "attained", "of its roof"]
        loads = [("all", each.whole)]
        if len(each.groups) > 1:
            loads += [(f"group {load.name}", load) for load in each.groups]
        loads += [(load.name, load) for load in each.einsums]
        rows = []
        for shown, load in loads:
            cells = [shown, show_bytes(load.traffic_bytes)]
            for roof in roofs:
                cells += _cells(load, roof)
            rows.append(cells)
        parts += ["", table("Operations a byte off chip", columns, rows)]
        for roof in roofs:
            parts.append(Text(_verdict(each, roof)))
    return Group(*parts)


def _cells(load: Load, roof: Roof) -> list[str]:
    if not load.operations.get(roof.array):
        return ["", "", ""]
    intensity, attained = load.intensity(roof.array), load.attained(roof.array)
    if attained is None:
        return [_number(intensity), "", ""]
    return [_number(intensity), show_rate(attained), f"{attained / roof.at(intensity):.1%}"]


def _verdict(each: Roofline, roof: Roof) -> str:
    intensity = each.whole.intensity(roof.array)
    limit = "the array, not memory, is" if intensity >= roof.ridge else "memory, not the array, is"
    times = intensity / roof.ridge if roof.ridge else inf
    return f"{roof.array}: at {wording.show_ratio(times) or 'any number of times'} its ridge, {limit} the roof"


def _number(value: float) -> str:
    return "all on chip" if not isfinite(value) else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def show_rate(value: float) -> str:
    """Operations a second, short."""
    return show_si(value, "op/s")
