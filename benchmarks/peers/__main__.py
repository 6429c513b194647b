"""`python -m benchmarks.peers PYTHON`: the mapper beside AccelForge's, which runs in an interpreter of its own.

    python3.12 -m venv peer && peer/bin/pip install accelforge==1.0.467
    python -m benchmarks.peers peer/bin/python

Both map BERT's attention (batch 1) onto a 256 x 256 array with 256 lanes, 32 MiB of buffer and 400 GiB/s. AccelForge
takes no operators: its softmax is a copy of the scores, on the lanes. einsim maps the same (one operation a score), and
then what attention is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from math import inf
from pathlib import Path

from rich.console import Console

from einsim.cascade import parse
from einsim.mapper.objective import Objective
from einsim.mapper.search import Progress, search
from einsim.mapper.task import Task
from einsim.model.costs import cost_fields
from einsim.report.tables import table
from einsim.spec.architecture import Architecture
from einsim.spec.configuration import load_architecture
from einsim.spec.library import load_cascade, load_models
from einsim.spec.workload import Workload, attention, find_model

FOLDER = Path(__file__).parent
LENGTHS = (1024, 16384)
SECONDS = 60.0
LIMIT_S = 1800


@dataclass(frozen=True, slots=True)
class Mapped:
    """A search: wall seconds until the answer was found and until the end, CPU seconds of all of it, and the answer."""

    tool: str
    what: str
    seq_len: int
    found_s: float
    wall_s: float
    cpu_s: float
    latency_s: float
    proved: str


def peer(python: str, machine: Architecture, workload: Workload) -> Mapped:
    """AccelForge's mapper on our machine and layer; raises RuntimeError with its last words where it fails."""
    costs, sizes = cost_fields(machine), dict(workload.sizes)
    buffer, dram = machine.memories["buffer"], machine.memories["dram"]
    grid, lanes = machine.arrays["array2d"], machine.arrays["array1d"]
    fields = {
        "BATCH": sizes["B"], "HEADS": sizes["H"], "TOKENS": sizes["P"], "WIDTH": sizes["E"],
        "DRAM_PJ_PER_BIT": costs["dram.read_energy_pj"] / dram.access_bytes / 8,
        "DRAM_BYTES_PER_S": dram.bandwidth_bytes_per_s, "BUFFER_BYTES": buffer.capacity_bytes,
        "BUFFER_READ_PJ_PER_BIT": costs["buffer.read_energy_pj"] / buffer.access_bytes / 8,
        "BUFFER_WRITE_PJ_PER_BIT": costs["buffer.write_energy_pj"] / buffer.access_bytes / 8,
        "MAC_PJ": costs["array2d.mac.energy_pj"], "CLOCK_HZ": machine.clock_hz, "LANES": lanes.lanes,
        "COLUMNS": grid.columns, "ROWS": grid.rows, "REGISTER_WORDS": grid.registers.depth_words,
    }  # fmt: skip
    command = [python, str(FOLDER / "accelforge_map.py"), str(FOLDER / "attention.yaml"), json.dumps(fields)]
    before = os.times()
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"AccelForge failed: {done.stderr.strip().splitlines()[-1:]}")
    found, after = json.loads(done.stdout.splitlines()[-1]), os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Mapped(f"AccelForge {found['version']}", "scores copied", sizes["P"], found["wall_s"], found["wall_s"],
                  cpu_s, found["latency_s"], "by its own account")  # fmt: skip


def ours(what: str, task: Task) -> Mapped:
    """Our mapper, closed form."""
    started, before = time.perf_counter(), time.process_time()
    reached = [(inf, inf)]

    def report(progress: Progress) -> None:
        if progress.value < reached[-1][0]:
            reached.append((progress.value, time.perf_counter() - started))

    result = search(task, Objective.LATENCY, SECONDS, report)
    wall_s, cpu_s = time.perf_counter() - started, time.process_time() - before
    value = inf if result.best is None else result.best.value
    found_s = next((at for each, at in reached if each <= value), wall_s)
    proved = "yes" if result.proved else f"gap {1 - result.bound / value:.1%}"
    return Mapped("einsim", what, dict(task.workload.sizes)["P"], found_s, wall_s, cpu_s, value, proved)


def main() -> None:
    """Measures and prints."""
    machine = load_architecture("flat")
    copies = parse((FOLDER / "copies.cascade").read_text())
    rows = []
    for seq_len in LENGTHS:
        workload = attention(find_model(load_models(), "BERT"), seq_len, batch=1)
        runs = [ours("scores copied", Task(copies, machine, workload, "copies", "flat"))]
        runs += [
            ours(name, Task(load_cascade(name), machine, workload, name, "flat"))
            for name in ("attention-3pass", "attention-1pass")
        ]
        if len(sys.argv) > 1:
            runs.insert(0, peer(sys.argv[1], machine, workload))
        rows += [
            (run.tool, run.what, f"{run.seq_len:,}", f"{run.found_s:.2f}", f"{run.wall_s:.2f}",
             f"{run.cpu_s:.1f}",
             f"{run.latency_s * 1e6:,.1f}", run.proved, f"{runs[0].wall_s / run.wall_s:,.0f}x")
            for run in runs
        ]  # fmt: skip
    Console(width=120).print(table(
        "Least latency of BERT's attention on the machine of FLAT, batch 1",
        ("mapper", "cascade", "tokens", "found, s", "ended, s", "CPU s", "latency, us", "proved", "in less time"),
        rows, left=2,
    ))  # fmt: skip


if __name__ == "__main__":
    main()
