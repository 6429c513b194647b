"""`python -m benchmarks.mappable`: of which cascades a mapping file can be written, and why not of others."""

from __future__ import annotations

from itertools import product

from einsim.cascade import size_parameters
from einsim.errors import EinsimError
from einsim.mapper.objective import Objective
from einsim.mapper.search import Progress, search
from einsim.mapper.task import Task
from einsim.spec.configuration import load_architecture
from einsim.spec.library import load_cascade, names
from einsim.spec.workload import Workload

SIZES = (48, 16, 8)
"""Sizes of all ranks that are tried (then a little more or less, one after another), until something fits."""
SECONDS = 10.0


def first(progress: Progress) -> None:
    """Ends a search with the first mapping that it finds."""
    if progress.value < float("inf"):
        raise KeyboardInterrupt


def refusal(name: str) -> str | None:
    """Why no mapping file is found for a cascade, or None where one is."""
    cascade, machine = load_cascade(name), load_architecture("fusemax")
    tiles = {split.size for split in cascade.splits}
    open_sizes = [size for size in size_parameters(cascade) if size not in tiles]
    why = "nothing fits"
    for extent, step in product(SIZES, (0, 1, -1)):
        sizes = {size: extent + step * number for number, size in enumerate(open_sizes)}
        try:
            task = Task(cascade, machine, Workload(tuple(sizes.items())), name, "fusemax")
            result = search(task, Objective.LATENCY, SECONDS, first)
        except EinsimError as error:
            why = str(error)
            continue
        if result.best is not None:
            assert result.best.value >= result.bound * (1 - 1e-9), name
            return None
        why = result.refused or why
    return why


def main() -> None:
    """Counts and prints."""
    every = {name: refusal(name) for name in names("cascade")}
    refused = {name: why for name, why in every.items() if why is not None}
    print(f"{len(every) - len(refused)} of {len(every)} cascades")
    for name, why in refused.items():
        print(f"{name:24} {why}")


if __name__ == "__main__":
    main()
