"""What compaction of a store takes, and leaves: `python -m benchmarks.compaction`."""

from __future__ import annotations

import itertools
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.sweep_speed import sweep_file
from einsim.explore.compaction import Compacted, compact
from einsim.explore.query import Query
from einsim.explore.resultstore import ResultStore
from einsim.explore.segments import KEY_COLUMNS, Folder
from einsim.explore.space import load_space
from einsim.explore.sweep import Means, run_sweep

QUESTION = "SELECT count(*), min(latency_s), sum(energy_pj) FROM results"


@dataclass(frozen=True, slots=True)
class CompactionTime:
    """What was done; seconds to do it, and to open the store and ask it something, before and after."""

    done: Compacted
    seconds: float
    before_s: float
    after_s: float


def measure(points: int, segments: int) -> CompactionTime:
    """Fills a store with a large sweep, cuts what is in it into so many segments (0: as they are), and compacts it."""
    text, _ = sweep_file(points)
    with tempfile.TemporaryDirectory() as scratch:
        path, store = Path(scratch) / "large.yaml", Path(scratch) / "store"
        path.write_text(text)
        for _ in run_sweep(load_space(path), lambda _: None, means=Means(store=ResultStore(store))):
            pass
        if segments:
            _cut(Folder(store), segments)
        before = _ask(store)
        started = time.perf_counter()
        done = compact(Folder(store), lambda: None)
        seconds = time.perf_counter() - started
        return CompactionTime(done, seconds, before, _ask(store))


def _ask(store: Path) -> float:
    started = time.perf_counter()
    Query(ResultStore(store, create=False)).ask(QUESTION)
    return time.perf_counter() - started


def _cut(folder: Folder, segments: int) -> None:
    import polars as pl  # noqa: PLC0415 - as everywhere

    names = folder.names()
    whole = pl.concat([pl.read_parquet(folder.place(name)) for name in names])
    assert whole.select(KEY_COLUMNS).n_unique() == len(whole)
    ends = np.linspace(0, len(whole), segments + 1).astype(int)
    for start, end in itertools.pairwise(ends):
        folder.append(whole[int(start) : int(end)])
    folder.remove(names)


if __name__ == "__main__":
    for points, segments in ((1_000_000, 0), (100_000, 2000), (1_000_000, 2000)):
        found = measure(points, segments)
        before, after = found.done.before, found.done.after
        sizes = [f"{each.segments:,} segments of {each.bytes / 1e6:.1f} MB" for each in (before, after)]
        print(f"{before.rows:,} rows: {sizes[0]} are {sizes[1]} after {found.seconds:.2f} s; ", end="")
        print(f"opened and asked in {found.before_s:.2f} s before, {found.after_s:.2f} s after")
