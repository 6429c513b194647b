"""How busy generated arrays are: counted in simulated hardware, beside the cycle model, the closed form and the paper.

Run it from the root of the repository (the largest array takes minutes to build):

    .venv/bin/python experiments/rtl/utilisation.py --arrays 4 8 16 --widths 16 32 64

A line for each run goes to utilisation.jsonl beside this file, and all of them as a table to standard output.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from einsim.cosim.compare import compare, run_once, stimulus
from einsim.cosim.subject import load_subject
from einsim.model.closed_form import evaluate
from einsim.rtl.generator.simulation import Simulation
from einsim.schedule.pipeline.resize import resized
from einsim.spec.configuration import load_design
from einsim.spec.overrides import parse_override
from einsim.spec.workload import Workload

HERE = Path(__file__).parent
TILES = 4
"""Tiles of queries; of keys there are as many as the run is long."""


def measured(configuration: str, size: int, width: int, keys: int, build: Path) -> dict[str, Any]:
    """One array, one width of heads, one number of tiles of keys."""
    changes = [f"arch.array2d.{axis}={size}" for axis in ("rows", "columns")] + [f"arch.array1d.lanes={size}"]
    overrides = [parse_override(change) for change in changes]
    shape = {"E": width, "F": width, "M": keys * size, "P": TILES * size}
    subject = load_subject(configuration, shape, overrides=overrides)
    begun = time.monotonic()
    simulation = Simulation(subject.generated, build)
    built = time.monotonic()
    given = stimulus(subject, 0, pressure=False)
    watched = run_once(subject, simulation, given)
    ran = time.monotonic()
    found = compare(subject, watched, given, 0)
    design = load_design(configuration, Workload(tuple({"B": 1, "H": 1, **shape}.items())), overrides=overrides)
    closed = evaluate(design)
    program = resized(subject.hardware.assembly, subject.sizes)
    return {
        "configuration": configuration, "array": size, "E": width, "F": width, "M": shape["M"], "P": shape["P"],
        "equal": found.equal, "cycles_rtl": found.cycles_rtl, "cycles_model": found.cycles_model,
        "util_2d_rtl": found.util_2d, "util_1d_rtl": found.util_1d, "interval": program.interval,
        "resource_bound": program.resource_bound, "util_2d_closed_form": float(closed.utilisation["array2d"]),
        "build_s": round(built - begun, 1), "cycles_per_s": round(found.cycles_rtl / (ran - built)),
    }  # fmt: skip


def main() -> int:
    """Measures what has not been, and prints everything."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--arrays", type=int, nargs="+", default=[4, 8, 16])
    options.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64])
    options.add_argument("--keys", type=int, nargs="+", default=[4, 64], help="tiles of keys")
    options.add_argument("--configurations", nargs="+", default=["fusemax-small", "architecture-small"])
    options.add_argument("--build", type=Path, default=Path("results/rtl"))
    options.add_argument("--out", type=Path, default=HERE / "utilisation.jsonl")
    chosen = options.parse_args()
    rows = [json.loads(line) for line in chosen.out.read_text().splitlines()] if chosen.out.exists() else []
    known = {(row["configuration"], row["array"], row["E"], row["M"]) for row in rows}
    for configuration in chosen.configurations:
        for size in chosen.arrays:
            for width in chosen.widths:
                for keys in chosen.keys:
                    if (configuration, size, width, keys * size) in known:
                        continue
                    rows.append(measured(configuration, size, width, keys, chosen.build))
                    with chosen.out.open("a") as file:
                        file.write(json.dumps(rows[-1]) + "\n")
    print(table(rows))
    return 0 if all(row["equal"] for row in rows) else 1


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| configuration | array | E = F | M | cycles, RTL | cycle model | 2D busy, RTL | closed form | 1D, RTL |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: (row["configuration"], row["array"], row["E"], row["M"])):
        lines.append(
            f"| {row['configuration']} | {row['array']} x {row['array']} | {row['E']} | {row['M']} | "
            f"{row['cycles_rtl']:,} | {row['cycles_model']:,} | {row['util_2d_rtl']:.1%} | "
            f"{row['util_2d_closed_form']:.1%} | {row['util_1d_rtl']:.1%} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
