import json

import polars as pl
import pytest

from tests.cli.commands import einsim, interrupted, refused

SMALL = """
name: small
accounting: published
axes:
  - configuration: [flat, fusemax]
  - model: [BERT]
  - seq_len: [1K, 4K]
baseline: {configuration: flat}
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def test_writes_tables_figures_and_inputs(small, tmp_path):
    out = tmp_path / "out"
    outcome = einsim("sweep", str(small), "--out", str(out))
    assert outcome.code == 0, outcome.err
    assert str(out) in outcome.out
    assert "arith. / geom." in outcome.out
    names = {path.name for path in out.iterdir()}
    figures = {
        f"{kind}.{suffix}" for kind in ("speedup", "energy", "utilisation", "breakdown") for suffix in ("png", "svg")
    }
    assert names == {"results.parquet", "results.csv", "manifest.json", "inputs"} | figures
    frame = pl.read_parquet(out / "results.parquet")
    assert len(frame) == 4
    assert pl.read_csv(out / "results.csv").columns == frame.columns
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["complete"] is True
    for copy in manifest["inputs"].values():
        assert (out / copy).is_file()
    assert {"sweep", "mapping flat", "mapping fusemax", "architecture flat", "cascade attention-1pass"} <= set(
        manifest["inputs"]
    )


def test_a_second_run_gives_the_same_files(small, tmp_path):
    contents = []
    for _ in range(2):
        assert einsim("sweep", str(small), "--out", str(tmp_path / "out")).code == 0
        files = sorted(p for p in (tmp_path / "out").rglob("*") if p.is_file() and p.name != "manifest.json")
        contents.append({str(p): p.read_bytes() for p in files})
    assert contents[0] == contents[1]


def test_json(small, tmp_path):
    record = einsim("sweep", str(small), "--out", str(tmp_path / "out"), "--json", "--no-figures").json
    assert record["rows"] == 4
    fusemax = next(row for row in record["summary"] if row["configuration"] == "fusemax")
    assert fusemax["speedup_arithmetic"] > 6


def test_works_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = einsim("sweep", "experiments/fusemax/attention.yaml", "--no-figures")
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "results" / "fusemax-attention" / "comparison.csv").is_file()
    assert "energy_pj_no_overflow" in outcome.out


def test_bad_sweeps_write_nothing(small, tmp_path):
    out = tmp_path / "out"
    refused("sweep", str(tmp_path / "missing.yaml"), "--out", str(out), parts=("there is no file",))
    small.write_text(SMALL.replace("fusemax", "fusmax"))
    refused("sweep", str(small), "--out", str(out), parts=("did you mean 'fusemax'",))
    small.write_text(SMALL + "published: nowhere.csv\n")
    refused("sweep", str(small), "--out", str(out), parts=("there is no file", "small.yaml:9"))
    small.write_bytes(b"\x00\xff\x13")
    refused("sweep", str(small), "--out", str(out), parts=("not a text file",))
    assert not out.exists() or not any(out.iterdir())


def test_bad_published_table(small, tmp_path):
    small.write_text(SMALL + "published: p.csv\n")
    (tmp_path / "p.csv").write_text("configuration,latency\nflat,1\n")
    refused("sweep", str(small), "--out", str(tmp_path / "out"), parts=("'latency'", "neither an axis nor a metric"))


def test_unwritable_folder(small, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    refused("sweep", str(small), "--out", str(blocked / "out"), parts=("cannot write there",))


def test_interrupt_keeps_what_is_done(tmp_path):
    path = tmp_path / "long.yaml"
    lengths = ", ".join(str(1024 + 256 * i) for i in range(390))
    path.write_text(f"name: long\nconfiguration: fusemax\nmodel: BERT\naxes:\n  - seq_len: [{lengths}]\n")
    out = tmp_path / "out"
    interrupted("sweep", str(path), "--out", str(out), "--no-figures", out=out, after_s=0.6)
    if (out / "results.parquet").exists():
        done = len(pl.read_parquet(out / "results.parquet"))
        assert 0 < done < 390
        assert json.loads((out / "manifest.json").read_text())["complete"] is False


def test_the_cycle_model_beside_the_closed_form_or_instead(tmp_path):
    frames = {}
    for model in ("both", "cycle"):
        path = tmp_path / f"{model}.yaml"
        path.write_text(SMALL.replace("axes:", f"time_model: {model}\naxes:"))
        out = tmp_path / model
        assert einsim("sweep", str(path), "--out", str(out)).code == 0
        frames[model] = pl.read_parquet(out / "results.parquet")
    both, cycle = frames["both"], frames["cycle"]
    assert (both["simulated/latency_s"] > both["latency_s"]).all()
    assert cycle["latency_s"].to_list() == both["simulated/latency_s"].to_list()
    assert cycle["util_2d"].to_list() == both["simulated/util_2d"].to_list()
    assert both["simulated/cycles"].dtype == pl.Int64
    for array in ("array1d", "array2d"):
        shares = both.select(pl.sum_horizontal(pl.col(f"^stalls/{array}/.*$")))
        assert shares.to_series().is_between(0, 1).all()
    words = cycle["command"][0].split()
    alone = einsim(*words[1:], "--json").json
    assert alone["latency_s"] == cycle["latency_s"][0]
