"""Whole models against brute force, against the published linear layers, and against themselves."""

import csv
from pathlib import Path

import numpy as np
import pytest

from einsim.model.closed_form import evaluate
from einsim.model.cycle.whole import simulate_whole, simulated_record
from einsim.model.whole import Setting, evaluate_whole
from einsim.model.wholeresult import whole_record
from einsim.schedule.pipeline.timing import Timing
from einsim.spec.configuration import Accounting, load_design
from einsim.spec.modelrun import BLOCKS, Causal, Layers, Lengths, Scope, plan_run
from einsim.spec.models import model_facts
from einsim.spec.overrides import parse_override
from tests.spec.test_models import facts_of, run_of

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "experiments" / "fusemax" / "published_linear.csv"
TINY = {
    "model_type": "llama", "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 6,
    "num_key_value_heads": 2, "intermediate_size": 40, "vocab_size": 50,
}  # fmt: skip


def whole(facts, configuration="fusemax", scope=Scope.MODEL, lengths=None, layers=Layers.SEQUENTIAL, **setting):
    lengths = lengths or Lengths("prefill", 16, ((2, 0),))
    return evaluate_whole(plan_run(facts, lengths, scope, layers, configuration), Setting(configuration, **setting))


class Counting:
    """Matrix products that count their multiplications one by one."""

    def __init__(self):
        self.macs = 0

    def product(self, a, b):
        made = np.zeros((*a.shape[:-1], b.shape[-1]))
        for i in np.ndindex(made.shape):
            for k in range(a.shape[-1]):
                made[i] += a[(*i[:-1], k)] * b[(*i[:-2], k, i[-1])] if b.ndim > 2 else a[(*i[:-1], k)] * b[k, i[-1]]
                self.macs += 1
        return made


def tiny_llama(count, tokens, cached, sequences, *, experts=0, chosen=0):
    """A forward pass of TINY, written down with arrays: the multiplications of its matrix products."""
    rng = np.random.default_rng(1)
    d, heads, groups, width, ffn = 24, 6, 2, 4, 40
    x = rng.normal(size=(sequences * tokens, d))
    for _ in range(3):
        q = count.product(x, rng.normal(size=(d, heads * width))).reshape(sequences, tokens, groups, 3, width)
        count.product(x, rng.normal(size=(d, groups * width)))
        count.product(x, rng.normal(size=(d, groups * width)))
        keys = rng.normal(size=(sequences, groups, cached + tokens, width))
        q = q.transpose(0, 2, 1, 3, 4).reshape(sequences, groups, tokens * 3, width)
        scores = count.product(q, keys.swapaxes(-1, -2))
        out = count.product(np.exp(scores), keys).reshape(sequences, groups, tokens, 3, width)
        out = out.transpose(0, 2, 1, 3, 4).reshape(sequences * tokens, heads * width)
        count.product(out, rng.normal(size=(heads * width, d)))
        rows = [x] if not experts else np.array_split(np.repeat(x, chosen, 0), experts)
        if experts:
            count.product(x, rng.normal(size=(d, experts)))
        for each in rows:
            gate = count.product(each, rng.normal(size=(d, ffn)))
            up = count.product(each, rng.normal(size=(d, ffn)))
            count.product(gate * up, rng.normal(size=(ffn, d)))
    count.product(x[:sequences], rng.normal(size=(d, 50)))
    return count.macs


@pytest.mark.parametrize(
    ("lengths", "tokens", "cached", "sequences"),
    [
        (Lengths("prefill", 5, ((2, 0),)), 5, 0, 2),
        (Lengths("prefill", 3, ((2, 7),)), 3, 7, 2),
        (Lengths("decode", 1, ((3, 6),)), 1, 6, 3),
    ],
)
def test_multiplications_of_a_tiny_model(lengths, tokens, cached, sequences):
    record = whole_record(whole(facts_of(TINY), lengths=lengths))
    softmax = 3 * sequences * 2 * 3 * tokens * 4  # RNV scaled once a tile of keys: products, but not of matrices
    assert record["macs"] in {tiny_llama(Counting(), tokens, cached, sequences) + extra for extra in (0, softmax)}


def test_multiplications_of_experts():
    config = {**TINY, "model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2}
    record = whole_record(whole(facts_of(config), lengths=Lengths("prefill", 4, ((2, 0),))))
    assert record["macs"] == tiny_llama(Counting(), 4, 0, 2, experts=4, chosen=2)


def test_multiplications_of_a_large_model():
    """Every parameter of the layers meets every token once, and the head's the last of each sequence."""
    tokens, batch = 8192, 4
    record = whole_record(whole(model_facts("Llama-3-8B"), lengths=Lengths("prefill", tokens, ((batch, 0),))))
    embedding = 128256 * 4096
    norms = (2 * 32 + 1) * 4096
    layers = 8_030_261_248 - 2 * embedding - norms
    scores = 2 * 32 * 32 * 128 * tokens * tokens
    assert record["macs"] == batch * (tokens * layers + scores + embedding)


def rows():
    with PUBLISHED.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("row", rows(), ids=lambda row: "-".join((row["architecture"], row["model"], row["seq_len"])))
def test_linear_layers_are_the_published_ones(row):
    lengths = Lengths("prefill", int(row["seq_len"]), ((64, 0),))
    record = whole_record(whole(model_facts(row["model"]), row["architecture"], Scope.LINEAR, lengths,
                                accounting=Accounting.PUBLISHED))  # fmt: skip
    assert record["traffic_bytes"] == int(row["traffic_bytes"])
    assert record["latency_s"] == pytest.approx(float(row["latency_s"]), rel=1e-12)
    assert record["energy_pj"] == pytest.approx(float(row["energy_pj"]), rel=1e-9)


@pytest.mark.parametrize("architecture", ["fusemax", "flat"])
@pytest.mark.parametrize("name", ["TrXL", "XLM"])
@pytest.mark.parametrize("seq_len", [1024, 4096, 16384, 65536, 262144, 1048576])
def test_linear_layers_of_the_other_models(architecture, name, seq_len):
    """Compute-bound at full rate; operands come once, except XLM's, whose weights exceed the buffer."""
    lengths = Lengths("prefill", seq_len, ((64, 0),))
    record = whole_record(whole(model_facts(name), architecture, Scope.LINEAR, lengths,
                                accounting=Accounting.PUBLISHED))  # fmt: skip
    d, s = {"TrXL": (1024, 4096), "XLM": (2048, 8192)}[name]
    m = 64 * seq_len
    assert record["latency_s"] == pytest.approx(m * (4 * d * d + 2 * d * s) / 65536 / 940e6, rel=1e-12)
    once = 2 * (4 * (2 * m * d + d * d) + 2 * (m * d + d * s + m * s))
    if name == "TrXL":
        assert record["traffic_bytes"] == once
    else:
        assert 1.0 < record["traffic_bytes"] / once < 2.11


def test_the_best_of_all_choices_is_taken():
    """Ten times as many decisions by hand: none is faster, and none of equal speed takes less energy."""
    run = run_of(model_facts("Llama-3-8B"), Scope.LINEAR, seq_len=2048)
    found = evaluate_whole(run, Setting("fusemax"))
    for cost in found.kernels:
        best = (cost.evaluation.latency_s, cost.evaluation.energy_pj)
        for resident in ("weights", "activations", "outputs"):
            for tiles in (2, 8, 32):
                changes = [parse_override(f"mapping.resident={resident}"), parse_override(f"mapping.row_tiles={tiles}")]
                design = load_design("linear", cost.design.workload, overrides=changes)
                other = evaluate(design)
                if other.feasible:
                    assert best <= (other.latency_s, other.energy_pj)


def test_attention_alone_is_the_attention_of_a_run():
    facts = model_facts("BERT")
    lengths = Lengths("prefill", 1024, ((64, 0),))
    for configuration in ("unfused", "flat", "cascade", "architecture", "fusemax"):
        parts = [
            whole_record(whole(facts, configuration, scope, lengths))
            for scope in (Scope.ATTENTION, Scope.LINEAR, Scope.PRODUCTS)
        ]
        for name in ("latency_s", "energy_pj", "traffic_bytes", "macs"):
            assert parts[0][name] + parts[1][name] == pytest.approx(parts[2][name], rel=1e-12)


def test_totals_are_sums():
    record = whole_record(whole(model_facts("T5"), lengths=Lengths("decode", 3, ((2, 100), (3, 50)))))
    for name in ("energy_pj", "traffic_bytes", "macs", "latency_s"):
        total = sum(kernel["times"] * kernel[name] for kernel in record["kernels"])
        assert record[name] == pytest.approx(total, rel=1e-12)
    assert record["energy_pj"] == pytest.approx(sum(record["energy_by_part_pj"].values()), rel=1e-12)
    assert record["latency_s"] == pytest.approx(sum(group["latency_s"] for group in record["groups"]), rel=1e-12)
    assert record["tokens_per_s"] == pytest.approx(15 / record["latency_s"])


def test_layers_of_a_kind_are_evaluated_once():
    found = whole(model_facts("Llama-3-70B"))
    evaluations = {id(cost.evaluation) for cost in found.kernels}
    assert len(found.kernels) == 17
    assert len(evaluations) < 15  # keys and values, both norms and both residuals are alike


def test_overlap_is_between_the_longest_resource_and_the_sum():
    facts, lengths = model_facts("Llama-3-8B"), Lengths("prefill", 4096, ((4, 0),))
    apart, together = (
        whole(facts, lengths=lengths, layers=layers) for layers in (Layers.SEQUENTIAL, Layers.OVERLAPPED)
    )
    for group in apart.groups:
        own = apart.of(group)
        least = max(
            *(apart.busy_s(group, array) for array in apart.machine.arrays),
            sum(times * each.memory_s for times, each in own),
        )
        assert least <= together.latency_s(group) <= apart.latency_s(group)
    first, second = whole_record(apart), whole_record(together)
    assert second["latency_s"] < first["latency_s"]
    assert second["energy_pj"] == first["energy_pj"]


def test_what_does_not_fit_is_a_result():
    setting = {"overrides": (parse_override("arch.buffer.capacity_bytes=64 KiB"),)}
    record = whole_record(whole(model_facts("Llama-3-8B"), **setting))
    assert not record["feasible"]
    assert record["reason"].startswith("query projection: ")
    assert record["latency_s"] is None
    assert [k["feasible"] for k in record["kernels"]].count(False) > 0


def test_what_no_array_can_do_is_a_result(tmp_path):
    text = (ROOT / "arch" / "flat.yaml").read_text()
    lines = [line for line in text.splitlines() if not line.strip().startswith("silu:")]
    machine = tmp_path / "plain.yaml"
    machine.write_text("\n".join(lines))
    record = whole_record(whole(model_facts("Llama-3-8B"), "unfused", architecture=str(machine)))
    assert record["reason"] == "gated SiLU: Y needs silu, which no array of flat can do"


@pytest.mark.parametrize(("configuration", "machine"), [("fusemax", None), ("flat", None), ("unfused", "tpu-like")])
@pytest.mark.parametrize(
    "lengths", [Lengths("prefill", 131072, ((1, 0),)), Lengths("decode", 1, ((512, 8192),))], ids=["prefill", "decode"]
)
def test_a_large_model_on_three_machines_in_both_models(configuration, machine, lengths):
    found = whole(model_facts("Llama-3-70B"), configuration, lengths=lengths, architecture=machine)
    assert found.why_not is None
    record = simulated_record(simulate_whole(found, Timing()))
    assert record["feasible"], record["reason"]
    closed = whole_record(found)["latency_s"] * found.machine.clock_hz
    assert record["cycles_closed_form"] == pytest.approx(closed, rel=1e-9)
    assert closed * 0.99 < record["cycles"] < 3 * closed


def test_large_linear_layers_take_the_time_of_the_closed_form():
    found = whole(model_facts("BERT"), scope=Scope.LINEAR, lengths=Lengths("prefill", 1024, ((64, 0),)))
    record = simulated_record(simulate_whole(found, Timing()))
    assert record["cycles_closed_form"] < record["cycles"] < 1.01 * record["cycles_closed_form"]


LENGTHS = [(100, 0), (256, 0), (700, 0), (4096, 0), (5000, 0), (1500, 333), (40_000, 7)]


def scores_of(model, new, context, causal):
    """The kernels of attention of a layer, as sizes with how often they run, and its other kernels."""
    run = plan_run(model_facts(model), Lengths("prefill", new, ((3, context),)), Scope.LAYER, causal=causal)
    own = [dict(each.sizes) | {"times": each.times} for each in run.kernels if each.part == "attention"]
    return own, [each for each in run.kernels if each.part != "attention"]


@pytest.mark.parametrize(("new", "context"), LENGTHS)
@pytest.mark.parametrize("model", ["Llama-3-8B", "GPT-2"])
def test_blocks_of_causal_attention_see_all_that_is_not_hidden(model, new, context):
    """Block after block, nothing that a query sees is missing, and what it does not see is less than a block."""
    (one,), others = scores_of(model, new, context, Causal.COUNT)
    many, same = scores_of(model, new, context, Causal.SKIP)
    assert others == same
    shared, parts = one["P"] // new, max(1, min(BLOCKS, new // 256))
    assert sum(each["times"] for each in many) == parts
    seen = np.concatenate([np.full(each["P"] // shared * each["times"], each["M"])
                           for each in sorted(many, key=lambda each: each["M"])])  # fmt: skip
    needed = context + 1 + np.arange(new)
    assert (seen >= needed).all()
    assert (seen - needed).max() < -(-new // parts)
    assert seen.max() == context + new


@pytest.mark.parametrize(("new", "context"), [(4096, 0), (16384, 0), (65536, 4096)])
@pytest.mark.parametrize("model", ["Mistral-7B", "Gemma-2-9B"])
def test_windows_leave_less_to_hide(model, new, context):
    counted, skipped = (sum(each["B"] * each["P"] * each["M"] * each["times"]
                            for each in scores_of(model, new, context, causal)[0]) for causal in Causal)  # fmt: skip
    assert counted / 2 <= skipped <= counted


@pytest.mark.parametrize("tokens", [1024, 16384, 131072])
def test_hidden_scores_are_left_out_in_both_models(tokens):
    lengths, setting = Lengths("prefill", tokens, ((1, 0),)), Setting("fusemax")
    plans = [plan_run(model_facts("Llama-3-8B"), lengths, Scope.MODEL, causal=causal) for causal in Causal]
    counted, skipped = ([evaluate_whole(plan, setting) for plan in plans], [])
    skipped = [simulate_whole(each, Timing()) for each in counted]
    closed = [sum(each.latency_s(group) for group in each.groups) for each in counted]
    cycles = [sum(times * own.cycles for times, own in each.kernels) / 940e6 for each in skipped]
    blocks = min(BLOCKS, tokens // 256)
    products = [whole_record(each)["macs"] for each in counted]
    scores = 32 * 2 * 32 * 128 * tokens**2  # layers, products, heads, width
    assert products[0] - products[1] == scores * (blocks - 1) // (2 * blocks)
    assert closed[1] < closed[0]
    assert cycles[1] < cycles[0]
    for one, other in zip(closed, cycles, strict=True):
        assert one <= other < 1.05 * one
