"""Causal attention on FuseMax's mapping: tiles beyond the queries are left out, and what is skipped is exact."""

from pathlib import Path

import pytest

from einsim.model.cycle.evaluation import simulate_design
from einsim.spec.configuration import load_design
from einsim.spec.overrides import parse_override
from einsim.spec.workload import Workload

CASCADE = Path(__file__).with_name("causal.cascade")


def causal(rows: int, keys: int, queries: int):
    sizes = {"B": 1, "H": 2, "E": 4, "F": 4, "M": keys, "P": queries}
    sides = [f"arch.array2d.{axis}={rows}" for axis in ("rows", "columns")] + [f"arch.array1d.lanes={rows}"]
    changes = [*sides, "arch.buffer.capacity_bytes=1024", *STATED, f"mapping.cascade={CASCADE}"]
    return load_design("fusemax", Workload(tuple(sizes.items())), overrides=[parse_override(c) for c in changes])


def tiles_with_points(rows: int, keys: int, queries: int) -> int:
    """Tiles of queries and keys in which some key is not beyond some query, counted one by one."""
    return sum(
        any(m <= p for m in range(k, min(k + rows, keys)) for p in range(q, min(q + rows, queries)))
        for k in range(0, keys, rows)
        for q in range(0, queries, rows)
    )


STATED = [f"arch.buffer.{cost}=1" for cost in ("read_energy_pj", "write_energy_pj", "area_um2")]  # too small for tables


@pytest.mark.parametrize(("keys", "queries"), [(64, 64), (128, 128), (61, 64), (64, 50), (40, 128), (128, 40)])
def test_tiles_without_points_are_left_out(keys, queries):
    rows = 4
    skipped = simulate_design(causal(rows, keys, queries))
    every = simulate_design(causal(rows, keys, queries), skip=False)
    assert skipped.feasible
    (one,), (other,) = skipped.runs, every.runs
    assert one.epochs == 2 * tiles_with_points(rows, keys, queries)
    assert (one.cycles, one.busy, one.stalls, one.instances) == (
        other.cycles,
        other.busy,
        other.stalls,
        other.instances,
    )
    assert one.high_water == other.high_water
