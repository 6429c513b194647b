"""Sweep files that are wrong in every way a hostile tester thought of: one message, with its place, nothing written."""

import json

import polars as pl
import pytest

from tests.cli.sweeps import LENGTHS, refused_sweep, sweep

ENGINES = ("exact", "compiled")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("axis", "parts"),
    [
        ("arch.word_bytes: [1, 3, 2]", ("s.yaml:6:26", "multiple of word_bytes")),
        ("arch.array2d.columns: [256, 16 KiB]", ("s.yaml:6:33", "16 KiB", "not a count")),
        ("arch.clock_hz: [1e9, 1e16]", ("s.yaml:6:26", "at most 1e+15")),
        ("arch.buffer.access_bytes: [512, 513]", ("s.yaml:6:37", "multiple of word_bytes")),
        ("{arch.word_bytes: [1, 2], arch.buffer.access_bytes: [513, 513]}", ("s.yaml:6:", "multiple of word_bytes")),
        ("arch.array2d.exp.energy_pj: [1]", ("s.yaml:6:34", "macro-operation", "operations.exp={cycles: 2")),
        ("arch.array2d.mac.energy_pj: [1, 1e308]", ("s.yaml:6:37", "at most 1e+15")),
        ("mapping.tiles.P1: [1, x]", ("s.yaml:6:27", "unknown name 'x'")),
        ("mapping.tiles.P: [3]", ("s.yaml:6:23", "a name of its own")),
        ("workload.M: [1.5]", ("s.yaml:6:18", "needs an integer")),
        ("workload.Q: [1]", ("nothing has a size 'Q'",)),
    ],
)
def test_values_that_a_single_run_refuses(tmp_path, engine, axis, parts):
    refused_sweep(tmp_path, LENGTHS + f"  - {axis}\n", "", "--engine", engine, parts=parts)


@pytest.mark.parametrize(
    "axis",
    [
        "arch.array2d.operations.mac.cycles: [1, 2, 3]",
        "arch.array2d.operations.exp.macro.mac: [4, 6]",
        "arch.array1d.add.cycles: [1, 2]",
        "arch.array2d.operations.exp: [{macro: {mac: 4}}, {cycles: 2, energy_pj: 5}]",
        "arch.dram.bandwidth_bytes_per_s: [null, 4 GiB, 1e11]",
        "arch.buffer.capacity_bytes: [1 KiB, 2097152, 3 MiB]",
        "{arch.word_bytes: [1, 2], arch.buffer.access_bytes: [513, 512]}",
        "{workload.H: [1, 2K]}",
        "{architecture: [null, fusemax]}",
    ],
)
def test_both_engines_take_every_field(tmp_path, axis):
    frames = []
    for engine in ENGINES:
        outcome = sweep(tmp_path, LENGTHS + f"  - {axis}\n", "baseline: {seq_len: 1024}\n", "--engine", engine)
        assert outcome.code == 0, outcome.err
        frames.append(pl.read_parquet(tmp_path / "out" / "results.parquet"))
    exact, compiled = frames
    assert exact.schema == compiled.schema
    assert exact["traffic_bytes"].dtype == pl.Int64
    for name in exact.columns:
        if exact[name].dtype == pl.Float64:
            worst = ((compiled[name] - exact[name]) / exact[name]).abs().fill_nan(0).max()
            assert worst is None or worst < 1e-14, name
        else:
            assert exact[name].to_list() == compiled[name].to_list()


@pytest.mark.parametrize(
    ("axes", "parts"),
    [
        ("  - seq_len: [1K, 1024, 2K]\n", ("s.yaml:5:19", "seq_len 1024 is on the axis twice", "s.yaml:5:15")),
        ("  - model: [BERT, bert]\n" + LENGTHS, ("s.yaml:5:19", "model BERT", "twice")),
        ("  - arch.buffer.capacity_bytes: [1 MiB, 1048576]\n" + LENGTHS, ("s.yaml:5:41", "twice")),
        ("  - model: [BERT, 5]\n" + LENGTHS, ("s.yaml:5:19", "model: 5 is no name")),
        ("  - model: [BERT, [T5]]\n" + LENGTHS, ("s.yaml:5:19", "no name")),
        ("  - architecture: [3]\n" + LENGTHS, ("s.yaml:5:20", "no name")),
        ("  - architecture: [{a: 1}]\n" + LENGTHS, ("s.yaml:5:20", "no name")),
        ("  - architecture: [nothing]\n" + LENGTHS, ("s.yaml:5:20", "unknown architecture")),
        ("  - configuration: [5]\n" + LENGTHS, ("s.yaml:5:21", "no name")),
        ("  []\n", ("s.yaml:4:1", "there is none")),
        ("  - arch.buffer.access_bytes: [8]\n  - arch.memories.buffer.access_bytes: [16]\n" + LENGTHS,
         ("s.yaml:6:5", "on two axes", "arch.buffer.access_bytes")),
        ("  - batch: [1]\n  - workload.B: [3]\n" + LENGTHS, ("s.yaml:6:5", "on two axes", "batch")),
        ("  - mapping.tiles.P1: [017]\n" + LENGTHS, ("s.yaml:5:24", "octal")),
    ],
)  # fmt: skip
def test_bad_axes(tmp_path, axes, parts):
    refused_sweep(tmp_path, axes, parts=parts)


@pytest.mark.parametrize(
    ("extra", "axes", "parts"),
    [
        ("shape: {B: 2}\n", "  - batch: [1]\n" + LENGTHS, ("s.yaml:6:5", "batch", "in shape")),
        ("shape: {B: 2}\nbatch: 3\n", LENGTHS, ("s.yaml:5:1", "in shape")),
        ("set: {model: T5}\n", LENGTHS, ("s.yaml:4:7", "no field")),
        ("set: {arch.buffer.access_bytes: 8}\n", "  - arch.memories.buffer.access_bytes: [16]\n" + LENGTHS,
         ("s.yaml:6:5", "in set")),
        ("baseline: {}\n", LENGTHS, ("s.yaml:4:1", "names no value")),
        ("baseline: {seq_len: 3K}\n", LENGTHS, ("s.yaml:4:12", "never is '3K'", "1024, 2048")),
        ("baseline: {model: BERT}\n", "  - {model: [BERT, BERT], seq_len: [1K, 2K]}\n", ("name model and seq_len",)),
        ("architecture: nothing\n", LENGTHS, ("s.yaml:4:1", "unknown architecture")),
        ("accounting: fair\n", LENGTHS, ("s.yaml:4:1", "'full' or 'published'")),
    ],
)  # fmt: skip
def test_contradictions(tmp_path, extra, axes, parts):
    refused_sweep(tmp_path, axes, extra, parts=parts)


def test_places_are_in_the_file(tmp_path):
    for head, place in (
        ("name: s\nmodel: BURT\nconfiguration: fusemax\n", "s.yaml:2:1: unknown model"),
        ("name: s\nmodel: BERT\nconfiguration: fusmax\n", "s.yaml:3:1: unknown mapping"),
        ("name: s\nmodel: BERT\n", "s.yaml:1:1: no configuration"),
        ("name: s\nconfiguration: fusemax\n", "s.yaml:1:1: a sequence length needs a model"),
        ("name: s\nconfiguration: flat\nshape: {B: 1, H: 1, E: 64, F: 64, M: 1K, P: 1K}\n", "flat.yaml:14"),
    ):
        axes = "  - arch.array2d.rows: [8]\n" if "shape" in head else LENGTHS
        refused_sweep(tmp_path, axes, head=head, parts=(place,))


def test_grids_that_no_memory_holds(tmp_path):
    many = ", ".join(map(str, range(1, 301)))
    axes = "".join(f"  - arch.{field}: [{many}]\n" for field in ("array2d.rows", "array2d.columns", "array1d.lanes"))
    refused_sweep(tmp_path, axes + LENGTHS, parts=("s.yaml:4:1", "54000000 points", "1000000"))


@pytest.mark.parametrize(
    ("table", "parts"),
    [
        ("seq_len,latency_s\n1024,abc\n", ("p.csv:2", "latency_s", "'abc' is no number")),
        ("seq_len,latency_s\n1024,nan\n", ("p.csv:2", "no number")),
        ("seq_len,latency_s,foo\n1024,1,1\n", ("p.csv:1", "'foo'")),
        ("#\nseq_len,latency_s\n1024\n", ("p.csv:3", "1 values in 2 columns")),
        ("seq_len,latency_s\n7,1\n", ("p.csv", "no published row is on this sweep")),
        ("seq_len,latency_s\n1K,1\n1024,2\n", ("p.csv:3", "stands twice", "p.csv:2")),
        ("seq_len,latency_s\n1X,1\n", ("p.csv:2", "1X")),
        ("latency_s\n1\n", ("p.csv:1", "no column is an axis")),
        ('seq_len,latency_s\n"1K,1\n', ("p.csv", "no table")),
        ("", ("p.csv", "no column is an axis")),
    ],
)
def test_bad_published_tables(tmp_path, table, parts):
    (tmp_path / "p.csv").write_text(table)
    refused_sweep(tmp_path, LENGTHS, "published: p.csv\n", parts=parts)


def test_published_keys_may_be_written_as_on_the_axis(tmp_path):
    (tmp_path / "p.csv").write_text("seq_len,model,latency_s\n1K,bert,0.1\n9K,BERT,2\n2K,T5,3\n")
    outcome = sweep(
        tmp_path, LENGTHS + "  - model: [BERT]\n", "published: p.csv\n", head="name: s\nconfiguration: fusemax\n"
    )
    assert outcome.code == 0, outcome.err
    assert pl.read_csv(tmp_path / "out" / "comparison.csv")["seq_len"].to_list() == [1024]


def test_baseline_is_a_value_not_a_spelling(tmp_path):
    axes = "  - arch.buffer.capacity_bytes: [1 MiB, 2097152]\n" + LENGTHS
    outcome = sweep(tmp_path, axes, "baseline: {arch.buffer.capacity_bytes: 1024 KiB, seq_len: 1024}\n")
    assert outcome.code == 0, outcome.err
    frame = pl.read_csv(tmp_path / "out" / "results.csv")
    assert len(frame) == 4
    assert frame["speedup"][0] == 1.0
    assert frame["speedup"].null_count() == 0


def test_nothing_is_left_of_another_sweep_or_of_a_failed_one(tmp_path):
    (tmp_path / "p.csv").write_text("seq_len,latency_s\n1K,0.1\n")
    assert sweep(tmp_path, LENGTHS, "published: p.csv\n").code == 0
    own = tmp_path / "out" / "notes.txt"
    own.write_text("mine")
    before = {path.name for path in (tmp_path / "out").rglob("*")}
    assert "comparison.csv" in before
    bad = sweep(tmp_path, "  - mapping.tiles.P1: [1, x]\n" + LENGTHS)
    assert bad.code == 2
    assert {path.name for path in (tmp_path / "out").rglob("*")} == before
    assert sweep(tmp_path, "  - seq_len: [4K]\n").code == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"results.csv", "results.parquet", "manifest.json", "inputs", "notes.txt"}
    listed = json.loads((tmp_path / "out" / "manifest.json").read_text())["inputs"].values()
    assert {f"inputs/{path.name}" for path in (tmp_path / "out" / "inputs").iterdir()} == set(listed)


def test_something_in_the_way(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "inputs").write_text("")
    assert "inputs: cannot write there" in sweep(tmp_path, LENGTHS).err
    (tmp_path / "out" / "inputs").unlink()
    (tmp_path / "out" / "results.csv").mkdir()
    assert "results.csv is a folder" in sweep(tmp_path, LENGTHS).err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["results.csv"]
    assert "--out" in sweep(tmp_path, LENGTHS, "", "--out", "").err


def test_summary_keeps_groups_that_do_not_fit(tmp_path):
    axes = "  - arch.buffer.capacity_bytes: [1 KiB, 16 MiB]\n" + LENGTHS
    summary = sweep(tmp_path, axes).json["summary"]
    assert [(row["points"], row["infeasible"]) for row in summary] == [(0, 2), (2, 0)]
