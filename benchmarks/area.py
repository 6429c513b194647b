"""Areas and critical paths of units in standard cells: `python -m benchmarks.area [LIBERTY...]` prints docs/area.md's
table, a library a pair of columns; Debian's OSU 0.18 um where none is named. Results stay in results/synthesis."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from einsim.rtl import library
from einsim.rtl.synthesis import Synthesis, synthesise
from einsim.rtl.timing import critical_path

UNITS = (
    "int8_mac_int32", "int16_mac_int32", "bf16_mul_bf16", "bf16_mul_fp32", "bf16_add", "fp32_add", "bf16_mac_fp32",
    "bf16_macadd_fp32", "fp16_macadd_fp32", "fp32_mac_fp32", "bf16_max", "fp32_max", "fp32_compare", "bf16_div",
    "fp32_div", "bf16_exp_fp32_macro", "bf16_exp_fp32", "fp32_to_bf16",
)  # fmt: skip
"""Combinational as they are (LATENCY = 0), but for the macro-operation, which has registers."""

CLOCK_NS = 10.0
FOLDER = Path("results") / "synthesis"


def cells(design: Synthesis) -> tuple[str, str]:
    """Area in um^2 and critical path in ns, or a dash where it is not known."""
    timing = critical_path(design, clock_ns=CLOCK_NS)
    return f"{design.area():,.0f}", "-" if timing is None else f"{timing.critical_ns:.2f}"


def main(files: Sequence[str]) -> None:
    """Prints the table."""
    modules = library.modules()
    liberties: list[Path | None] = [Path(file) for file in files] or [None]
    header: list[str] = []
    for name in UNITS:
        designs = [synthesise(modules, name, liberty=file, folder=FOLDER) for file in liberties]
        if not header:
            header = [f"{each.liberty.name}, {what}" for each in designs for what in ("µm²", "ns")]
            print(f"| unit | flip-flops | {' | '.join(header)} |\n|---|---{'|---' * len(header)}|")
        row = [text for each in designs for text in cells(each)]
        print(f"| `{name}` | {designs[0].flip_flops()} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
