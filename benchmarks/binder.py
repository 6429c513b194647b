"""The binder: seconds to a proved pipeline, and how far the cycle model's own plans are from the best ones.

python -m benchmarks.binder [--seconds 20]: FuseMax at several head sizes, then one-pass cascades of the zoo.
"""

from __future__ import annotations

import argparse
import time
from math import exp, log

from einsim.analysis.passes import count_passes
from einsim.binder.bind import Bound, bind
from einsim.binder.solver import Order
from einsim.binder.starts import from_cascade, iterated_rank
from einsim.cascade import known_sizes, size_parameters
from einsim.errors import SpecError
from einsim.report.theory import most
from einsim.spec import library

SIZES = {"E": 64, "F": 64}
USUAL = 64
"""Of any other rank that a cascade has."""


def main() -> None:
    """Prints a row a cascade: the heuristic's interval, the binder's, the least that may be possible, and seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--most", type=int, default=1000, help="cascades of the zoo")
    options = parser.parse_args()
    print(f"{'cascade':<28}{'heuristic':>10}{'fixed':>8}{'free':>8}{'least':>8}{'seconds':>9}  moved")
    ratios = []
    for width in (32, 64, 128):
        ratios += row("attention-1pass", {"E": width, "F": width}, options.seconds)
    for name in one_pass()[: options.most]:
        ratios += row(name, sizes_of(name), options.seconds)
    if ratios:
        print(f"heuristic / binder, same assignment: geometric mean {exp(sum(map(log, ratios)) / len(ratios)):.4f}, "
              f"worst {max(ratios):.4f}, {len(ratios)} cascades")  # fmt: skip


def row(name: str, sizes: dict[str, int], seconds: float) -> list[float]:
    """One cascade on FuseMax's machine, Einsums where they start and free; the heuristic's interval over the least."""
    began = time.perf_counter()
    try:
        fixed = bind(from_cascade(name, "fusemax", sizes, Order.INTERLEAVED, free=False), seconds)
        free = bind(from_cascade(name, "fusemax", sizes, Order.INTERLEAVED), seconds)
    except SpecError as error:
        print(f"{name:<28}{error.message[:90]}", flush=True)
        return []
    took = time.perf_counter() - began
    moved = ", ".join(e for e, array in free.assignment.items() if fixed.assignment[e] != array)
    intervals = f"{_show(fixed.heuristic):>10}{_proof(fixed):>8}{_proof(free):>8}{free.least:>8}"
    print(f"{name:<28}{intervals}{took:>9.1f}  {moved}", flush=True)
    if fixed.heuristic is None or fixed.interval is None:
        return []
    return [fixed.heuristic / fixed.interval]


def _show(interval: int | None) -> str:
    return "-" if interval is None else str(interval)


def _proof(found: Bound) -> str:
    return f"{found.interval}{'' if found.proved else '?'}"


def one_pass() -> list[str]:
    """Cascades of the zoo that make one pass over their sequence, tile by tile."""
    found = []
    for system in library.load_systems():
        for variant in system.variants:
            name = system.cascade_name(variant)
            cascade = library.load_cascade(name)
            if iterated_rank(cascade) is not None and most(count_passes(cascade)) == 1:
                found.append(name)
    return found


def sizes_of(name: str) -> dict[str, int]:
    """Sizes of a cascade's ranks that are not tiled."""
    cascade = library.load_cascade(name)
    tiled = {"M", "P", *(split.size for split in cascade.splits)}
    found = {each: SIZES.get(each, USUAL) for each in size_parameters(cascade) if each not in tiled}
    return {each: size for each, size in found.items() if each in known_sizes(cascade)}


if __name__ == "__main__":
    main()
