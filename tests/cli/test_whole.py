"""Whole models on the command line."""

import json
import shlex

import polars as pl
import pytest

from tests.cli.commands import einsim, refused
from tests.cli.test_trace import check_all
from tests.spec import configs

ONE = ("--seq-len", "1K", "--batch", "2")
KEYS = {
    "scope", "configuration", "architecture", "model", "family", "phase", "batch", "new_tokens", "context",
    "accounting", "layers", "causal", "feasible", "reason", "latency_s", "compute_s", "memory_s", "energy_pj",
    "traffic_bytes", "util_2d", "util_1d", "area_um2", "macs", "tokens_per_s", "parameters", "active_parameters",
    "weights_bytes", "cache_bytes",
    "energy_by_part_pj", "groups", "kernels", "left_out", "skipped", "unused_fields",
    "command",
}  # fmt: skip


@pytest.fixture
def config(tmp_path):
    folder = tmp_path / "Llama-tiny"
    folder.mkdir()
    path = folder / "config.json"
    path.write_text(json.dumps(configs.LLAMA_3_8B | {"num_hidden_layers": 2}, indent=2))
    return path


def test_a_model_as_json(config):
    outcome = einsim("run", "fusemax", "--model", str(config), "--scope", "model", *ONE, "--json")
    record = outcome.json
    assert outcome.code == 0
    assert set(record) == KEYS
    assert record["model"] == "Llama-tiny"
    assert record["kernels"][3]["result"]["einsums"]["Z"]["cycles"] > 0
    again = einsim("run", "fusemax", "--model", str(config.parent), "--scope", "model", *ONE, "--json").json
    assert again | {"command": ""} == record | {"command": ""}
    assert einsim(*shlex.split(record["command"])[1:], "--json").json == record


def test_a_model_for_people(config):
    text = einsim("run", "fusemax", "--model", str(config), "--scope", "model", *ONE).out
    assert "Llama-tiny, the whole model, prefill of 2 sequences of 1K tokens: fusemax on fusemax" in text
    for word in ("query projection", "gated SiLU", "attention", "tokens/s", "parameters"):
        assert word in text
    decode = ("--scope", "model", "--phase", "decode", "--context", "3x1K,5x2K", "--new-tokens", "2")
    text = einsim("run", "fusemax", "--model", str(config), *decode).out
    assert "decode of 2 tokens for 8 sequences with 3 x 1K, 5 x 2K cached" in text


def test_attention_of_a_model_is_a_run_of_one_kernel():
    plain = einsim("run", "fusemax", "--model", "BERT", "--seq-len", "1K", "--json").json
    same = einsim("run", "fusemax", "--model", "BERT", "--seq-len", "1K", "--scope", "attention", "--json").json
    assert same == plain
    grouped = einsim("run", "fusemax", "--model", "Llama-3-8B", "--seq-len", "1K", "--json").json
    assert set(grouped) == set(plain)
    assert grouped["model"] == "Llama-3-8B"
    assert grouped["sizes"] == {"B": 64, "H": 8, "E": 128, "F": 128, "M": 1024, "P": 4096}


def test_what_causal_attention_hides_is_left_out(config):
    words = ("fusemax", "--model", str(config), "--scope", "model", "--seq-len", "4K", "--batch", "1")
    for command in ("run", "simulate"):
        all_of_it, less = (einsim(command, *words, *more, "--json").json for more in ((), ("--causal", "skip")))
        assert (all_of_it["causal"], less["causal"]) == ("count", "skip")
        assert less["latency_s"] < all_of_it["latency_s"]
        assert einsim(*shlex.split(less["command"])[1:], "--json").json == less
        assert "--causal" not in all_of_it["command"]
    text = einsim("run", *words, "--causal", "skip").out
    assert "causal: queries in blocks, each with the keys up to its last token" in text


def test_simulated(config):
    words = ("simulate", "fusemax", "--model", str(config), "--scope", "layer", *ONE)
    record = einsim(*words, "--json").json
    assert record["cycles"] > record["cycles_closed_form"]
    assert {kernel["kernel"] for kernel in record["kernels"]} >= {"attention", "norm 1", "down projection"}
    assert "by closed form" in einsim(*words).out


def test_how_layers_run_is_said(config):
    words = ("run", "fusemax", "--model", str(config), "--scope", "layer", *ONE)
    apart, together = einsim(*words, "--json").json, einsim(*words, "--layers", "overlapped", "--json").json
    assert together["latency_s"] < apart["latency_s"]
    assert (
        "overlapped: kernels on different arrays run at the same time" in einsim(*words, "--layers", "overlapped").out
    )


@pytest.mark.parametrize(
    ("form", "sizes", "instances"),
    [
        ("attn-3pass", {"E": 128, "P": 4096, "M": 1024, "F": 128}, 2 * 8),
        ("attn_causal-3pass", {"E": 128, "M": 1024, "F": 128}, 2 * 32),
        ("attn-fusemax", {"E": 128, "P": 4096, "M": 1024, "F": 128, "M0": 256}, 2 * 8),
    ],
)
def test_attention_in_another_form(form, sizes, instances):
    words = ("--model", "Llama-3-8B", "--scope", "attention", *ONE, "--attention", form)
    (kernel,) = einsim("run", "fusemax", *words, "--json").json["kernels"]
    assert (kernel["cascade"], kernel["sizes"], kernel["instances"]) == (form, sizes, instances)
    assert kernel["macs"] == pytest.approx(2 * 2 * 32 * 128 * 1024**2 * (0.5 if "causal" in form else 1), rel=0.01)


def test_forms_that_are_no_attention():
    words = ("run", "fusemax", "--model", "BERT", "--scope", "attention", *ONE, "--attention")
    refused(*words, "mla-online", parts=("--attention: mla-online needs sizes that attention has not: R, L",))
    refused(*words, "attn-4pass", parts=("--attention: unknown cascade 'attn-4pass'",))
    decode = ("run", "fusemax", "--model", "Llama-3-8B", "--phase", "decode", "--context", "1K", "--attention")
    refused(*decode, "attn_causal-3pass", parts=("as many queries as keys",))
    assert einsim(*decode, "decode-splitkv").code == 0


def test_what_is_not_counted_is_said():
    text = einsim("run", "fusemax", "--model", "Gemma-2-9B", "--scope", "layer", *ONE).out
    assert "not counted: soft caps of logits" in text


def test_what_does_not_fit_has_a_code_of_its_own():
    words = ("run", "fusemax", "--model", "Llama-3-8B", "--scope", "layer", *ONE)
    outcome = einsim(*words, "--set", "arch.buffer.capacity_bytes=16 KiB")
    assert outcome.code == 3
    assert "infeasible: norm 1: buffer" in outcome.out
    assert "does not fit" in outcome.out


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--scope", "model"), ("no model is named",)),
        (("--scope", "model", "--model", "Lama-3-8B", *ONE), ("unknown model", "did you mean 'Llama-3-8B'?")),
        (("--scope", "model", "--model", "none.json", *ONE), ("there is no file 'none.json'",)),
        (("--scope", "model", "--model", "none.onnx", *ONE), ("there is no file 'none.onnx'",)),
        (("--scope", "model", "--model", "BERT"), ("no sequence length",)),
        (("--scope", "model", "--model", "BERT", "--phase", "decode", "--context", "1K"), ("BERT has no kernels",)),
        (("--scope", "model", "--model", "BERT", "--shape", "B=1", *ONE), ("--shape",)),
        (("--scope", "model", "--model", "BERT", "--set", "workload.M=5", *ONE), ("workload.M", "sizes of their own")),
        (("--scope", "model", "--model", "BERT", "--allow-skip", *ONE), ("--allow-skip",)),
        (("--scope", "modl", "--model", "BERT", *ONE), ("--scope",)),
        (("--scope", "model", "--model", "BERT", "--phase", "training", *ONE), ("--phase",)),
        (("--scope", "model", "--model", "BERT", "--new-tokens", "-1", "--seq-len", "1K"), ()),
        (("--scope", "layer", "--model", "BERT", "--arch", "matmul-small", *ONE), ("unknown array 'array1d'",)),
        (("--scope", "layer", "--model", "BERT", "--causal", "skip", *ONE), ("--causal: BERT: nothing hides scores",)),
        (
            ("--model", "Llama-3-8B", "--causal", "skip", "--phase", "decode", "--context", "1K"),
            ("--causal: ", "nothing is hidden in a decode; leave it out"),
        ),
        (
            ("--scope", "layer", "--model", "Llama-3-8B", "--causal", "skip", "--layers", "fused", *ONE),
            ("--causal: a fused layer runs hidden scores too", "choose --layers sequential"),
        ),
        (("--model", "none.onnx", "--causal", "skip", *ONE), ("--causal: an ONNX graph",)),
    ],
)
def test_refused(words, parts):
    refused("run", "fusemax", *words, parts=parts)


def test_a_config_that_is_wrong_names_file_line_and_field(config):
    config.write_text(config.read_text().replace('"hidden_size": 4096', '"hidden_size": "wide"'))
    refused("run", "fusemax", "--model", str(config), "--scope", "model", *ONE,
            parts=(f"{config}:10: field 'hidden_size' must be an integer, not wide",))  # fmt: skip


def test_pictures_are_of_one_kernel(tmp_path):
    refused("simulate", "fusemax", "--model", "BERT", "--scope", "layer", *ONE, "--trace", str(tmp_path / "t.json"),
            parts=("one kernel",))  # fmt: skip


def test_a_sweep_of_layers(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(
        "name: layers\nmodel: BERT\nseq_len: 1K\nbatch: 2\naxes:\n  - configuration: [flat, fusemax]\n"
        "  - scope: [attention, linear, attention+linear, layer]\nbaseline: {configuration: flat}\nfigures: [front]\n"
    )
    outcome = einsim("sweep", str(path), "--out", str(tmp_path / "out"), "--json")
    assert outcome.code == 0, outcome.err
    rows = (tmp_path / "out" / "results.csv").read_text().splitlines()
    assert len(rows) == 9
    head = rows[0].split(",")
    found = {(r[1], r[2]): r for r in (row.split(",") for row in rows[1:])}
    latency = head.index("latency_s")
    parts = [float(found["fusemax", scope][latency]) for scope in ("attention", "linear", "attention+linear")]
    assert parts[0] + parts[1] == pytest.approx(parts[2])
    assert float(found["fusemax", "layer"][latency]) > parts[2]
    command = found["fusemax", "layer"][head.index("command")]
    again = einsim(*command.split()[1:], "--json").json
    assert again["latency_s"] == float(found["fusemax", "layer"][latency])
    refused("sweep", str(path.with_name("t.yaml")), parts=("there is no file",))
    path.write_text(path.read_text().replace("linear, attention", "lienar, attention"))
    refused("sweep", str(path), parts=("unknown scope 'lienar'", "did you mean 'linear'?"))


def test_a_sweep_of_published_models(tmp_path):
    path = tmp_path / "s.yaml"
    text = "name: llms\nseq_len: 1K\nbatch: 1\nscope: SCOPE\nconfiguration: flat\naxes:\n  - model: [MODELS]\n"
    path.write_text(text.replace("SCOPE", "layer").replace("MODELS", "llama-3-8b, Gemma-2-9B, BERT"))
    outcome = einsim("sweep", str(path), "--out", str(tmp_path / "out"), "--no-figures")
    assert outcome.code == 0, outcome.err
    rows = [row.split(",") for row in (tmp_path / "out" / "results.csv").read_text().splitlines()]
    assert [row[1] for row in rows[1:]] == ["Llama-3-8B", "Gemma-2-9B", "BERT"]
    inputs = {file.name.rpartition("-")[0] for file in (tmp_path / "out" / "inputs").iterdir()}
    assert {"mapping-flat", "mapping-linear", "architecture-flat"} <= inputs
    for models, part in (
        ("Gemma-2-9B", "several kinds of attention"),
        ("ViT-L", "always has 197 tokens"),
        ("Lama-3-8B", "did you mean 'Llama-3-8B'?"),
        ("config.json", "is a file"),
    ):
        alone = text.replace("SCOPE", "attention").replace("1K", "16K").replace("flat", "fusemax")
        path.write_text(alone.replace("MODELS", models))
        refused("sweep", str(path), parts=(f"{path}:7:", part))


PHASES = """
name: phases
configuration: fusemax
scope: attention+linear
model: Llama-3-8B
time_model: TIME
axes:
  - phase: [prefill, decode]
  - {context: [1K, "3x1K,5x2K"], new_tokens: [8, 2]}
"""


def table(folder):
    return pl.read_parquet(folder / "results.parquet").to_dicts()


def test_a_sweep_of_phases_says_what_runs_and_simulations_say(tmp_path):
    path = tmp_path / "s.yaml"
    for time_model in ("closed-form", "both", "cycle"):
        path.write_text(PHASES.replace("TIME", time_model))
        outcome = einsim("sweep", str(path), "--out", str(tmp_path / time_model), "--no-figures")
        assert outcome.code == 0, outcome.err
    closed, both, cycle = (table(tmp_path / name) for name in ("closed-form", "both", "cycle"))
    assert [(row["phase"], row["context"]) for row in closed] == [
        ("prefill", "1024"), ("prefill", "3x1024,5x2048"), ("decode", "1024"), ("decode", "3x1024,5x2048"),
    ]  # fmt: skip
    for plain, beside, instead in zip(closed, both, cycle, strict=True):
        words = ["fusemax", "--scope", "attention+linear", "--model", "Llama-3-8B", "--phase", plain["phase"], "--json",
                 "--context", str(plain["context"]), "--new-tokens", str(plain["new_tokens"])]  # fmt: skip
        record, simulated = einsim("run", *words).json, einsim("simulate", *words).json
        assert record == einsim(*plain["command"].split()[1:], "--json").json | {"command": record["command"]}
        for name in ("latency_s", "energy_pj", "traffic_bytes", "util_2d"):
            assert plain[name] == beside[name] == record[name]
        assert beside["simulated/cycles"] == instead["simulated/cycles"] == simulated["cycles"]
        assert beside["simulated/latency_s"] == instead["latency_s"] == simulated["latency_s"]
        assert beside["simulated/util_2d"] == instead["util_2d"] == simulated["util_2d"]
        assert instead["command"].startswith("einsim simulate fusemax")
        lost = sum(v or 0.0 for name, v in beside.items() if name.startswith("stalls/array2d/"))
        busy = 1.0 - lost
        assert simulated["util_2d"] <= busy + 1e-9
        assert beside["held_bytes"] > 0


@pytest.mark.parametrize("time_model", ["both", "cycle"])
def test_rows_of_whole_models_are_explained(tmp_path, time_model):
    path, out = tmp_path / "s.yaml", tmp_path / "out"
    path.write_text(PHASES.replace("TIME", time_model))
    assert einsim("sweep", str(path), "--out", str(out), "--no-figures").code == 0
    assert check_all(f"{out}#2") > 25


def test_simulations_of_whole_models_are_explained(tmp_path):
    path = tmp_path / "s.json"
    decode = ("--scope", "layer", "--phase", "decode", "--context", "1K", "--batch", "2")
    path.write_text(einsim("simulate", "fusemax", "--model", "Mixtral-8x7B", *decode, "--json").out)
    record = json.loads(path.read_text())
    for field in ("cycles", "latency_s", "traffic_bytes"):
        found = einsim("explain", str(path), field, "--json").json
        assert found["value"] == pytest.approx(record[field], rel=1e-12)
    text = einsim("explain", str(path), "cycles").out
    assert "query projection (" in text
    assert "times" in text
    refused("explain", str(path), "energy_pj", parts=("no field 'energy_pj'", "cycles"))


@pytest.mark.parametrize("option", [("--layers", "fused"), ("--causal", "skip")])
def test_how_layers_run_is_part_of_what_is_explained(tmp_path, option):
    path = tmp_path / "r.json"
    words = ("--scope", "layer", "--model", "Llama-3-8B", "--seq-len", "4K", "--batch", "1", *option)
    path.write_text(einsim("run", "fusemax", *words, "--json").out)
    record = json.loads(path.read_text())
    for field in ("latency_s", "energy_pj"):
        found = einsim("explain", str(path), field, "--json").json
        assert found["value"] == pytest.approx(record[field], rel=1e-12)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("context: [1K, many]", ":6:19: 'many' is no length"),
        ("context: [1K, true]", "context: true is no length"),
        ("context: [1K, 0x4K]", "out of range"),
        ("context: [1K, 1024]", "is on the axis twice"),
        ("phase: [prefill, train]", "unknown phase 'train'"),
        ("new_tokens: [1, 0]", "new_tokens: 0 is no positive count"),
        ("context: [1K, 2K]\nseq_len: 1K\nphase: decode", "the same tokens in a decode"),
        ("new_tokens: [1, 2]\nphase: decode", "a decode needs the length of its cache; add context: 8K"),
        ("new_tokens: [4096, 4097]\nphase: decode\ncontext: 1K", "4097 passes are more than"),
        ("context: [1K, 2K]\nbatch: 3\nshape: {H: 4}", "shape says nothing about whole models"),
        ("context: ['2x1K', '3x2K']\nnew_tokens: 7\nbatch: 2", "a batch of 2 is not the 3 sequences"),
        ("workload.M: [1, 2]\ncontext: 4K", "sizes of their own"),
        ("architecture: [null, nowhere]\ncontext: 4K", ":6:26: unknown architecture 'nowhere'"),
        (
            "causal: [count, skip]\nseq_len: 1K\nlayers: fused",
            ":8:1: Llama-3-8B: a layer of family decoder has no fused form of flat",
        ),
        ("causal: [count, drop]", "unknown causal 'drop'"),
        ("layers: [sequential, fused]\nphase: prefill\nseq_len: 1K", ":6:26: "),
    ],
)
def test_sweeps_of_whole_models_that_are_wrong(tmp_path, change, part):
    path = tmp_path / "s.yaml"
    path.write_text(f"name: s\nconfiguration: flat\nmodel: Llama-3-8B\nscope: layer\naxes:\n  - {change}\n")
    assert refused("sweep", str(path), parts=(part,)).startswith(f"einsim: {path}:")


def test_hidden_scores_left_out_in_a_sweep_are_those_of_a_run(tmp_path):
    path, out = tmp_path / "s.yaml", tmp_path / "out"
    text = "name: s\nbatch: 2\nmodel: Llama-3-8B\nconfiguration: fusemax\nseq_len: 2K\nSCOPE"
    text += "axes:\n  - causal: [count, skip]\n"
    for scope in ("", "scope: layer\n"):
        path.write_text(text.replace("SCOPE", scope))
        assert (
            einsim("sweep", str(path), "--out", str(out), "--no-figures", "--store", str(tmp_path / "kept")).code == 0
        )
        count, skip = table(out)
        assert skip["latency_s"] < count["latency_s"]
        for row in (count, skip):
            words = (
                "run",
                "fusemax",
                "--model",
                "Llama-3-8B",
                "--seq-len",
                "2K",
                "--batch",
                "2",
                "--causal",
                row["causal"],
            )
            record = einsim(*words, *(["--scope", "layer"] if scope else []), "--json").json
            assert [row[name] for name in ("latency_s", "energy_pj")] == [record["latency_s"], record["energy_pj"]]
            assert einsim("explain", f"{out}#{row['index']}", "latency_s", "--json").json["value"] == row["latency_s"]
    path.write_text(text.replace("SCOPE", "").replace("Llama-3-8B", "BERT"))
    refused("sweep", str(path), parts=(f"{path}:7:21: BERT: nothing hides scores", "leave it out"))


def test_encoders_in_a_sweep_of_decodes(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("name: s\nconfiguration: flat\nphase: decode\ncontext: 1K\naxes:\n  - model: [T5, BERT]\n")
    refused("sweep", str(path), parts=(f"{path}:4:1: BERT has no kernels of scope attention in phase decode",))


def test_attention_of_a_published_model_in_a_sweep_is_that_of_a_run(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("name: s\nbatch: 2\nmodel: Llama-3-8B\nconfiguration: fusemax\naxes:\n  - seq_len: [1K, 2K]\n")
    assert einsim("sweep", str(path), "--out", str(tmp_path / "out"), "--no-figures").code == 0
    rows = [row.split(",") for row in (tmp_path / "out" / "results.csv").read_text().splitlines()]
    record = einsim("run", "fusemax", "--model", "Llama-3-8B", *ONE, "--json").json
    assert float(rows[1][rows[0].index("latency_s")]) == record["latency_s"]


def test_totals_are_explained(tmp_path):
    path = tmp_path / "r.json"
    path.write_text(einsim("run", "flat", "--model", "T5", "--scope", "attention+linear", *ONE, "--json").out)
    record = json.loads(path.read_text())
    for field in ("energy_pj", "traffic_bytes", "latency_s"):
        outcome = einsim("explain", str(path), field)
        assert outcome.code == 0, outcome.err
        assert "query projection (encoder layer)" in outcome.out
        assert einsim("explain", str(path), field, "--json").json["value"] == pytest.approx(record[field], rel=1e-12)
