"""Sweeps over what costs depend on: the same rows one by one and together, and their tables among the inputs."""

import polars as pl

from einsim.explore import store
from einsim.explore.rows import finish
from einsim.explore.space import load_space
from einsim.explore.sweep import Engine, run_sweep

SPACE = """
name: costs
configuration: fusemax
model: BERT
seq_len: 1K
axes:
  - arch.array2d.registers.depth_words: [12, 16, 64, 200]
  - arch.buffer.capacity_bytes: [16 MiB, 24 MiB, 256 MiB, 1 KiB]
  - arch.buffer.access_bytes: [512, 256, 96]
  - arch.costs: [paper-45nm, paper-45nm-own-depth]
"""


def space_of(tmp_path):
    (tmp_path / "s.yaml").write_text(SPACE)
    return load_space(tmp_path / "s.yaml")


def test_one_by_one_and_together(tmp_path):
    space = space_of(tmp_path)
    exact, compiled = (
        finish(space, list(run_sweep(space, lambda _: None, engine))) for engine in (Engine.EXACT, Engine.COMPILED)
    )
    assert exact.columns == compiled.columns
    assert "energy_pj/leakage" in exact.columns
    for name in exact.columns:
        if exact[name].dtype == pl.Float64 and exact[name].null_count() < len(exact):
            assert ((compiled[name] - exact[name]) / exact[name]).abs().max() < 1e-14, name
        else:
            assert exact[name].to_list() == compiled[name].to_list(), name
    buffers = 2 * 2  # that fit and are in the table
    depths = 3 + 4  # as published, 12 and 16 words cost the same
    assert exact.filter("feasible")["area_um2"].n_unique() == buffers * depths
    assert exact["reason"].drop_nulls().str.contains("no costs at 45 nm|the least tiles").all()


def test_cost_tables_are_among_the_inputs(tmp_path):
    space = space_of(tmp_path)
    frame = finish(space, list(run_sweep(space, lambda _: None, Engine.COMPILED)))
    copies = store.write_inputs(tmp_path / "out", space, frame)
    wanted = {"costs paper-45nm.yaml", "costs paper-45nm-own-depth.yaml", "costs sram-cacti7.csv"}
    assert wanted <= set(copies)
    assert all((tmp_path / "out" / copies[name]).is_file() for name in wanted)
    assert copies["costs sram-cacti7.csv"].endswith(".csv")
