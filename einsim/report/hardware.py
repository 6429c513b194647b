"""What was generated, and how it compared, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from einsim.report.tables import Record, table
from einsim.rtl.generator.top import Generated


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
