"""Areas of synthesised hardware, module by module, and its critical path: a record and a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from einsim.cosim.area import Measured
from einsim.report.tables import table
from einsim.rtl.synthesis import Synthesis
from einsim.rtl.timing import ABSENT, Timing
from einsim.units import show_si


def area_record(design: Synthesis, timing: Timing | None, counts: Mapping[str, int] | None = None) -> dict[str, Any]:
    """A design for scripts: one top, or so many instances of some of its parts. Areas are in um^2, times in ns.

    A part's `own_area_um2` is one instance's, without what is in it; `total_um2` is that of all instances, and
    `share` its share of the whole. Parts are sorted by it.
    """
    instances = design.instances(counts)
    areas = design.scaled(counts)
    whole = sum(areas.values())
    parts = [
        {
            "part": name,
            "instances": instances[name],
            "own_area_um2": design.parts[name].area_um2,
            "total_um2": area,
            "share": area / whole if whole else 0.0,
            "flip_flops": design.parts[name].flip_flops,
            "cells": dict(design.parts[name].cells),
        }
        for name, area in sorted(areas.items(), key=lambda item: (-item[1], item[0]))
    ]
    return {
        "top": design.top,
        "library": design.liberty.name,
        "area_um2": whole,
        "flip_flops": sum(count * design.parts[name].flip_flops for name, count in instances.items()),
        "parts": parts,
        "timing": _timing_record(timing),
    }


def _timing_record(timing: Timing | None) -> dict[str, Any] | None:
    if timing is None:
        return None
    return {**asdict(timing), "slack_ns": timing.slack_ns}


def measured_record(measured: Measured) -> dict[str, Any]:
    """A generated design for scripts: `area_record` of its array, blocks, critical paths, and architecture fields."""
    design = measured.design
    return {
        **area_record(design, None, measured.counts),
        "configuration": measured.configuration,
        "rows": measured.rows,
        "columns": measured.columns,
        "blocks": {
            name: {"instances": count, "area_um2": design.area(name), "flip_flops": design.flip_flops(name)}
            for name, count in measured.counts.items()
        },
        "timing": {name: _timing_record(path) for name, path in measured.paths.items()},
        "overrides": measured.overrides,
    }


def measured_report(measured: Measured) -> RenderableType:
    """A generated design for people: blocks of the array, modules by their share, critical paths."""
    record = measured_record(measured)
    head = Text(
        f"{measured.configuration} as {measured.rows} x {measured.columns} elements in {record['library']}: "
        f"{record['area_um2'] / 1e6:,.3f} mm² of standard cells",
        style="bold",
    )
    blocks = [
        (name, f"{each['instances']:,}", f"{each['area_um2']:,.1f}", f"{each['flip_flops']:,}",
         f"{each['instances'] * each['area_um2']:,.1f}", f"{each['instances'] * each['area_um2'] / whole:.1%}")
        for whole in [record["area_um2"]] for name, each in record["blocks"].items()
    ]  # fmt: skip
    columns = ("block", "instances", "area of one, µm²", "flip-flops", "total, µm²", "share")
    paths = "\n".join(f"{name}: {_timing_line(path)}" for name, path in measured.paths.items())
    return Group(head, Text(), table("blocks", columns, blocks), Text(), _parts_table("modules", record), Text(),
                 Text(paths))  # fmt: skip


def _parts_table(title: str, record: Mapping[str, Any]) -> Table:
    """A row a part that has an area."""
    rows = [
        (part["part"], f"{part['instances']:,}", f"{part['own_area_um2']:,.1f}", f"{part['flip_flops']:,}",
         f"{part['total_um2']:,.1f}", f"{part['share']:.1%}")
        for part in record["parts"] if part["total_um2"]
    ]  # fmt: skip
    return table(title, ("module", "instances", "own area, µm²", "flip-flops", "total, µm²", "share"), rows)


def area_report(design: Synthesis, timing: Timing | None, counts: Mapping[str, int] | None = None) -> RenderableType:
    """A design for people: a row a part that has an area, the critical path below, or why it is not known."""
    record = area_record(design, timing, counts)
    what = design.top if counts is None else ", ".join(f"{count:,} {name}" for name, count in counts.items())
    title = f"{what}: {record['area_um2']:,.1f} µm² of standard cells ({record['library']})"
    return Group(_parts_table(title, record), Text(), Text(_timing_line(timing)))


def _timing_line(timing: Timing | None) -> str:
    if timing is None:
        return ABSENT
    left = timing.slack_ns
    verdict = f"{left:.4g} ns left of" if left >= 0 else f"{-left:.4g} ns longer than"
    fastest = f" ({show_si(1e9 / timing.critical_ns, 'Hz')})" if timing.critical_ns > 0 else ""
    return (
        f"critical path {timing.critical_ns:.4g} ns{fastest}, from {timing.start} to {timing.end}: {verdict} "
        f"the clock's {timing.clock_ns:.4g} ns"
    )
