"""Work on ranges of designs, over all cores: compiled kernels release the interpreter lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

_LEAST: Final = 512  # designs below which a thread costs more than it saves


def in_chunks(work: Callable[[int, int], None], total: int) -> None:
    """Runs `work(start, stop)` over 0..total in as many ranges as there are cores."""
    cores = max(1, min(os.cpu_count() or 1, total // _LEAST))
    if cores == 1:
        work(0, total)
        return
    edges = [total * i // cores for i in range(cores + 1)]
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(work, edges[:-1], edges[1:]))
