"""Every number of results of every kind has a chain that gives it: a field without one fails here."""

import json
from dataclasses import replace

import numpy as np
import pytest

from einsim.cli.saved import saved_result, traced
from einsim.cosim.area import Measured
from einsim.errors import Location
from einsim.model.steps import How, Step, faults, made, same
from einsim.model.steps import counted as count
from einsim.report.area import measured_record
from einsim.report.recorded import numbers
from einsim.rtl.synthesis import synthesise
from einsim.rtl.timing import Timing
from einsim.spec import library
from tests.cli.commands import einsim, refused
from tests.rtl.test_synthesis import ROW, TINY

BERT = ("--model", "BERT", "--seq-len", "1K")
FORM = "E=64,F=64,M=1K,P=1K,M0=256"
LAYER = (*BERT, "--scope", "layer")
DECODE = ("--scope", "model", "--phase", "decode", "--context", "3x1K,2x4K")
KINDS = {
    "attention": ("run", "fusemax", *BERT, "--set", "arch.buffer.read_energy_pj=9"),
    "spilled": ("run", "flat", "--model", "XLM", "--seq-len", "64K", "--accounting", "published"),
    "divided": ("run", "fusemax-divided", *BERT),
    "linear": ("run", "fusemax", *BERT, "--scope", "linear"),
    "layer": ("run", "flat", *LAYER),
    "overlapped": ("run", "fusemax", *LAYER, "--layers", "overlapped"),
    "fused": ("run", "fusemax", *LAYER, "--layers", "fused"),
    "form": ("run", "fusemax", *LAYER, "--attention", "attn_causal-3pass"),
    "decode": ("run", "fusemax", "--model", "Llama-3-8B", *DECODE, "--layers", "overlapped"),
    "simulated": ("simulate", "unfused", *BERT),
    "simulated, ideal": ("simulate", "fusemax-divided", *BERT, "--ideal"),
    "simulated layer": ("simulate", "fusemax", *LAYER),
    "simulated, fused": ("simulate", "fusemax", *LAYER, "--layers", "fused"),
    "simulated decode": ("simulate", "fusemax", "--model", "Llama-3-8B", *DECODE),
    "roofline": ("roofline", "fusemax", "unfused", *BERT),
    "bound": ("bound", "attention-3pass", "attention-1pass", "--sizes", FORM, "--batch", "768"),
    "map": ("map", "attention-1pass", "--arch", "fusemax", *BERT, "--time-limit", "1"),
    "map, shipped": ("map", "attention-1pass", "--arch", "fusemax", *BERT, "--time-limit", "0.01", "--objective=edp"),
    "map, as it is": ("map", "attn_causal-3pass", "--arch", "fusemax", "--sizes", "E=64,F=64,M=512", "--batch", "3"),
    "map, in cycles": ("map", "attention-1pass", "--arch", "fusemax", "--sizes", FORM, "--cycles"),
    "passes": ("passes", "attention-3pass"),
    "derive": ("derive", "attention-3pass"),
    "hardware": ("rtl", "test", "fusemax-small", "--shape", "E=8,F=8,M=8,P=8", "--runs", "2"),
    "bind": ("bind", "--mapping", "fusemax", "--shape", "E=64,F=64", "--seconds", "1"),
}  # fmt: skip


def check_all(file, sample=None):
    """Explains the numbers of a result (a sample of those nested deeply), and checks every chain."""
    at = Location(str(file))
    saved = saved_result(str(file), at)
    fields = traced(saved, at).fields
    seen, checked = {}, 0
    for path, value in numbers(saved):
        name = "/".join(path)
        assert name in fields, f"{name} has no explanation"
        kind = tuple("#" if word.isdecimal() else word for word in path)
        seen[kind] = seen.get(kind, 0) + 1
        if sample is not None and len(path) > 2 and seen[kind] > sample:
            continue
        step = fields[name]()
        assert same(step.value, value), (name, step.value, value)
        assert faults(step) == [], name
        checked += 1
    return checked


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_has_a_chain(kind, tmp_path):
    outcome = einsim(*KINDS[kind], "--json")
    assert outcome.code == 0, outcome.err
    file = tmp_path / "result.json"
    file.write_text(outcome.out)
    assert check_all(file, sample=1) > (6 if kind == "derive" else 10)
    if kind == "spilled":
        assert outcome.json["spills"]


SWEEP = """
name: s
model: BERT
seq_len: 1K
time_model: TIME
axes:
  - configuration: [fusemax, flat]
  - arch.buffer.capacity_bytes: [8388608, 16777216]
baseline: {configuration: flat}
"""


def test_every_column_of_sweeps_and_stores_has_a_chain(tmp_path):
    sweep, out, store = tmp_path / "s.yaml", tmp_path / "out", tmp_path / "store"
    sweep.write_text(SWEEP.replace("TIME", "both"))
    assert einsim("sweep", str(sweep), "--out", str(out), "--store", str(store), "--no-figures").code == 0
    rows = tmp_path / "rows.json"
    rows.write_text(einsim("results", str(store), "--where", "feasible", "--json").out)
    assert einsim("results", str(store), "SELECT * FROM results", "--export", str(tmp_path / "rows.csv")).code == 0
    for name in (f"{out}#1", f"{out}/results.csv#2", f"{rows}#3", f"{tmp_path}/rows.csv#0"):
        assert check_all(name) > 35
    chain = einsim("explain", f"{out}#1", "speedup", "--json").json["chain"]
    assert chain["parts"][0]["note"] == f"explained at {out}#3"
    assert chain["parts"][0]["value"] == saved_result(f"{out}#3", Location("r"))["latency_s"]
    (out / "manifest.json").unlink()
    assert "does not say any more" in einsim("explain", f"{out}#1", "speedup").out
    sweep.write_text(SWEEP.replace("TIME", "cycle").replace("1K", "2K"))
    assert einsim("sweep", str(sweep), "--out", str(out), "--no-figures").code == 0
    assert check_all(f"{out}#0") > 25


SEARCH = """
name: s
configuration: fusemax
design:
  - arch.array2d.rows: [64, 128]
workloads:
  - model: [BERT]
  - seq_len: [1K, 2K]
objectives: [latency_s, area_um2]
constraints: {power_w: {at_most: 500}, util_2d: {at_least: 0.5}}
compare:
  FLAT: {configuration: flat}
  tiny: {set: {arch.buffer.capacity_bytes: 1024}}
"""


def test_every_number_of_a_search_has_a_chain(tmp_path):
    space, out, result = tmp_path / "s.yaml", tmp_path / "out", tmp_path / "r.json"
    space.write_text(SEARCH)
    outcome = einsim("search", str(space), "--out", str(out), "--no-figures", "--json")
    result.write_text(outcome.out)
    assert [each["violation"] is None for each in outcome.json["compared"]] == [False, True]
    assert check_all(result) > 40
    for name in ("designs.parquet#1", "front.csv#0", "confirmed.parquet#0", "compared.csv#FLAT", "points.parquet#1",
                 "compared_points.csv#1", "confirmed_points.parquet#0"):  # fmt: skip
        assert check_all(f"{out}/{name}") >= 10
    chain = einsim("explain", f"{out}/confirmed.parquet#0", "latency_s", "--json").json["chain"]
    assert [part["name"] for part in chain["parts"]] == [f"simulated/latency_s of confirmed_points.parquet#{n}"
                                                         for n in (0, 1)]  # fmt: skip
    chain = einsim("explain", f"{out}/designs.parquet#1", "violation", "--json").json
    assert chain["value"] > 0
    assert chain["costs"]["power_w at most"]["file"].endswith(".yaml")
    assert "buffer" in einsim("explain", f"{out}/compared.parquet#tiny", "latency_s").err
    refused("explain", f"{out}/compared.parquet#other", "latency_s", parts=("no row other", "#0"))
    (out / "manifest.json").unlink()
    assert "does not say any more" in einsim("explain", f"{out}/designs.parquet#1", "violation").out
    (out / "points.parquet").unlink()
    refused("explain", f"{out}/designs.parquet#1", "latency_s", parts=("no table of their points", "search anew"))


def test_means_of_a_sweep_and_its_published_rows_have_chains(tmp_path, monkeypatch):
    sweep, out, result = tmp_path / "s.yaml", tmp_path / "out", tmp_path / "r.json"
    (tmp_path / "p.csv").write_text("configuration,latency_s\nflat,0.01\nfusemax,\n")
    sweep.write_text(SWEEP.replace("TIME", "closed-form") + "published: p.csv\n")
    result.write_text(einsim("sweep", str(sweep), "--out", str(out), "--no-figures", "--json").out)
    assert check_all(result) >= 12
    assert check_all(f"{out}/comparison.parquet#2") >= 4
    costs = einsim("explain", f"{out}/comparison.csv#2", "latency_s/difference", "--json").json["costs"]
    assert (costs["latency_s, published"]["file"], costs["latency_s, published"]["line"]) == (
        str(tmp_path / "p.csv"),
        2,
    )
    monkeypatch.setattr("einsim.cli.summaries.CHAINED", 1)
    chain = einsim("explain", str(result), "summary/0/speedup_geometric", "--json").json["chain"]
    assert [part["note"] for part in chain["parts"]] == [f"explained at {out}/results.parquet#{n}" for n in (0, 1)]


def test_every_number_of_tools_has_a_chain(tmp_path):
    file, arrays = tmp_path / "r.json", tmp_path / "in.npz"
    made_ = synthesise([ROW], "row", liberty=TINY, folder=tmp_path)
    path = Timing("a", "b", 25.0, 10.0)
    areas = {"registers": {"area_um2": 1.0}, "operations": {"mac": {"area_um2": 2.0}}}
    measured = Measured("small", 2, 4, made_, {"lane": 8, "flip": 4}, {"lane": path}, {"arrays": {"array2d": areas}})
    file.write_text(json.dumps({**measured_record(measured), "command": "einsim rtl area small"}))
    assert check_all(file) > 10
    random = np.random.default_rng(0)
    np.savez(arrays, Q=random.normal(size=(8, 4)), K=random.normal(size=(8, 16)), V=random.normal(size=(8, 16)))
    file.write_text(einsim("evaluate", "attention-3pass", "--inputs", str(arrays), "--json").out)
    assert check_all(file) > 10


def test_a_chain_that_does_not_add_up_is_at_fault():
    whole = made("whole", "s", How.SUM, [count("one", 1), count("two", 2)])
    wrong = replace(whole, value=4)
    assert faults(whole) == []
    for broken in (
        wrong, made("outer", "s", How.PRODUCT, [wrong]), replace(whole, how=How.COUNTED), replace(whole, parts=()),
        Step("cost", 1, "", How.GIVEN), Step("run", 1, "", How.FOUND),
    ):  # fmt: skip
        assert faults(broken)


def test_results_that_are_not_whole_any_more(tmp_path):
    file = tmp_path / "r.json"
    record = einsim(*KINDS["attention"], "--json").json
    for change, parts in (
        ({"energy_pj": None}, ("energy_pj is null there",)),
        ({"command": record["command"].replace("--set", "--sett")}, ("cannot be read", "make it anew")),
        ({"command": "einsim map attention-1pass --arch fusemax --model BERT --seq-len 1K", "objective": "latency"},
         ("the result has no source", "make it anew")),
        ({"command": "einsim explain x y"}, ("carries no command of einsim run",)),
    ):  # fmt: skip
        file.write_text(json.dumps(record | change))
        refused("explain", str(file), "energy_pj", parts=parts)
    file.write_text(json.dumps({"command": "einsim bind x --shape E=1", "slots": {"a": 1}, "assignment": {"A": "a"}}))
    refused("explain", str(file), "slots/a", parts=("the result has no slots_by_array",))
    file.write_text(json.dumps([record, record]))
    refused("explain", str(file), "energy_pj", parts=("holds 2 results", "#0"))
    assert einsim("explain", f"{file}#1", "energy_pj", "--json").json["value"] == record["energy_pj"]


def test_a_file_that_has_changed_since(tmp_path):
    file, machine = tmp_path / "r.json", tmp_path / "machine.yaml"
    text = library.read(library.find("architecture", "fusemax")).decode()
    for command in ("run", "simulate"):
        machine.write_text(text)
        file.write_text(einsim(command, "fusemax", *BERT, "--arch", str(machine), "--json").out)
        assert einsim("explain", str(file), "traffic_bytes", "--json").json["changed"] == {}
        machine.write_text(text.replace("clock_hz: 940.0e+6", "clock_hz: 470.0e+6"))
        assert machine.read_text() != text
        refused("explain", str(file), "latency_s", parts=("there, and", "files or einsim have changed since"))
        assert "note: latency_s is" in einsim("explain", str(file), "traffic_bytes").out
    machine.unlink()
    refused("explain", str(file), "traffic_bytes", parts=("there is no file",))


def test_a_result_by_its_names(tmp_path):
    file = tmp_path / "r.json"
    file.write_text(einsim(*KINDS["layer"], "--json").out)
    named = einsim("explain", str(file), "kernels/GELU/latency_s", "--json").json
    assert named["field"].startswith("kernels/")
    kernels = json.loads(file.read_text())["kernels"]
    assert named["value"] == next(each for each in kernels if each["kernel"] == "GELU")["latency_s"]
    refused("explain", str(file), "kernels/GELO/latency_s", parts=("no field",))
    refused("explain", str(file), "kernels/0/mapping", parts=("is no number", "linear"))
    refused("explain", str(file), "kernels", parts=("fields, such as kernels/0/",))


def test_people_see_as_much_as_they_ask_for(tmp_path):
    file = tmp_path / "r.json"
    file.write_text(einsim(*KINDS["overlapped"], "--json").out)
    short, long_ = (einsim("explain", str(file), "latency_s", "--depth", depth).out for depth in "28")
    assert "(--depth 3 shows them)" in short
    assert "--depth" not in long_
    assert len(long_) > len(short)
    assert "GELU (layer) = 11,010,048 cycles = 786,432 steps x 14 cycles a point" in long_
    assert "array1d, as long as all kernels need it" in short
    few = einsim("explain", str(file), "energy_pj", "--most", "3").out
    assert "and 9 more, together" in few
    refused("explain", str(file), "energy_pj", "--depth", "0", parts=("--depth", "not positive"))
