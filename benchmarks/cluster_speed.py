"""How a sweep scales with the workers of a Dask cluster, all on this machine, one thread each."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from einsim.explore.cluster import Dask
from einsim.explore.space import load_space
from einsim.explore.sweep import Engine, Means, run_sweep
from einsim.extras import load

SWEEP: Final = """
name: scaling
configuration: fusemax
model: BERT
time_model: {time_model}
axes:
  - seq_len: [1K, 2K]
  - arch.buffer.capacity_bytes: [{buffers}]
"""


@dataclass(frozen=True, slots=True)
class Scaling:
    """Seconds of a sweep of so many points on some workers (0: in this process alone, without Dask)."""

    time_model: str
    workers: int
    points: int
    seconds: float


def measure(time_model: str, points: int, workers: int) -> Scaling:
    """Runs a sweep one by one, after a small one that loads code on each worker."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "sweep.yaml"

        def seconds(means: Means, count: int) -> float:
            buffers = ", ".join(str((4 << 20) + 4096 * n) for n in range(count // 2))
            path.write_text(SWEEP.format(time_model=time_model, buffers=buffers))
            started = time.perf_counter()
            rows = sum(len(table) for table in run_sweep(load_space(path), lambda _: None, Engine.EXACT, means))
            assert rows == count // 2 * 2
            return time.perf_counter() - started

        if workers == 0:
            seconds(Means(), 2)
            return Scaling(time_model, 0, points, seconds(Means(), points))
        distributed = load("distributed", "cluster", "this benchmark")
        cluster = distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0")
        with closing(cluster), closing(Dask(cluster.scheduler_address)) as there:
            seconds(Means(there), 8 * workers)
            return Scaling(time_model, workers, points, seconds(Means(there), points))


if __name__ == "__main__":
    print(f"{os.cpu_count()} cores; points one by one")
    for kind, total in (("closed-form", 390), ("cycle", 40)):
        for count in (0, 1, 2, 4):
            found = measure(kind, total, count)
            each_ms = found.seconds / total * 1e3
            where = f"{count} workers" if count else "this process"
            print(f"{kind:11} {where:12} {total:3} points {found.seconds:6.2f} s {each_ms:7.1f} ms each")
