"""Areas and critical paths of a generated design, and what they say about an array of another size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from einsim.cosim.subject import Subject
from einsim.rtl.generator.hardware import Hardware
from einsim.rtl.synthesis import Synthesis, as_overrides, synthesise
from einsim.rtl.timing import critical_path


def synthesised(
    subject: Subject, liberty: Path | None, folder: Path, clock_ns: float, rows: int | None = None,
    columns: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The record of a design: every module's area in um^2 and instances, rolled up to an array of `rows` x `columns`.

    Elements, sides of rows, heads and feet of columns, and lanes are as many as such an array has; control is the
    design's own. Raises ToolError where a tool or the library is missing.
    """
    generated = subject.generated
    hardware = subject.hardware
    whole = synthesise(generated.modules, generated.name, liberty=liberty, folder=folder)
    rows, columns = rows or hardware.rows, columns or hardware.columns
    counts = {f"{generated.name}_{part}": number for part, number in {
        "element": rows * columns, "side": rows, "head": columns, "foot": columns, "lane": columns, "control": 1,
    }.items() if f"{generated.name}_{part}" in {part.name for part in generated.modules}}  # fmt: skip
    instances, areas = whole.instances(counts), whole.scaled(counts)
    total = sum(areas.values())
    parts = [
        {"module": name, "instances": instances[name], "own_area_um2": whole.part(name).area_um2,
         "total_um2": area, "share": area / total, "flip_flops": whole.part(name).flip_flops}
        for name, area in sorted(areas.items(), key=lambda item: -item[1])
    ]  # fmt: skip
    return {
        "configuration": hardware.name,
        "library": whole.liberty.name,
        "rows": rows,
        "columns": columns,
        "area_um2": total,
        "blocks": {
            name: {"instances": count, "area_um2": whole.area(name), "flip_flops": whole.flip_flops(name)}
            for name, count in counts.items()
        },
        "modules": parts,
        "timing": {
            name: _timing(subject, name, liberty, folder, clock_ns)
            for name in counts
            if name.endswith(("element", "lane"))
        },
        "overrides": overrides(hardware, whole, generated.name),
    }


def _timing(subject: Subject, top: str, liberty: Path | None, folder: Path, clock_ns: float) -> dict[str, Any] | None:
    """The critical path of one kind of element; None where there is no OpenSTA."""
    made = synthesise(subject.generated.modules, top, liberty=liberty, folder=folder)
    found = critical_path(made, clock_ns=clock_ns)
    if found is None:
        return None
    return {"critical_ns": found.critical_ns, "start": found.start, "end": found.end, "clock_ns": found.clock_ns,
            "slack_ns": found.slack_ns}  # fmt: skip


def overrides(hardware: Hardware, whole: Synthesis, name: str) -> dict[str, Any]:
    """Fields of an architecture file with these areas: units by themselves, the rest of an element as its registers."""
    arrays: dict[str, Any] = {}
    for array, part in ((hardware.grid, "element"), (hardware.lanes, "lane")):
        top = f"{name}_{part}"
        if array is None or top not in whole.parts:
            continue
        machine = hardware.design.architecture.arrays[array]
        operand, acc = hardware.operand.name, hardware.accumulator.name
        factor = operand if part == "element" else acc
        names = {"mac": (f"{factor}_macadd_{acc}", f"{factor}_mac_{acc}"), "max": (f"{acc}_max",),
                 "divide": (f"{acc}_div",)}  # fmt: skip
        there = {whole.parts[each].module for each in whole.instances({top: 1})}
        units = {operation: unit for operation, choices in names.items() for unit in choices
                 if unit in there and operation in machine.operations}  # fmt: skip
        arrays |= as_overrides(replace(whole, top=top), array, machine, units)["arrays"]
    return {"arrays": arrays}
