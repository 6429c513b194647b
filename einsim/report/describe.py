"""Cascades, architectures and mappings in words and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from einsim.cascade import Cascade, is_copy, iteration_ranks, operations, reduced_ranks, size_of, size_parameters
from einsim.model.closed_form import Evaluation
from einsim.report.tables import table
from einsim.spec.architecture import Architecture, machine_fields
from einsim.spec.configuration import Design
from einsim.spec.costtable import CostTable, ScalingFactors, ScalingTable
from einsim.spec.mapping import Fitted, Mapping
from einsim.units import show_bytes, show_si

MEMORY_COLUMNS: Final = ("memory", "capacity", "bandwidth", "access", "read / write energy", "area")


def describe_cascade(cascade: Cascade) -> RenderableType:
    """The text (of several forms the first), and per Einsum its iteration space, reductions and what a point costs."""
    rows = []
    for einsum in cascade.einsums:
        space = " ".join(size_of(rank) for rank in iteration_ranks(einsum)) or "1"
        work = ", ".join(operations(einsum)) or ("copy" if is_copy(einsum) else "-")
        reduced = f"{einsum.reduction} over {', '.join(reduced_ranks(einsum))}" if einsum.reduction else "-"
        rows.append((einsum.name, space, reduced, work))
    heading = Text(f"cascade {cascade.name}", style="bold")
    sizes = Text(f"sizes to give: {', '.join(size_parameters(cascade))}", style="dim")
    per_point = table("", ("Einsum", "iteration space", "reduces", "operations a point"), rows, left=4)
    forms = [Text(f"option {name}: {values[0]} here, or {', '.join(values[1:])}", style="dim")
             for name, values in cascade.forms.options if len(values) > 1]  # fmt: skip
    return Group(heading, *forms, Text(str(cascade).rstrip()), Text(), per_point, sizes)


def describe_architecture(machine: Architecture) -> RenderableType:
    """Memories, arrays and operations with their units."""
    memories = [
        (
            name,
            show_bytes(memory.capacity_bytes) if memory.capacity_bytes else "unlimited",
            f"{show_bytes(memory.bandwidth_bytes_per_s)}/s{' each way' * memory.duplex}"
            if memory.bandwidth_bytes_per_s
            else "no limit",
            f"{memory.access_bytes} B",
            f"{memory.read_energy_pj:.7g} / {memory.write_energy_pj:.7g} pJ",
            f"{memory.area_um2 / 1e6:.4g} mm²",
        )
        for name, memory in machine.memories.items()
    ]
    arrays = [
        (
            name,
            " x ".join(f"{count} {axis}" for axis, count in array.axes.items()),
            f"{array.registers.name}, {array.registers.depth_words} words",
            f"{array.registers.read_energy_pj:.7g} / {array.registers.write_energy_pj:.7g} pJ",
            f"{array.registers.area_um2:.6g} µm²",
        )
        for name, array in machine.arrays.items()
    ]
    units = [
        (
            name,
            operation_name,
            "made of " + ", ".join(f"{times} {part}" for part, times in operation.macro.items())
            if operation.macro
            else f"{operation.cycles}",
            "" if operation.macro else f"{operation.energy_pj:.6g} pJ",
            "" if operation.macro else f"{operation.area_um2:.6g} µm²",
        )
        for name, array in machine.arrays.items()
        for operation_name, operation in array.operations.items()
    ]
    return Group(
        Text(f"architecture {machine.name}", style="bold"),
        *([Text(machine.description.strip())] if machine.description else []),
        Text(f"clock {show_si(machine.clock_hz, 'Hz')}, words of {machine.word_bytes} bytes", style="dim"),
        *([Text(f"source: {machine.source.strip()}", style="dim")] if machine.source else []),
        *(Text(line, style="dim") for line in _costs(machine)),
        Text(),
        table("Memories, outermost first", MEMORY_COLUMNS, memories),
        Text(),
        table("Arrays", ("array", "elements", "registers each", "read / write energy a word", "area"), arrays),
        Text(),
        table("Operations", ("array", "operation", "cycles", "energy", "area of a unit"), units, left=3),
    )


def _costs(machine: Architecture) -> Iterable[str]:
    """The cost tables, and what to know of them."""
    pricing = machine.pricing
    for part in {(each.table, each.technology_nm, each.source, each.date): each for each in pricing.parts}.values():
        yield f"costs: {part.table}, {part.technology_nm:g} nm, {part.date}: {part.source}"
    for misfit in pricing.misfits(machine_fields(machine), ()):
        yield f"unknown cost: {misfit.what}: needed {misfit.needed}, available {misfit.available} {misfit.unit}"
    yield from (f"note: {note}" for note in pricing.notes)


def describe_costs(costs: CostTable) -> RenderableType:
    """A cost table's units, and what else it knows."""

    def number(value: float | None, unit: str) -> str:
        return "-" if value is None else f"{value:.7g} {unit}"

    units = [
        (name, unit.note, number(unit.energy_pj, "pJ"), number(unit.area_um2, "µm²"), number(unit.leak_mw, "mW"),
         number(unit.delay_ns, "ns"))
        for name, unit in costs.operations.items()
    ]  # fmt: skip
    sections = {"memory off the chip": costs.dram, "register files": costs.registers, "on-chip memories": costs.sram}
    lines = [
        f"{name}: {getattr(section, 'source', '') or 'as above' if section else 'unknown to this table'}"
        for name, section in sections.items()
    ]
    return Group(
        Text(f"cost table {costs.name}", style="bold"),
        *([Text(costs.description.strip())] if costs.description else []),
        Text(f"{costs.technology_nm:g} nm, {costs.date}: {costs.source.strip()}", style="dim"),
        *(Text(line, style="dim") for line in lines),
        *(_units(units) if units else ()),
    )


def _units(rows: Sequence[tuple[str, ...]]) -> Iterable[RenderableType]:
    yield Text()
    yield table("Units", ("unit", "", "energy", "area", "leakage", "path"), rows, left=2)


def describe_scaling(scaling: ScalingTable) -> RenderableType:
    """A scaling table's factors, relative to its first node."""
    first = next(iter(scaling.nodes.values()), None)

    def factor(name: str, node: ScalingFactors) -> str:
        ratio = scaling.ratios(first, node).get(name) if first is not None else None
        return "unknown" if ratio is None else f"{ratio:.4g}"

    rows = [
        (f"{name} nm", "-" if node.supply_v is None else f"{node.supply_v:g} V",
         *(factor(each, node) for each in ("energy", "area", "delay", "leakage")))
        for name, node in scaling.nodes.items()
    ]  # fmt: skip
    return Group(
        Text(f"scaling table {scaling.name}", style="bold"),
        *([Text(scaling.description.strip())] if scaling.description else []),
        Text(f"{scaling.date}: {scaling.source.strip()}", style="dim"),
        Text(),
        table(
            f"Relative to {next(iter(scaling.nodes), '')} nm",
            ("node", "supply", "energy", "area", "delay", "leakage"),
            rows,
            left=1,
        ),
    )


def describe_mapping(mapping: Mapping, choices: dict[str, str | int]) -> RenderableType:
    """Choices, tiles, loop nests, homes of tensors, and what runs beside what."""
    nests = [
        (
            name,
            nest.array,
            " | ".join(f"{level}: {' '.join(loops) or '-'}" for level, loops in nest.loops.items()),
            ", ".join(f"{loop} on {axis}" for axis, loop in nest.spatial.items()),
        )
        for name, nest in mapping.nests.items()
    ]
    shown = ", ".join(f"{name}={value}" for name, value in choices.items())
    time = "each phase" if mapping.memory_time == "per-phase" else "the whole run"
    kept = [
        (name, plan.nest, tensor, " > ".join(path))
        for name, plan in mapping.einsums.items()
        for tensor, path in plan.keep.items()
    ]
    return Group(
        Text(f"mapping {mapping.name}: {mapping.cascade} on {mapping.architecture}", style="bold"),
        *([Text(mapping.description.strip())] if mapping.description else []),
        *([Text(f"source: {mapping.source.strip()}", style="dim")] if mapping.source else []),
        *([Text(f"choices shown: {shown}", style="dim")] if choices else []),
        Text(),
        table("Sizes and tiles", ("name", "value"), _tiles(mapping), left=2),
        Text(),
        table("Loop nests, outermost first", ("nest", "array", "loops in time", "loops in space"), nests, left=4),
        Text(),
        table("Where tensors are, home first", ("Einsum", "nest", "tensor", "levels"), kept, left=4),
        Text(),
        table("Phases", ("phase", "side by side"), _phases(mapping), left=2),
        Text(f"DRAM time hides behind {time}", style="dim"),
    )


def _tiles(mapping: Mapping) -> Iterable[tuple[str, str]]:
    for rank, stated in mapping.divide.items():
        parts = ", ".join(f"{part} of {size}" for part, size in stated.into.items())
        yield f"{rank} divided", parts if stated.groups is None else f"{parts}, in groups {stated.groups}"
    yield from mapping.sizes.items()
    for name, tile in mapping.tiles.items():
        if isinstance(tile, Fitted):
            yield name, f"largest divisor of {tile.divides} whose tiles fit {tile.fits}"
        else:
            yield name, tile
    for rank, loops in mapping.partition.items():
        yield rank, ", ".join(f"{name} of {size}" for name, size in loops.items())


def _phases(mapping: Mapping) -> Iterable[tuple[str, str]]:
    for number, phase in enumerate(mapping.phases, start=1):
        parts = [f"{array}: {' '.join(names)}" for array, names in phase.run.items()]
        if phase.stall is not None:
            parts.append(f"nothing, for {phase.stall.cycles} cycles at every step of {phase.stall.each}")
        yield str(number), "; ".join(parts)


def formulas(design: Design, evaluation: Evaluation) -> dict[str, object]:
    """The formulas of a symbolic evaluation as text."""
    counts = {
        name: {"cycles": str(evaluation.cycles[name]), "operations": str(evaluation.counts.einsums[name].points)}
        for name in evaluation.cycles
    }
    levels: dict[str, dict[str, dict[str, dict[str, str]]]] = {}
    for row in evaluation.counts.levels:
        entry = {kind: str(getattr(row, kind)) for kind in ("reads", "fills", "updates")}
        levels.setdefault(row.einsum, {}).setdefault(row.level, {})[row.label] = entry
    arrays = design.architecture.arrays
    return {
        "traffic_bytes": str(evaluation.traffic_bytes),
        "latency_s": str(evaluation.latency_s),
        "cycles_by_array": {name: str(value) for name, value in evaluation.cycles_by_array.items()},
        "utilisation": {name: str(evaluation.utilisation[name]) for name in arrays},
        "energy_by_part_pj": {name: str(value) for name, value in evaluation.energy_by_part_pj.items()},
        "einsums": {name: {**entry, "levels": levels[name]} for name, entry in counts.items()},
    }


def formula_tables(texts: dict[str, object]) -> RenderableType:
    """Formulas for people."""
    einsums = texts["einsums"]
    assert isinstance(einsums, dict)
    work = [(name, entry["operations"], entry["cycles"]) for name, entry in einsums.items()]
    moved = [
        (name, level, label, *entry.values())
        for name, parts in einsums.items()
        for level, accesses in parts["levels"].items()
        for label, entry in accesses.items()
    ]
    return Group(
        Text(f"traffic_bytes = {texts['traffic_bytes']}\n"),
        Text(f"latency_s = {texts['latency_s']}\n"),
        table("Work", ("Einsum", "points", "cycles"), work, left=3),
        Text(),
        table("Words moved (all instances)", ("Einsum", "level", "access", "reads", "fills", "updates"), moved, left=6),
    )
