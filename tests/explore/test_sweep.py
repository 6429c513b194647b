import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from einsim.errors import SpecError
from einsim.explore.batches import group
from einsim.explore.grids import grids
from einsim.explore.rows import finish
from einsim.explore.space import load_space
from einsim.explore.sweep import Engine, run_sweep
from einsim.model.blocks import boxes

ROOT = Path(__file__).parents[2]


def space_of(tmp_path, text):
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    return load_space(path)


def table(space, engine=Engine.AUTO):
    return finish(space, list(run_sweep(space, lambda done: None, engine)))


MACHINES = """
name: machines
configuration: fusemax
model: T5
axes:
  - seq_len: [1K, 5000, 16K]
  - {arch.array2d.rows: [64, 128, 256], arch.array2d.columns: [64, 128, 256], arch.array1d.lanes: [64, 64, 256]}
  - arch.buffer.capacity_bytes: [1 KiB, 1 MiB, 16 MiB]
  - arch.dram.bandwidth_bytes_per_s: [40 GiB, 400 GiB]
baseline: {arch.dram.bandwidth_bytes_per_s: 400 GiB}
"""


def test_crossed_and_zipped_axes(tmp_path):
    space = space_of(tmp_path, MACHINES)
    assert len(space) == 3 * 3 * 3 * 2
    frame = table(space, Engine.EXACT)
    assert len(frame) == len(space)
    assert frame["index"].to_list() == list(range(len(space)))
    assert set(zip(frame["arch.array2d.rows"], frame["arch.array1d.lanes"], strict=True)) == {
        (64, 64),
        (128, 64),
        (256, 256),
    }
    starved = frame.filter(~pl.col("feasible"))
    assert len(starved) == 18
    assert starved["reason"].str.contains("buffer: the least tiles").all()
    assert starved["latency_s"].null_count() == 18
    fits = frame.filter("feasible")
    assert fits.filter(pl.col("arch.dram.bandwidth_bytes_per_s") == "400 GiB")["speedup"].unique().to_list() == [1.0]
    assert (fits["speedup"] <= 1.0).all()


def test_compiled_rows_equal_exact_rows(tmp_path):
    space = space_of(tmp_path, MACHINES)
    exact, compiled = (table(space, engine) for engine in (Engine.EXACT, Engine.COMPILED))
    assert exact.columns == compiled.columns
    for name in exact.columns:
        if exact[name].dtype == pl.Float64:
            worst = ((compiled[name] - exact[name]) / exact[name]).abs().max()
            assert worst is None or worst < 1e-14, name
        else:
            assert exact[name].to_list() == compiled[name].to_list(), name


def test_counts_too_large_for_64_bits_are_counted_exactly(tmp_path):
    text = "name: big\nconfiguration: fusemax\nshape: {B: 64, H: 64, E: 256, F: 256}\naxes:\n"
    space = space_of(tmp_path, text + "  - {workload.M: [1024, 1073741824], workload.P: [1024, 1073741824]}\n")
    frame = table(space, Engine.COMPILED)
    assert frame["feasible"].all()
    assert frame["cycles/array2d"][1] > 2.0**60


def test_grouping_keeps_structure_apart(tmp_path):
    text = "name: g\nmodel: BERT\naxes:\n  - configuration: [flat, fusemax]\n  - seq_len: [1K, 4K, 256K]\n"
    text += "  - batch: [1, 2]\n"
    batches = group(space_of(tmp_path, text).points())
    sizes = sorted(len(batch.points) for batch in batches)
    assert sizes == [2, 4, 6]  # two sets of recorded choices, and one configuration without choices


def test_every_row_can_be_run_alone(tmp_path):
    from tests.cli.commands import einsim

    space = space_of(tmp_path, MACHINES)
    frame = table(space)
    for row in frame.sample(6, seed=1).iter_rows(named=True):
        outcome = einsim(*split(row["command"]), "--json")
        assert outcome.json["feasible"] == row["feasible"]
        assert outcome.json["latency_s"] == row["latency_s"]
        assert outcome.json["energy_pj"] == row["energy_pj"]


def split(command):
    import shlex

    return shlex.split(command)[1:]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("empty",)),
        ("name: x\n", ("'axes' is missing",)),
        ("name: x\naxis: []\n", ("unknown key 'axis'", "did you mean 'axes'")),
        ("name: x\naxes:\n  - {model: [BERT], seq_len: [1K, 2K]}\n", ("sweep.yaml:2", "model has 1, seq_len has 2")),
        ("name: x\naxes:\n  - model: []\n", ("no values",)),
        ("name: x\naxes:\n  - model: [BERT]\n  - model: [T5]\n", ("on two axes",)),
        ("name: x\naxes:\n  - model: BERT\n", ("sweep.yaml:3", "list")),
        ("name: x\naxes: []\nbaseline: {model: BERT}\n", ("sweep.yaml:3", "on no axis")),
        ("name: x\naxes:\n  - model: [BERT]\nbaseline: {model: T5}\n", ("never is 'T5'",)),
        ("name: x\nfigures: [speedups]\naxes: []\n", ("figures",)),
        ("name: 3x\naxes: []\n", ("name",)),
    ],
)
def test_bad_files(tmp_path, text, parts):
    with pytest.raises(SpecError) as caught:
        space_of(tmp_path, text)
    for part in parts:
        assert part in str(caught.value), str(caught.value)


@pytest.mark.parametrize(
    ("axes", "parts"),
    [
        ("  - modle: [BERT]\n", ("unknown field 'modle'", "did you mean 'model'")),
        ("  - model: [BERT]\n  - seq_len: [1K, many]\n", ("'many'", "sweep.yaml:6")),
        ("  - model: [BERT]\n", ("no sequence length",)),
        ("  - seq_len: [1K]\n", ("sweep.yaml", "needs a model")),
        ("  - model: [BERT]\n  - seq_len: [1K]\n  - arch.array2d.rows: [0]\n", ("greater than 0", "sweep.yaml:7")),
        ("  - model: [BERT]\n  - seq_len: [1K]\n  - arch.array2d.row: [4]\n", ("did you mean 'rows'",)),
        ("  - model: [BERT]\n  - seq_len: [1K]\n  - array2d.rows: [4]\n", ("starts with arch.",)),
        ("  - model: [BERT]\n  - seq_len: [1K]\n  - accounting: [fair]\n", ("unknown accounting",)),
    ],
)
def test_bad_axes(tmp_path, axes, parts):
    for engine in (Engine.EXACT, Engine.COMPILED):
        with pytest.raises(SpecError) as caught:
            table(space_of(tmp_path, f"name: x\ndescription: d\nconfiguration: fusemax\naxes:\n{axes}"), engine)
        for part in parts:
            assert part in str(caught.value), str(caught.value)


AXES = {
    "configuration": ["flat", "fusemax", "unfused", "cascade"],
    "accounting": ["full", "published"],
    "model": ["BERT", "T5", "XLM"],
    "seq_len": ["1K", "4K", "16K", "256K"],
    "batch": [1, 3, 64],
    "arch.buffer.capacity_bytes": ["3 KiB", 70001, "1 MiB", "16 MiB"],
    "arch.dram.bandwidth_bytes_per_s": ["40 GiB", 1e11, "400 GiB"],
    "arch.clock_hz": [94e7, 1e9],
    "arch.array2d.mac.energy_pj": [17, 3.5, 0],
    "arch.array2d.mac.cycles": [1, 2],
    "arch.buffer.access_bytes": [64, 512],
    "arch.word_bytes": [1, 2],
    "mapping.description": ["no number", "another"],
    "workload.P": [1, 300, 4096],
}
TOGETHER = [
    {"arch.array2d.rows": [16, 100, 256], "arch.array2d.columns": [16, 100, 256], "arch.array1d.lanes": [16, 37, 256]},
    {"arch.array2d.rows": [64, 128, 64], "arch.array2d.mac.cycles": [1, 2, 2]},
]
LENGTHS = [
    {"model": ["BERT", "XLM", "T5"]},
    {"seq_len": ["1K", "4K", "16K", "256K"]},
    {"arch.clock_hz": [94e7, 1e9]},
    {"batch": [1, 3]},
]


@st.composite
def sweep_files(draw):
    """Sweeps in which structure and numbers vary on any axis, alone and together."""
    fields = draw(st.lists(st.sampled_from(sorted(AXES)), min_size=1, max_size=4, unique=True))
    values = {field: st.lists(st.sampled_from(AXES[field]), min_size=1, max_size=3, unique=True) for field in fields}
    axes = [{field: draw(values[field])} for field in fields]
    if draw(st.booleans()):
        joint = draw(st.sampled_from(TOGETHER))
        if not joint.keys() & set(fields):
            axes.insert(draw(st.integers(0, len(axes))), joint)
    file = {"name": "random", "axes": axes}
    for field, value in {"configuration": "fusemax", "model": "T5", "seq_len": "4K"}.items():
        if field not in fields:
            file[field] = value
    if draw(st.booleans()) and "arch.array1d.lanes" not in {field for axis in axes for field in axis}:
        file["set"] = {"arch.array1d.lanes": 48}
    if draw(st.booleans()):
        field, values = next(iter(draw(st.sampled_from(axes)).items()))
        if not any(len(axis) > 1 and field in axis for axis in axes):
            file["baseline"] = {field: values[-1]}
    return file


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sweep_files())
@example({"name": "lengths", "configuration": "fusemax", "axes": LENGTHS})
@example({"name": "flat", "configuration": "flat", "axes": LENGTHS[:2]})
def test_points_that_are_never_made_have_the_rows_of_those_that_are(tmp_path, file):
    space = space_of(tmp_path, json.dumps(file))
    try:
        exact = table(space, Engine.EXACT)
    except SpecError:  # where something is chosen that nobody recorded
        with pytest.raises(SpecError):
            table(space, Engine.COMPILED)
        return
    together = table(space, Engine.COMPILED)
    assert exact.schema == together.schema
    for name in exact.columns:
        if exact[name].dtype == pl.Float64:
            assert exact[name].is_null().to_list() == together[name].is_null().to_list(), name
            worst = ((together[name] - exact[name]) / exact[name].replace(0.0, 1.0)).abs().max()
            assert worst is None or worst < 1e-14, name
        else:
            assert exact[name].to_list() == together[name].to_list(), name


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sweep_files())
def test_every_point_is_in_one_grid(tmp_path, file):
    space = space_of(tmp_path, json.dumps(file))
    parts = [grid.indices(box) for grid in grids(space) for box in boxes(grid.shape, 5)]
    assert sorted(index for part in parts for index in part.tolist()) == list(range(len(space)))
