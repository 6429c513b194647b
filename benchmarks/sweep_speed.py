"""A large sweep from start to end, in a process of its own: wall time a point, and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
_RUN: Final = """
import resource, sys
from einsim.__main__ import main
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


@dataclass(frozen=True, slots=True)
class SweepTime:
    """Seconds of wall time of the command, of which evaluation; peak memory of its process."""

    points: int
    rows: int
    seconds: float
    evaluation_s: float
    peak_mib: float

    @property
    def microseconds(self) -> float:
        """Wall time a point."""
        return self.seconds / self.points * 1e6


def sweep_file(points: int) -> tuple[str, int]:
    """A sweep over lengths x buffers x bandwidths x clocks x energies of at least so many points, and their number."""
    lengths = ["1K", "2K", 3000, "4K", 5000, "8K", "16K", "64K", "256K", "1M"]
    buffers = max(1, -(-points // 10_000)) if points >= 10_000 else max(1, -(-points // 80))
    steps = 10 if points >= 10_000 else 2
    axes: list[dict[str, list[Any]]] = [
        {"seq_len": lengths},
        {"arch.buffer.capacity_bytes": [f"{64 * n} KiB" for n in range(1, buffers + 1)]},
        {"arch.dram.bandwidth_bytes_per_s": [f"{100 * n} GiB" for n in range(1, steps + 1)]},
        {"arch.clock_hz": [1e8 * n for n in range(1, steps + 1)]},
        {"arch.array2d.mac.energy_pj": [2.5 * n for n in range(1, steps + 1)]},
    ]
    file = {
        "name": "large", "configuration": "fusemax", "model": "BERT", "axes": axes,
        "baseline": {"arch.dram.bandwidth_bytes_per_s": "100 GiB"},
    }  # fmt: skip
    return json.dumps(file), prod(len(values) for axis in axes for values in axis.values())


def run(points: int) -> SweepTime:
    """Runs `einsim sweep` on a file of at least so many points, figures included."""
    text, total = sweep_file(points)
    with tempfile.TemporaryDirectory() as scratch:
        path, out = Path(scratch) / "large.yaml", Path(scratch) / "out"
        path.write_text(text)
        env = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
        words = [sys.executable, "-c", _RUN, "sweep", str(path), "--out", str(out)]
        started = time.perf_counter()
        done = subprocess.run(words, check=True, cwd=ROOT, env=env, capture_output=True, text=True)
        seconds = time.perf_counter() - started
        manifest = json.loads((out / "manifest.json").read_text())
    peak = int(done.stderr.split()[-1]) / 1024
    return SweepTime(total, manifest["rows"], seconds, manifest["evaluation_s"], peak)
