"""What a store costs a point: keys, claims, writing, and reading back to skip."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sweep_speed import sweep_file
from einsim.explore.resultstore import ResultStore
from einsim.explore.space import load_space
from einsim.explore.sweep import Means, run_sweep


@dataclass(frozen=True, slots=True)
class StoreTime:
    """Seconds of a sweep without a store, with an empty one, and with a full one; bytes that it takes."""

    points: int
    without_s: float
    filling_s: float
    reading_s: float
    disk_bytes: int

    @property
    def overhead_us(self) -> float:
        """Wall time that keeping a point costs, digest and write included."""
        return (self.filling_s - self.without_s) / self.points * 1e6


def measure(points: int) -> StoreTime:
    """Evaluates the points of the large sweep three times; tables are made and forgotten."""
    text, total = sweep_file(points)
    with tempfile.TemporaryDirectory() as scratch:
        path, store = Path(scratch) / "large.yaml", Path(scratch) / "store"
        path.write_text(text)

        def seconds(*, kept: bool) -> float:
            started = time.perf_counter()
            means = Means(store=ResultStore(store)) if kept else Means()
            rows = sum(len(table) for table in run_sweep(load_space(path), lambda _: None, means=means))
            assert rows == total
            return time.perf_counter() - started

        seconds(kept=False)  # imports, and caches of files
        without, filling, reading = seconds(kept=False), seconds(kept=True), seconds(kept=True)
        size = sum(each.stat().st_size for each in store.rglob("*.parquet"))
    return StoreTime(total, without, filling, reading, size)


if __name__ == "__main__":
    found = measure(1_000_000)
    print(
        f"{found.points:,} points: {found.without_s:.1f} s without a store, {found.filling_s:.1f} s with an empty one"
    )
    print(f"(overhead {found.overhead_us:.1f} us a point), {found.reading_s:.1f} s with a full one;")
    print(f"{found.disk_bytes / found.points:.0f} bytes a point on disk")
