"""Areas and critical paths of a generated design, and what they say about an array of another size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from einsim.cosim.subject import Subject
from einsim.rtl.generator.hardware import Hardware
from einsim.rtl.synthesis import Synthesis, as_overrides, synthesise
from einsim.rtl.timing import Timing, critical_path


@dataclass(frozen=True, slots=True)
class Measured:
    """A synthesised design and how many of its blocks are counted; critical paths of elements and lanes, if known.

    `overrides` are fields of an architecture file with these areas.
    """

    configuration: str
    rows: int
    columns: int
    design: Synthesis
    counts: dict[str, int]
    paths: dict[str, Timing | None]
    overrides: dict[str, Any]


def measure(
    subject: Subject, liberty: Path | None, folder: Path, clock_ns: float, rows: int | None = None,
    columns: int | None = None,
) -> Measured:  # fmt: skip
    """Synthesises a design, to be added up to an array of `rows` x `columns`.

    Elements, sides of rows, heads and feet of columns, and lanes are as many as such an array has; control is the
    design's own. Raises ToolError where a tool or the library is missing.
    """
    generated, hardware = subject.generated, subject.hardware
    rows, columns = rows or hardware.rows, columns or hardware.columns
    blocks = {"element": rows * columns, "side": rows, "head": columns, "foot": columns, "lane": columns, "control": 1}
    there = {part.name for part in generated.modules}
    counts = {f"{generated.name}_{block}": number for block, number in blocks.items()}
    counts = {name: number for name, number in counts.items() if name in there}
    whole = synthesise(generated.modules, generated.name, liberty=liberty, folder=folder)
    paths = {}
    for name in counts:
        if name.endswith(("_element", "_lane")):
            alone = synthesise(generated.modules, name, liberty=liberty, folder=folder)
            paths[name] = critical_path(alone, clock_ns=clock_ns)
    return Measured(hardware.name, rows, columns, whole, counts, paths, overrides(hardware, whole, generated.name))


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
