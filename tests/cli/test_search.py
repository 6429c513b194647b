"""`einsim search`: what it writes and prints, and how it says no."""

import json
import shlex
import sys

import polars as pl
import pytest

from tests.cli.commands import einsim, interrupted, refused

SPACE = """
name: small
configuration: fusemax
design:
  - arch.array2d.rows: [64, 128, 256]
  - arch.dram.bandwidth_bytes_per_s: [50 GiB, 400 GiB]
workloads:
  - model: [BERT]
  - seq_len: [1K, 4K]
objectives: [latency_s, area_um2]
confirm: 2
compare:
  FLAT: {configuration: flat}
"""


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    return path


def test_a_search_leaves_its_designs_its_front_and_its_inputs(space, tmp_path):
    out = tmp_path / "out"
    outcome = einsim("search", str(space), "--out", str(out), "--json")
    assert outcome.code == 0, outcome.err
    found = outcome.json
    assert (found["designs"], found["evaluated"], found["feasible"]) == (6, 6, 6)
    front = pl.read_parquet(out / "front.parquet")
    assert front.to_dicts() == found["front"]
    assert len(pl.read_parquet(out / "designs.parquet")) == 6
    points = pl.read_parquet(out / "points.parquet")
    assert len(points) == 12
    assert len(found["confirmed"]) == 2
    assert [row["name"] for row in found["compared"]] == ["FLAT"]
    assert 0.0 < found["hypervolume"] < 1.0
    assert {"front.png", "front.svg"} <= {path.name for path in out.iterdir()}
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["complete"]
    assert all((out / name).exists() for name in (*manifest["files"], *manifest["inputs"].values()))
    again = einsim(*shlex.split(points["command"][3])[1:], "--json").json
    assert again["latency_s"] == points["latency_s"][3]


def test_a_search_over_prefill_and_decode_of_a_whole_model(space, tmp_path):
    space.write_text(
        SPACE.replace(
            "workloads:\n  - model: [BERT]\n  - seq_len: [1K, 4K]", "workloads:\n  - phase: [prefill, decode]"
        )
        + "scope: attention+linear\nmodel: Llama-3-8B\ncontext: 1K\nbatch: 8\n"
    )
    out = tmp_path / "out"
    outcome = einsim("search", str(space), "--out", str(out), "--json", "--no-figures")
    assert outcome.code == 0, outcome.err
    points = pl.read_parquet(out / "points.parquet")
    assert points["phase"].to_list() == ["prefill", "decode"] * 6
    words = ("fusemax", "--scope", "attention+linear", "--model", "Llama-3-8B", "--context", "1K", "--batch", "8")
    latency = []
    for phase in ("prefill", "decode"):
        record = einsim("run", *words, "--phase", phase, "--json", "--set", "arch.array2d.rows=64",
                        "--set", "arch.dram.bandwidth_bytes_per_s=50 GiB").json  # fmt: skip
        latency.append(record["latency_s"])
    assert points["latency_s"][:2].to_list() == latency
    designs = pl.read_parquet(out / "designs.parquet")
    assert designs["latency_s"][0] == pytest.approx((latency[0] * latency[1]) ** 0.5)
    assert designs["held_bytes"].min() > 0
    first = outcome.json["confirmed"][0]
    changes = [f"{name}={first[name]}" for name in ("arch.array2d.rows", "arch.dram.bandwidth_bytes_per_s")]
    simulate = ("simulate", *words, "--set", changes[0], "--set", changes[1], "--json")
    latency = [einsim(*simulate, "--phase", phase).json["latency_s"] for phase in ("prefill", "decode")]
    assert first["latency_s"] == pytest.approx((latency[0] * latency[1]) ** 0.5)


def test_what_is_printed_names_the_front_and_the_others(space, tmp_path):
    outcome = einsim("search", str(space), "--out", str(tmp_path / "out"), "--no-figures")
    assert outcome.code == 0
    for part in ("Pareto front", "cycle model", "FLAT", "the best", "6 of 6 designs on 2 workloads"):
        assert part in outcome.out, outcome.out


def test_no_design_keeps_the_constraints(tmp_path):
    path = tmp_path / "none.yaml"
    path.write_text(SPACE + "constraints: {area_um2: {at_most: 1}}\n")
    outcome = einsim("search", str(path), "--out", str(tmp_path / "out"))
    assert outcome.code == 0
    assert "no design keeps all constraints" in outcome.out
    assert einsim("search", str(path), "--out", str(tmp_path / "out"), "--json").json["front"] == []


def test_what_the_cycle_model_refuses_takes_no_design_away(tmp_path):
    path = tmp_path / "huge.yaml"
    text = SPACE.partition("compare:")[0].replace("[64, 128, 256]", "[64]").replace("[1K, 4K]", "[4611686018427387904]")
    path.write_text(text)
    outcome = einsim("search", str(path), "--out", str(tmp_path / "out"), "--no-figures", "--json")
    assert outcome.code == 2
    assert len(outcome.json["front"]) == 1
    assert outcome.json["confirmed"] == []
    assert "64 bits" in outcome.err
    assert "the 2 designs before that are in" in outcome.err


def test_wrong_files_and_options_are_one_message(space, tmp_path):
    refused("search", "no-such-file", parts=("no-such-file",))
    refused("search", str(space), "--out", "", parts=("--out", "results/small"))
    empty = tmp_path / "empty.yaml"
    empty.write_text("")
    refused("search", str(empty), parts=("empty.yaml",))
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(SPACE.replace("array2d.rows", "array2d.rowz"))
    refused("search", str(wrong), "--out", str(tmp_path / "out"), parts=("wrong.yaml:5", "rows"))
    unknown = tmp_path / "unknown.yaml"
    unknown.write_text(SPACE.replace("configuration: flat", "configuration: flatt"))
    refused("search", str(unknown), "--out", str(tmp_path / "out"), parts=("unknown.yaml:13", "flat"))
    assert not (tmp_path / "out").exists()


def test_a_missing_library_is_named_with_its_extra(space, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "moocore", None)
    refused("search", str(space), "--out", str(tmp_path / "out"), parts=("moocore", "pip install 'einsim[search]'"))


def test_interrupted_it_keeps_what_is_done(tmp_path):
    path = tmp_path / "long.yaml"
    rows = list(range(16, 256, 2))
    text = (
        SPACE.partition("compare:")[0]
        .replace("[64, 128, 256]", str(rows))
        .replace("confirm: 2", "confirm: 1000\nmethod: random\nevaluations: 240")
    )
    path.write_text(text.replace("[1K, 4K]", "[1K, 2K, 3K, 4K, 5K, 6K]"))
    out = tmp_path / "out"
    interrupted("search", str(path), "--out", str(out), "--no-figures", out=out, after_s=1.0)
