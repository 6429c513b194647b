"""What was generated, and how it compared, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from einsim.report.tables import Record, table
from einsim.rtl.generator.top import Generated

LEAST_SHARE: Final = 0.005
"""Of the area, that a module has to have to be listed."""


def generated_record(generated: Generated, files: Sequence[Path]) -> dict[str, Any]:
    """What was generated, for --json."""
    hardware = generated.hardware
    return {
        "configuration": hardware.name,
        "top": generated.name,
        "digest": generated.digest,
        "rows": hardware.rows,
        "columns": hardware.columns,
        "operand": hardware.operand.name,
        "accumulator": hardware.accumulator.name,
        "interval": hardware.program.interval,
        "registers": generated.registers,
        "stores": {
            store.name: {"words": store.words, "bits": store.format.width, "place": store.place.value}
            for store in hardware.stores
        },
        "files": [str(file) for file in files],
    }


def generated_report(record: Record) -> RenderableType:
    """Headline, stores and registers."""
    folder = Path(record["files"][-1]).parent
    head = Text(
        f"{record['configuration']}: {record['rows']} x {record['columns']} elements, operands {record['operand']}, "
        f"sums {record['accumulator']}",
        style="bold",
    )
    lines = Text(
        f"{len(record['files'])} files in {folder}, top {record['top']}.sv, digest {record['digest']}\n"
        f"a tile every {record['interval']} cycles where nothing else limits"
    )
    stores = table(
        "stores", ["store", "at every", "words", "bits"],
        [(name, each["place"], str(each["words"]), str(each["bits"])) for name, each in record["stores"].items()],
        left=2,
    )  # fmt: skip
    registers = table(
        "registers", ["register", "address"], [(name, f"{at:#04x}") for name, at in record["registers"].items()]
    )
    return Group(head, lines, Text(), stores, Text(), registers)


def campaign_report(record: Record) -> RenderableType:
    """A row a run, and the verdict."""
    sizes = ", ".join(f"{name}={size}" for name, size in record["sizes"].items())
    head = Text(
        f"{record['configuration']}: {record['rows']} x {record['columns']} elements, {sizes} ({record['engine']})",
        style="bold",
    )
    rows = table(
        "runs",
        ["seed", "bits", "wrong bits", "events", "wrong events", "cycles", "model", "2D", "1D"],
        [
            (str(run["seed"]), f"{run['bits_compared']:,}", f"{run['bit_mismatches']:,}",
             f"{run['events_compared']:,}", f"{run['event_mismatches']:,}", f"{run['cycles_rtl']:,}",
             f"{run['cycles_model']:,}", f"{run['util_2d']:.1%}", f"{run['util_1d']:.1%}")
            for run in record["runs"]
        ],
        left=0,
    )  # fmt: skip
    first = next((run["first_difference"] for run in record["runs"] if run["first_difference"]), None)
    verdict = Text("every bit and every cycle as foretold" if record["equal"] else f"different: {first}",
                   style="bold green" if record["equal"] else "bold red")  # fmt: skip
    return Group(head, Text(), rows, Text(), verdict)


def synthesised_report(record: Record) -> RenderableType:
    """Blocks of the array, modules by their share, and critical paths."""
    head = Text(
        f"{record['configuration']} as {record['rows']} x {record['columns']} elements in {record['library']}: "
        f"{record['area_um2'] / 1e6:,.3f} mm² of standard cells",
        style="bold",
    )
    blocks = table(
        "blocks",
        ["block", "instances", "each, µm²", "flip-flops each", "all, mm²"],
        [
            (name, f"{each['instances']:,}", f"{each['area_um2']:,.0f}", f"{each['flip_flops']:,}",
             f"{each['instances'] * each['area_um2'] / 1e6:,.3f}")
            for name, each in record["blocks"].items()
        ],
    )  # fmt: skip
    modules = table(
        "modules",
        ["module", "instances", "own, µm²", "all, mm²", "share"],
        [
            (each["module"], f"{each['instances']:,}", f"{each['own_area_um2']:,.0f}",
             f"{each['total_um2'] / 1e6:,.3f}", f"{each['share']:.1%}")
            for each in record["modules"] if each["share"] >= LEAST_SHARE
        ],
    )  # fmt: skip
    lines = [
        f"{name}: " + ("no OpenSTA, no critical path" if path is None else
                       f"critical path {path['critical_ns']:.4g} ns, from {path['start']} to {path['end']}")
        for name, path in record["timing"].items()
    ]  # fmt: skip
    return Group(head, Text(), blocks, Text(), modules, Text(), Text("\n".join(lines)))
