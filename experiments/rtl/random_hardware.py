"""Random hardware in co-simulation: mappings, arrays, sizes, formats, lengths and back-pressure, all drawn anew.

Run it from the root of the repository, for a night or a part of it:

    .venv/bin/python experiments/rtl/random_hardware.py --hardware 200 --seed 1

A line for each run goes to random_hardware.jsonl beside this file; what is there already is not done again. The exit
code is 1 where a bit or a cycle was different.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

from einsim.cosim.compare import compare, run_once, stimulus
from einsim.cosim.subject import load_subject
from einsim.errors import InfeasibleError, SpecError
from einsim.rtl.formats import BF16, FP16, FP32, INT8, INT16, INT32, NumberFormat
from einsim.rtl.generator.simulation import Simulation
from einsim.spec.overrides import parse_override

HERE = Path(__file__).parent
CAUSAL = HERE.parents[1] / "tests" / "model" / "cycle" / "causal.cascade"
FORMATS: dict[str, tuple[NumberFormat, NumberFormat]] = {
    "bf16": (BF16, FP32), "fp16": (FP16, FP32), "int8": (INT8, INT32), "int16": (INT16, INT32),
}  # fmt: skip
RUNS = 3
"""Of each hardware, with lengths and back-pressure of their own."""


def drawn(random: Random) -> dict[str, Any]:
    """One hardware."""
    kind = random.choice(["fusemax-small", "fusemax-small", "causal", "architecture-small", "matmul-small"])
    rows, columns = random.randint(1, 6), random.randint(1, 6)
    found: dict[str, Any] = {"kind": kind, "rows": rows, "columns": columns}
    if kind == "matmul-small":
        return {**found, "format": random.choice(["bf16", "fp16", "int8", "int16"]), "K": random.randint(1, 24)}
    tiles = random.randint(1, 4)
    return {**found, "format": random.choice(["bf16", "bf16", "fp16"]), "E": random.randint(1, 24),
            "F": random.randint(1, 24), "P1": tiles}  # fmt: skip


def settings(hardware: dict[str, Any]) -> tuple[str, list[str]]:
    """The configuration of a hardware, and what is set."""
    changes = [f"arch.array2d.rows={hardware['rows']}", f"arch.array2d.columns={hardware['columns']}"]
    if hardware["kind"] == "matmul-small":
        return "matmul-small", changes
    changes += [f"arch.array1d.lanes={hardware['columns']}", f"mapping.tiles.P1={hardware['P1']}"]
    if hardware["kind"] == "causal":
        return "fusemax-small", [*changes, f"mapping.cascade={CAUSAL}"]
    return hardware["kind"], changes


def lengths(hardware: dict[str, Any], random: Random) -> dict[str, int]:
    """Sizes of one run: from a single row to several tiles, most of them partial."""
    fixed = {name: hardware[name] for name in ("K", "E", "F") if name in hardware}
    names = ("M", "N") if hardware["kind"] == "matmul-small" else ("M", "P")
    most = {"M": 6 * hardware["rows"], names[1]: 3 * hardware.get("P1", 2) * hardware["columns"]}
    return fixed | {name: random.randint(1, most[name]) for name in names}


def run(number: int, seed: int, folder: Path) -> list[dict[str, Any]]:
    """All runs of one hardware."""
    random = Random(f"{seed}/{number}")
    hardware = drawn(random)
    configuration, changes = settings(hardware)
    overrides = [parse_override(change) for change in changes]
    operand, accumulator = FORMATS[hardware["format"]]
    rows = []
    for again in range(RUNS):
        shape = lengths(hardware, random)
        row = {"hardware": number, "seed": seed, **hardware, **shape}
        try:
            subject = load_subject(configuration, shape, overrides=overrides, operand=operand, accumulator=accumulator)
        except (InfeasibleError, SpecError) as error:  # what does not fit, and what the generator refuses
            rows.append({**row, "refused": str(error)})
            continue
        pressure = random.random() < 0.7
        given = stimulus(subject, 1000 * number + again, pressure=pressure)
        begun = time.monotonic()
        simulation = Simulation(subject.generated, folder)
        built = time.monotonic()
        found = compare(subject, run_once(subject, simulation, given), given, 1000 * number + again)
        rows.append({**row, "pressure": pressure, "digest": subject.generated.digest, "equal": found.equal,
                     **{key: value for key, value in found.record().items() if key not in {"sizes", "seed"}},
                     "build_s": round(built - begun, 1), "run_s": round(time.monotonic() - built, 2)})  # fmt: skip
    return rows


def main() -> int:
    """Draws and runs hardware, and says how it went."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--hardware", type=int, default=200, help="how many to draw")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--first", type=int, default=0, help="number of the first")
    options.add_argument("--out", type=Path, default=HERE / "random_hardware.jsonl")
    chosen = options.parse_args()
    known = {(row["seed"], row["hardware"]) for row in rows_of(chosen.out)}
    for number in range(chosen.first, chosen.first + chosen.hardware):
        if (chosen.seed, number) in known:
            continue
        folder = Path(tempfile.mkdtemp(prefix="einsim-rtl-"))
        try:
            rows = run(number, chosen.seed, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        with chosen.out.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return summary([row for row in rows_of(chosen.out) if row["seed"] == chosen.seed])


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The runs that are written down."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def summary(rows: list[dict[str, Any]]) -> int:
    """Totals, and what was different."""
    ran = [row for row in rows if "equal" in row]
    wrong = [row for row in ran if not row["equal"]]
    kinds = {row["kind"] for row in rows}
    print(f"{len({row['hardware'] for row in ran})} hardwares, {len(ran)} runs, {len(rows) - len(ran)} refused")
    for kind in sorted(kinds):
        print(f"  {kind}: {sum(row['kind'] == kind for row in ran)} runs")
    print(f"{sum(row['bits_compared'] for row in ran):,} bits, {sum(row['bit_mismatches'] for row in ran)} different")
    missed = sum(row["event_mismatches"] for row in ran)
    print(f"{sum(row['events_compared'] for row in ran):,} events, {missed} different")
    print(f"{sum(row['cycles_rtl'] for row in ran):,} cycles, {sum(row['cycles_model'] for row in ran):,} foretold")
    for row in wrong:
        print("different:", json.dumps(row))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
